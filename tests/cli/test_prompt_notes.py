"""What is told of a prompt counts the words that are read: no brackets, and each part between BREAKs by itself."""

import pytest

from ildm.cli.drawing import prompt_notes
from ildm.conditioning.text import TextConditioner, TextEncoderConfig
from ildm.conditioning.tokenizer import Tokenizer

ROOM = 10


@pytest.fixture(scope="module")
def conditioner():
    tokenizer = Tokenizer.train(["a red rose", "a blue key"], vocabulary_size=300, max_tokens=ROOM + 2)
    return TextConditioner(TextEncoderConfig(width=8, depth=1, num_heads=1, max_tokens=ROOM + 2), tokenizer)


@pytest.mark.parametrize(
    "prompt",
    [
        "a red rose " * 3 + "a",
        "(((a red rose:1.3))) [a] " * 2 + "(a:1.5) (red)",
        "a red rose a red rose BREAK a red rose a red rose BREAK " * 3 + "a",
    ],
)
def test_what_has_room_is_not_told(prompt, conditioner):
    assert prompt_notes(conditioner, [prompt]) == []


@pytest.mark.parametrize(
    "prompt", ["a red rose " * 3 + "a (red)", "a BREAK (a red rose) " + "a red rose " * 2 + "[a red] BREAK a"]
)
def test_a_part_without_room_is_told(prompt, conditioner):
    (note,) = prompt_notes(conditioner, [prompt, prompt])
    assert (
        note.startswith(f"The model reads {ROOM} pieces of words, but 'a red rose a red rose a") and "has 11: its end" in note
    )


@pytest.mark.parametrize("prompt", ["", " ", "()", "[BREAK]"])
def test_a_prompt_without_words_is_told(prompt, conditioner):
    (note,) = prompt_notes(conditioner, [prompt, "a red rose"])
    assert note == "The prompt is empty, so the picture is drawn without words."
