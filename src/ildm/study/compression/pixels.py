"""What a first stage is to the study, and the one of f = 1: the images themselves."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch

from ildm.autoencoder.latent_space import LatentSpace
from ildm.core.config import from_json
from ildm.core.errors import CheckpointError, ConfigError
from ildm.core.files import write_json
from ildm.core.fingerprint import fingerprint
from ildm.core.types import Image, Latent


@runtime_checkable
class FirstStage(Protocol):
    """Images to normalised latents and back; `ildm.autoencoder.autoencoder.Autoencoder` is one."""

    latent_space: LatentSpace

    def encode(self, images: Image) -> Latent:
        """Normalised latents of images in [-1, 1]."""
        ...

    def decode(self, latents: Latent) -> Image:
        """Images in [-1, 1] of normalised latents."""
        ...

    def encoder_fingerprint(self) -> str:
        """What tells these latents from all others."""
        ...


class Pixels:
    """The first stage of pixel diffusion: a latent is an image at unit variance, and nothing is lost.

    Its channels are normalised like those of any latent, so that every arm of a study sees noise at the same levels.
    """

    def __init__(self, latent_space: LatentSpace) -> None:
        self.latent_space = latent_space

    @classmethod
    def fitted(cls, batches: list[Image]) -> Pixels:
        """Normalised by the statistics of a sample of images in [-1, 1]."""
        return cls(LatentSpace.fitted(torch.cat(batches), stride=1))

    def encode(self, images: Image) -> Latent:
        """Images in [-1, 1] at zero mean and unit variance per channel."""
        return self.latent_space.normalise(images)

    def decode(self, latents: Latent) -> Image:
        """The images again; what lies beyond [-1, 1] is cut off."""
        return self.latent_space.denormalise(latents).clamp(-1.0, 1.0)

    def encoder_fingerprint(self) -> str:
        """A SHA-256 over the statistics."""
        return fingerprint("pixels", repr(self.latent_space))

    def save(self, path: Path) -> None:
        """Write the statistics as JSON."""
        write_json(path, asdict(self.latent_space))

    @classmethod
    def load(cls, path: Path) -> Pixels:
        """Read what `save` wrote.

        Raises:
            CheckpointError: when it is damaged.
        """
        try:
            return cls(from_json(LatentSpace, json.loads(path.read_text(encoding="utf-8")), where="latent_space"))
        except (OSError, ValueError, TypeError, ConfigError) as error:
            raise CheckpointError(f"{path} cannot be read ({error}): remove it, and it is made again.") from error
