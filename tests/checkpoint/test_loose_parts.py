"""Files with one network alone, put into a whole model."""

from dataclasses import replace

import diffusers
import pytest
import safetensors.torch
import torch

from ildm.autoencoder.latent_space import LatentSpace
from ildm.checkpoint.autoencoder_layout import ldm_autoencoder
from ildm.checkpoint.layout import write_layout
from ildm.checkpoint.loose_parts import read_autoencoder_file, read_unet_file
from ildm.checkpoint.unet_layout import ldm_unet
from ildm.core.errors import CheckpointError
from ildm.denoiser.config import UNetConfig
from ildm.denoiser.unet import UNet

SPACE = LatentSpace(channels=4, stride=4, scale=(0.5,) * 4, shift=(0.0,) * 4)
GRAPH = UNetConfig(channels=(64, 128), res_blocks=(1, 1), depths=(1, 0), heads=(8, 8), context_width=16)


@pytest.fixture(scope="module")
def vae_folder(tmp_path_factory):
    torch.manual_seed(0)
    vae = diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(32, 32, 64),
        scaling_factor=0.25,
    )
    folder = tmp_path_factory.mktemp("vae")
    vae.save_pretrained(folder)
    return folder


def same(a, b):
    first, second = a.state_dict(), b.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def save(path, tensors):
    safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return path


def test_an_autoencoder_is_read_from_a_folder_and_from_files_of_both_layouts(vae_folder, tmp_path):
    first = read_autoencoder_file(vae_folder, SPACE)
    assert first.latent_space.scale == (0.25,) * 4
    file = read_autoencoder_file(vae_folder / "diffusion_pytorch_model.safetensors", SPACE)
    paper = write_layout(ldm_autoencoder(first.config), first.state_dict())
    bare = read_autoencoder_file(save(tmp_path / "bare.safetensors", paper), SPACE)
    among = {f"first_stage_model.{name}": tensor for name, tensor in paper.items()} | {"other": torch.ones(1)}
    prefixed = read_autoencoder_file(save(tmp_path / "among.safetensors", among), SPACE)
    assert all(same(first, other) for other in (file, bare, prefixed))
    # the paper's layout does not say the scale: the model's own stays
    assert bare.latent_space == SPACE


def test_an_autoencoder_of_other_latents_is_refused(vae_folder):
    with pytest.raises(CheckpointError, match=r"4 channels at 1/4 .* needs 4 at 1/8"):
        read_autoencoder_file(vae_folder, replace(SPACE, stride=8))


def test_a_unet_alone_is_read(tmp_path):
    torch.manual_seed(0)
    network = UNet(GRAPH)
    paper = write_layout(ldm_unet(GRAPH), network.state_dict())
    for name, prefix in (("bare", ""), ("prefixed", "model.diffusion_model.")):
        path = save(tmp_path / f"{name}.safetensors", {prefix + key: tensor for key, tensor in paper.items()})
        assert same(read_unet_file(path, GRAPH), network)
    with pytest.raises(CheckpointError, match=r"context of width 16, but .* 24 are this model's"):
        read_unet_file(path, replace(GRAPH, context_width=24))


def test_what_is_no_unet_is_told(tmp_path):
    lora = save(tmp_path / "lora.safetensors", {"lora_unet_conv_in.lora_down.weight": torch.ones(2, 4)})
    with pytest.raises(CheckpointError, match=r"is an adapter \(LoRA\), not a U-Net: give it as --lora"):
        read_unet_file(lora, GRAPH)
    with pytest.raises(CheckpointError, match=r"holds no U-Net .* \(its weights have other names or are of another form\)"):
        read_unet_file(save(tmp_path / "other.safetensors", {"a": torch.ones(1)}), GRAPH)
    with pytest.raises(CheckpointError, match="is a folder, but a file of weights is wanted"):
        read_unet_file(tmp_path, GRAPH)
