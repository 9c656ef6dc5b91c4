"""PSNR, SSIM and the perceptual distance against a peer, closed forms and growing damage."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ildm.core.errors import ShapeError
from ildm.evaluation.network import load_lite0
from ildm.evaluation.reconstruction import perceptual_distance, psnr, ssim


@pytest.fixture(scope="module")
def targets():
    draws = torch.Generator().manual_seed(0)
    coarse = torch.rand(2, 3, 6, 6, generator=draws) * 2 - 1
    return F.interpolate(coarse, size=(48, 48), mode="bicubic").clamp(-1, 1)


def noisy(images, amount):
    return (images + amount * torch.randn(images.shape, generator=torch.Generator().manual_seed(1))).clamp(-1, 1)


def test_psnr_of_a_known_error():
    images = torch.zeros(2, 3, 8, 8)
    # an error of a tenth of the range is 20 dB
    torch.testing.assert_close(psnr(images + 0.2, images), torch.full((2,), 20.0, dtype=torch.float64))
    assert psnr(images, images).isinf().all()


def test_ssim_matches_scikit_image(targets):
    skimage = pytest.importorskip("skimage.metrics", reason="pip install scikit-image to compare SSIM with a peer")
    images = noisy(targets, 0.2)
    for ours, image, target in zip(ssim(images, targets), images.double().numpy(), targets.double().numpy(), strict=True):
        expected = skimage.structural_similarity(
            image, target, data_range=2.0, channel_axis=0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        assert float(ours) == pytest.approx(expected, abs=1e-6)


def test_ssim_of_identical_images_is_one(targets):
    torch.testing.assert_close(ssim(targets, targets), torch.ones(2, dtype=torch.float64))


@pytest.mark.parametrize("amounts", [(0.05, 0.1, 0.2, 0.4)])
def test_every_figure_worsens_with_noise(targets, amounts):
    network = load_lite0()
    damaged = [noisy(targets, amount) for amount in amounts]
    for measure, sign in ((psnr, -1), (ssim, -1), (lambda x, y: perceptual_distance(network, x, y), 1)):
        values = torch.stack([sign * measure(images, targets) for images in damaged])
        assert (values.diff(dim=0) > 0).all()


def test_perceptual_distance_sees_blur_and_is_zero_for_identical_images(targets):
    network = load_lite0()
    sharp = noisy(targets, 0.3)
    blurs = [F.avg_pool2d(sharp, size, 1, size // 2, count_include_pad=False) for size in (3, 5, 9)]
    values = torch.stack([perceptual_distance(network, images, sharp) for images in blurs])
    assert (values.diff(dim=0) > 0).all()
    assert perceptual_distance(network, sharp, sharp).abs().max() == 0


def test_different_shapes_are_refused():
    for measure in (psnr, ssim):
        with pytest.raises(ShapeError, match="same shape"):
            measure(torch.zeros(1, 3, 16, 16), torch.zeros(2, 3, 16, 16))
    with pytest.raises(ShapeError, match="11x11"):
        ssim(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8))
