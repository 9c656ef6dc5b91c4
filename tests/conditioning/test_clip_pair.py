"""The text side of Stable Diffusion XL and its refiner: what diffusers' pipelines make of the same prompts and sizes."""

import dataclasses
import json
import warnings

import clip_peers
import pytest
import torch

from ildm.conditioning.clip_encoder import BIG_G
from ildm.conditioning.clip_pair import ClipPairConditioner, ClipPairConfig
from ildm.conditioning.conditioner import Conditioner
from ildm.core.config import from_json, to_json
from ildm.core.errors import CheckpointError, ConfigError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")

PROMPTS = ["a photo of a red cat, the dog!", "!!! été", "catalogue " * 30]


def their_pooled(pipeline, pooled, time_ids):
    """The vector that diffusers' U-Net adds to its time embedding, before its own layers."""
    told = pipeline.unet.add_time_proj(time_ids.flatten()).reshape(1, -1).expand(len(pooled), -1)
    return torch.cat([pooled, told], dim=-1)


@pytest.fixture(scope="module")
def base(clip_pair_folders):
    return clip_peers.double(clip_pair_folders, clip_peers.PAIRS[0])


@pytest.fixture(scope="module")
def refiner(clip_pair_folders):
    return clip_peers.double(clip_pair_folders, clip_peers.PAIRS[0], refiner=True, zero_empty=False)


@pytest.mark.parametrize("seed", range(len(clip_peers.PAIRS)))
@torch.inference_mode()
def test_xl_is_that_of_diffusers(seed, clip_pair_folders):
    pipeline, ours = clip_peers.double(clip_pair_folders, clip_peers.PAIRS[seed], seed=10 * seed)
    context, negative, pooled, negative_pooled = pipeline.encode_prompt(PROMPTS, device="cpu")
    conditioning = ours(PROMPTS, size=(96, 64))
    assert conditioning.context.shape == context.shape and conditioning.context_mask is None
    assert conditioning.context.shape[-1] == ours.config.context_width
    assert clip_peers.relative_error(conditioning.context, context) <= 1e-5
    time_ids = pipeline._get_add_time_ids((64, 96), (0, 0), (64, 96), torch.float32, clip_peers.PAIRS[seed][2])
    wanted = their_pooled(pipeline, pooled, time_ids)
    assert conditioning.pooled.shape == wanted.shape == (len(PROMPTS), ours.config.pooled_width)
    assert clip_peers.relative_error(conditioning.pooled, wanted) <= 1e-5
    empty = ours([""] * len(PROMPTS), size=(96, 64))
    assert torch.equal(empty.context, negative) and not negative.any()
    assert clip_peers.relative_error(empty.pooled, their_pooled(pipeline, negative_pooled, time_ids)) <= 1e-5


@torch.inference_mode()
def test_an_empty_prompt_may_be_encoded_like_any_other(clip_pair_folders):
    pipeline, ours = clip_peers.double(clip_pair_folders, clip_peers.PAIRS[0], zero_empty=False)
    _, negative, _, pooled = pipeline.encode_prompt(PROMPTS, device="cpu")
    empty = ours([""] * len(PROMPTS))
    assert negative.any()
    assert clip_peers.relative_error(empty.context, negative) <= 1e-5
    assert clip_peers.relative_error(empty.pooled[:, : pooled.shape[1]], pooled) <= 1e-5


@torch.inference_mode()
def test_only_empty_prompts_become_zeros(base):
    _, ours = base
    together, alone = ours(["", "a cat"]), ours(["a cat"])
    assert not together.context[0].any() and torch.allclose(together.context[1], alone.context[0], atol=1e-5)
    assert torch.allclose(together.pooled[1], alone.pooled[0], atol=1e-5)


@pytest.mark.parametrize("score", [6.0, 2.5])
@torch.inference_mode()
def test_the_refiner_is_that_of_diffusers(score, refiner):
    pipeline, ours = refiner
    context, _, pooled, _ = pipeline.encode_prompt(PROMPTS, device="cpu")
    projection = clip_peers.PAIRS[0][2]
    time_ids, negative = pipeline._get_add_time_ids(
        (64, 96), (0, 0), (64, 96), 6.0, 2.5, (64, 96), (0, 0), (64, 96), torch.float32, projection
    )
    conditioning = ours(PROMPTS, size=(96, 64), aesthetic_score=None if score == 6.0 else score)
    assert clip_peers.relative_error(conditioning.context, context) <= 1e-5
    wanted = their_pooled(pipeline, pooled, time_ids if score == 6.0 else negative)
    assert conditioning.pooled.shape == wanted.shape
    assert clip_peers.relative_error(conditioning.pooled, wanted) <= 1e-5


@torch.inference_mode()
def test_without_a_size_the_models_own_is_told(base):
    _, ours = base
    assert torch.equal(ours(["a cat"]).pooled, ours(["a cat"], size=(1024, 1024)).pooled)
    assert not torch.equal(ours(["a cat"]).pooled, ours(["a cat"], size=(1024, 512)).pooled)
    assert torch.equal(ours(["a cat"]).context, ours(["a cat"], size=(1024, 512)).context)


@torch.inference_mode()
def test_both_encoders_read_as_many_windows_and_the_first_gives_the_pooled_vector(base):
    pipeline, ours = base
    # the second tokenizer, as published, takes "!" for a mark, so that it cuts other words out of the same text
    prompt = "...! " * 30
    assert len(pipeline.tokenizer(prompt).input_ids) > 77 >= len(pipeline.tokenizer_2(prompt).input_ids)
    assert ours([prompt]).context.shape == (1, 154, ours.config.context_width)
    words = ["cat"] * 80
    halves = [" ".join(words[:75]), " ".join(words[75:])]
    wanted, _, pooled, _ = pipeline.encode_prompt(halves, device="cpu")
    long = ours([" ".join(words)])
    assert clip_peers.relative_error(long.context[0], wanted.flatten(0, 1)) <= 1e-5
    assert clip_peers.relative_error(long.pooled[0, : pooled.shape[1]], pooled[0]) <= 1e-5


@pytest.mark.parametrize("kind", ["base", "refiner"])
@torch.inference_mode()
def test_files_and_weights_restore_it(kind, tmp_path, request):
    _, ours = request.getfixturevalue(kind)
    assert isinstance(ours, Conditioner)
    ours.write_files(tmp_path)
    again = ClipPairConditioner.restore(ours.config, tmp_path).eval()
    again.load_state_dict(ours.state_dict())
    assert torch.equal(again(PROMPTS).context, ours(PROMPTS).context)
    assert torch.equal(again(PROMPTS).pooled, ours(PROMPTS).pooled)
    (tmp_path / "tokenizer_2.json").unlink()
    with pytest.raises(CheckpointError, match=r"tokenizer_2\.json is missing or damaged"):
        ClipPairConditioner.restore(ours.config, tmp_path)


def test_published_widths():
    assert (ClipPairConfig().context_width, ClipPairConfig().pooled_width) == (2048, 2816)
    refiner = ClipPairConfig(first=None, aesthetic_score=6.0, zero_empty=False)
    assert (refiner.context_width, refiner.pooled_width) == (1280, 2560)


@pytest.mark.parametrize("kind", ["base", "refiner"])
def test_a_configuration_travels_as_json(kind, request):
    config = request.getfixturevalue(kind)[1].config
    assert from_json(ClipPairConfig, json.loads(json.dumps(to_json(config)))) == config


@torch.inference_mode()
def test_half_precision_stays_half_precision(clip_pair_folders):
    _, ours = clip_peers.double(clip_pair_folders, clip_peers.PAIRS[1])
    whole = ours(PROMPTS)
    half = ours.bfloat16()(PROMPTS)
    assert half.context.dtype == half.pooled.dtype == torch.bfloat16
    assert clip_peers.relative_error(half.context.float(), whole.context) <= 0.05
    assert clip_peers.relative_error(half.pooled.float(), whole.pooled) <= 0.05


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"clip_skip": 13}, "1 to 12 in a text encoder of that depth, but 13"),
        ({"size_width": 7}, "choose an even number"),
        ({"second": {"projection_width": None}}, "needs a projection_width"),
        ({"second": {"max_tokens": 50}}, "max_tokens 77 and 50"),
    ],
)
def test_a_pair_that_cannot_be_is_told(settings, told):
    if "second" in settings:
        settings = {"second": dataclasses.replace(BIG_G, **settings["second"])}
    with pytest.raises(ConfigError, match=told):
        ClipPairConfig(**settings)


def test_a_score_for_a_model_that_is_not_told_one_is_told(base):
    with pytest.raises(ConfigError, match=r"is not told an aesthetic score, but 5\.0"):
        base[1](["a cat"], aesthetic_score=5.0)
