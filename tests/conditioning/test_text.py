"""Words to conditioning: a vocabulary that repeats, an encoder that ignores padding."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ildm.conditioning.prompt import weighted_parts, words_of
from ildm.conditioning.text import TextConditioner, TextEncoderConfig
from ildm.conditioning.tokenizer import Tokenizer
from ildm.core.errors import CheckpointError, ConfigError, DataError

CAPTIONS = ["a red rose on a plain white background", "a key to the left of a castle", "some grapes, 3d style"]


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(CAPTIONS, vocabulary_size=320, max_tokens=12)


@pytest.fixture(scope="module")
def conditioner(tokenizer):
    torch.manual_seed(0)
    return TextConditioner(TextEncoderConfig(width=16, depth=2, num_heads=2, max_tokens=12), tokenizer).eval()


def test_two_trainings_give_the_same_vocabulary(tokenizer):
    assert Tokenizer.train(CAPTIONS, vocabulary_size=320, max_tokens=12).to_json() == tokenizer.to_json()


def test_a_saved_vocabulary_reads_alike(tokenizer, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(tokenizer.to_json())
    again = Tokenizer.from_file(path, 12)
    assert torch.equal(again(CAPTIONS)[0], tokenizer(CAPTIONS)[0])
    path.write_text("{}")
    with pytest.raises(CheckpointError, match="cannot be read"):
        Tokenizer.from_file(path, 12)


@given(st.text(max_size=80))
def test_any_text_fits_and_nothing_is_unknown(tokenizer, text):
    tokens, mask = tokenizer([text])
    assert tokens.shape == (1, 12) and 2 <= int(mask.sum()) <= 12 and int(tokens.max()) < tokenizer.vocabulary_size


def test_case_and_spaces_do_not_matter(tokenizer):
    assert torch.equal(*(tokenizer([text])[0] for text in ("a  RED rose ", "a red rose")))
    assert tokenizer.pieces("a red rose") == [" a", " red", " rose"]


def test_captions_without_words_are_told():
    with pytest.raises(DataError, match="not one word"):
        Tokenizer.train(["", "  "], vocabulary_size=300, max_tokens=8)


def test_a_prompt_encodes_alike_alone_and_in_company(conditioner):
    with torch.no_grad():
        together, alone = conditioner(["a red rose", CAPTIONS[0]]), conditioner(["a red rose"])
    tokens = alone.context.shape[1]
    assert tokens == 8 < together.context.shape[1] == 12
    assert torch.allclose(together.context[:1, :tokens], alone.context, atol=1e-6)
    assert not together.context_mask[:1, tokens:].any()
    assert torch.allclose(together.pooled[:1], alone.pooled, atol=1e-6)


def test_padding_is_seen_by_nobody(conditioner):
    tokens, mask = conditioner.tokenizer(["a red rose"])
    other = torch.where(mask, tokens, 5)
    with torch.no_grad():
        first, second = (conditioner.encoder(ids, mask) for ids in (tokens, other))
    assert torch.allclose(first[mask], second[mask], atol=1e-6)


def test_word_order_matters(conditioner):
    with torch.no_grad():
        one, other = (conditioner([text]).pooled for text in ("a key left of a castle", "a castle left of a key"))
    assert not torch.allclose(one, other, atol=1e-4)


def test_heads_must_divide_the_width():
    with pytest.raises(ConfigError, match="divides"):
        TextEncoderConfig(width=30, num_heads=4)


# --- long prompts ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["a red rose, " * 9, "(a red rose:1.2) and " * 9, "rose" * 30, "", "a red rose", "é ü " * 20], ids=range(6)
)
def test_a_long_text_is_cut_into_such_as_are_read_whole(text, tokenizer):
    [part] = weighted_parts(text)
    cut = tokenizer.cut(part)
    letters = [(letter, weight) for words, weight in part for letter in words]
    assert [(letter, weight) for piece in cut for words, weight in piece for letter in words] == letters
    assert all(len(tokenizer.pieces(words_of(piece))) <= tokenizer.max_tokens - 2 for piece in cut)
    if len(tokenizer.pieces(words_of(part))) <= tokenizer.max_tokens - 2:
        assert len(cut) == 1


def test_a_long_text_is_cut_behind_a_comma_that_is_near(tokenizer):
    pieces = tokenizer.cut([("a red rose, a red rose, a red rose", 1.0)])
    assert len(pieces) > 1
    assert all(words_of(piece).endswith(",") for piece in pieces[:-1])


def test_the_last_words_of_a_long_prompt_are_read(conditioner):
    start = "a red rose, " * 8
    with torch.no_grad():
        rose, key = (conditioner.read([start + word]).context for word in ("a red rose", "a blue key"))
        assert not rose.equal(key)
        assert conditioner([start + "a red rose"]).context.equal(rose), "captions, too"


def test_a_word_far_behind_in_a_prompt_has_its_place(conditioner):
    prompt = "a red rose, " * 8 + "a blue key"
    places = conditioner.places(prompt, "key")
    assert places.any()
    assert len(places) == conditioner.read([prompt]).context.shape[1]
    assert int(places.nonzero().min()) > conditioner.config.max_tokens
