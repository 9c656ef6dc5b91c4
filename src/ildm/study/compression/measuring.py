"""How good first stages and samples are: distances to scenes that training never saw, beside the floor of two real sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.codebook import Codes
from ildm.core.picture import to_bytes, to_floats
from ildm.data.emoji_scenes import EmojiScenes
from ildm.data.sample import Sample
from ildm.evaluation.distances import frechet_distance, kernel_distance, kernel_distance_interval, principal_directions
from ildm.evaluation.images import Images, Pixels, extract
from ildm.evaluation.intervals import bootstrap_mean, jackknife
from ildm.evaluation.metric import Estimate
from ildm.evaluation.network import Lite0, load_lite0
from ildm.evaluation.reconstruction import perceptual_distance, psnr, ssim
from ildm.study.compression.config import CompressionConfig
from ildm.study.compression.pixels import FirstStage
from ildm.study.compression.results import Codebook, Distances

# fixed, and those of `ildm evaluate`, so that every study is asked the same and measured against the same
_REAL_SEED, _REFERENCE_SEED = 100, 101
_COMPONENTS = 64
# an exact copy has infinitely many decibels, which no mean survives
_MOST_DB = 100.0


class Classes:
    """The class of a scene: the place of its one object's concept among those of the data."""

    def __init__(self, dataset: EmojiScenes) -> None:
        self._places = {concept.label: place for place, concept in enumerate(dataset.concepts)}

    def number(self, sample: Sample) -> int:
        """From 0."""
        return self._places[sample.objects[0].concept]

    def __call__(self, sample: Sample) -> tuple[str, ...]:
        """The number as the one wording of a sample."""
        return (str(self.number(sample)),)


@dataclass(frozen=True)
class Reconstruction:
    """What a first stage makes of the real images: figures, the images themselves, and how a codebook was used."""

    psnr: Estimate
    ssim: Estimate
    perceptual: Estimate
    distances: Distances
    pixels: Pixels
    codebook: Codebook | None


class Judge:
    """Two sets of unseen scenes: one that is reconstructed and whose classes are drawn, and the reference for distances.

    Raises:
        ConfigError: when the features' network is not installed.
    """

    def __init__(self, config: CompressionConfig, device: torch.device) -> None:
        self._judging, self._device = config.judging, device
        self._network: Lite0 = load_lite0(str(device))
        unseen = replace(config.data, split="unseen_scene", length=config.judging.num_images)
        real = EmojiScenes(replace(unseen, seed=_REAL_SEED))
        samples = [real[index] for index in range(len(real))]
        classes = Classes(real)
        self.labels: Sequence[int] = [classes.number(sample) for sample in samples]
        self.real = Images.of(samples, self._network)
        reference = EmojiScenes(replace(unseen, seed=_REFERENCE_SEED))
        self._reference = Images.of([reference[index] for index in range(len(reference))], self._network)

    @cached_property
    def floor(self) -> Distances:
        """Of the real images: nothing can be expected to come nearer to the reference."""
        return self._distances(self.real.features)

    @cached_property
    def control(self) -> Distances:
        """Of blank images in the real ones' mean colours: who comes no nearer has learned nothing but colours."""
        colours = self.real.pixels.float().mean(dim=(2, 3), keepdim=True).round().to(torch.uint8)
        return self.distances(colours.expand_as(self.real.pixels).contiguous())

    def distances(self, pixels: Pixels) -> Distances:
        """How far images are from the reference."""
        return self._distances(extract(self._network, pixels))

    @torch.inference_mode()
    def reconstruction(self, first: FirstStage) -> Reconstruction:
        """What a first stage makes of the real images."""
        pixels, parts = [], {name: [] for name in ("psnr", "ssim", "perceptual")}
        for batch in self.real.pixels.split(self._judging.batch_size):
            real = to_floats(batch.to(self._device))
            ours = to_bytes(first.decode(first.encode(real)))
            seen = to_floats(ours)
            parts["psnr"].append(psnr(seen, real).clamp(max=_MOST_DB))
            parts["ssim"].append(ssim(seen, real))
            parts["perceptual"].append(perceptual_distance(self._network, seen, real))
            pixels.append(ours.cpu())
        means = {name: _mean(torch.cat(values).double().cpu()) for name, values in parts.items()}
        made = torch.cat(pixels)
        return Reconstruction(**means, distances=self.distances(made), pixels=made, codebook=self._codebook(first))

    @cached_property
    def _basis(self) -> Tensor:
        return principal_directions(self._reference.features, _COMPONENTS)

    def _distances(self, features: Tensor) -> Distances:
        ours, reference = features.double(), self._reference.features.double()
        kid = Estimate(
            value=kernel_distance(ours, reference),
            count=len(ours),
            interval=kernel_distance_interval(ours, reference),
        )
        return Distances(kid=kid, fd=_frechet(ours, reference), fd64=_frechet(ours @ self._basis, reference @ self._basis))

    def _codebook(self, first: FirstStage) -> Codebook | None:
        if not isinstance(first, Autoencoder) or first.config.codebook_size is None:
            return None
        counts = torch.zeros(first.config.codebook_size, dtype=torch.float64)
        for batch in self.real.pixels.split(self._judging.batch_size):
            codes = first.posterior(to_floats(batch.to(self._device)))
            assert isinstance(codes, Codes)
            counts += torch.bincount(codes.indices.flatten().cpu(), minlength=len(counts))
        shares = counts / counts.sum()
        return Codebook(
            size=len(counts),
            cells=int(counts.sum()),
            used=(counts > 0).double().mean().item(),
            perplexity=torch.exp(-torch.xlogy(shares, shares).sum()).item(),
        )


def _frechet(ours: Tensor, reference: Tensor) -> Estimate:
    return Estimate(
        value=frechet_distance(ours, reference),
        count=len(ours),
        interval=jackknife(frechet_distance, ours, reference),
    )


def _mean(values: Tensor) -> Estimate:
    return Estimate(value=values.mean().item(), count=len(values), interval=bootstrap_mean(values))
