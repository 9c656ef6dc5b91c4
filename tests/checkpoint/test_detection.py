"""The graph is found again from nothing but names and shapes."""

import pytest
import safetensors.torch
import torch

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.config import AutoencoderConfig
from ildm.checkpoint.autoencoder_layout import ldm_autoencoder
from ildm.checkpoint.detection import detect_autoencoder, detect_unet
from ildm.checkpoint.layout import write_layout
from ildm.checkpoint.unet_layout import ldm_unet
from ildm.checkpoint.weights import open_weights
from ildm.core.errors import CheckpointError
from ildm.denoiser.config import UNetConfig
from ildm.denoiser.unet import UNet

WIDE = {"channels": (64, 128, 128), "res_blocks": (2, 2, 2)}
UNETS = {
    "SD 1": UNetConfig(**WIDE, depths=(1, 1, 0), heads=(8,) * 3, context_width=24),
    "SD 1 inpainting": UNetConfig(**WIDE, depths=(1, 1, 0), heads=(8,) * 3, context_width=24, concat_channels=5),
    "SD 2": UNetConfig(**WIDE, depths=(1, 1, 0), heads=(1, 2, 2), context_width=32, linear_projection=True),
    "XL": UNetConfig(
        **WIDE, depths=(0, 2, 3), mid_depth=3, heads=(1, 2, 2), context_width=32, linear_projection=True, pooled_width=40
    ),
    "unlike levels": UNetConfig(channels=(64, 64), res_blocks=(1, 3), depths=(0, 1), heads=(8, 8), context_width=8, labels=5),
    "LDM": UNetConfig(**WIDE, depths=(0, 1, 1), attention="plain", head_width=32),
    "LDM, residual": UNetConfig(
        **WIDE, depths=(0, 1, 1), attention="plain", head_width=32, resample="residual", scale_shift_norm=True
    ),
}
AUTOENCODERS = {
    "f = 4": AutoencoderConfig(channels=(32, 64, 64), num_res_blocks=1, latent_channels=3),
    "f = 8": AutoencoderConfig(channels=(32, 32, 64, 64), latent_channels=4, middle_attention=False),
    "f = 16": AutoencoderConfig(channels=(32, 32, 32, 64, 64), num_res_blocks=1, attention_levels=(4,), latent_channels=16),
}


def stored(tmp_path, layout, network):
    path = tmp_path / "file.safetensors"
    tensors = {name: value.contiguous() for name, value in write_layout(layout, network.state_dict()).items()}
    safetensors.torch.save_file(tensors, path)
    return open_weights(path)


@pytest.mark.parametrize("case", UNETS)
def test_a_unet_is_recognised(case, tmp_path):
    config = UNETS[case]
    assert detect_unet(stored(tmp_path, ldm_unet(config), UNet(config))) == config


@pytest.mark.parametrize("case", AUTOENCODERS)
def test_an_autoencoder_is_recognised(case, tmp_path):
    config = AUTOENCODERS[case]
    assert detect_autoencoder(stored(tmp_path, ldm_autoencoder(config), Autoencoder(config))) == config


@pytest.mark.parametrize("detect", [detect_unet, detect_autoencoder])
def test_other_weights_are_refused(detect, tmp_path):
    safetensors.torch.save_file({"weight": torch.ones(2)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match=r"other\.safetensors holds no .* of a kind that is known"):
        detect(open_weights(tmp_path / "other.safetensors"))
