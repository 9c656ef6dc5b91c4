"""Drawing: reproducible, one sample at a time or many, and every wrong argument told."""

import numpy as np
import pytest
import torch

import ildm
from ildm.core import extensions
from ildm.core.errors import ConfigError, ShapeError
from ildm.core.randomness import sample_noise


def pixels(images):
    return np.stack([np.asarray(image, dtype=np.int16) for image in images])


@pytest.mark.parametrize("sampler", extensions.names("ildm.samplers"))
def test_every_sampler_draws_and_repeats(model, sampler):
    first, second = (pixels(model.generate("a red rose", seed=5, sampler=sampler)) for _ in range(2))
    assert first.shape == (1, 64, 64, 3) and np.array_equal(first, second)
    other = pixels(model.generate("a red rose", seed=6, sampler=sampler))
    assert not np.array_equal(first, other)


def test_a_batch_draws_what_single_calls_draw(model):
    prompts, seeds = ["a red rose", "a blue key", ""], [1, 2, 3]
    together = pixels(model.generate(prompts, seed=seeds))
    alone = np.concatenate([pixels(model.generate(p, seed=s)) for p, s in zip(prompts, seeds, strict=True)])
    # networks run batched may round differently
    assert np.abs(together - alone).max() <= 1


def test_one_prompt_serves_many_seeds_and_one_seed_many_prompts(model):
    assert len(model.generate("a red rose", seed=[1, 2, 3])) == 3
    assert len(model.generate(["a red rose", "a blue key"], seed=1)) == 2


def test_the_prompt_the_negative_and_the_scale_matter(model):
    base = pixels(model.generate("a red rose", seed=1))
    for change in ({"prompt": "a blue key"}, {"negative_prompt": "a blue key"}, {"guidance_scale": 6.0}, {"num_steps": 7}):
        assert not np.array_equal(base, pixels(model.generate(**({"prompt": "a red rose", "seed": 1} | change)))), change


def test_without_guidance_the_negative_prompt_is_not_asked(model):
    plain = pixels(model.generate("a red rose", seed=1, guidance_scale=1.0))
    assert np.array_equal(plain, pixels(model.generate("a red rose", seed=1, guidance_scale=1.0, negative_prompt="a blue key")))


def test_initial_noise_replaces_the_seeds_own(model):
    noise = sample_noise([9], 0, (4, 8, 8))
    given = pixels(model.generate("a red rose", seed=1, initial_noise=noise))
    assert np.array_equal(given, pixels(model.generate("a red rose", seed=9)))


def test_a_drawn_seed_is_recorded_and_repeats(model):
    image = model.generate("a red rose")[0]
    again = model.generate("a red rose", seed=image.info["seed"])[0]
    assert np.array_equal(np.asarray(image), np.asarray(again)) and image.info["prompt"] == "a red rose"


def test_other_sizes_by_the_stride(model):
    assert model.generate("", seed=1, width=96, height=32)[0].size == (96, 32)


def test_progress_counts_every_step(model):
    seen = []
    model.generate("", seed=1, num_steps=3, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"width": 60}, ShapeError, "multiples of 16: try 48x64 or 64x64"),
        ({"width": 72}, ShapeError, "A size of 72x64 pixels.*multiples of 16: try 64x64 or 80x64"),
        ({"width": 8}, ShapeError, r"try 16x64\."),
        ({"height": 0}, ShapeError, "64x0"),
        ({"sampler": "eulr"}, ConfigError, "did you mean 'euler'"),
        ({"sampler": ""}, ConfigError, "Unknown sampler ''"),
        ({"num_steps": 0}, ConfigError, "at least 1 step"),
        ({"seed": -1}, ConfigError, "whole number"),
        ({"prompt": ["a", "b"], "seed": [1, 2, 3]}, ShapeError, "paired up"),
        ({"prompt": []}, ShapeError, "paired up"),
        ({"seed": []}, ShapeError, "paired up"),
        ({"negative_prompt": ["a", "b"]}, ShapeError, "One negative prompt per image"),
        ({"initial_noise": torch.zeros(1, 4, 4, 4)}, ShapeError, "initial_noise must be"),
        (
            {"initial_noise": torch.full((1, 4, 8, 8), float("nan"))},
            ConfigError,
            "initial_noise holds values that are not numbers",
        ),
    ],
)
def test_wrong_arguments_are_told(model, arguments, error, said):
    with pytest.raises(error, match=said):
        model.generate(**({"prompt": "a red rose"} | arguments))


def test_a_prompt_for_a_model_without_words_is_told(model):
    from dataclasses import replace

    wordless = replace(model, conditioner=None)
    with pytest.raises(ConfigError, match="no text encoder"):
        wordless.generate("a red rose")


def test_the_public_face_resolves_lazily():
    assert ildm.Model.__name__ == "Model" and callable(ildm.load) and "load" in dir(ildm)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ildm.nothing


@pytest.mark.usefixtures("shapes_unchecked")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"prompt": 3}, r"prompt takes a text.* but 3 \(int\) was given"),
        ({"prompt": "fox\udce9"}, "prompt takes a text that UTF-8 can hold"),
        ({"prompt": ["a", None]}, "prompt takes a text"),
        ({"negative_prompt": 3}, "negative_prompt takes a text"),
        ({"seed": 1.5}, "seed takes a whole number"),
        ({"seed": ["1"]}, "seed takes a whole number"),
        ({"num_steps": "5"}, "num_steps takes a whole number, but '5'"),
        ({"num_steps": 2.5}, "num_steps takes a whole number"),
        ({"width": 64.0}, "width takes a whole number"),
        ({"height": True}, "height takes a whole number"),
        ({"guidance_scale": "3"}, "guidance_scale takes a number"),
        ({"guidance_rescale": "3"}, "guidance_rescale takes a number"),
        ({"sampler": 3}, "sampler takes a name"),
        ({"image": "p.png"}, "image takes a PIL image, or a list of some: open the file first"),
        ({"mask": ["p.png"]}, "mask takes a PIL image"),
        ({"initial_noise": [1.0]}, "initial_noise takes a tensor"),
    ],
)
def test_arguments_of_another_kind_are_told(model, arguments, said):
    with pytest.raises(ConfigError, match=said):
        model.generate(**({"prompt": "a red rose"} | arguments))


@pytest.mark.usefixtures("shapes_unchecked")
@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda _: ildm.load(3), "source takes a name or a path, but 3"),
        (lambda _: ildm.load("emoji-scenes", device=3), "device takes a name such as 'cpu' or 'cuda', but 3"),
        (lambda model: model.to("cpu", torch.float32), "dtype takes a name such as 'float32'"),
        (lambda model: ildm.Session(model, "x", seed="a"), "seed takes a whole number"),
        (lambda model: ildm.Session(model, 3), "prompt takes a text"),
        (lambda model: ildm.Session(model, "x", initial_noise=np.zeros((1, 4, 8, 8))), "initial_noise takes a tensor"),
        (lambda _: ildm.Session("x", "x"), "A session is of a model, but 'x' was given: load one"),
    ],
)
def test_so_they_are_wherever_one_begins(model, call, said):
    with pytest.raises(ConfigError, match=said):
        call(model)


@pytest.mark.usefixtures("shapes_unchecked")
def test_numbers_of_numpy_serve(model):
    [image] = model.generate("", seed=np.int64(5), num_steps=np.int64(1), guidance_scale=np.float32(1.0), width=np.int64(32))
    assert image.size == (32, 64) and image.info["seed"] == 5
    drawn = model.generate("", seed=np.array([5, 6]), num_steps=1)
    assert [one.info["seed"] for one in drawn] == [5, 6]


def test_a_session_names_sizes_that_can_be_drawn(model):
    with pytest.raises(ShapeError, match=r"A size of 40x64 pixels.*try 32x64 or 48x64\."):
        ildm.Session(model, "x", width=40)
    assert ildm.Session(model, "x", width=48).run().image().size == (48, 64)
