"""Images and latents that shrink and turn together."""

import pytest
import torch

from ildm.core.errors import ConfigError
from ildm.training.equivariance import transform_together


def stream(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", range(8))
def test_sizes_keep_the_stride_and_shrink(seed):
    images, latents = transform_together(torch.randn(2, 3, 64, 32), torch.randn(2, 4, 8, 4), stream(seed))
    assert images.shape[-2:] == tuple(8 * side for side in latents.shape[-2:])
    assert latents.shape[-2] * latents.shape[-1] < 32


def test_both_are_turned_the_same_way():
    """Latents that are their images' average, blown up to the stride, must stay so."""
    latents = torch.randn(1, 3, 8, 8, generator=stream(0))
    for seed in range(8):
        images, changed = transform_together(latents, latents, stream(seed))
        assert torch.equal(images, changed)
    turned = {tuple(transform_together(latents, latents, stream(seed))[1].flatten().tolist()) for seed in range(8)}
    assert len(turned) > 1


def test_stage_one_trains_on_transformed_batches_and_draws_from_the_step_alone(stage_one):
    tasks = [stage_one(precision="float32", equivariance=share) for share in (1.0, 1.0, 0.0)]
    images = next(tasks[0].batches(0))
    losses = [float(task.train_step(0, images)["loss"]) for task in tasks]
    assert losses[0] == losses[1] != losses[2]


def test_the_gradient_reaches_the_encoder(stage_one):
    task = stage_one(precision="float32", equivariance=1.0)
    task.train_step(0, next(task.batches(0)))
    assert all(value.grad is not None and value.grad.any() for value in task.autoencoder.encoder.parameters())


def test_a_share_is_within_one(stage_one):
    with pytest.raises(ConfigError, match="equivariance"):
        stage_one(equivariance=1.5)
