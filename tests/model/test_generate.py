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
        ({"width": 60}, ShapeError, "multiples of 8: try 64x64"),
        ({"height": 0}, ShapeError, "64x0"),
        ({"sampler": "eulr"}, ConfigError, "did you mean 'euler'"),
        ({"num_steps": 0}, ConfigError, "at least 1 step"),
        ({"seed": -1}, ConfigError, "whole number"),
        ({"prompt": ["a", "b"], "seed": [1, 2, 3]}, ShapeError, "paired up"),
        ({"prompt": []}, ShapeError, "paired up"),
        ({"negative_prompt": ["a", "b"]}, ShapeError, "One negative prompt per image"),
        ({"initial_noise": torch.zeros(1, 4, 4, 4)}, ShapeError, "initial_noise must be"),
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
