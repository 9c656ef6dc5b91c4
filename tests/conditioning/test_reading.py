"""Prompts with weighted words and BREAKs, as each conditioner reads them."""

import copy
import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import build_model

from ildm.conditioning.conditioner import Conditioner
from ildm.conditioning.label import LabelConditioner, LabelConfig
from ildm.conditioning.prompt import escape, plain_text
from ildm.core.errors import ConfigError
from ildm.core.types import Conditioning

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from transformers import CLIPTokenizer

PLAIN = ["a photo of a red cat, the dog!", "", "catalogue " * 30, "BREAKING: a cat", "a:1.3)", "] red )"]
KINDS = ["own", "sd", "xl"]


def same_bits(first, second):
    """Whether two conditionings are the same bit for bit."""
    pairs = [(getattr(first, name), getattr(second, name)) for name in ("context", "context_mask", "pooled")]
    return all(one is other if one is None or other is None else torch.equal(one, other) for one, other in pairs)


def quotients(conditioner, prompt):
    """By what each token of the context was multiplied."""
    weighted, plain = conditioner.read([prompt]).context[0], conditioner([plain_text(prompt)]).context[0]
    assert weighted.shape == plain.shape
    found = (weighted * plain).sum(-1) / plain.square().sum(-1)
    assert torch.allclose(weighted, plain * found[:, None], atol=1e-9)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_without_syntax_it_is_the_plain_text_bit_for_bit(kind, kinds):
    conditioner = kinds[kind]
    assert same_bits(conditioner.read(PLAIN), conditioner(PLAIN))
    for prompt in PLAIN:
        assert same_bits(conditioner.read([prompt], (96, 64)), conditioner([prompt], (96, 64)))
    beside = conditioner.read(["a (red:1.5) cat", *PLAIN[:2]])
    plain = conditioner(["a red cat", *PLAIN[:2]])
    assert torch.equal(beside.context[1:], plain.context[1:]) and not torch.equal(beside.context[0], plain.context[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("(red:1.0) cat", "red cat"),
        ("a (red:1), cat", "a red, cat"),
        (r"a \(red\) cat", "a (red) cat"),
        (r"a \[red:1.3\]", "a [red:1.3]"),
        (r"\BREAK the dog", "BREAK the dog"),
        (escape("a (red:1.3) [cat] BREAK \\ dog"), "a (red:1.3) [cat] BREAK \\ dog"),
        ("()", ""),
        ("[(BREAK)]", ""),
        ("a cat BREAK", "a cat"),
    ],
)
def test_what_weighs_nothing_out_is_the_plain_text_bit_for_bit(kind, prompt, text, kinds):
    assert same_bits(kinds[kind].read([prompt]), kinds[kind]([text]))


@pytest.mark.parametrize("prompt", ["(red) cat", "a (red:1.3), cat", "a [red], (cat: 0.5)!", "((a)) red (cat and dog:1.2)"])
def test_our_own_encoder_reads_the_words_it_reads_without_weights(prompt, kinds):
    tokenizer = kinds["own"].tokenizer
    assert torch.equal(tokenizer.weighted([[(plain_text(prompt), 1.0)]])[0], tokenizer([plain_text(prompt)])[0])
    assert torch.equal(kinds["own"].read([prompt]).context_mask, kinds["own"]([plain_text(prompt)]).context_mask)
    quotients(kinds["own"], prompt)  # the same vectors but for their length


def test_a_piece_with_a_bracket_inside_weighs_what_its_letters_do(kinds):
    tokenizer = kinds["own"].tokenizer
    assert tokenizer.pieces("a photo") == [" a", " photo"]
    _, _, weights = tokenizer.weighted([[("a pho", 1.0), ("to", 2.0), (" of", 3.0)]])
    assert weights[0, :5].tolist() == [1, 1, 1.4, 3, 1] and (weights[0, 5:] == 1).all()


@pytest.mark.parametrize("kind", ["own", "sd"])
def test_each_word_weighs_what_its_brackets_say_and_the_rest_one(kind, kinds):
    found = quotients(kinds[kind], "a (red:1.5) cat [dog] ((photo:0.5)) of")
    relative = (found / found[0]).tolist()
    words = [1, 1, 1.5, 1, 1 / 1.1, 0.5 * 1.1, 1, 1]  # start mark, words, end mark
    assert relative[: len(words)] == pytest.approx(words, rel=1e-9)
    if kind == "sd":
        assert relative[len(words) :] == pytest.approx([1] * (77 - len(words)), rel=1e-9)


def test_weights_of_stable_diffusion_are_those_of_loops_over_another_tokenizer(kinds, clip_folder):
    ours, theirs = kinds["sd"], CLIPTokenizer.from_pretrained(str(clip_folder))
    prompts = [
        ("a (red:1.5) cat, [the dog] photo", [("a ", 1), ("red", 1.5), (" cat, ", 1), ("the dog", 1 / 1.1), (" photo", 1)]),
        ("(((catalogue)))!", [("catalogue", 1.1 * 1.1 * 1.1), ("!", 1)]),
        ("c(at)s (the:-0.25)", [("c", 1), ("at", 1.1), ("s ", 1), ("the", -0.25)]),
    ]
    together = ours.read([prompt for prompt, _ in prompts]).context
    for row, (_, pieces) in zip(together, prompts, strict=True):
        numbers, weights = [ours.tokenizer.start], [1.0]
        for words, weight in pieces:
            read = theirs(words, add_special_tokens=False).input_ids
            numbers += read
            weights += [weight] * len(read)
        numbers += [ours.tokenizer.end] * (77 - len(numbers))
        weights += [1.0] * (77 - len(weights))
        hidden = ours.encoder.normalise(ours.encoder(torch.tensor([[numbers]]))[-1])[0, 0].tolist()
        mean = math.fsum(value for token in hidden for value in token)
        weighted = [[weight * value for value in token] for token, weight in zip(hidden, weights, strict=True)]
        factor = mean / math.fsum(value for token in weighted for value in token)
        wanted = torch.tensor([[factor * value for value in token] for token in weighted], dtype=torch.float64)
        assert torch.allclose(row, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("prompt", ["a (red:1.5) cat", "(a photo:0.6) of [the] dog", "(red:1.2) cat BREAK (the:1.4) dog"])
def test_what_was_there_before_is_there_again(prompt, kinds):
    """The mean of each window and encoder; the size of each part for our own."""
    for kind, widths in (("sd", [16]), ("xl", [16, 24])):
        weighted = kinds[kind].read([prompt]).context[0].split(77)
        for part, window in zip(prompt.split("BREAK"), weighted, strict=True):
            plain = kinds[kind]([plain_text(part)]).context[0]
            for mine, before in zip(window.split(widths, -1), plain.split(widths, -1), strict=True):
                assert float(mine.mean()) == pytest.approx(float(before.mean()), rel=1e-5)
    weighted = kinds["own"].read([prompt])
    parts = prompt.split("BREAK")
    split = (each[0].chunk(len(parts)) for each in (weighted.context, weighted.context_mask))
    for part, rows, mask in zip(parts, *split, strict=True):
        plain = kinds["own"]([plain_text(part)])
        before = plain.context[plain.context_mask].square().mean()
        assert float(rows[mask].square().mean()) == pytest.approx(float(before), rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_prompt_reads_alike_alone_and_in_company(kind, kinds):
    prompts = ["a (red:1.5) cat", "(the dog:0.3)!", "the (photo:-1) BREAK a [cat]", "(a:0)"]
    together = kinds[kind].read(prompts)
    for place, prompt in enumerate(prompts):
        alone = kinds[kind].read([prompt])
        tokens = alone.context.shape[1]
        assert torch.allclose(together.context[place, :tokens], alone.context[0], atol=1e-10)
        if alone.context_mask is not None:
            assert torch.equal(together.context_mask[place, :tokens], alone.context_mask[0])
            assert not together.context_mask[place, tokens:].any()
        if alone.pooled is not None:
            assert torch.allclose(together.pooled[place], alone.pooled[0], atol=1e-10)


def test_the_pooled_vector_follows_the_weights_in_our_encoder_and_not_in_xl(kinds):
    prompts = ["a (red:1.5) cat", "a red cat"]
    own, xl = (kinds[kind].read(prompts) for kind in ("own", "xl"))
    assert not torch.allclose(own.pooled[0], own.pooled[1], atol=1e-4)
    assert torch.allclose(own.pooled[0], own.context[0][own.context_mask[0]].mean(0), atol=1e-12)
    assert torch.equal(xl.pooled[0], xl.pooled[1]) and not torch.equal(xl.context[0], xl.context[1])


def test_every_vector_of_an_added_word_weighs_what_the_word_does(kinds):
    for kind, widths in (("sd", [16]), ("xl", [16, 24])):
        conditioner = kinds[kind]
        vectors = [torch.randn(3, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) for width in widths]
        conditioner.words.add("EasyCat", vectors)
        try:
            for tokenizer in conditioner.tokenizers:
                tokens, weights = tokenizer.weighted([[[("a ", 1.0), ("easycat", 1.5), (" dog", 1.0)]]])
                assert torch.equal(tokens, tokenizer(["a EasyCat dog"]))
                assert weights[0, 0, :8].tolist() == [1, 1, 1.5, 1.5, 1.5, 1, 1, 1] and (weights[..., 8:] == 1).all()
            if kind == "sd":
                found = quotients(conditioner, "a (EasyCat:1.5) dog")
                assert (found / found[0])[:7].tolist() == pytest.approx([1, 1, 1.5, 1.5, 1.5, 1, 1], rel=1e-9)
        finally:
            conditioner.words.remove("EasyCat")


def test_weights_go_on_in_the_next_window(kinds):
    text = "cat " * 70 + "dog, " + "red " * 20
    tokens, weights = kinds["sd"].tokenizer.weighted([[[("cat " * 70, 1.0), ("dog, " + "red " * 10, 1.5), ("red " * 10, 0.5)]]])
    assert torch.equal(tokens, kinds["sd"].tokenizer([text]))
    assert weights[0, 0].tolist() == [1] * 71 + [1.5] * 2 + [1] * 4
    assert weights[0, 1].tolist() == [1] + [1.5] * 10 + [0.5] * 10 + [1] * 56


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weight", ["0", "-1", "-0.0", "1e9", "9" * 60, "-" + "9" * 60, "0.00000000001"])
def test_any_weight_is_finite(kind, weight, kinds):
    prompts = [f"(a red cat:{weight})", f"a (red:{weight}) cat", f"(a:{weight}) BREAK ((red:{weight}) cat:{weight})"]
    for conditioner in (kinds[kind], copy.deepcopy(kinds[kind]).float()):
        found = conditioner.read(prompts)
        assert found.context.isfinite().all()
        assert found.pooled is None or found.pooled.isfinite().all()


class Wordy(Conditioner):
    """An extension's, which knows no weights."""

    kind, Config = "wordy", object

    def forward(self, prompts, size=None):
        self.told = list(prompts), size
        return Conditioning()

    @classmethod
    def restore(cls, config, folder):
        raise NotImplementedError

    def write_files(self, folder):
        raise NotImplementedError


def test_a_conditioner_that_knows_no_weights_is_given_the_words():
    conditioner = Wordy()
    conditioner.read(["a (red:1.3) [cat] BREAK the \\(dog\\)", "a rose"], (64, 32))
    assert conditioner.told == (["a red cat the (dog)", "a rose"], (64, 32))


def test_classes_are_named_as_they_stand():
    conditioner = LabelConditioner(LabelConfig(count=3, names=("cat", "crane (bird)", "crane"), unconditional=2))
    assert conditioner.read(["crane (bird)", "0", ""]).label.tolist() == [1, 0, 2]
    assert conditioner.read([escape("crane (bird)"), "(cat:1.2)"]).label.tolist() == [1, 0]
    with pytest.raises(ConfigError, match=r"'dog' was given"):
        conditioner.read(["(dog)"])


def test_a_model_reads_prompts():
    model = build_model()
    weighted, plain = (model.condition([prompt]) for prompt in ("a (red:1.5) rose", "a red rose"))
    assert same_bits(weighted, model.conditioner.read(["a (red:1.5) rose"])) and not same_bits(weighted, plain)


PIECES = [
    *"ab ()[]:|\\.-2,",
    "BREAK",
    ":1.3)",
    ":-1)",
    ":0)",
    "(red:3e38)",
    "cat",
    "é",
    "😀",
    " " * 3,
    "9" * 50 + ")",
    "İ",
    "½",
]
typed = st.one_of(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.text(max_size=60))


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=50)
@given(prompts=st.lists(typed, min_size=1, max_size=3))
def test_whatever_is_typed_is_read_and_finite(kind, prompts, kinds):
    found = kinds[kind].read(prompts)
    assert len(found.context) == len(prompts) and found.context.isfinite().all()
    assert found.pooled is None or found.pooled.isfinite().all()
    if found.context_mask is not None:
        assert found.context_mask.any(dim=1).all()
