"""Text encoders under other names: transformers' own models on one side, OpenCLIP's graph written with torch's modules on the other."""

import collections
import dataclasses
import json
import warnings

import pytest
import safetensors.torch
import torch
from torch import nn

from ildm.checkpoint.layout import read_layout, write_layout
from ildm.checkpoint.text_layout import (
    STABLE_DIFFUSION_1,
    STABLE_DIFFUSION_2,
    XL,
    detect_text,
    diffusers_text,
    fill_text,
    open_clip_text,
    text_from_diffusers,
    text_to_diffusers,
)
from ildm.checkpoint.weights import open_weights
from ildm.conditioning.clip_encoder import BIG_G, VIT_H, VIT_L, ClipEncoder, ClipEncoderConfig
from ildm.core.errors import CheckpointError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

WHOLE_H = dataclasses.replace(VIT_H, depth=24, projection_width=1024)
PUBLISHED = {"L": VIT_L, "H": VIT_H, "H, whole": WHOLE_H, "bigG": BIG_G}
SMALL = ClipEncoderConfig(
    width=128,
    depth=3,
    num_heads=2,
    feed_forward_width=96,
    activation="gelu",
    projection_width=20,
    max_tokens=9,
    vocabulary_size=50,
)


class OpenClipLayer(nn.Module):
    def __init__(self, width, heads, inside):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            collections.OrderedDict(c_fc=nn.Linear(width, inside), gelu=nn.GELU(), c_proj=nn.Linear(inside, width))
        )

    def forward(self, x, mask):
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp(self.ln_2(x))


class OpenClip(nn.Module):
    """OpenCLIP's text tower as torch's own modules make it: one fused projection, a projection on its side."""

    def __init__(self, config):
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.randn(config.max_tokens, config.width))
        self.text_projection = nn.Parameter(torch.randn(config.width, config.projection_width or config.width))
        self.logit_scale = nn.Parameter(torch.tensor(4.6))
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleList(
            OpenClipLayer(config.width, config.num_heads, config.feed_forward_width) for _ in range(config.depth)
        )
        self.token_embedding = nn.Embedding(config.vocabulary_size, config.width)
        self.ln_final = nn.LayerNorm(config.width)

    def forward(self, tokens, end):
        x = (self.token_embedding(tokens) + self.positional_embedding).transpose(0, 1)
        mask = torch.full((tokens.shape[1], tokens.shape[1]), -torch.inf).triu(1)
        hidden = [x]
        for layer in self.transformer.resblocks:
            hidden.append(layer(hidden[-1], mask))
        last = self.ln_final(hidden[-1]).transpose(0, 1)
        pooled = last[torch.arange(len(last)), (tokens == end).int().argmax(1)] @ self.text_projection
        return [state.transpose(0, 1) for state in hidden], pooled


def shapes(tensors):
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def on_meta(kind, config):
    with torch.device("meta"):
        return kind(config)


def theirs(config):
    """transformers' model of a graph, on the meta device."""
    kind = CLIPTextModel if config.projection_width is None else CLIPTextModelWithProjection
    fields = text_to_diffusers(config)
    return on_meta(lambda fields: kind(CLIPTextConfig(**fields)), {key: fields[key] for key in fields if key != "model_type"})


def save(tensors, path, prefix=""):
    safetensors.torch.save_file({prefix + name: tensor.detach().contiguous() for name, tensor in tensors.items()}, path)
    return open_weights(path).under(prefix)


@pytest.fixture(scope="module")
def open_clip():
    torch.manual_seed(0)
    model = OpenClip(SMALL).eval()
    for weight in model.parameters():
        weight.requires_grad_(False).normal_(std=0.3)
    return model


@pytest.fixture(scope="module")
def tokens():
    rows = torch.randint(0, 48, (4, SMALL.max_tokens), generator=torch.Generator().manual_seed(1))
    rows[:, 6:] = 49
    rows[0, 2:] = 49
    return rows


@pytest.mark.parametrize("name", PUBLISHED)
def test_names_of_transformers_are_complete_in_both_directions(name):
    config = PUBLISHED[name]
    ours, reference = on_meta(ClipEncoder, config).state_dict(), theirs(config).state_dict()
    wrapped = config.projection_width is not None
    layout = diffusers_text(config, wrapped=wrapped)
    assert shapes(write_layout(layout, ours)) == shapes(reference)
    assert shapes(read_layout(layout, reference, source="the model")) == shapes(ours)


@pytest.mark.parametrize("name", PUBLISHED)
def test_names_of_open_clip_are_complete_in_both_directions(name):
    config = PUBLISHED[name]
    ours, reference = on_meta(ClipEncoder, config).state_dict(), on_meta(OpenClip, config).state_dict()
    del reference["logit_scale"]
    if config.projection_width is None:
        del reference["text_projection"]
    layout = open_clip_text(config)
    assert shapes(write_layout(layout, ours)) == shapes(reference)
    assert shapes(read_layout(layout, reference, source="the file")) == shapes(ours)


def test_names_of_published_files():
    written = shapes(write_layout(open_clip_text(BIG_G), on_meta(ClipEncoder, BIG_G).state_dict()))
    assert len(written) == 32 * 12 + 5
    assert written["transformer.resblocks.31.attn.in_proj_weight"] == (3840, 1280)
    assert written["transformer.resblocks.0.attn.in_proj_bias"] == (3840,)
    assert written["transformer.resblocks.7.mlp.c_fc.weight"] == (5120, 1280)
    assert written["positional_embedding"] == (77, 1280) and written["text_projection"] == (1280, 1280)
    written = shapes(write_layout(diffusers_text(VIT_L), on_meta(ClipEncoder, VIT_L).state_dict()))
    assert len(written) == 12 * 16 + 4
    assert written["text_model.encoder.layers.11.self_attn.q_proj.weight"] == (768, 768)
    assert written["text_model.embeddings.token_embedding.weight"] == (49408, 768)


@torch.inference_mode()
def test_an_open_clip_file_gives_what_open_clip_gives(open_clip, tokens, tmp_path):
    weights = save(open_clip.state_dict(), tmp_path / "xl.safetensors", XL[1])
    assert detect_text(weights) == SMALL
    encoder = on_meta(ClipEncoder, SMALL)
    fill_text(encoder, weights)
    hidden = encoder(tokens[:, None])
    wanted, pooled = open_clip(tokens, 49)
    assert len(hidden) == len(wanted) == SMALL.depth + 1
    for ours, theirs in zip(hidden, wanted, strict=True):
        assert torch.allclose(ours[:, 0], theirs, rtol=1e-4, atol=1e-4)
    assert torch.allclose(encoder.pool(hidden[-1][:, 0], tokens, 49), pooled, rtol=1e-4, atol=1e-4)
    assert torch.allclose(encoder.normalise(hidden[-2][:, 0]), open_clip.ln_final(wanted[-2]), rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_what_stable_diffusion_2_does_not_read_may_stay_behind(open_clip, tokens, tmp_path):
    weights = save(open_clip.state_dict() | {"attn_mask": torch.zeros(9, 9)}, tmp_path / "sd2.safetensors", STABLE_DIFFUSION_2)
    encoder = on_meta(ClipEncoder, dataclasses.replace(SMALL, depth=2, projection_width=None))
    fill_text(encoder, weights)
    assert torch.allclose(encoder(tokens[:, None])[-1][:, 0], open_clip(tokens, 49)[0][-2], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layout", [diffusers_text(SMALL), diffusers_text(SMALL, wrapped=False), open_clip_text(SMALL)])
def test_there_and_back_no_bit_changes(layout):
    ours = ClipEncoder(SMALL).state_dict()
    again = read_layout(layout, write_layout(layout, ours), source="the file")
    assert again.keys() == ours.keys()
    assert all(torch.equal(again[name], ours[name]) for name in ours)
    storages = {tensor.untyped_storage().data_ptr() for tensor in again.values()}
    assert len(storages) == len(again)  # parts of one fused tensor do not hold on to it, or it could not be saved


@pytest.mark.parametrize("projected", [False, True])
@pytest.mark.parametrize("form", ["as saved", "wrapped, with positions", "flat, with positions"])
@torch.inference_mode()
def test_a_folder_of_any_version_of_transformers_is_read(form, projected, tokens, tmp_path):
    config = dataclasses.replace(SMALL, activation="quick_gelu", projection_width=20 if projected else None)
    model = theirs(config).to_empty(device="cpu").eval()
    for weight in model.parameters():
        weight.normal_(std=0.3)
    body = model.text_model if projected else model
    body.embeddings.position_ids = torch.arange(9)[None]
    model.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    if form != "as saved":
        stem = "text_model." if form.startswith("wrapped") else ""
        saved = safetensors.torch.load_file(path)
        named = {name.removeprefix("text_model."): tensor for name, tensor in saved.items()}
        named = {name if name.startswith("text_projection") else stem + name: tensor for name, tensor in named.items()}
        safetensors.torch.save_file(named | {f"{stem}embeddings.position_ids": torch.arange(9)[None]}, path)
    fields = json.loads((tmp_path / "config.json").read_text())
    assert text_from_diffusers(fields, source="config.json") == config == detect_text(open_weights(path))
    encoder = on_meta(ClipEncoder, config)
    fill_text(encoder, open_weights(path))
    wanted = model(tokens, output_hidden_states=True).hidden_states
    assert all(torch.equal(ours[:, 0], theirs) for ours, theirs in zip(encoder(tokens[:, None]), wanted, strict=True))


def test_a_single_file_of_stable_diffusion_1_is_read(tmp_path):
    config = dataclasses.replace(SMALL, activation="quick_gelu", projection_width=None)
    ours = ClipEncoder(config).state_dict()
    written = write_layout(diffusers_text(config), ours) | {"text_model.embeddings.position_ids": torch.arange(9)[None]}
    weights = save(written, tmp_path / "sd1.safetensors", STABLE_DIFFUSION_1)
    assert detect_text(weights) == config
    encoder = on_meta(ClipEncoder, config)
    fill_text(encoder, weights)
    assert all(torch.equal(tensor, ours[name]) for name, tensor in encoder.state_dict().items())


def test_a_projection_that_the_encoder_has_no_use_for_may_lie_beside(tmp_path):
    config = dataclasses.replace(SMALL, activation="quick_gelu", projection_width=None)
    ours = ClipEncoder(config).state_dict()
    beside = {"text_projection.weight": torch.ones(20, config.width), "logit_scale": torch.ones(())}
    weights = save(write_layout(diffusers_text(config), ours) | beside, tmp_path / "sd1.safetensors", STABLE_DIFFUSION_1)
    encoder = on_meta(ClipEncoder, config)
    fill_text(encoder, weights)
    assert all(torch.equal(tensor, ours[name]) for name, tensor in encoder.state_dict().items())


def change(tensors, name, value):
    return {key: tensor for key, tensor in tensors.items() if key != name} | ({name: value} if value is not None else {})


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("transformer.resblocks.1.attn.in_proj_weight", None, r"lacks transformer\.resblocks\.1\.attn\.in_proj_weight"),
        ("transformer.resblocks.1.attn.in_proj_weight", torch.ones(383, 128), "does not divide into queries, keys and values"),
        ("transformer.resblocks.1.attn.in_proj_bias", torch.ones(96), r"of shape \(32,\) in float32, but \(128,\)"),
        ("transformer.resblocks.2.mlp.c_fc.weight", torch.ones(96, 64), r"of shape \(96, 64\) in float32, but \(96, 128\)"),
        ("text_projection", torch.ones(20, 128), r"of shape \(128, 20\) in float32, but \(20, 128\)"),
        ("visual.proj", torch.ones(3), r"holds visual\.proj"),
    ],
)
def test_weights_that_do_not_fit_are_told(name, value, told, open_clip, tmp_path):
    weights = save(change(open_clip.state_dict(), name, value), tmp_path / "bad.safetensors")
    with pytest.raises(CheckpointError, match=told):
        fill_text(on_meta(ClipEncoder, SMALL), weights)


def test_weights_of_something_else_are_told(tmp_path):
    weights = save({"positional_embedding": torch.ones(3), "x": torch.ones(1)}, tmp_path / "else.safetensors")
    with pytest.raises(CheckpointError, match=r"else\.safetensors holds no text encoder of a kind that is known"):
        detect_text(weights)
    with pytest.raises(CheckpointError, match="holds no text encoder"):
        detect_text(save({"a": torch.ones(1)}, tmp_path / "nothing.safetensors"))


@pytest.mark.parametrize("name", PUBLISHED)
def test_settings_there_and_back(name):
    fields = text_to_diffusers(PUBLISHED[name])
    assert text_from_diffusers(fields, source="config.json") == PUBLISHED[name]
    assert CLIPTextConfig(**fields).hidden_size == PUBLISHED[name].width


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"model_type": "t5"}, "sets model_type to 't5', but only 'clip_text_model' is supported"),
        ({"hidden_act": "relu"}, "sets hidden_act to 'relu', but only quick_gelu and gelu"),
        ({"use_attention_mask": True}, "sets use_attention_mask to True"),
        ({"hidden_size": 500, "num_attention_heads": 7}, "cannot be built: A text encoder's heads divide"),
        ({"hidden_size": "wide"}, "sets hidden_size to 'wide', but a whole number above 0 is expected"),
    ],
)
def test_settings_that_are_not_ours_are_told(fields, told):
    with pytest.raises(CheckpointError, match=told):
        text_from_diffusers(fields, source="config.json")
