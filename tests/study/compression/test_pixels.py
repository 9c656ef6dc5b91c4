"""The first stage of f = 1 loses nothing."""

import pytest
import torch

from ildm.core.errors import CheckpointError
from ildm.study.compression.pixels import FirstStage, Pixels


@pytest.fixture
def images():
    return torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_latents_have_unit_variance_and_become_the_images_again(images):
    stage = Pixels.fitted([images])
    assert isinstance(stage, FirstStage)
    latents = stage.encode(images)
    assert latents.shape == images.shape and stage.latent_space.stride == 1
    assert latents.mean().abs() < 1e-5 and abs(latents.std().item() - 1) < 1e-2
    assert torch.allclose(stage.decode(latents), images, atol=1e-6)
    assert stage.decode(100 * latents).abs().max() <= 1


def test_it_is_kept_exactly(images, tmp_path):
    stage = Pixels.fitted([images])
    stage.save(tmp_path / "pixels.json")
    kept = Pixels.load(tmp_path / "pixels.json")
    assert kept.latent_space == stage.latent_space and kept.encoder_fingerprint() == stage.encoder_fingerprint()
    assert Pixels.fitted([0.5 * images]).encoder_fingerprint() != stage.encoder_fingerprint()


def test_damage_is_told(tmp_path):
    (tmp_path / "pixels.json").write_text('{"channels": 3}')
    with pytest.raises(CheckpointError, match="remove it, and it is made again"):
        Pixels.load(tmp_path / "pixels.json")
