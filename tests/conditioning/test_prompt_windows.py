"""Where a long prompt is cut: whole words of several vectors, and at a comma where one is near."""

from hypothesis import given
from hypothesis import strategies as st

from ildm.conditioning.prompt_windows import LOOK_BACK, cut_into_windows

COMMA = 7
units = st.lists(st.one_of(st.just((COMMA,)), st.integers(0, 99).map(lambda n: (n,)), st.just((100, 101, 102))), max_size=120)


def cut(units, length, comma=None):
    """The numbers of each window."""
    return [[number for unit in units[part] for number in unit] for part in cut_into_windows(units, length, comma=comma)]


def read_one_by_one(units, length):
    """The rule told as a walk over the units: when a window is full, what follows its last near comma moves on."""
    done, window, comma = [], [], None
    for unit in units:
        if len(window) == length and unit != (COMMA,) and comma is not None and len(window) - comma <= LOOK_BACK:
            done.append(window[: comma + 1])
            window, comma = window[comma + 1 :], None
        if len(window) + len(unit) > length:
            done.append(window)
            window, comma = [], None
        if unit == (COMMA,):
            comma = len(window)
        window = [*window, *unit]
    return [*done, window] if window or not done else done


@given(units, st.integers(3, 75))
def test_windows_are_those_of_a_walk_over_the_units(units, length):
    assert cut(units, length, comma=COMMA) == read_one_by_one(units, length)


@given(units, st.integers(3, 75))
def test_nothing_is_lost_and_nothing_is_too_long(units, length):
    windows = cut(units, length, comma=COMMA)
    assert [number for window in windows for number in window] == [number for unit in units for number in unit]
    assert all(len(window) <= length for window in windows)
    assert all(windows) or windows == [[]]


def test_a_near_comma_ends_a_window():
    text = [(1,)] * 60 + [(COMMA,)] + [(2,)] * 30
    assert [len(window) for window in cut(text, 75, comma=COMMA)] == [61, 30]
    assert [len(window) for window in cut(text, 75)] == [75, 16]


def test_a_far_comma_does_not():
    text = [(1,)] * 54 + [(COMMA,)] + [(2,)] * 30
    assert [len(window) for window in cut(text, 75, comma=COMMA)] == [75, 10]
    assert [len(window) for window in cut([(1,), *text], 75, comma=COMMA)] == [56, 30]


def test_a_word_of_several_vectors_stays_whole():
    text = [(1,)] * 73 + [(5, 6, 7)] + [(2,)]
    assert cut(text, 75, comma=COMMA) == [[1] * 73, [5, 6, 7, 2]]


def test_no_text_is_one_empty_window():
    assert cut([], 75) == [[]]
