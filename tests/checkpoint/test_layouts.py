"""Every weight has its place in both layouts, and the networks they fill compute the same."""

import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.config import AutoencoderConfig
from ildm.checkpoint.autoencoder_layout import diffusers_autoencoder, ldm_autoencoder
from ildm.checkpoint.diffusers_autoencoder import autoencoder_from_diffusers, autoencoder_to_diffusers
from ildm.checkpoint.diffusers_unet import unet_from_diffusers, unet_to_diffusers
from ildm.checkpoint.layout import read_layout, write_layout
from ildm.checkpoint.unet_layout import diffusers_unet, ldm_unet
from ildm.core.errors import CheckpointError, ConfigError
from ildm.core.types import Conditioning
from ildm.denoiser.config import UNetConfig
from ildm.denoiser.unet import UNet

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from diffusers import LatentConsistencyModelPipeline
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint

B, SIDE, TOKENS = 2, 8, 5


def filled(config, peer):
    network = UNet(config)
    network.load_state_dict(read_layout(diffusers_unet(config), peer.state_dict(), source="the peer"))
    return network.eval()


def inputs(config, peer):
    """(noised, times, our conditioning, the peer's options) of random values."""
    random = torch.Generator().manual_seed(1)
    noised = torch.randn(B, config.in_channels + config.concat_channels, SIDE, SIDE, generator=random)
    ours, theirs = {}, {}
    if config.context_width:
        ours["context"] = theirs["encoder_hidden_states"] = torch.randn(B, TOKENS, config.context_width, generator=random)
    if config.labels:
        ours["label"] = theirs["class_labels"] = torch.tensor([1, 3])
    if config.guidance_width:
        ours["guidance"] = torch.tensor([1.0, 7.3])
        embed = LatentConsistencyModelPipeline.get_guidance_scale_embedding
        theirs["timestep_cond"] = embed(None, ours["guidance"] - 1, config.guidance_width)
    if config.concat_channels:
        ours["concat"] = noised[:, config.in_channels :]
    if config.pooled_width:
        # the peer makes its vector of text features and six numbers, each embedded
        text, numbers = torch.randn(B, config.pooled_width - 36, generator=random), torch.rand(B, 6, generator=random) * 100
        theirs["added_cond_kwargs"] = {"text_embeds": text, "time_ids": numbers}
        ours["pooled"] = torch.cat([text, peer.add_time_proj(numbers.flatten()).reshape(B, -1)], dim=1)
    return noised, torch.tensor([10.0, 700.0]), Conditioning(**ours), theirs


def test_a_unet_computes_what_its_maker_does(unet):
    config = unet_from_diffusers(unet.config, source="the peer")
    noised, times, conditioning, options = inputs(config, unet)
    with torch.no_grad():
        theirs = unet(noised, times, **options).sample
        ours = filled(config, unet)(noised[:, : config.in_channels], times, conditioning)
    assert (ours - theirs).norm() <= 1e-5 * theirs.norm()


def test_a_unet_written_out_is_the_one_read_in(unet):
    config = unet_from_diffusers(unet.config, source="the peer")
    weights = filled(config, unet).state_dict()
    for layout in (diffusers_unet(config), ldm_unet(config)):
        written = write_layout(layout, weights)
        again = read_layout(layout, written, source="the copy")
        assert weights.keys() == again.keys() and all(torch.equal(weights[name], again[name]) for name in weights)
    written = write_layout(diffusers_unet(config), weights)
    original = unet.state_dict()
    assert written.keys() == original.keys() and all(torch.equal(written[name], original[name]) for name in original)
    assert unet_from_diffusers(unet_to_diffusers(config, sample_size=8), source="the copy") == config


def test_the_papers_names_are_those_that_others_convert_from(convertible_unet):
    """diffusers converts single files by its own rules; what we write must come out of them as the network we read."""
    unet = convertible_unet
    config = unet_from_diffusers(unet.config, source="the peer")
    file = write_layout(ldm_unet(config), filled(config, unet).state_dict())
    converted = convert_ldm_unet_checkpoint(
        {f"model.diffusion_model.{name}": value for name, value in file.items()}, unet.config
    )
    original = unet.state_dict()
    assert converted.keys() == original.keys()
    assert all(torch.equal(converted[name].reshape(original[name].shape), original[name]) for name in original)


def test_an_autoencoder_computes_what_its_maker_does(vae):
    config, _ = autoencoder_from_diffusers(vae.config, source="the peer")
    ours = Autoencoder(config).eval()
    ours.load_state_dict(read_layout(diffusers_autoencoder(config), vae.state_dict(), source="the peer"))
    images = torch.rand(B, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        theirs, posterior = vae.encode(images).latent_dist, ours.posterior(images)
        assert (posterior.mode - theirs.mean).norm() <= 1e-5 * theirs.mean.norm()
        assert (posterior.log_variance - theirs.logvar).norm() <= 1e-5 * theirs.logvar.norm()
        decoded = vae.decode(theirs.mean).sample
        assert (ours.reconstruct(theirs.mean) - decoded).norm() <= 1e-5 * decoded.norm()


def test_an_autoencoder_written_out_is_the_one_read_in(vae):
    config, space = autoencoder_from_diffusers(vae.config, source="the peer")
    original = vae.state_dict()
    weights = read_layout(diffusers_autoencoder(config), original, source="the peer")
    written = write_layout(diffusers_autoencoder(config), weights)
    assert written.keys() == original.keys() and all(torch.equal(written[name], original[name]) for name in original)
    file = write_layout(ldm_autoencoder(config), weights)
    again = read_layout(ldm_autoencoder(config), file, source="the copy")
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    converted = convert_ldm_vae_checkpoint(
        {f"first_stage_model.{name}": value for name, value in file.items()}, dict(vae.config)
    )
    assert converted.keys() == original.keys()
    assert all(torch.equal(converted[name], original[name]) for name in original)
    fields = autoencoder_to_diffusers(config, space, sample_size=32)
    assert autoencoder_from_diffusers(fields, source="the copy") == (config, space)


SD = {"channels": (320, 640, 1280, 1280), "res_blocks": (2,) * 4, "depths": (1, 1, 1, 0)}
XL = {"channels": (320, 640, 1280), "res_blocks": (2,) * 3, "depths": (0, 2, 10), "mid_depth": 10, "pooled_width": 2816}
FULL_SIZE = {
    "Stable Diffusion 1.5": (UNetConfig(**SD, heads=(8,) * 4, context_width=768), 686),
    "Stable Diffusion 2.1": (UNetConfig(**SD, head_width=64, context_width=1024, linear_projection=True), 686),
    "Stable Diffusion XL": (UNetConfig(**XL, head_width=64, context_width=2048, linear_projection=True), 1680),
}


@pytest.mark.parametrize("name", FULL_SIZE)
def test_full_size_graphs_map_completely_in_both_directions(name):
    config, count = FULL_SIZE[name]
    with torch.device("meta"):
        ours = UNet(config).state_dict()
    for layout in (diffusers_unet(config), ldm_unet(config)):
        written = write_layout(layout, ours)
        assert len(written) == count
        again = read_layout(layout, written, source="the file")
        assert {name: value.shape for name, value in again.items()} == {name: value.shape for name, value in ours.items()}
    fields = unet_to_diffusers(config, sample_size=64)
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from diffusers import UNet2DConditionModel

        peer = UNet2DConditionModel.from_config(fields).state_dict()
    written = write_layout(diffusers_unet(config), ours)
    assert {name: value.shape for name, value in written.items()} == {name: value.shape for name, value in peer.items()}


def test_missing_and_surplus_weights_are_named():
    config = UNetConfig(channels=(32,), res_blocks=(1,), depths=(0,), mid_depth=0, head_width=8, norm_groups=8)
    layout = diffusers_unet(config)
    weights = write_layout(layout, UNet(config).state_dict())
    del weights["conv_in.bias"], weights["conv_out.bias"]
    with pytest.raises(CheckpointError, match=r"model\.safetensors lacks conv_in\.bias, conv_out\.bias: "):
        read_layout(layout, weights, source="model.safetensors")
    extra = write_layout(layout, UNet(config).state_dict()) | {f"stray.{n}": torch.zeros(1) for n in range(5)}
    with pytest.raises(CheckpointError, match=r"holds stray\.0, stray\.1, stray\.2 and 2 more: "):
        read_layout(layout, extra, source="model.safetensors")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"act_fn": "gelu"}, "sets act_fn to 'gelu', but only 'silu' is supported"),
        ({"encoder_hid_dim": 7}, "sets encoder_hid_dim to 7, which this program does not know"),
        ({"down_block_types": ["KDownBlock2D", "DownBlock2D", "DownBlock2D"]}, "blocks of the kind 'KDownBlock2D'"),
        ({"addition_embed_type": "image"}, "embeds 'image' beside the time"),
    ],
)
def test_a_graph_that_is_not_ours_is_refused(change, told):
    fields = unet_to_diffusers(UNetConfig(head_width=64, context_width=8), sample_size=8)
    with pytest.raises(CheckpointError, match=told):
        unet_from_diffusers(fields | change, source="config.json")


@given(
    st.builds(
        dict,
        channels=st.sampled_from([(32,), (32, 64), (64, 64, 96)]),
        attention=st.sampled_from(["transformer", "plain"]),
        depth=st.integers(0, 2),
        mid_depth=st.integers(0, 2),
        res_blocks=st.lists(st.integers(1, 3), min_size=3, max_size=3),
        context_width=st.sampled_from([None, 8]),
        pooled_width=st.sampled_from([None, 40]),
        labels=st.sampled_from([None, 5]),
        guidance_width=st.sampled_from([None, 6]),
        concat_channels=st.sampled_from([0, 5]),
        resample=st.sampled_from(["convolution", "residual"]),
        time_channels=st.sampled_from([None, 48]),
        time_width=st.sampled_from([None, 80]),
        scale_shift_norm=st.booleans(),
        linear_projection=st.booleans(),
        qk_norm=st.booleans(),
    )
)
def test_a_configuration_is_written_whole_or_refused(drawn):
    levels = len(drawn["channels"])
    depth = drawn.pop("depth")
    drawn |= {"depths": (0,) * (levels - 1) + (depth,), "res_blocks": tuple(drawn["res_blocks"][:levels])}
    try:
        config = UNetConfig(**drawn, heads=(4,) * levels, norm_groups=8)
        fields = unet_to_diffusers(config, sample_size=8)
    except (ConfigError, CheckpointError):
        return
    assert unet_from_diffusers(fields, source="the copy") == config


@pytest.mark.parametrize(
    "fields", [{}, {"block_out_channels": [32]}, {"block_out_channels": [30], "down_block_types": ["DownBlock2D"]}]
)
def test_a_configuration_that_is_none_is_refused(fields):
    with pytest.raises(CheckpointError, match=r"config\.json (lacks|describes a U-Net that cannot be built)"):
        unet_from_diffusers({"up_block_types": ["UpBlock2D"]} | fields, source="config.json")


def test_what_the_other_layout_lacks_is_refused():
    with pytest.raises(CheckpointError, match="folded stem"):
        config = AutoencoderConfig(fold=2)
        autoencoder_to_diffusers(config, Autoencoder(AutoencoderConfig(channels=(8, 8))).latent_space, sample_size=8)
    with pytest.raises(CheckpointError, match="normalised queries"):
        unet_to_diffusers(UNetConfig(head_width=64, qk_norm=True), sample_size=8)
