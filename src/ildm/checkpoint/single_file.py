"""One `.safetensors` file that holds a whole Stable Diffusion model, a U-Net or an autoencoder: the paper's layout."""

from __future__ import annotations

import torch

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.config import AutoencoderConfig
from ildm.autoencoder.latent_space import LatentSpace
from ildm.checkpoint.autoencoder_layout import ldm_autoencoder
from ildm.checkpoint.detection import detect_autoencoder, detect_unet
from ildm.checkpoint.families import AUTOENCODER, AVERAGED, UNET, Family, is_set_aside
from ildm.checkpoint.layout import fill_by_layout
from ildm.checkpoint.unet_layout import ldm_unet
from ildm.checkpoint.weights import Weights
from ildm.core.errors import CheckpointError
from ildm.denoiser.unet import UNet


def read_unet(weights: Weights) -> UNet:
    """The U-Net of a file, its averaged weights where the file has both.

    Raises:
        CheckpointError: when there is none, or it is of no known kind.
    """
    plain = weights.under(UNET)
    chosen = _averaged(weights, plain) or plain
    config = detect_unet(chosen)
    with torch.device("meta"):
        network = UNet(config)
    fill_by_layout(network, ldm_unet(config), chosen)
    return network


def read_autoencoder(weights: Weights, latent_scale: float) -> Autoencoder:
    """The autoencoder of a file.

    Raises:
        CheckpointError: when there is none, or it is of no known kind.
    """
    part = weights.under(AUTOENCODER)
    kept = part.without("loss.", "model_ema.")
    config = detect_autoencoder(kept)
    with torch.device("meta"):
        network = Autoencoder(config, _latent_space(config, latent_scale))
    fill_by_layout(network, ldm_autoencoder(config), kept)
    return network


def check_complete(weights: Weights, family: Family) -> None:
    """See that every tensor of a file has its place or is known to have none.

    Raises:
        CheckpointError: the first few that do not are named.
    """
    placed = (UNET, AUTOENCODER, AVERAGED, *family.text)
    stray = sorted(name for name in weights if not name.startswith(placed) and not is_set_aside(name))
    if stray:
        more = f" and {len(stray) - 3} more" if len(stray) > 3 else ""
        raise CheckpointError(
            f"{weights.source} holds {', '.join(stray[:3])}{more}, which a {family.name} model has no place for."
        )


def _averaged(weights: Weights, plain: Weights) -> Weights | None:
    """The averaged weights, which are stored with the dots taken out of their names."""
    names = {name: AVERAGED + f"diffusion_model.{name}".replace(".", "") for name in plain}
    if not names or not all(stored in weights for stored in names.values()):
        return None
    return weights.renamed(names)


def _latent_space(config: AutoencoderConfig, scale: float) -> LatentSpace:
    channels = config.latent_channels
    return LatentSpace(channels=channels, stride=config.stride, scale=(scale,) * channels, shift=(0.0,) * channels)
