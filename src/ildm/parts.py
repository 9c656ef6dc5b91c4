"""What a model consists of, where it lies and in which numbers: weights, moved, named, adapted and made ready to run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.tiling import decode_large, encode_large
from ildm.conditioning.conditioner import Conditioner
from ildm.conditioning.hint import Hint
from ildm.conditioning.inpainting import Inpainting, InpaintingConfig
from ildm.core.device import pick_device, pick_dtype
from ildm.core.fingerprint import fingerprint
from ildm.core.manifest import Manifest
from ildm.core.types import Latent
from ildm.denoiser.adapters import Adapters
from ildm.denoiser.inference import PreparedUNet, prepare
from ildm.denoiser.unet import UNet
from ildm.diffusion.path import AnyPath


@dataclass
class ModelParts:
    """The networks of a latent diffusion model, and what is written of them.

    `autoencoder`, `unet` and `conditioner` are modules on one device; latents between them are float32. Drawing runs a prepared twin
    of the U-Net, made at the first step: after changing weights in place, call `to` to have it made anew. With `compiled` the twin is
    compiled, which takes a minute or more at the first step of each size.
    """

    manifest: Manifest
    autoencoder: Autoencoder
    unet: UNet
    conditioner: Conditioner | None
    path: AnyPath
    compiled: bool = False
    hint: Hint | None = None

    def __post_init__(self) -> None:
        channels = self.autoencoder.latent_space.channels
        if self.hint is None and self.unet.config.concat_channels == 1 + channels:
            # checkpoints of Stable Diffusion do not say what their further channels are for
            self.hint = Inpainting(InpaintingConfig(channels=channels))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.unet.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The number format the networks compute in."""
        return next(self.unet.parameters()).dtype

    @property
    def image_size(self) -> tuple[int, int]:
        """The native (width, height) in pixels."""
        return self.manifest.image_size

    @property
    def autoencoder_fingerprint(self) -> str:
        """A hash of the first stage's weights and latent space."""
        return self.autoencoder.fingerprint()

    @cached_property
    def hash(self) -> str:
        """Names the weights: a SHA-256 over the manifest's hashes and a borrowed first stage, or over all networks where it has none."""
        if self.manifest.files:
            borrowed = [] if self.manifest.first_stage is None else [self.autoencoder_fingerprint]
            return hashlib.sha256(repr([*sorted(self.manifest.files.items()), *borrowed]).encode()).hexdigest()
        told = [part for part in (self.conditioner, self.hint) if part is not None]
        return fingerprint(self.autoencoder_fingerprint, self.unet, *told)

    def to(self, device: str | None = None, dtype: str | None = None, *, compiled: bool | None = None) -> Self:
        """Move all parts, in place, and let the U-Net be compiled or not; None = as before.

        The first stage and the text encoder stay in float32 on a CPU, and the first stage in float16 too, whose range Stable Diffusion
        XL's autoencoder leaves.
        """
        target = pick_device(device)
        number_format = pick_dtype(dtype, target)
        self.unet.to(target, number_format)
        self.compiled = self.compiled if compiled is None else compiled
        self.__dict__.pop("_network", None)
        careful = torch.float32 if target.type == "cpu" else number_format
        self.autoencoder.to(target, torch.float32 if careful == torch.float16 else careful)
        for part in (self.conditioner, self.hint):
            if part is not None:
                part.to(target, careful)
        return self

    def encode(self, images: Tensor) -> Latent:
        """Float32 latents of images (batch, 3, height, width) in [-1, 1], whatever format the first stage computes in."""
        weight = self.autoencoder.last_layer
        return encode_large(self.autoencoder, images.to(weight)).float()

    def decode(self, latents: Latent) -> Tensor:
        """Float32 images (batch, 3, height, width) in [-1, 1] of latents; large ones in bfloat16 where the U-Net computes in it."""
        weight = self.autoencoder.last_layer
        rough = self.dtype if self.dtype == torch.bfloat16 else None
        return decode_large(self.autoencoder, latents.to(weight), rough).float()

    @cached_property
    def adapters(self) -> Adapters:
        """Low-rank adapters at work in this model: `read_lora` reads them, and here they are set, merged and cleared."""
        parts = {"unet": self.unet} | ({} if self.conditioner is None else {"conditioner": self.conditioner})
        return Adapters(parts, changed=lambda: self.__dict__.pop("_network", None))

    @cached_property
    def _network(self) -> PreparedUNet:
        return prepare(self.unet, compiled=self.compiled)
