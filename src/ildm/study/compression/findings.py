"""From what was measured to what it says: the claims of both tables, and what the study could not do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ildm.core.durations import say_duration
from ildm.evaluation.metric import Estimate
from ildm.study.compression.config import Bottleneck, CompressionConfig
from ildm.study.compression.report import TABLES, Claim, Table
from ildm.study.compression.results import ArmResult
from ildm.study.compression.verdict import CLAIMS, Curves, judge


def claims(
    config: CompressionConfig,
    results: Sequence[ArmResult],
    steps: Sequence[int],
    compute: Mapping[str, Sequence[int]],
    floor: Estimate,
    control: Estimate,
) -> tuple[Claim, ...]:
    """Every claim of the paper's, in both tables, for each bottleneck.

    Args:
        steps: at which all arms are judged alike.
        compute: for each arm, where it has spent the same operations.
        floor, control: the KID-Lite0 of real and of blank images.
    """
    return tuple(
        Claim(
            table=table,
            bottleneck=bottleneck,
            finding=judge(name, curves(results, table, bottleneck, steps, compute), floor, control),
        )
        for bottleneck in config.bottlenecks
        for table in TABLES
        for name in CLAIMS
    )


def curves(
    results: Sequence[ArmResult],
    table: Table,
    bottleneck: Bottleneck,
    steps: Sequence[int],
    compute: Mapping[str, Sequence[int]],
) -> Curves:
    """KID-Lite0 along the trainings of one bottleneck's arms and of f = 1."""
    found: dict[int, list[Estimate | None]] = {}
    for result in results:
        if result.kind in ("pixels", bottleneck):
            places = steps if table == "equal steps" else compute[result.name]
            at = [result.at(step) for step in places]
            found[result.factor] = [None if point is None else point.distances.kid for point in at]
    return found


def what_was_cut(
    config: CompressionConfig,
    asked: tuple[int, int],
    budget: float | None,
    results: Sequence[ArmResult],
    steps: Sequence[int],
    compute: Mapping[str, Sequence[int]],
) -> tuple[str, ...]:
    """What is missing of the study that was asked for, in sentences."""
    sentences = []
    first, second = config.stage_one.loop.steps, config.stage_two.loop.steps
    if budget is not None and (first, second) != asked:
        sentences.append(
            f"The budget of {say_duration(budget)} allowed {second} of {asked[1]} steps for each denoiser and {first} of {asked[0]} "
            "for each autoencoder."
        )
    for result in results:
        if result.first_stage is None:
            sentences.append(f"{result.name}: the first stage was not finished, so nothing was measured.")
            continue
        missing = sorted({*steps, *compute[result.name]} - {0, *(point.step for point in result.points)})
        if missing:
            sentences.append(f"{result.name}: not judged at step {', '.join(map(str, missing))}.")
        elif slow := [number for number in config.judging.speeds if result.drawn_in(number) is None]:
            sentences.append(f"{result.name}: not drawn in {', '.join(map(str, slow))} sampler steps.")
    return tuple(sentences)
