"""The text side of Stable Diffusion 1 and 2: what diffusers' pipeline makes of the same prompts with the same weights."""

import dataclasses
import sys
import warnings

import clip_folders
import clip_peers
import pytest
import torch

from ildm.conditioning.clip import ClipConditioner, ClipConfig
from ildm.conditioning.clip_encoder import BIG_G, VIT_H, VIT_L, ClipEncoder, ClipEncoderConfig
from ildm.conditioning.clip_tokenizer import ClipTokenizer
from ildm.conditioning.conditioner import Conditioner
from ildm.core.errors import CheckpointError, ConfigError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")

PROMPTS = ["a photo of a red cat, the dog!", "", "catalogue " * 30, "!!! été 猫 😀"]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Tokenizer folders in the published form, by the padding they declare."""
    folder = tmp_path_factory.mktemp("tokenizers")
    return {
        padding: clip_folders.write_folder(folder / str(place), padding=padding)
        for place, padding in enumerate((clip_folders.END, "!"))
    }


@pytest.fixture(scope="module")
def end_padded(published):
    return next(iter(published.values()))


@pytest.fixture(scope="module")
def first(end_padded):
    return clip_peers.single(clip_peers.GRAPHS[1], end_padded, padding="<|endoftext|>", activation="quick_gelu")


@pytest.mark.parametrize("seed", range(len(clip_peers.GRAPHS)))
@torch.inference_mode()
def test_context_of_stable_diffusion_1_is_that_of_diffusers(seed, end_padded):
    pipeline, ours = clip_peers.single(
        clip_peers.GRAPHS[seed], end_padded, padding="<|endoftext|>", activation="quick_gelu", seed=seed
    )
    wanted, _ = pipeline.encode_prompt(PROMPTS, "cpu", 1, False)
    conditioning = ours(PROMPTS)
    assert conditioning.context.shape == wanted.shape == (len(PROMPTS), 77, ours.config.context_width)
    assert conditioning.context_mask is None and conditioning.pooled is None
    assert clip_peers.relative_error(conditioning.context, wanted) <= 1e-5
    negative = pipeline.encode_prompt(PROMPTS, "cpu", 1, True)[1]
    assert clip_peers.relative_error(ours([""] * len(PROMPTS)).context, negative) <= 1e-5


@pytest.mark.parametrize("form", ["without the last layer", "penultimate of all layers"])
@pytest.mark.parametrize("seed", range(len(clip_peers.GRAPHS)))
@torch.inference_mode()
def test_context_of_stable_diffusion_2_is_that_of_diffusers(seed, form, published):
    all_layers = form == "penultimate of all layers"
    pipeline, ours = clip_peers.single(
        clip_peers.GRAPHS[seed],
        published["!"],
        padding="!",
        activation="gelu",
        seed=seed,
        more_layers=1 if all_layers else 0,
        clip_skip=2 if all_layers else 1,
    )
    wanted, _ = pipeline.encode_prompt(PROMPTS, "cpu", 1, False)
    assert clip_peers.relative_error(ours(PROMPTS).context, wanted) <= 1e-5


@pytest.mark.parametrize("clip_skip", [1, 2, 3])
@torch.inference_mode()
def test_clip_skip_counts_layers_from_the_end(clip_skip, first):
    pipeline, ours = first
    skipping = ClipConditioner(dataclasses.replace(ours.config, clip_skip=clip_skip), ours.tokenizer).eval()
    skipping.load_state_dict(ours.state_dict())
    tokens = pipeline.tokenizer(PROMPTS, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
    hidden = pipeline.text_encoder(tokens, output_hidden_states=True).hidden_states[-clip_skip]
    wanted = pipeline.text_encoder.final_layer_norm(hidden)
    assert clip_peers.relative_error(skipping(PROMPTS).context, wanted) <= 1e-5


@torch.inference_mode()
def test_windows_of_a_long_prompt_are_encoded_alone(first):
    pipeline, ours = first
    words = ["cat"] * 70 + ["dog,"] + ["red"] * 20
    halves = [" ".join(words[:71]), " ".join(words[71:])]  # at the comma
    context = ours([" ".join(words), "a cat"]).context
    assert context.shape == (2, 154, ours.config.context_width)
    wanted, _ = pipeline.encode_prompt([*halves, "a cat", ""], "cpu", 1, False)
    assert clip_peers.relative_error(context[0], wanted[:2].flatten(0, 1)) <= 1e-5
    assert clip_peers.relative_error(context[1, :77], wanted[2]) <= 1e-5


@torch.inference_mode()
def test_a_prompt_encodes_alike_alone_and_in_company(first):
    _, ours = first
    together = ours(PROMPTS).context
    for row, prompt in zip(together, PROMPTS, strict=True):
        assert torch.allclose(row, ours([prompt], size=(64, 64)).context[0], atol=1e-5)


@torch.inference_mode()
def test_files_and_weights_restore_it(first, tmp_path):
    _, ours = first
    assert isinstance(ours, Conditioner)
    ours.write_files(tmp_path)
    again = ClipConditioner.restore(ours.config, tmp_path).eval()
    again.load_state_dict(ours.state_dict())
    assert torch.equal(again(PROMPTS).context, ours(PROMPTS).context)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"tokenizer\.json is missing or damaged"):
        ClipConditioner.restore(ours.config, tmp_path)


def test_every_tensor_of_an_encoder_is_a_weight(first):
    """So that one built on the meta device is complete when its weights are in."""
    with torch.device("meta"):
        encoder = ClipEncoder(first[1].config.encoder)
    encoder.load_state_dict(first[1].encoder.state_dict(), assign=True)
    assert not [name for name, tensor in [*encoder.named_parameters(), *encoder.named_buffers()] if tensor.is_meta]
    assert next(encoder.double().parameters()).dtype == torch.float64


@pytest.mark.parametrize(
    ("config", "parameters"), [(VIT_L, 123_060_480), (VIT_H, 340_387_840), (BIG_G, 694_659_840)], ids=["L", "H", "bigG"]
)
def test_published_encoders_have_the_published_size(config, parameters):
    with torch.device("meta"):
        assert sum(weight.numel() for weight in ClipEncoder(config).parameters()) == parameters


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (lambda: ClipEncoderConfig(width=30, num_heads=4), "heads divide its width, but 4 and 30"),
        (lambda: ClipEncoderConfig(num_heads=0), "heads divide its width, but 0 and 768"),
        (lambda: ClipEncoderConfig(max_tokens=2), "at least one token"),
        (lambda: ClipConfig(clip_skip=0), "1 to 12 in a text encoder of that depth, but 0"),
        (lambda: ClipConfig(clip_skip=13), "but 13 was given"),
    ],
)
def test_a_graph_that_cannot_be_is_told(build, told):
    with pytest.raises(ConfigError, match=told):
        build()


def test_a_vocabulary_larger_than_the_embedding_is_told(first, end_padded):
    config = ClipConfig(encoder=dataclasses.replace(first[1].config.encoder, vocabulary_size=500))
    with pytest.raises(CheckpointError, match="embeds only 500: use the model's own vocabulary"):
        ClipConditioner(config, ClipTokenizer.from_folder(end_padded))


def test_missing_transformers_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match="pip install transformers"):
        ClipEncoder(ClipEncoderConfig(width=8, depth=1, num_heads=1, vocabulary_size=600))
