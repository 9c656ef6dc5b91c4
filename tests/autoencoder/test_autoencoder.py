"""Shapes, strides, and parity with an independent implementation."""

import pytest
import torch
from diffusers import AutoencoderKL

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.config import AutoencoderConfig
from ildm.core.errors import ConfigError, ShapeError


@pytest.mark.parametrize("levels", range(1, 6))
@pytest.mark.parametrize("fold", [1, 2])
def test_every_compression_factor_keeps_the_image_size(levels, fold, images):
    stride = fold * 2 ** (levels - 1)
    model = Autoencoder(AutoencoderConfig(channels=(8,) * levels, num_res_blocks=1, middle_attention=False, fold=fold))
    latents = model.encode(images)
    assert latents.shape == (4, 4, 32 // stride, 32 // stride)
    assert model.decode(latents).shape == images.shape


def test_a_stride_nobody_uses_is_refused():
    with pytest.raises(ConfigError, match="must be 1, 2, 4, 8, 16 or 32"):
        AutoencoderConfig(channels=(8,) * 7)
    with pytest.raises(ConfigError, match="levels 0 to 1"):
        AutoencoderConfig(channels=(8, 8), attention_levels=(2,))


def test_sizes_and_channels_that_do_not_fit_are_told(autoencoder):
    with pytest.raises(ShapeError, match=r"try .*32x32"):
        autoencoder.encode(torch.zeros(1, 3, 30, 32))
    with pytest.raises(ShapeError, match="Latents of 3 channels"):
        autoencoder.decode(torch.zeros(1, 4, 8, 8))


def test_attention_in_a_level_changes_the_graph_there_only():
    plain, attentive = (
        Autoencoder(AutoencoderConfig(channels=(8, 16), num_res_blocks=1, attention_levels=levels)) for levels in ((), (1,))
    )
    added = set(attentive.state_dict()) - set(plain.state_dict())
    assert added and all(".attentions." in name and name.split(".")[1] == "levels" for name in added)


def test_parity_with_an_independent_implementation(images):
    """The published layout: two blocks a level, attention in the middle, 1x1 convolutions around the latent."""
    peer = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 16, 32),
        layers_per_block=2,
        latent_channels=4,
        norm_num_groups=8,
    ).double()
    ours = Autoencoder(AutoencoderConfig(channels=(8, 16, 32), num_res_blocks=2, latent_channels=4)).double()
    for module in ours.modules():
        if isinstance(module, torch.nn.GroupNorm):
            module.num_groups = 8
    ours.load_state_dict({name: peer.state_dict()[_peer_name(name)] for name in ours.state_dict()})
    with torch.no_grad():
        theirs = peer.encode(images.double()).latent_dist
        posterior = ours.posterior(images.double())
        assert torch.allclose(posterior.mode, theirs.mean, atol=1e-10)
        assert torch.allclose(posterior.log_variance, theirs.logvar, atol=1e-10)
        assert torch.allclose(posterior.penalty(), theirs.kl(), rtol=1e-10)
        assert torch.allclose(ours.reconstruct(posterior.mode), peer.decode(theirs.mean).sample, atol=1e-10)


def _peer_name(name):
    name = name.replace("bottleneck.to_moments", "quant_conv").replace("bottleneck.from_latent", "post_quant_conv")
    for side, blocks, resample in (("encoder", "down_blocks", "downsamplers"), ("decoder", "up_blocks", "upsamplers")):
        if name.startswith(side):
            name = name.replace(".levels.", f".{blocks}.").replace(".resample.", f".{resample}.0.")
    name = name.replace(".middle.attention.norm", ".mid_block.attentions.0.group_norm")
    name = name.replace(".middle.attention.to_out", ".mid_block.attentions.0.to_out.0")
    name = name.replace(".middle.attention.", ".mid_block.attentions.0.")
    name = name.replace(".middle.resnet1", ".mid_block.resnets.0").replace(".middle.resnet2", ".mid_block.resnets.1")
    return name.replace(".norm_out.", ".conv_norm_out.")
