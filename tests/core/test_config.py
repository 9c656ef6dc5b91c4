"""Configurations: to JSON and back, and overrides that are typed and never ignored."""

from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ildm.core.config import from_json, override, to_json
from ildm.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Left:
    kind: Literal["left"] = "left"
    depth: int = 1


@dataclass(frozen=True, kw_only=True)
class Right:
    kind: Literal["right"] = "right"
    width: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Inner:
    rate: float = 0.1
    channels: tuple[int, ...] = (1, 2)
    pair: tuple[float, float] = (0.0, 1.0)
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outer:
    steps: int
    fast: bool = False
    mode: Literal["plain", "fancy"] = "plain"
    inner: Inner = Inner()
    side: Left | Right = Left()


configs = st.builds(
    Outer,
    steps=st.integers(-(2**40), 2**40),
    fast=st.booleans(),
    mode=st.sampled_from(["plain", "fancy"]),
    inner=st.builds(
        Inner,
        rate=st.floats(allow_nan=False, allow_infinity=False),
        channels=st.lists(st.integers(0, 512)).map(tuple),
        name=st.none() | st.text(max_size=20),
    ),
    side=st.builds(Left, depth=st.integers(0, 9)) | st.builds(Right, width=st.floats(0, 9)),
)


@given(configs)
def test_the_round_trip_is_exact(config):
    assert from_json(Outer, to_json(config)) == config


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("steps=5", Outer(steps=5)),
        ("steps=5.0", Outer(steps=5)),
        ("fast=true", Outer(steps=1, fast=True)),
        ("mode=fancy", Outer(steps=1, mode="fancy")),
        ("inner.rate=1e-3", Outer(steps=1, inner=Inner(rate=1e-3))),
        ("inner.rate=1", Outer(steps=1, inner=Inner(rate=1.0))),
        ("inner.channels=64", Outer(steps=1, inner=Inner(channels=(64,)))),
        ("inner.channels=64,128", Outer(steps=1, inner=Inner(channels=(64, 128)))),
        ("inner.channels=[64, 128]", Outer(steps=1, inner=Inner(channels=(64, 128)))),
        ("inner.pair=0.2,0.8", Outer(steps=1, inner=Inner(pair=(0.2, 0.8)))),
        ("inner.name=none but a name", Outer(steps=1, inner=Inner(name="none but a name"))),
        ("inner.name=null", Outer(steps=1)),
    ],
)
def test_overrides_are_read_by_the_type_of_their_field(assignment, expected):
    assert override(Outer(steps=1), [assignment]) == expected


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("stepz=5", "did you mean 'steps'"),
        ("inner.rat=5", "did you mean 'rate'"),
        ("steps=many", "a whole number"),
        ("steps=1.5", "a whole number"),
        ("fast=1", "true or false"),
        ("mode=fanci", "did you mean 'fancy'"),
        ("inner=5", "a group of keys"),
        ("steps.more=5", "plain value"),
        ("inner.pair=1,2,3", "2 values"),
        ("inner.channels=1,x", "a whole number"),
        ("steps", "key=value"),
    ],
)
def test_what_cannot_be_set_is_told(assignment, said):
    with pytest.raises(ConfigError, match=said):
        override(Outer(steps=1), [assignment])


def test_json_with_unknown_or_missing_keys_is_told():
    with pytest.raises(ConfigError, match="'fastt' in configuration: did you mean 'fast'"):
        from_json(Outer, {"steps": 1, "fastt": True})
    with pytest.raises(ConfigError, match="'steps' is missing"):
        from_json(Outer, {})
    with pytest.raises(ConfigError, match="a group of keys"):
        from_json(Outer, {"steps": 1, "inner": 3})


@dataclass(frozen=True, kw_only=True)
class Bound:
    low: int = 1
    high: int = 2
    inner: Inner | None = Inner()

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise ConfigError("low stays below high.")


def test_changes_that_need_each_other_are_made_at_once():
    assert override(Bound(), ["low=5", "high=9"]) == Bound(low=5, high=9)
    with pytest.raises(ConfigError, match="low stays below high"):
        override(Bound(), ["low=5"])


def test_a_group_that_may_be_left_out_can_be():
    assert override(Bound(), ["inner=null"]).inner is None
    with pytest.raises(ConfigError, match="'inner' is a group of keys"):
        override(Bound(), ["inner=5"])
    with pytest.raises(ConfigError, match="a part of it"):
        override(Bound(), ["inner.rate=1", "inner=null"])


def test_a_derived_key_cannot_be_set():
    with pytest.raises(ConfigError, match="high follows from low: set that"):
        override(Bound(), ["high=9"], derived={"high": "low"})


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("steps=" + "9" * 5000, "steps takes a whole number"),
        ("steps=" + "[" * 5000, "steps takes a whole number"),
        ("inner.rate=" + "9" * 400, "inner.rate takes a number"),
        ("inner.rate=" + "9" * 5000, "inner.rate takes a number"),
    ],
    ids=lambda text: f"{text[:14]} {len(text)}",
)
def test_what_no_machine_reads_is_told_in_short(assignment, said):
    with pytest.raises(ConfigError, match=said) as told:
        override(Outer(steps=1), [assignment])
    assert len(str(told.value)) < 120


def test_long_digits_may_be_a_name():
    assert override(Outer(steps=1), ["inner.name=" + "9" * 5000]).inner.name == "9" * 5000


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_a_number_is_finite(value):
    with pytest.raises(ConfigError, match="takes a number"):
        override(Outer(steps=1), [f"inner.rate={value}"])
