"""Every program's names lead to the same adapter."""

import json
import warnings
from dataclasses import replace

import pytest
import torch
from torch import nn

from ildm.checkpoint.layout import read_layout
from ildm.checkpoint.lora import read_lora
from ildm.checkpoint.unet_layout import diffusers_unet
from ildm.core.errors import CheckpointError
from ildm.denoiser.config import UNetConfig
from ildm.denoiser.unet import UNet

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

from lora_files import changed, filled, kohya, model_of, pairs_for, papers_names, same, scaled, write
from unet_peers import make_unet

PROMPTS = ["a photo of a red cat", "the dog!"]
TIMES = torch.tensor([10.0, 700.0])


@pytest.mark.parametrize("kind", ["SD 1, one block a level", "SD 2, one block a level", "XL, one block a level"])
def test_every_layer_gets_its_change_under_both_namings(kind, tmp_path):
    peer = make_unet(kind)
    model, pairs = model_of(filled(peer).double()), pairs_for(peer)
    config = model.unet.config
    first = read_lora(write(tmp_path / "one.safetensors", kohya(pairs)), model)
    second = read_lora(write(tmp_path / "two.safetensors", kohya(papers_names(pairs, config))), model)
    assert len(first.changes) == len(pairs) and same(first, second)
    wanted = read_layout(diffusers_unet(config), changed(peer, pairs, -0.7).state_dict(), source="the peer")
    adapters = model.adapters
    adapters.merge({first: -0.7})
    for name, weight in model.unet.state_dict().items():
        torch.testing.assert_close(weight, wanted[name], rtol=1e-6, atol=1e-6)


def test_every_programs_names_are_read(sd, tmp_path):
    peer, model = sd
    pairs = pairs_for(peer, only="down_blocks")
    wanted = read_lora(write(tmp_path / "wanted.safetensors", kohya(pairs)), model)
    rank_and_alphas = {"r": 1, "lora_alpha": 99, "alpha_pattern": {name: alpha for name, (_, _, alpha) in pairs.items()}}
    ab = {name: down for name, (down, _, _) in pairs.items()}, {name: up for name, (_, up, _) in pairs.items()}

    def named(down_name, up_name):
        return {down_name.format(name): down for name, down in ab[0].items()} | {
            up_name.format(name): up for name, up in ab[1].items()
        }

    # diffusers and PEFT note alpha beside the weights
    of_unet = json.dumps({f"unet.{name}": value for name, value in rank_and_alphas.items()})
    files = [
        write(
            tmp_path / "diffusers.safetensors",
            named("unet.{}.lora_A.weight", "unet.{}.lora_B.weight"),
            lora_adapter_metadata=of_unet,
        ),
        write(
            tmp_path / "unet.safetensors",
            named("{}.lora_A.weight", "{}.lora_B.weight"),
            lora_adapter_metadata=json.dumps(rank_and_alphas),
        ),
        write(
            tmp_path / "peft/adapter_model.safetensors",
            named("base_model.model.{}.lora_A.weight", "base_model.model.{}.lora_B.weight"),
        ),
    ]
    (tmp_path / "peft/adapter_config.json").write_text(json.dumps(rank_and_alphas))
    for file in files:
        assert same(read_lora(file, model), wanted), file
    for down, up in [
        ("unet.{}.lora_A.default.weight", "unet.{}.lora_B.default.weight"),
        ("base_model.model.{}.lora_A.default.weight", "base_model.model.{}.lora_B.default.weight"),
        ("unet.{}.lora.down.weight", "unet.{}.lora.up.weight"),
        ("diffusion_model.{}.lora_A.weight", "diffusion_model.{}.lora_B.weight"),
    ]:
        file = write(tmp_path / "plain.safetensors", scaled(pairs, down, up))
        assert same(read_lora(file, model), wanted, 1e-6), down


def test_the_oldest_names_of_diffusers_are_read(sd, tmp_path):
    peer, model = sd
    pairs = pairs_for(peer, only=".to_")
    wanted = read_lora(write(tmp_path / "wanted.safetensors", kohya(pairs)), model)
    for prefix in ("", "unet."):
        old = {name.replace(".to_", ".processor.to_").removesuffix(".0"): pair for name, pair in pairs.items()}
        file = write(tmp_path / "old.safetensors", scaled(old, prefix + "{}_lora.down.weight", prefix + "{}_lora.up.weight"))
        assert same(read_lora(file, model), wanted, 1e-6)


@pytest.mark.parametrize("kind", ["sd", "xl"])
def test_kohyas_names_are_those_that_diffusers_converts_from(kind, tmp_path, request):
    """Through the other's rules, which know nothing of our layouts, to the same adapter."""
    peer, model = request.getfixturevalue(kind)
    pairs = {name: (down, up, float(len(down))) for name, (down, up, _) in pairs_for(peer, only="blocks").items()}
    named = pairs if kind == "sd" else papers_names(pairs, model.unet.config)
    file = {name: tensor for name, tensor in kohya(named).items() if not name.endswith("alpha")}
    pipeline = StableDiffusionPipeline if kind == "sd" else StableDiffusionXLPipeline
    converted, _ = pipeline.lora_state_dict(dict(file), unet_config=peer.config)
    ours = read_lora(write(tmp_path / "kohya.safetensors", file), model)
    theirs = read_lora(write(tmp_path / "converted.safetensors", converted), model)
    assert len(ours.changes) == len(pairs) and same(ours, theirs)


def test_names_of_published_files_have_their_place(tmp_path):
    """As the files of Stable Diffusion 1 and XL have them, at the width they have there."""
    with torch.device("meta"):
        one = UNet(
            UNetConfig(
                channels=(320, 640, 1280, 1280), res_blocks=(2,) * 4, depths=(1, 1, 1, 0), heads=(8,) * 4, context_width=768
            )
        )
        config = UNetConfig(
            channels=(320, 640, 1280),
            depths=(0, 2, 10),
            head_width=64,
            context_width=2048,
            linear_projection=True,
            pooled_width=2816,
        )
        two = UNet(replace(config, mid_depth=10))
    published = {
        "lora_unet_down_blocks_2_attentions_1_transformer_blocks_0_attn2_to_k": ((1280, 768), one),
        "lora_unet_mid_block_attentions_0_proj_in": ((1280, 1280, 1, 1), one),
        "lora_unet_up_blocks_3_attentions_2_transformer_blocks_0_ff_net_0_proj": ((2560, 320), one),
        "lora_unet_up_blocks_1_upsamplers_0_conv": ((1280, 1280, 3, 3), one),
        "lora_unet_down_blocks_0_resnets_1_time_emb_proj": ((320, 1280), one),
        "lora_unet_input_blocks_8_1_transformer_blocks_9_attn2_to_v": ((1280, 2048), two),
        "lora_unet_input_blocks_3_0_op": ((320, 320, 3, 3), two),
        "lora_unet_input_blocks_7_0_emb_layers_1": ((1280, 1280), two),
        "lora_unet_middle_block_1_transformer_blocks_3_ff_net_2": ((1280, 5120), two),
        "lora_unet_output_blocks_2_2_conv": ((1280, 1280, 3, 3), two),
        "lora_unet_output_blocks_5_1_transformer_blocks_1_attn1_to_out_0": ((640, 640), two),
        "lora_unet_output_blocks_3_0_skip_connection": ((640, 1920, 1, 1), two),
        "lora_unet_time_embed_2": ((1280, 1280), two),
        "lora_unet_label_emb_0_0": ((1280, 2816), two),
        "lora_unet_input_blocks_0_0": ((320, 4, 3, 3), two),
        "lora_unet_out_2": ((4, 320, 3, 3), two),
    }
    for network in (one, two):
        file, count = {}, 0
        for name, (shape, owner) in published.items():
            if owner is network:
                count += 1
                file[f"{name}.lora_down.weight"] = torch.ones(1, *shape[1:])
                file[f"{name}.lora_up.weight"] = torch.ones(shape[0], 1, *(1 for _ in shape[2:]))
        assert len(read_lora(write(tmp_path / "file.safetensors", file), model_of(network)).changes) == count


def test_a_middle_convolution_is_taken_into_the_one_before(sd, tmp_path):
    peer, model = sd
    name, layer = "down_blocks.0.resnets.0.conv2", peer.down_blocks[0].resnets[0].conv2
    torch.manual_seed(0)
    down, mid, up = torch.randn(4, 32, 1, 1), torch.randn(4, 4, 3, 3), torch.randn(32, 4, 1, 1)
    stem = "lora_unet_" + name.replace(".", "_")
    file = {f"{stem}.lora_down.weight": down, f"{stem}.lora_mid.weight": mid, f"{stem}.lora_up.weight": up}
    adapter = read_lora(write(tmp_path / "file.safetensors", file | {f"{stem}.alpha": torch.tensor(2.0)}), model)
    x = torch.randn(1, 32, 6, 6)
    wanted = nn.functional.conv2d(nn.functional.conv2d(nn.functional.conv2d(x, down), mid, padding=1), up) / 2
    found = nn.functional.conv2d(x, adapter.changes[f"unet.{name}"].product(), padding=layer.padding)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("alpha", [torch.tensor(2), torch.tensor([2], dtype=torch.uint8), torch.tensor(2.0).bfloat16()])
def test_alpha_is_a_number_of_any_kind(alpha, toy, tmp_path):
    """diffusers' own writer of kohya's names makes a whole number of it."""
    down, up = torch.ones(4, 4, 3, 3), torch.ones(32, 4, 1, 1)
    file = {
        "lora_unet_conv_in.lora_down.weight": down,
        "lora_unet_conv_in.lora_up.weight": up,
        "lora_unet_conv_in.alpha": alpha,
    }
    [change] = read_lora(write(tmp_path / "file.safetensors", file), toy).changes.values()
    assert torch.equal(change.up, up / 2)


def test_linear_layers_and_small_convolutions_stand_for_each_other(sd, xl, tmp_path):
    for (_, model), shape in ((sd, (32, 2, 1, 1)), (xl, (64, 2))):  # convolutions and linear layers
        level = 0 if model is sd[1] else 1
        stem, width = f"lora_unet_down_blocks_{level}_attentions_0_proj_in", shape[0]
        for axes in ((), (1, 1)):
            file = {
                f"{stem}.lora_down.weight": torch.ones(2, width, *axes),
                f"{stem}.lora_up.weight": torch.ones(width, 2, *axes),
            }
            adapter = read_lora(write(tmp_path / "file.safetensors", file), model)
            assert adapter.changes[f"unet.down_blocks.{level}.attentions.0.proj_in"].up.shape == shape


def test_numbers_noted_beside_the_weights_count(toy, tmp_path):
    pair = {"unet.conv_in.lora_A.weight": torch.ones(4, 4, 3, 3), "unet.conv_in.lora_B.weight": torch.ones(32, 4, 1, 1)}

    def scale(**fields):
        path = write(tmp_path / "file.safetensors", pair, lora_adapter_metadata=json.dumps(fields))
        return float(read_lora(path, toy).changes["unet.conv_in"].up[0, 0])

    assert scale() == 1.0
    assert scale(**{"unet.lora_alpha": 8}) == 2.0
    assert scale(**{"unet.lora_alpha": 8, "unet.use_rslora": True}) == 4.0
    assert scale(**{"unet.lora_alpha": 8, "unet.alpha_pattern": {"in": 1, "^conv_in": 2, "conv_in": 3}}) == 0.5
    assert scale(lora_alpha=8, alpha_pattern={"conv_out": 1}) == 2.0
    with pytest.raises(CheckpointError, match=r"gives alpha by the pattern 'conv_\.\*', but only names"):
        scale(lora_alpha=8, alpha_pattern={"conv_.*": 1})
    for nonsense in ({"lora_alpha": "8"}, {"lora_alpha": float("nan")}, {"lora_alpha": True}):
        with pytest.raises(CheckpointError, match="for alpha, but a number is expected"):
            scale(**nonsense)
    with pytest.raises(CheckpointError, match="for alpha_pattern, but names and numbers"):
        scale(lora_alpha=8, alpha_pattern=[1])
    for broken in ("{", "[]"):
        with pytest.raises(CheckpointError, match=r"in its metadata, (cannot be read|holds no JSON object)"):
            read_lora(write(tmp_path / "file.safetensors", pair, lora_adapter_metadata=broken), toy)
