"""Models of published sizes with random weights, written as diffusers folders: speed does not depend on what weights say."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.config import AutoencoderConfig
from ildm.checkpoint.assembly import Configurations, assemble
from ildm.checkpoint.clip_text import AnyClip, AnyClipConfig
from ildm.checkpoint.diffusers import save_diffusers
from ildm.checkpoint.diffusers_folder import write_part
from ildm.checkpoint.diffusers_unet import unet_to_diffusers
from ildm.checkpoint.layout import write_layout
from ildm.checkpoint.single_file import latent_space_of
from ildm.checkpoint.unet_layout import diffusers_unet
from ildm.conditioning.clip import ClipConditioner, ClipConfig
from ildm.conditioning.clip_encoder import ClipEncoderConfig
from ildm.conditioning.clip_pair import ClipPairConditioner, ClipPairConfig
from ildm.conditioning.clip_tokenizer import ClipTokenizer
from ildm.conditioning.clip_vocabulary import own_vocabulary
from ildm.core.config import to_json
from ildm.core.manifest import Defaults
from ildm.denoiser.config import UNetConfig
from ildm.denoiser.unet import UNet
from ildm.diffusion.path import VariancePreserving
from ildm.diffusion.published import Published
from sample import SMALL, Case, awake

STORED = torch.float16  # as published models are shared


@dataclass(frozen=True, kw_only=True)
class Size:
    """The graphs of a model.

    Args:
        unet: and the side of its latents.
        text: None = there is a U-Net alone.
        latent_scale: of the autoencoder.
    """

    unet: Case
    text: AnyClipConfig | None = None
    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    latent_scale: float = 0.18215

    @property
    def image_side(self) -> int:
        """The native one, pixels."""
        return self.unet.side * self.autoencoder.stride


_SD_15 = UNetConfig(
    channels=(320, 640, 1280, 1280), res_blocks=(2,) * 4, depths=(1, 1, 1, 0), heads=(8,) * 4, context_width=768
)
_XL = UNetConfig(
    channels=(320, 640, 1280),
    depths=(0, 2, 10),
    mid_depth=10,
    head_width=64,
    context_width=2048,
    linear_projection=True,
    pooled_width=1280 + 6 * 256,
)
SIZES = {
    "SD 1.5": Size(unet=Case(_SD_15, 64), text=ClipConfig()),
    "65 M": Size(unet=SMALL),
    "XL": Size(unet=Case(_XL, 128), text=ClipPairConfig(), latent_scale=0.13025),
}

_TINY = {"channels": (32, 64), "res_blocks": (1, 1), "head_width": 16}
_TINY_CODER = AutoencoderConfig(channels=(32, 32, 32, 32), num_res_blocks=1)
_TINY_TEXT = ClipEncoderConfig(width=64, depth=2, num_heads=1, feed_forward_width=128)
_TINY_SECOND = replace(_TINY_TEXT, activation="gelu", projection_width=64)
TINY_SIZES = {
    "SD 1.5": Size(
        unet=Case(UNetConfig(**_TINY, depths=(1, 0), context_width=64), 8),
        text=ClipConfig(encoder=_TINY_TEXT),
        autoencoder=_TINY_CODER,
    ),
    "65 M": Size(unet=Case(UNetConfig(**_TINY, depths=(0, 1), context_width=24), 4)),
    "XL": Size(
        unet=Case(
            UNetConfig(
                **_TINY, depths=(0, 2), mid_depth=2, context_width=128, linear_projection=True, pooled_width=64 + 6 * 256
            ),
            8,
        ),
        text=ClipPairConfig(first=_TINY_TEXT, second=_TINY_SECOND),
        autoencoder=_TINY_CODER,
    ),
}


def sizes(tiny: bool) -> dict[str, Size]:
    """By name, at full size or for a rehearsal."""
    return TINY_SIZES if tiny else SIZES


def write(size: Size, folder: Path) -> None:
    """Write a random model, or the `unet` part of one that has no text."""
    torch.manual_seed(0)
    unet = awake(UNet(size.unet.config)).requires_grad_(False)
    if size.text is None:
        folder.mkdir()
        fields = unet_to_diffusers(size.unet.config, sample_size=size.unet.side)
        tensors = write_layout(diffusers_unet(size.unet.config), unet.state_dict())
        return write_part(folder / "unet", fields, tensors, "diffusion_pytorch_model", STORED)
    space = latent_space_of(size.autoencoder, size.latent_scale)
    configurations = Configurations(
        name=folder.name,
        unet=size.unet.config,
        autoencoder=size.autoencoder,
        latent_space=space,
        path=VariancePreserving(),
        prediction="epsilon",
        image_size=(size.image_side, size.image_side),
        defaults=Defaults(
            sampler="ddim", published=to_json(Published(spacing="leading", steps_offset=1, set_alpha_to_one=False))
        ),
    )
    model = assemble(configurations, _random_text(size.text))
    save_diffusers(replace(model, unet=unet, autoencoder=Autoencoder(size.autoencoder, space)), folder, dtype=STORED)
    return None


def _random_text(config: AnyClipConfig) -> AnyClip:
    def vocabulary(padding: str, max_tokens: int) -> ClipTokenizer:
        return ClipTokenizer(own_vocabulary(), padding=padding, max_tokens=max_tokens)

    if isinstance(config, ClipConfig):
        return ClipConditioner(config, vocabulary(config.padding, config.encoder.max_tokens))
    first = None if config.first is None else vocabulary(config.first_padding, config.first.max_tokens)
    return ClipPairConditioner(config, first, vocabulary(config.second_padding, config.second.max_tokens))
