"""BREAK: what stands behind it is encoded alone, in a window or with room of its own."""

from dataclasses import replace

import pytest
import torch


@pytest.mark.parametrize("kind", ["sd", "xl"])
@pytest.mark.parametrize(
    ("prompt", "windows"),
    [
        ("a cat BREAK the red dog", ["a cat", "the red dog"]),
        ("a cat BREAK" + " the dog," * 30 + "BREAK red", ["a cat", " the dog," * 25, " the dog," * 5, "red"]),
        ("a cat BREAK BREAK the dog", ["a cat", "", "the dog"]),
        ("BREAK a cat BREAK", ["", "a cat"]),
        ("cat " * 75 + "BREAK dog", ["cat " * 75, "dog"]),
        ("(a cat BREAK dog:1.4)", ["(a cat:1.4)", "(dog:1.4)"]),
    ],
)
def test_a_break_begins_a_window_that_is_encoded_alone(kind, prompt, windows, kinds, monkeypatch):
    conditioner = kinds[kind]
    if kind == "xl":
        monkeypatch.setattr(conditioner, "config", replace(conditioner.config, zero_empty=False))
    found, parts = conditioner.read([prompt]), conditioner.read(windows)
    assert torch.allclose(found.context[0], parts.context.flatten(0, 1), atol=1e-10)
    if kind == "xl":
        assert torch.allclose(found.pooled[0], parts.pooled[0], atol=1e-10)


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("a cat BREAK the red dog", ["a cat", "the red dog"]),
        ("BREAK a cat BREAK BREAK the (dog:1.3) BREAK", ["a cat", "the (dog:1.3)"]),
        ("a cat and a dog, a cat and a dog BREAK rose", ["a cat and a dog, a cat and a dog", "rose"]),
    ],
)
def test_our_own_encoder_joins_what_it_makes_of_each_part(prompt, parts, kinds):
    conditioner = kinds["own"]
    found = conditioner.read(["a rose", prompt])
    real = found.context[1][found.context_mask[1]]
    each = [conditioner.read([part]) for part in parts]
    wanted = torch.cat([part.context[part.context_mask] for part in each])
    assert torch.allclose(real, wanted, atol=1e-10)
    assert torch.allclose(found.pooled[1], wanted.mean(0), atol=1e-10)
    assert found.context[0][found.context_mask[0]].shape == (4, 16) and found.context.isfinite().all()


def test_each_part_has_room_of_its_own_in_our_encoder(kinds):
    long = "a cat and a dog " * 8
    alone, both = (kinds["own"].read([prompt]) for prompt in (long, f"{long} BREAK {long}"))
    assert int(both.context_mask.sum()) == 2 * int(alone.context_mask.sum()) > 2 * 20


def test_a_prompt_of_brackets_alone_is_empty_to_xl(kinds):
    conditioner = kinds["xl"]
    found = conditioner.read(["()", "( BREAK )", "(a)"])
    assert not found.context[:2].any() and found.context[2].any()
    assert torch.equal(found.pooled[1], conditioner([""]).pooled[0])
