"""What the study measured of an arm, as values that survive JSON."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ildm.evaluation.metric import Estimate
from ildm.study.compression.config import Kind


@dataclass(frozen=True, kw_only=True)
class Distances:
    """How far a set of images is from the reference; N is every estimate's `count`.

    Args:
        kid: KID-Lite0, unbiased: 0 is as near as real images are.
        fd: FD-Lite0 on all features; in small samples it is far from 0 even for real images.
        fd64: FD-Lite0 on the reference's first 64 principal components.
    """

    kid: Estimate
    fd: Estimate
    fd64: Estimate


@dataclass(frozen=True, kw_only=True)
class Codebook:
    """How a codebook was used on the judged images.

    Args:
        size: its entries.
        cells: how many choices were seen; fewer than entries cannot use them all.
        used: share of the entries chosen at least once.
        perplexity: between 1 and `size`; of an even use it is `size`.
    """

    size: int
    cells: int
    used: float
    perplexity: float


@dataclass(frozen=True, kw_only=True)
class FirstStageResult:
    """What a first stage cost and loses.

    Args:
        parameters: of the autoencoder.
        steps, seconds: of its training; operations: of its networks in all of it, without optimizer.
        psnr: dB; ssim; perceptual: the distance in EfficientNet-Lite0's maps; means over N images.
        reconstructed: of the reconstructions as a set (rFD-Lite0, rKID-Lite0).
        codebook: None where there is none.
    """

    parameters: int
    steps: int
    seconds: float
    operations: float
    psnr: Estimate
    ssim: Estimate
    perceptual: Estimate
    reconstructed: Distances
    codebook: Codebook | None = None


@dataclass(frozen=True, kw_only=True)
class Point:
    """Samples judged at one moment of a training.

    Args:
        step: of the denoiser's training.
        seconds: trained so far; operations: of the denoiser, so far.
        num_steps: of the sampler.
        samples_per_second: from noise to pixels, in batches as the configuration has them.
        distances: of the samples.
    """

    step: int
    seconds: float
    operations: float
    num_steps: int
    samples_per_second: float
    distances: Distances


@dataclass(frozen=True, kw_only=True)
class ArmResult:
    """All that is known of one arm so far.

    Args:
        name, factor, kind: of the arm.
        latent: (channels, height, width).
        parameters: of the denoiser.
        training_operations: of one latent's part in a training step; drawing_operations: of one evaluation.
        first_stage: None while it is not finished.
        points: along the training, by step.
        speeds: the denoiser at the last of the equal steps, by number of sampler steps.
    """

    name: str
    factor: int
    kind: Kind
    latent: tuple[int, int, int]
    parameters: int
    training_operations: float
    drawing_operations: float
    first_stage: FirstStageResult | None = None
    points: tuple[Point, ...] = ()
    speeds: tuple[Point, ...] = ()

    def at(self, step: int) -> Point | None:
        """The point at a step, or None where it was not judged."""
        return next((point for point in self.points if point.step == step), None)

    def drawn_in(self, num_steps: int) -> Point | None:
        """The finished denoiser drawn from with so many steps, or None where it was not."""
        return next((point for point in self.speeds if point.num_steps == num_steps), None)

    def with_point(self, point: Point) -> ArmResult:
        """The same with one point more."""
        return replace(self, points=tuple(sorted((*self.points, point), key=lambda one: one.step)))

    def with_speed(self, point: Point) -> ArmResult:
        """The same with one speed more."""
        return replace(self, speeds=tuple(sorted((*self.speeds, point), key=lambda one: one.num_steps)))
