"""Which tokens of a context are those of a word."""

import pytest
import torch

from ildm.conditioning.places import marked, without
from ildm.conditioning.prompt import words_of
from ildm.core.errors import ConfigError


@pytest.mark.parametrize(
    ("prompt", "word", "found"),
    [
        ("a red rose", "rose", ["rose"]),
        ("Rose, a rose", "rose", ["Rose", "rose"]),
        ("a red rose and primrose", "rose", ["rose"]),
        ("a (red:1.3) rose", "red rose", ["red rose"]),
        ("a [red] rose BREAK a rose", "rose", ["rose", "rose"]),
        (r"a rose \(red\)", "(red)", ["(red)"]),
        ("a red rose", " red  ", ["red"]),
    ],
)
def test_words_are_marked_where_they_stand_alone(prompt, word, found):
    parts = marked(prompt, word)
    assert [words for part in parts for words, weight in part if weight != 1.0] == found
    assert {weight for part in parts for _, weight in part} <= {1.0, 2.0}


@pytest.mark.parametrize("word", ["key", "", " ", "ose", "red rose,"])
def test_a_word_that_is_not_there_is_told(word):
    with pytest.raises(ConfigError, match="is no word of the prompt 'a red rose'"):
        marked("a red rose", word)


def test_marking_loses_no_letter():
    assert "".join(words_of(part) for part in marked("a rose, a (key) rose", "rose")) == "a rose, a key rose"


@pytest.mark.parametrize("kind", ["own", "sd", "xl"])
def test_the_tokens_of_a_word_are_those_that_another_word_would_change(kinds, kind):
    """Everything an encoder makes of a text hangs together, so the numbers it reads are looked at and not what it makes of them."""
    conditioner = kinds[kind]
    for prompt, word, other in [("a cat and a rose", "cat", "dog"), ("a rose (and a cat:1.2)", "cat", "dog")]:
        tokens = conditioner.places(prompt, word)
        assert tokens.dtype == torch.bool and tokens.shape == (conditioner.read([prompt]).context.shape[1],)
        before, after = (numbers(conditioner, text) for text in (prompt, prompt.replace(word, other)))
        assert torch.equal(tokens.nonzero(), (before != after).nonzero())


@pytest.mark.parametrize("kind", ["own", "sd", "xl"])
def test_behind_a_break_too(kinds, kind):
    conditioner = kinds[kind]
    tokens = conditioner.places("a cat BREAK a rose", "rose")
    assert len(tokens) == conditioner.read(["a cat BREAK a rose"]).context.shape[1]
    first, second = tokens.chunk(2)
    assert not first.any() and second.any()


@pytest.mark.parametrize("kind", ["own", "sd", "xl"])
def test_far_behind_in_a_long_prompt_too(kinds, kind):
    prompt = "a cat, " * 40 + "a rose"
    tokens = kinds[kind].places(prompt, "rose")
    assert len(tokens) == kinds[kind].read([prompt]).context.shape[1]
    assert tokens.any()


def test_a_conditioner_without_words_says_so():
    from ildm.conditioning.label import LabelConditioner

    with pytest.raises(ConfigError, match="does not read words one by one"):
        LabelConditioner.places(None, "a rose", "rose")


def numbers(conditioner, text):
    """The token numbers behind a context, of all its windows."""
    if hasattr(conditioner, "tokenizer"):
        read = conditioner.tokenizer.weighted([marked(text, "a")] if conditioner.kind == "clip" else marked(text, "a"))[0]
    else:
        read = conditioner.tokenizers[-1].weighted([marked(text, "a")])[0]
    return read.flatten()[: conditioner.read([text]).context.shape[1]]


def test_a_prompt_without_a_word():
    assert without("a (red:1.3) rose and a rose", "rose") == "a red and a"
    assert without("a red rose BREAK a key", "red rose") == "a a key"
    assert without(r"a rose \(red\)", "rose") == r"a \(red\)"
