"""LoRA files: every program's names lead to the same adapter, which does what diffusers makes of it, and nothing else is taken."""

import copy
import json
import pickle
import warnings
from dataclasses import replace

import pytest
import safetensors.torch
import torch
from torch import nn

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.config import AutoencoderConfig
from ildm.autoencoder.latent_space import LatentSpace
from ildm.checkpoint.diffusers_unet import unet_from_diffusers
from ildm.checkpoint.layout import read_layout
from ildm.checkpoint.lora import read_lora
from ildm.checkpoint.unet_layout import diffusers_unet, ldm_unet
from ildm.core.errors import CheckpointError
from ildm.core.manifest import LatentSpaceFields, Manifest
from ildm.core.types import Conditioning
from ildm.denoiser.config import UNetConfig
from ildm.denoiser.unet import UNet
from ildm.diffusion.path import VariancePreserving
from ildm.model import Model

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

PROMPTS = ["a photo of a red cat", "the dog!"]
TIMES = torch.tensor([10.0, 700.0])


def model_of(unet, conditioner=None):
    space = {"channels": 4, "stride": 1, "scale": (1.0,) * 4, "shift": (0.0,) * 4}
    with torch.device("meta"):
        autoencoder = Autoencoder(AutoencoderConfig(channels=(32,), num_res_blocks=1), LatentSpace(**space))
    manifest = Manifest(
        name="toy",
        image_size=(8, 8),
        prediction="epsilon",
        path={},
        latent_space=LatentSpaceFields(**space),
        autoencoder={},
        denoiser={},
    )
    return Model(manifest, autoencoder, unet, conditioner, VariancePreserving())


def filled(peer):
    """Our U-Net with the peer's weights."""
    config = unet_from_diffusers(peer.config, source="the peer")
    with torch.device("meta"):
        network = UNet(config)
    network.load_state_dict(read_layout(diffusers_unet(config), peer.state_dict(), source="the peer"), assign=True)
    return network.requires_grad_(False).eval()


def pairs_for(network, *, seed=0, alpha=None, only=""):
    """A random pair and alpha for every linear layer and convolution of a peer, by its name there; ranks and alphas differ."""
    noise = torch.Generator().manual_seed(seed)
    found = {}
    for place, (name, layer) in enumerate(network.named_modules()):
        if isinstance(layer, nn.Linear | nn.Conv2d) and only in name:
            rank = 2 + place % 3
            down = torch.randn(rank, *layer.weight.shape[1:], generator=noise) * layer.weight[0].numel() ** -0.5
            up = torch.randn(len(layer.weight), rank, *(1 for _ in layer.weight.shape[2:]), generator=noise) * 0.5
            found[name] = (down, up, 1.0 + place % 5 if alpha is None else alpha)
    return found


def kohya(pairs, prefix="lora_unet_"):
    file = {}
    for name, (down, up, alpha) in pairs.items():
        layer = prefix + name.replace(".", "_")
        file |= {f"{layer}.lora_down.weight": down, f"{layer}.lora_up.weight": up, f"{layer}.alpha": torch.tensor(alpha)}
    return file


def scaled(pairs, down_name, up_name):
    """For programs that do not write alpha."""
    file = {}
    for name, (down, up, alpha) in pairs.items():
        file |= {down_name.format(name): down, up_name.format(name): up * (alpha / len(down))}
    return file


def papers_names(pairs, config):
    """The same pairs under the names of the paper's layout."""
    names = {
        theirs.theirs[0].removesuffix(".weight"): papers.theirs[0].removesuffix(".weight")
        for theirs, papers in zip(diffusers_unet(config), ldm_unet(config), strict=True)
    }
    return {names[name]: pair for name, pair in pairs.items()}


def write(path, tensors, **metadata):
    path.parent.mkdir(exist_ok=True, parents=True)
    safetensors.torch.save_file(
        {name: tensor.contiguous().clone() for name, tensor in tensors.items()}, path, metadata={"format": "pt"} | metadata
    )
    return path


def changed(network, pairs, strength):
    """A copy of a peer in fp64 with the changes in its weights, one by one."""
    network = copy.deepcopy(network).double()
    with torch.no_grad():
        for name, (down, up, alpha) in pairs.items():
            weight = network.get_submodule(name).weight
            for row in range(len(down)):
                pair = torch.outer(up[:, row].flatten().double(), down[row].flatten().double())
                weight += strength * alpha / len(down) * pair.view_as(weight)
    return network


def same(one, other, tolerance=0.0):
    return one.changes.keys() == other.changes.keys() and all(
        torch.allclose(getattr(pair, half), getattr(other.changes[name], half), rtol=tolerance, atol=0)
        for name, pair in one.changes.items()
        for half in ("down", "up")
    )


@pytest.fixture(scope="module")
def makers(repository, load_script):
    return load_script(repository / "tests/checkpoint/conftest.py")


def made(makers, kind):
    torch.manual_seed(0)
    return makers._awake(makers.UNETS[kind]()).eval()


@pytest.fixture(scope="module")
def sd(makers):
    """The peer's U-Net of Stable Diffusion 1, and a model of ours with its weights."""
    peer = made(makers, "SD 1, one block a level")
    return peer, model_of(filled(peer))


@pytest.fixture(scope="module")
def xl(makers):
    peer = made(makers, "XL, one block a level")
    return peer, model_of(filled(peer))


@pytest.fixture(scope="module")
def toy():
    """The smallest model with every kind of layer."""
    torch.manual_seed(0)
    unet = UNet(UNetConfig(channels=(32,), res_blocks=(1,), depths=(1,), heads=(2,), context_width=8, norm_groups=4))
    return model_of(unet.requires_grad_(False).eval())


@pytest.fixture(scope="module")
def single(repository, load_script):
    return load_script(repository / "tests/conditioning/test_clip.py")


@pytest.fixture(scope="module")
def double(repository, load_script):
    return load_script(repository / "tests/conditioning/test_clip_pair.py")


@pytest.fixture(scope="module")
def folders(repository, load_script, tmp_path_factory):
    script = load_script(repository / "tests/conditioning/test_clip_tokenizer.py")
    folder = tmp_path_factory.mktemp("tokenizers")
    return script.write_folder(folder / "tokenizer"), script.write_folder(folder / "tokenizer_2", padding="!", form="new")


@pytest.mark.parametrize("kind", ["SD 1, one block a level", "SD 2, one block a level", "XL, one block a level"])
def test_every_layer_gets_its_change_under_both_namings(kind, makers, tmp_path):
    peer = made(makers, kind)
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


def refused(path, model, told):
    before = {name: tensor.clone() for name, tensor in model.unet.state_dict().items()}
    with pytest.raises(CheckpointError, match=told):
        read_lora(path, model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.unet.state_dict().items())


def test_a_file_for_another_model_is_told(sd, xl, tmp_path):
    papers = kohya(papers_names(pairs_for(xl[0], only="blocks"), xl[1].unet.config))
    refused(write(tmp_path / "xl.safetensors", papers), sd[1], r"no place for: it was made for another model")
    texts = {"lora_te2_text_model_encoder_layers_0_mlp_fc1": (torch.ones(1, 4), torch.ones(4, 1), 1.0)}
    for model in (sd[1], xl[1]):
        refused(
            write(tmp_path / "text.safetensors", kohya(texts, "")),
            model,
            "lora_te2_text_model_encoder_layers_0_mlp_fc1.alpha, ",
        )


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"lora_unet_conv_in.dora_scale": (1,)}, r"is a DoRA adapter \(it holds lora_unet_conv_in\.dora_scale\), but only plain LoRA"),
        ({"unet.conv_in.lora_magnitude_vector.weight": (1,)}, "is a DoRA adapter"),
        ({"lora_unet_conv_in.hada_w1_a": (1, 1), "lora_unet_conv_in.hada_w1_b": (1, 1)}, "is a LoHa adapter"),
        ({"lora_unet_conv_in.lokr_w1": (1, 1)}, "is a LoKr adapter"),
        ({"lora_unet_conv_in.oft_blocks": (1, 1)}, "is a OFT adapter"),
        ({"lora_unet_conv_in.diff_b": (1,)}, "is a full-weight adapter"),
        ({"lora_unet_conv_in.lora_up.bias": (32,)}, r"holds lora_unet_conv_in\.lora_up\.bias, which a LoRA has no use for"),
        ({"conv_in.weight": (32, 4, 3, 3)}, r"holds conv_in\.weight, which a LoRA has no use for"),
        ({f"lora_unet_strange_{place}.lora_{half}.weight": (1,) for place in range(5) for half in ("up", "down")},
         r"holds lora_unet_strange_0\.lora_down\.weight, .* and 7 more, which this model has no place for"),
        ({"lora_unet_conv_out.lora_up.weight": (4, 1, 1, 1)}, r"holds lora_unet_conv_out\.lora_up\.weight without the rest of the pair"),
        ({"lora_unet_conv_out.alpha": ()}, r"holds lora_unet_conv_out\.alpha without the rest"),
        ({"lora_unet_conv_in.alpha": (2,)}, r"alpha of shape \(2,\), but alpha is one number"),
        ({"lora_unet_conv_in.lora_down.weight": (1, 9, 3, 3)},
         r"conv_in \(\(32, 1, 1, 1\) by \(1, 9, 3, 3\), but the weight is \(32, 4, 3, 3\)\)"),
        ({"lora_unet_conv_in.lora_up.weight": (32, 2, 1, 1)}, "does not fit this model's lora_unet_conv_in"),
        ({"lora_unet_conv_in.lora_down.weight": ()}, "does not fit this model's lora_unet_conv_in"),
        ({"lora_unet_conv_in.lora_mid.weight": (1, 1, 3, 3)}, r"lora_mid\.weight of shape \(1, 1, 3, 3\) behind \(1, 4, 3, 3\)"),
        ({"unet.conv_in.lora_A.weight": (1, 4, 3, 3), "unet.conv_in.lora_B.weight": (32, 1, 1, 1)},
         r"(lora_unet_|unet\.)conv_in \(twice\)"),
    ],
)  # fmt: skip
def test_what_is_no_lora_of_this_model_is_told(more, told, toy, tmp_path):
    file = {"lora_unet_conv_in.lora_down.weight": (1, 4, 3, 3), "lora_unet_conv_in.lora_up.weight": (32, 1, 1, 1)} | more
    path = write(tmp_path / "file.safetensors", {name: torch.ones(shape) for name, shape in file.items()})
    refused(path, toy, told)


def test_damaged_files_are_told(toy, tmp_path):
    model = toy
    good = {"conv_in.lora_A.weight": torch.ones(1, 4, 3, 3), "conv_in.lora_B.weight": torch.ones(32, 1, 1, 1)}
    refused(tmp_path / "none.safetensors", model, "is missing")
    refused(write(tmp_path / "empty.safetensors", {}), model, "holds nothing")
    for bad, told in (
        (torch.full((32, 1, 1, 1), torch.nan), "not numbers"),
        (torch.ones(32, 1, 1, 1).int(), "in int32, but a floating"),
    ):
        refused(write(tmp_path / "bad.safetensors", good | {"conv_in.lora_B.weight": bad}), model, told)
    whole = write(tmp_path / "good.safetensors", good).read_bytes()
    (tmp_path / "short.safetensors").write_bytes(whole[:-8])
    refused(tmp_path / "short.safetensors", model, "is truncated or not a safetensors file")
    (tmp_path / "old.pt").write_bytes(pickle.dumps({}, protocol=2))
    refused(tmp_path / "old.pt", model, "is a pickled checkpoint")


def test_fused_attention_is_told(makers, tmp_path):
    model = model_of(filled(made(makers, "LDM")))
    file = kohya({"mid_block.attentions.0.to_q": (torch.ones(1, 64), torch.ones(64, 1), 1.0)})
    refused(write(tmp_path / "file.safetensors", file), model, "which this model has no place for")


def test_text_encoders_are_changed_and_restored(single, double, folders, toy, tmp_path):
    pipeline, conditioner = double.pair_of_models(single, folders, double.GRAPHS[0])
    model = model_of(toy.unet, conditioner.double())
    encoders = pipeline.text_encoder, pipeline.text_encoder_2
    pairs = [pairs_for(encoder, seed=place, only="layers" if place == 0 else "") for place, encoder in enumerate(encoders)]
    wrapped = [
        {name if name.startswith("text_") else f"text_model.{name}": pair for name, pair in each.items()} for each in pairs
    ]
    file = kohya(wrapped[0], "lora_te1_") | kohya(wrapped[1], "lora_te2_")
    adapter = read_lora(write(tmp_path / "kohya.safetensors", file), model)
    assert len(adapter.changes) == len(pairs[0]) + len(pairs[1])
    names = ("text_encoder.{}.lora_linear_layer.down.weight", "text_encoder.{}.lora_linear_layer.up.weight")
    # transformers has taken `text_model.` away from models without projection
    other = scaled(pairs[0], *names) | scaled(wrapped[1], *(name.replace("encoder", "encoder_2") for name in names))
    assert same(read_lora(write(tmp_path / "diffusers.safetensors", other), model), adapter, 1e-6)
    with torch.no_grad():
        before = model.conditioner(PROMPTS)
        modules = [(name, id(module)) for name, module in model.conditioner.named_modules()]
        weights = {name: tensor.clone() for name, tensor in model.conditioner.state_dict().items()}
        for encoder, each in zip(encoders, pairs, strict=True):
            encoder.load_state_dict(changed(encoder, each, 0.6).float().state_dict())
        wanted = pipeline.encode_prompt(PROMPTS, device="cpu", do_classifier_free_guidance=False)
        adapters = model.adapters
        adapters.set({adapter: 0.6})
        live = model.conditioner(PROMPTS)
        adapters.clear()
        adapters.merge({adapter: 0.6})
        merged = model.conditioner(PROMPTS)
        adapters.clear()
        after = model.conditioner(PROMPTS)
    assert single.relative_error(before.context, live.context) > 0.1
    assert single.relative_error(live.context, wanted[0]) <= 1e-5
    assert single.relative_error(live.pooled[:, : wanted[2].shape[1]], wanted[2]) <= 1e-5
    assert single.relative_error(live.context, merged.context) <= 1e-10
    assert torch.equal(after.context, before.context) and torch.equal(after.pooled, before.pooled)
    assert modules == [(name, id(module)) for name, module in model.conditioner.named_modules()]
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.conditioner.state_dict().items())


def test_a_model_draws_with_it_and_then_without(sd, tmp_path):
    """The prepared network is made anew when layers change, and only then."""
    peer, model = sd
    adapter = read_lora(write(tmp_path / "file.safetensors", kohya(pairs_for(peer))), model)
    adapters = model.adapters
    noised, conditioning = torch.randn(2, 4, 8, 8), Conditioning(context=torch.randn(2, 5, 16))
    outputs, networks = [], []
    for act in (dict, lambda: adapters.set({adapter: 1.0}), lambda: adapters.set({adapter: 0.5}), adapters.clear):
        act()
        outputs.append(model._predict(noised, TIMES, conditioning))
        networks.append(model._network)
    assert torch.equal(outputs[0], outputs[3])
    assert not torch.allclose(outputs[0], outputs[1]) and not torch.allclose(outputs[1], outputs[2])
    assert networks[0] is not networks[1] and networks[1] is networks[2] and networks[2] is not networks[3]


def their_output(peer, noised, context, pooled=None):
    # the peer makes its pooled vector of text features and six embedded numbers
    more = {} if pooled is None else {"added_cond_kwargs": {"text_embeds": pooled, "time_ids": torch.ones(2, 6)}}
    with torch.no_grad():
        return peer(noised, TIMES, encoder_hidden_states=context, **more).sample


def test_what_pefts_files_hold_is_what_it_computes(makers, tmp_path):
    peft = pytest.importorskip("peft")
    peer = made(makers, "SD 1, one block a level")
    model = model_of(filled(peer))
    settings = peft.LoraConfig(
        r=3,
        lora_alpha=5,
        rank_pattern={"to_k": 2},
        alpha_pattern={"to_k": 7, "proj_out": 1},
        target_modules=list(pairs_for(peer)),
    )
    peer.add_adapter(settings)
    torch.manual_seed(0)
    for name, weight in peer.named_parameters():
        if "lora_" in name:
            nn.init.normal_(weight, std=0.2)
    peer.save_lora_adapter(str(tmp_path))
    adapters = model.adapters
    adapters.set({read_lora(tmp_path / "pytorch_lora_weights.safetensors", model): 1.0})
    noised, context = torch.randn(2, 4, 8, 8), torch.randn(2, 5, 16)
    wanted = their_output(peer, noised, context)
    found = model._predict(noised, TIMES, Conditioning(context=context))
    assert (found - wanted).norm() <= 1e-5 * wanted.norm()


def test_kohyas_files_do_in_diffusers_what_they_do_here(makers, tmp_path):
    """Two at once. Only the U-Net: transformers loses a text encoder's own weights when it is given an adapter without a file."""
    pytest.importorskip("peft")
    peer = made(makers, "XL, one block a level")
    model = model_of(filled(peer))
    # diffusers heeds alphas of files with kohya's names only where they do not differ
    files = [
        write(
            tmp_path / f"{name}.safetensors",
            kohya(papers_names(pairs_for(peer, seed=seed, alpha=2.0, only="blocks"), model.unet.config)),
        )
        for seed, name in enumerate("ab")
    ]
    strengths = (0.8, -0.3)
    model.adapters.set(dict(zip((read_lora(file, model) for file in files), strengths, strict=True)))
    for file in files:
        tensors, alphas = StableDiffusionXLPipeline.lora_state_dict(str(file), unet_config=peer.config)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peer.load_lora_adapter(tensors, network_alphas=alphas, adapter_name=file.stem, prefix="unet")
    peer.set_adapters(["a", "b"], list(strengths))
    noised, context, pooled = torch.randn(2, 4, 8, 8), torch.randn(2, 5, 8), torch.randn(2, 4)
    wanted = their_output(peer, noised, context, pooled)
    told = torch.cat([pooled, peer.add_time_proj(torch.ones(12)).reshape(2, -1)], dim=1)
    found = model._predict(noised, TIMES, Conditioning(context=context, pooled=told))
    assert (found - wanted).norm() <= 1e-5 * wanted.norm()


def test_a_text_encoder_that_peft_saved_is_read(single, folders, toy, tmp_path):
    peft = pytest.importorskip("peft")
    pipeline, conditioner = single.pair_of_models(
        single.GRAPHS[1], folders[0], padding="<|endoftext|>", activation="quick_gelu"
    )
    settings = peft.LoraConfig(r=3, lora_alpha=5, target_modules=["q_proj", "out_proj", "fc2"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrapped = peft.get_peft_model(pipeline.text_encoder, settings)
    for name, weight in wrapped.named_parameters():
        if "lora_" in name:
            nn.init.normal_(weight, std=0.2)
    wrapped.save_pretrained(str(tmp_path))
    model = model_of(toy.unet, conditioner)
    adapters = model.adapters
    with torch.no_grad():
        wanted, _ = pipeline.encode_prompt(PROMPTS, "cpu", 1, False)
        adapters.set({read_lora(tmp_path / "adapter_model.safetensors", model): 1.0})
        assert single.relative_error(model.conditioner(PROMPTS).context, wanted) <= 1e-5
