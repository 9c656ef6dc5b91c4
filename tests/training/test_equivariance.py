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


def test_latents_are_disturbed_alike_at_the_same_step_and_not_at_all_by_default(stage_one):
    tasks = [stage_one(precision="float32", latent_noise=most) for most in (0.5, 0.5, 5.0, 0.0)]
    images = next(tasks[0].batches(0))
    losses = [float(task.train_step(0, images)["loss"]) for task in tasks]
    assert losses[0] == losses[1] and len(set(losses)) == 3
    with pytest.raises(ConfigError, match="latent_noise"):
        stage_one(latent_noise=-0.1)


def test_a_disturbance_is_measured_in_the_deviations_of_its_channel(stage_one):
    task = stage_one(precision="float32", latent_noise=0.5)
    raw = torch.randn(256, 4, 8, 8, generator=stream(0)) * torch.tensor([1.0, 10.0, 0.1, 0.0])[:, None, None] + 7.0
    added = task._disturbance(raw, stream(1))
    shares = added.std(dim=(0, 2, 3)) / torch.tensor([1.0, 10.0, 0.1, 1.0])
    # the root mean square of a strength drawn evenly from 0 to 0.5
    assert torch.allclose(shares, torch.tensor([0.289, 0.289, 0.289, 0.0]), atol=0.02)
    strengths = added[:, 0].std(dim=(1, 2))
    assert strengths.min() < 0.05 and 0.4 < strengths.max() < 0.7


def test_a_share_is_within_one(stage_one):
    with pytest.raises(ConfigError, match="equivariance"):
        stage_one(equivariance=1.5)
