"""Made-up numbers, and what they say of the paper's ordering."""

from __future__ import annotations

import pytest

from ildm.evaluation.metric import Estimate
from ildm.study.compression.verdict import LEAST_IMAGES, combined, judge, overall

CONTROL = Estimate(value=0.7, count=500, interval=(0.69, 0.71))
FLOOR = Estimate(value=0.0, count=500, interval=(-0.001, 0.001))
# distances at an eighth, a quarter, a half and the whole of a training: what the paper found
PAPER = {1: [0.9, 0.8, 0.6, 0.4], 2: [0.8, 0.5, 0.4, 0.25], 4: [0.6, 0.4, 0.2, 0.1], 8: [0.5, 0.3, 0.15, 0.08],
         16: [0.5, 0.35, 0.25, 0.2], 32: [0.5, 0.45, 0.42, 0.41]}  # fmt: skip


def curves(changes=None, half=0.01, cut=()):
    """The paper's curves with intervals of +-`half`, some exchanged, the last place of some taken away."""
    made = {
        factor: [Estimate(value=value, count=500, interval=(value - half, value + half)) for value in values]
        for factor, values in (PAPER | (changes or {})).items()
    }
    return made | {factor: [None] * 4 if factor in cut else made[factor] for factor in made}


@pytest.mark.parametrize(
    ("name", "changes", "half", "outcome"),
    [
        ("f 4 to 8 is best", {}, 0.01, "holds"),
        ("f 4 to 8 is best", {16: [0.5, 0.3, 0.1, 0.02]}, 0.01, "does not hold"),
        ("f 4 to 8 is best", {16: [0.5, 0.3, 0.2, 0.09]}, 0.01, "not decided"),
        ("f 4 to 8 is best", {}, 0.2, "not decided"),
        # one of both beats the others: that the other one does not is no matter
        ("f 4 to 8 is best", {4: [0.9, 0.9, 0.9, 0.9]}, 0.01, "holds"),
        ("f 1 is slow", {}, 0.01, "holds"),
        ("f 1 is slow", {1: [0.2, 0.1, 0.05, 0.01]}, 0.01, "does not hold"),
        ("f 1 is slow", {1: [0.9, 0.4, 0.2, 0.09]}, 0.01, "not decided"),
        ("f 32 stalls", {}, 0.01, "holds"),
        # still falling, though it is behind
        ("f 32 stalls", {32: [0.9, 0.8, 0.7, 0.4]}, 0.01, "does not hold"),
        # at rest, but ahead of the others
        ("f 32 stalls", {32: [0.04, 0.04, 0.03, 0.03]}, 0.005, "does not hold"),
        ("f 32 stalls", {32: [0.5, 0.45, 0.42, 0.38]}, 0.01, "not decided"),
    ],
)
def test_a_claim_is_decided_by_its_interval(name, changes, half, outcome):
    finding = judge(name, curves(changes, half), FLOOR, CONTROL)
    assert finding.outcome == outcome, finding.because
    assert finding.place == 3 and finding.interval is not None
    low, high = finding.interval
    assert low <= finding.difference <= high


def test_what_was_not_run_decides_nothing():
    found = judge("f 1 is slow", {8: curves()[8]}, FLOOR, CONTROL)
    assert found.outcome == "not decided" and "not both were run" in found.because
    found = judge("f 32 stalls", curves(cut=(32,)), FLOOR, CONTROL)
    assert found.outcome == "not decided" and "f 32 was not judged" in found.because
    found = judge("f 4 to 8 is best", curves(cut=(1, 32)), FLOOR, CONTROL)
    assert found.outcome == "not decided" and "f 1, 32 were not judged" in found.because


def test_a_study_that_was_stopped_is_judged_as_far_as_all_came():
    whole = curves()
    whole[1][3] = None
    found = judge("f 1 is slow", whole, FLOOR, CONTROL)
    assert found.place == 2 and found.difference is not None
    assert found.outcome == "not decided" and found.because.startswith("before the end: ")
    # what does not speak of f 1 does not wait for it
    assert judge("f 32 stalls", whole, FLOOR, CONTROL).place == 3


def test_stalling_needs_the_half():
    first_only = {factor: [values[0], None, None, None] for factor, values in curves().items()}
    found = judge("f 32 stalls", first_only, FLOOR, CONTROL)
    assert found.outcome == "not decided" and "half" in found.because


def test_few_images_decide_nothing():
    few = Estimate(value=0.0, count=LEAST_IMAGES - 1, interval=(0.0, 0.0))
    found = judge("f 4 to 8 is best", curves(), few, CONTROL)
    assert found.outcome == "not decided" and "99 images mean little" in found.because


def test_samples_no_nearer_than_blank_images_decide_nothing():
    blank = Estimate(value=0.05, count=500, interval=(0.04, 0.06))
    found = judge("f 4 to 8 is best", curves(), FLOOR, blank)
    assert found.outcome == "not decided" and "than blank ones (0.0500)" in found.because


def test_the_ordering_is_all_claims_together():
    names = ("f 4 to 8 is best", "f 1 is slow", "f 32 stalls")
    assert overall([judge(name, curves(), FLOOR, CONTROL) for name in names]) == "holds"
    assert overall([judge(name, curves(half=0.2), FLOOR, CONTROL) for name in names]) == "not decided"
    fast = {1: [0.2, 0.1, 0.05, 0.01]}
    assert overall([judge(name, curves(fast), FLOOR, CONTROL) for name in names]) == "does not hold"
    assert overall([]) == "not decided"


def test_intervals_of_equal_halves_add_up_in_squares():
    one, other = (Estimate(value=value, count=9, interval=(value - 3.0, value + 4.0)) for value in (10.0, 2.0))
    value, (low, high) = combined((1.0, one), (-1.0, other))
    assert value == 8.0 and low == pytest.approx(3.0) and high == pytest.approx(13.0)
    assert combined((2.0, one))[1] == (14.0, 28.0)
