"""Prompts as AUTOMATIC1111's users write them: what is documented comes out, and nothing that can be typed goes wrong."""

import math
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ildm.conditioning.prompt import escape, plain_text, schedule, split_and, split_break, weighted_parts, weights
from ildm.conditioning.wording import said_whole
from ildm.core.errors import ConfigError

LENGTH = 8192
PIECES = [*"ab ()[]:|\\.-+2e\n", "BREAK", "AND", ":1.3)", ":2]", "[a:b:.5]", "[a|b]", "é", "１", "9" * 400]  # noqa: RUF001
typed = st.one_of(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.text())
plain = st.text(st.characters(exclude_characters="()[]:|\\", exclude_categories=["Cs"]))

# prompts as long as they get, each made to be slow to read: deep, wide, unclosed, or nearly something else
PATHOLOGICAL = {
    "opening": "(" * 10_000,
    "opening square": "[" * 10_000,
    "closing": "a)" * (LENGTH // 2),
    "deep": "(" * 5_000 + "a" + ")" * 5_000,
    "deep square": "[" * 5_000 + "a" + "]" * 5_000,
    "deep weights": "(" * 1_300 + "a" + ":1.3)" * 1_300,
    "deep changes": "[a:" * 1_300 + "b" + ":2]" * 1_300,
    "deep changes without an end": "[a:" * 2_700,
    "deep turns": "[" * 2_700 + "|]" * 2_700,
    "crossing": "([" * 2_000 + ")]" * 2_000,
    "turns": "[a|b]" * 1_600,
    "one long turn": "[" + "|" * LENGTH + "]",
    "spaces": ":" + " " * LENGTH + "BREA" + " " * LENGTH,
    "digits": ":" + "1" * LENGTH,
    "digits with a point": "[:" + "1" * 4_000 + "." + "1" * 4_000 + "x]",
    "backslashes": "\\" * (LENGTH + 1),
    "escapes": "\\(" * (LENGTH // 2),
    "words": "BREAK AND " * (LENGTH // 10),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("test", [(10, "test")]),
        ("", [(10, "")]),
        ("a [b:3]", [(3, "a "), (10, "a b")]),
        ("a [b: 3]", [(3, "a "), (10, "a b")]),
        ("a [b:\t3\n]", [(3, "a "), (10, "a b")]),
        ("a [[[b]]:2]", [(2, "a "), (10, "a [[b]]")]),
        ("[(a:2):3]", [(3, ""), (10, "(a:2)")]),
        ("a [b : c : 1] d", [(1, "a b  d"), (10, "a  c  d")]),
        ("a[b:[c:d:2]:1]e", [(1, "abe"), (2, "ace"), (10, "ade")]),
        ("a [unbalanced", [(10, "a [unbalanced")]),
        ("a [b:.5] c", [(5, "a  c"), (10, "a b c")]),
        ("a [{b|d{:.5] c", [(5, "a  c"), (10, "a {b|d{ c")]),
        ("((a][:b:c [d:3]", [(3, "((a][:b:c "), (10, "((a][:b:c d")]),
        ("a [b::4] c", [(4, "a b c"), (10, "a  c")]),
        ("[a|(b:1.1)]", [(step, "a" if step % 2 else "(b:1.1)") for step in range(1, 11)]),
        ("[fe|]male", [(step, "female" if step % 2 else "male") for step in range(1, 11)]),
        ("[fe|||]male", [(step, "female" if step % 4 == 1 else "male") for step in range(1, 11)]),
        (
            "a [hill:lake:0.2] and [oak:pine:0.7][ ahead::0.6][ behind:0.2] [rough:fine:0.5]",
            [
                (2, "a hill and oak ahead rough"),
                (5, "a lake and oak ahead behind rough"),
                (6, "a lake and oak ahead behind fine"),
                (7, "a lake and oak behind fine"),
                (10, "a lake and pine behind fine"),
            ],
        ),
    ],
)
def test_documented_schedules(text, expected):
    assert schedule(text, 10) == expected


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("0", [(10, "b")]),  # at once
        ("0.05", [(10, "b")]),  # half a step is none
        ("-3", [(10, "b")]),
        ("0.3", [(3, "a"), (10, "b")]),
        ("5e-1", [(5, "a"), (10, "b")]),
        ("0.99", [(9, "a"), (10, "b")]),
        ("1", [(1, "a"), (10, "b")]),
        ("1.0", [(1, "a"), (10, "b")]),
        ("+2.9", [(2, "a"), (10, "b")]),
        ("3.", [(3, "a"), (10, "b")]),
        ("4e0", [(4, "a"), (10, "b")]),
        ("10", [(10, "a")]),  # never
        ("11", [(10, "a")]),
        ("9" * 400, [(10, "a")]),
        ("-" + "9" * 400, [(10, "b")]),
    ],
)
def test_when(when, expected):
    assert schedule(f"[a:b:{when}]", 10) == expected


@pytest.mark.parametrize("when", ["", " ", "x", "1x", "1 2", ".", "-", "1.2.3", "e3", "inf", "nan", "1_0", "１", "(2)", "[2]"])  # noqa: RUF001
def test_a_when_that_is_no_number_is_text(when):
    text = f"[a:b:{when}]"
    assert schedule(text, 10) == [(10, text)]


@pytest.mark.parametrize(
    "text",
    [
        "[a:b:c:3]",  # too many colons
        "[(a:b:c):3]",  # in round brackets too
        "[a) b:3]",  # a bracket without a partner inside
        "[(a:3]",
        "[[a:b]:3]",  # a pair inside that is none
        "a | b",
        "[a|b:c]",
        r"\[a:b:3]",
        r"[a:b:3\]",
        r"[a:b\:3]",
        r"[a\|b]",
        "[a:b:3",
        "a\\",
    ],
)
def test_what_does_not_parse_is_text(text):
    assert schedule(text, 10) == [(10, text)]


def test_what_lies_beside_or_inside_plain_text_still_acts():
    assert schedule("a | [b:c:2] )", 3) == [(2, "a | b )"), (3, "a | c )")]
    assert schedule("[x:y:z [b:c:2]]", 3) == [(2, "[x:y:z b]"), (3, "[x:y:z c]")]
    assert schedule("[(a|b):c|d:2]", 3) == [(2, "(a|b)"), (3, "c|d")]


def test_an_entry_for_every_step_at_which_the_text_is_made_anew():
    assert schedule("[a|a]", 3) == [(1, "a"), (2, "a"), (3, "a")]
    assert schedule("[a:[b:c:1]:2]", 3) == [(1, "a"), (2, "a"), (3, "c")]


def test_changes_in_turns_and_turns_in_changes():
    assert schedule("[a|[b:c:2]]", 4) == [(1, "a"), (2, "b"), (3, "a"), (4, "c")]
    assert schedule("[[a|b]:c:2]", 3) == [(1, "a"), (2, "b"), (3, "c")]
    assert schedule("[[a|b]|c]", 6) == [(1, "a"), (2, "c"), (3, "a"), (4, "c"), (5, "a"), (6, "c")]


def test_backslashes_stay_in_a_schedule():
    assert schedule(r"[\[a\]:b\|c:1] \\", 2) == [(1, r"\[a\] \\"), (2, r"b\|c \\")]
    assert schedule(r"[a\\|b]", 2) == [(1, r"a\\"), (2, "b")]


@pytest.mark.parametrize("num_steps", [0, -1])
def test_a_schedule_without_steps_is_refused(num_steps):
    with pytest.raises(ConfigError, match=f"at least one step, but num_steps {num_steps}"):
        schedule("a", num_steps)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("normal text", [("normal text", 1.0)]),
        ("", [("", 1.0)]),
        ("()[]", [("", 1.0)]),
        ("an (important) word", [("an ", 1.0), ("important", 1.1), (" word", 1.0)]),
        ("(unbalanced", [("unbalanced", 1.1)]),
        ("a [b (c", [("a ", 1.0), ("b ", 1 / 1.1), ("c", 1.0)]),
        (r"\(literal\]", [("(literal]", 1.0)]),
        (r"\[a\) \\(b)", [("[a) \\", 1.0), ("b", 1.1)]),
        ("(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
        (
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            [
                ("a ", 1.0),
                ("house", 1.5730000000000004),
                (" ", 1.1),
                ("on", 1.0),
                (" a ", 1.1),
                ("hill", 0.55),
                (", sun, ", 1.1),
                ("sky", 1.4641000000000006),
                (".", 1.1),
            ],
        ),
        ("(a: 1.3 )", [("a", 1.3)]),
        ("(a:-.5)(b:+2.)(c:0)", [("a", -0.5), ("b", 2.0), ("c", 0.0)]),
        ("a:1.3) b) c]", [("a:1.3) b) c]", 1.0)]),
        ("(a:b) (c:1.2.3) (d:.)", [("a:b", 1.1), (" ", 1.0), ("c:1.2.3", 1.1), (" ", 1.0), ("d:.", 1.1)]),
        ("[a:1.3)", [("a:1.3)", 1 / 1.1)]),
        ("(a [b) c]", [("a ", 1.1), ("b", 1.0), (" c", 1 / 1.1)]),  # brackets that cross
        (r"a\b \: c" + "\\", [("ab : c", 1.0)]),
        ("a BREAK b", [("a", 1.0), ("BREAK", -1.0), ("b", 1.0)]),
        (
            "a,BREAK\n(b BREAK BREAK c:2)",
            [("a,", 1.0), *[("BREAK", -1.0), ("b", 2.0), ("BREAK", -1.0)], ("BREAK", -1.0), ("c", 2.0)],
        ),
        ("BREAK", [("BREAK", -1.0)]),
        ("[a BREAK b] c", [("a", 1 / 1.1), ("BREAK", -1.0), ("b", 1 / 1.1), (" c", 1.0)]),
        ("(a:-1)BREAK(b:-1)", [("a", -1.0), ("BREAK", -1.0), ("b", -1.0)]),
        (r"BREAKS break _BREAK \BREAK", [("BREAKS break _BREAK BREAK", 1.0)]),
    ],
)
def test_documented_weights(text, expected):
    entries = weights(text)
    assert [words for words, _ in entries] == [words for words, _ in expected]
    assert [weight for _, weight in entries] == pytest.approx([weight for _, weight in expected], rel=1e-12)


def test_weights_stay_finite():
    assert weights("(" * 10_000 + "a") == [("a", 3e38)]
    assert weights("(" * 10_000 + "(a:0)") == [("a", 0.0)]
    assert weights(f"(a:-{'9' * 400})") == [("a", -3e38)]
    assert weights("[" * 10_000 + "a") == [("a", pytest.approx(0.0))]


def test_split_break():
    assert split_break(" a ") == ["a"]
    assert split_break("a BREAK b,BREAK\nBREAK c") == ["a", "b,", "", "c"]
    assert split_break(r"BREAKS a\BREAK \\BREAK b") == [r"BREAKS a\BREAK \\", "b"]
    assert split_break("(a BREAK b:1.2)") == ["(a", "b:1.2)"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [("", 1.0)]),
        ("a cat AND a dog", [("a cat", 1.0), ("a dog", 1.0)]),
        ("a cat :1.2 AND a dog AND a bird: -2.", [("a cat", 1.2), ("a dog", 1.0), ("a bird", -2.0)]),
        ("a cat:.5\n", [("a cat", 0.5)]),
        ("a:1:2 AND (b:1.2) AND [c:d:3]", [("a:1", 2.0), ("(b:1.2)", 1.0), ("[c:d:3]", 1.0)]),
        ("a: b AND c:1.2.3 AND d:", [("a: b", 1.0), ("c:1.2.3", 1.0), ("d:", 1.0)]),
        (r"SAND and \AND b\:2", [(r"SAND and \AND b\:2", 1.0)]),
        ("AND", [("", 1.0), ("", 1.0)]),
        (f"a:{'9' * 400}", [("a", 3e38)]),
    ],
)
def test_split_and(text, expected):
    assert split_and(text) == expected


@given(typed, st.integers(1, 40))
def test_a_schedule_covers_the_run(text, num_steps):
    entries = schedule(text, num_steps)
    steps = [0, *(until for until, _ in entries)]
    assert steps == sorted(set(steps))
    assert steps[-1] == num_steps
    assert all(len(shown) <= len(text) for _, shown in entries)


@given(typed)
def test_weights_lose_no_word(text):
    entries = weights(text)
    assert entries
    assert all(math.isfinite(weight) for _, weight in entries)
    assert all(words for words, _ in entries) or entries == [("", 1.0)]
    neighbours = pairwise(entries)
    assert all(one[1] != other[1] or ("BREAK", -1.0) in (one, other) for one, other in neighbours)
    letters = "".join(words for words, _ in entries)
    assert [letters.count(letter) for letter in "abBRéA"] == [text.count(letter) for letter in "abBRéA"]


@given(typed)
def test_splitting_never_fails(text):
    assert split_break(" BREAK ".join([*split_break(text), "a"]))[-1] == "a"
    assert all(math.isfinite(weight) for _, weight in split_and(text))


@given(plain, st.integers(1, 40))
def test_plain_text_is_left_alone(text, num_steps):
    assert schedule(text, num_steps) == [(num_steps, text)]
    if "BREAK" not in text:
        assert weights(text) == [(text, 1.0)]


@given(typed, st.integers(1, 40))
@example("AND a ratio of 3: 2 ", 1)
def test_an_escaped_text_means_itself(text, num_steps):
    escaped = escape(text)
    assert weights(escaped) == [(text, 1.0)]
    assert schedule(escaped, num_steps) == [(num_steps, escaped)]
    assert split_break(escaped) == [escaped.strip()]
    assert split_and(escaped) == [(escaped.strip(), 1.0)]


@given(typed, typed)
def test_escaped_texts_inside_the_syntax(first, second):
    assert weights(f"({escape(first)}:1.5)") == [(first, 1.5) if first else ("", 1.0)]
    one, other = (escape(text.translate({ord(":"): "", ord("|"): ""})) for text in (first, second))
    assert schedule(f"[{one}:{other}:1]", 2) == [(1, one), (2, other)]
    assert schedule(f"[{one}|{other}]", 2) == [(1, one), (2, other)]


@pytest.mark.parametrize("text", PATHOLOGICAL.values(), ids=PATHOLOGICAL)
def test_the_longest_prompts_are_read(text):
    assert schedule(text, 20)[-1][0] == 20
    assert weights(text)
    assert split_break(text)
    assert split_and(text)
    assert escape(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", [[]]),
        ("a (b) BREAK [c]", [[("a ", 1.0), ("b", 1.1)], [("c", pytest.approx(1 / 1.1))]]),
        ("(a BREAK BREAK b:2) BREAK", [[("a", 2.0)], [], [("b", 2.0)], []]),
        (r"(\BREAK:-1)", [[("BREAK", -1.0)]]),  # a word, though `weights` shows the other kind alike
    ],
)
def test_parts_between_breaks(text, parts):
    assert weighted_parts(text) == parts


@pytest.mark.parametrize(
    ("text", "words"),
    [("", ""), ("a ((red:1.3)) [cat], dog", "a red cat, dog"), (r"a \(b\) (c", "a (b) c"), ("a BREAK b BREAK", "a b ")],
)
def test_the_words_without_syntax(text, words):
    assert plain_text(text) == words


@given(typed)
def test_the_parts_are_those_that_weights_and_split_break_show(text):
    parts = weighted_parts(text)
    assert len(parts) == len(split_break(text))
    joined = [entry for part in parts for entry in [("BREAK", -1.0), *part]][1:]
    assert weights(text) == (joined or [("", 1.0)])
    assert plain_text(escape(text)) == text


def test_words_that_alternate_are_kept_once():
    prompt = f"[{'a' * 1000}|{'b' * 1000}]"
    texts = [said_whole(prompt, step, 1000) for step in range(1000)]
    assert len({id(text) for text in texts}) == 2
