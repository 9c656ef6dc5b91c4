"""Whether the paper's ordering of f holds, said by the numbers: holds, does not hold, or not decided.

Rombach 2022, section 4.1 and figure 6: f = 4 to 8 strikes the best balance; small f train slowly; f = 32 stagnates early.
Every claim is a linear combination of distances whose 95 % interval lies wholly on one side of zero, or decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ildm.evaluation.intervals import Interval
from ildm.evaluation.metric import Estimate

Outcome = Literal["holds", "does not hold", "not decided"]
Name = Literal["f 4 to 8 is best", "f 1 is slow", "f 32 stalls"]
Curves = Mapping[int, Sequence[Estimate | None]]
"""For each f a distance, lower is better, at rising shares of a training, each twice the one before; None where it is not known."""

MIDDLE = (4, 8)
CLAIMS: tuple[Name, ...] = ("f 4 to 8 is best", "f 1 is slow", "f 32 stalls")
LEAST_IMAGES = 100
"""Judged at once: intervals from fewer mean little, so nothing is decided by them."""
STALLED = 0.1
"""A training has stalled when its second half takes away less than this share of what then separates it from the floor."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One claim, judged.

    Args:
        place: in the curves, where it was judged; None where it could not be.
        because: the numbers in words.
        difference, interval: what decided, see `because`.
    """

    name: Name
    outcome: Outcome
    because: str
    place: int | None = None
    difference: float | None = None
    interval: Interval | None = None


def judge(name: Name, curves: Curves, floor: Estimate, control: Estimate) -> Finding:
    """One claim on the furthest place of the curves that all it speaks of have reached; nothing is decided before the last one.

    Args:
        floor: the distance of real images, which no training can be expected to pass.
        control: the distance of blank images: while no denoiser is nearer, there are no samples to compare.
    """
    if floor.count < LEAST_IMAGES:
        because = f"Intervals from {floor.count} images mean little: it takes {LEAST_IMAGES}."
        return Finding(name=name, outcome="not decided", because=because)
    if name == "f 4 to 8 is best":
        found = _best_in_the_middle(curves)
    else:
        found = _slow(curves) if name == "f 1 is slow" else _stalled(curves, floor)
    if found.place is None:
        return found
    nearest = min(one.value for values in curves.values() if (one := values[found.place]) is not None)
    if nearest >= control.value:
        because = f"no samples are nearer to real images than blank ones ({control.value:.4f}); {found.because}"
        return replace(found, outcome="not decided", because=because)
    if found.place < max(map(len, curves.values())) - 1:
        return replace(found, outcome="not decided", because=f"before the end: {found.because}")
    return found


def overall(findings: Sequence[Finding]) -> Outcome:
    """Of all claims together: one that fails decides, one that is not decided leaves it open."""
    outcomes = {finding.outcome for finding in findings}
    if "does not hold" in outcomes:
        return "does not hold"
    return "holds" if outcomes == {"holds"} else "not decided"


def combined(*terms: tuple[float, Estimate]) -> tuple[float, Interval]:
    """A linear combination of independent estimates and its interval, from their own (Zou & Donner 2008, eq. 6).

    Distances to one reference are not independent, but what they share cancels in a difference, so the interval is the wider one.
    """
    value = sum(factor * one.value for factor, one in terms)
    below = above = 0.0
    for factor, one in terms:
        ends = sorted(factor * end for end in one.interval or (one.value, one.value))
        # an interval of quantiles may leave out its own value
        below += max(0.0, factor * one.value - ends[0]) ** 2
        above += max(0.0, ends[1] - factor * one.value) ** 2
    return value, (value - below**0.5, value + above**0.5)


def _best_in_the_middle(curves: Curves) -> Finding:
    name: Name = "f 4 to 8 is best"
    others = [factor for factor in curves if factor not in MIDDLE]
    middle = [factor for factor in MIDDLE if factor in curves]
    if not others or not middle:
        return Finding(name=name, outcome="not decided", because="It takes f 4 or 8 and one other f, but not both were run.")
    place = _furthest(curves, [*middle, *others])
    if place is None:
        return _unknown(name, curves, [*middle, *others])
    at = {factor: _at(curves, factor, place) for factor in (*middle, *others)}
    best = min(middle, key=lambda factor: at[factor].value)
    rival = min(others, key=lambda factor: at[factor].value)
    ahead = any(all(_apart(at[ours], at[theirs]) < 0 for theirs in others) for ours in middle)
    beaten = any(all(_apart(at[ours], at[theirs]) > 0 for ours in middle) for theirs in others)
    value, interval = combined((1.0, at[best]), (-1.0, at[rival]))
    return Finding(
        name=name,
        outcome="holds" if ahead else "does not hold" if beaten else "not decided",
        because=f"the best of f 4 to 8 (f {best}) less the best other (f {rival}): {_shown(value, interval)}",
        place=place,
        difference=value,
        interval=interval,
    )


def _slow(curves: Curves) -> Finding:
    name: Name = "f 1 is slow"
    found = _against_the_middle(name, curves, 1)
    if isinstance(found, Finding):
        return found
    place, best, value, interval = found
    return Finding(
        name=name,
        outcome=_side(interval),
        because=f"f 1 less the best of f 4 to 8 (f {best}): {_shown(value, interval)}",
        place=place,
        difference=value,
        interval=interval,
    )


def _stalled(curves: Curves, floor: Estimate) -> Finding:
    name: Name = "f 32 stalls"
    found = _against_the_middle(name, curves, 32)
    if isinstance(found, Finding):
        return found
    place, best, behind, behind_interval = found
    half = curves[32][place - 1] if place else None
    if half is None:
        return Finding(name=name, outcome="not decided", because="f 32 was not judged at half of its training.", place=place)
    # what is left at half, times the share that counts as moving, less what the second half took away
    end = _at(curves, 32, place)
    value, interval = combined((STALLED - 1.0, half), (1.0, end), (-STALLED, floor))
    still, worse = _side(interval), _side(behind_interval)
    outcome: Outcome = "not decided"
    if "does not hold" in (still, worse):
        outcome = "does not hold"
    elif still == worse == "holds":
        outcome = "holds"
    return Finding(
        name=name,
        outcome=outcome,
        because=(
            f"f 32 less the best of f 4 to 8 (f {best}): {_shown(behind, behind_interval)}; a tenth of what separated it from real "
            f"images at half of its training, less what the second half took away: {_shown(value, interval)}"
        ),
        place=place,
        difference=value,
        interval=interval,
    )


def _against_the_middle(name: Name, curves: Curves, factor: int) -> Finding | tuple[int, int, float, Interval]:
    """Where both can be compared, the better one of f 4 to 8 there, and how much worse `factor` is."""
    middle = [one for one in MIDDLE if one in curves]
    if factor not in curves or not middle:
        return Finding(name=name, outcome="not decided", because=f"It takes f {factor} and f 4 or 8, but not both were run.")
    place = _furthest(curves, [*middle, factor])
    if place is None:
        return _unknown(name, curves, [*middle, factor])
    best = min(middle, key=lambda one: _at(curves, one, place).value)
    return place, best, *combined((1.0, _at(curves, factor, place)), (-1.0, _at(curves, best, place)))


def _furthest(curves: Curves, factors: Sequence[int]) -> int | None:
    length = min(len(curves[factor]) for factor in factors)
    known = [place for place in range(length) if all(curves[factor][place] is not None for factor in factors)]
    return known[-1] if known else None


def _unknown(name: Name, curves: Curves, factors: Sequence[int]) -> Finding:
    missing = sorted(factor for factor in factors if all(one is None for one in curves[factor]))
    verb = "was" if len(missing) == 1 else "were"
    who = f"f {', '.join(map(str, missing))} {verb} not judged" if missing else "they were not judged at one place"
    return Finding(name=name, outcome="not decided", because=f"There is nothing to compare: {who}.")


def _at(curves: Curves, factor: int, place: int) -> Estimate:
    found = curves[factor][place]
    assert found is not None
    return found


def _apart(ours: Estimate, theirs: Estimate) -> int:
    """-1 where `ours` is lower beyond doubt, 1 where it is higher, else 0."""
    _, (low, high) = combined((1.0, ours), (-1.0, theirs))
    return -1 if high < 0 else 1 if low > 0 else 0


def _side(interval: Interval) -> Outcome:
    low, high = interval
    return "holds" if low > 0 else "does not hold" if high < 0 else "not decided"


def _shown(value: float, interval: Interval) -> str:
    return f"{value:+.4f} ({interval[0]:+.4f} to {interval[1]:+.4f})"
