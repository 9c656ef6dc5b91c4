"""The report as a page: what was run, both tables, the first stages, and the verdict in words."""

from __future__ import annotations

from collections.abc import Sequence

from ildm.core.durations import say_duration
from ildm.evaluation.circumstances import say_circumstances
from ildm.evaluation.metric import Estimate
from ildm.evaluation.wording import say_estimate
from ildm.study.compression.report import TABLES, StudyReport, Table
from ildm.study.compression.results import ArmResult, Codebook, Point
from ildm.study.compression.verdict import MIDDLE

_HEADS: dict[Table, str] = {
    "equal steps": "Equal steps",
    "equal compute": "Equal compute",
}
_READING = (
    "Brackets hold 95 % intervals. KID-Lite0 and FD-Lite0 are measured in the features of EfficientNet-Lite0 and are not "
    "comparable with a FID; lower is better, and the floor is what other real images get. FD-64 is FD-Lite0 on the reference's "
    "first 64 principal components. Operations are those of the networks, a multiplication and its addition as two; hours are "
    "this machine's, and so are samples/s."
)


def to_markdown(report: StudyReport) -> str:
    """The whole page."""
    parts = [_head(report), _cut(report), _first_stages(report)]
    parts += [_denoisers(report, table) for table in TABLES]
    parts += [_speeds(report), _verdict(report)]
    return "\n".join("\n".join(part) for part in parts) + "\n"


def _head(report: StudyReport) -> list[str]:
    config, judging = report.config, report.config.judging
    budget = "" if report.budget is None else f" of a budget of {say_duration(report.budget)}"
    return [
        "# Compression factors compared",
        "",
        f"{config.data.size} px, {config.num_classes} classes, {config.data.length} images; autoencoders: {config.stage_one.loop.steps} "
        f"steps of {config.stage_one.batch_size}; denoisers: {config.stage_two.loop.steps} steps of {config.stage_two.batch_size}, "
        f"class-conditional, without guidance; {judging.sampler}, {judging.num_steps} steps; N = {judging.num_images} images.",
        f"{say_circumstances(report.machine, report.versions)}; {say_duration(report.spent)} spent{budget}.",
        "",
        _READING,
        "",
    ]


def _cut(report: StudyReport) -> list[str]:
    if not report.cut:
        return ["Nothing was cut.", ""]
    return ["## What was cut", "", *(f"- {sentence}" for sentence in report.cut), ""]


def _first_stages(report: StudyReport) -> list[str]:
    floor = report.floor
    lines = [
        "## First stages",
        "",
        "| arm | latent | parameters | hours | TFLOP | PSNR, dB | SSIM | perceptual | rFD-Lite0 | rFD-64 | rKID-Lite0 | codebook |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for arm in report.arms:
        stage = arm.first_stage
        if stage is None:
            lines.append(f"| {arm.name} | {_latent(arm)} |" + " |" * 10)
            continue
        distances = stage.reconstructed
        figures = (stage.psnr, stage.ssim, stage.perceptual, distances.fd, distances.fd64, distances.kid)
        lines.append(
            f"| {arm.name} | {_latent(arm)} | {stage.parameters:,} | {stage.seconds / 3600:.2f} | {stage.operations / 1e12:.3g} | "
            + " | ".join(map(say_estimate, figures))
            + f" | {_codebook(stage.codebook)} |"
        )
    lines.append(f"| floor: real images | | | | | | | | {' | '.join(map(say_estimate, (floor.fd, floor.fd64, floor.kid)))} | |")
    lines += ["", "PSNR counts 100 dB at most. f 1 has no first stage: its latents are the images.", ""]
    return lines


def _denoisers(report: StudyReport, table: Table) -> list[str]:
    reference = report.config.reference_factor
    said = {
        "equal steps": "Every arm at the furthest of the steps at which all are judged alike.",
        "equal compute": f"Every arm once its denoiser has spent the operations of f {reference}'s at the same point; first stages are not "
        "counted. An arm whose whole steps miss them by more than a tenth has no figures.",
    }
    lines = [
        f"## {_HEADS[table]}",
        "",
        said[table],
        "",
        "| arm | latent | parameters | GFLOP/sample | step | TFLOP | hours | KID-Lite0 | FD-Lite0 | FD-64 | samples/s |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    place = _reached(report, table)
    for arm in report.arms:
        point = None if place is None else arm.at(report.places(table, arm.name)[place])
        head = f"| {arm.name} | {_latent(arm)} | {arm.parameters:,} | {arm.training_operations / 1e9:.3g} |"
        lines.append(head + (" |" * 7 if point is None else f" {_point(point)} |"))
    for words, one in (("floor: real images", report.floor), ("control: blank images", report.control)):
        lines.append(f"| {words} | | | | | | | {' | '.join(map(say_estimate, (one.kid, one.fd, one.fd64)))} | |")
    lines += ["", f"![Quality in training]({_PLOTS[table]})", ""]
    return lines


_PLOTS: dict[Table, str] = {"equal steps": "plots/quality-by-steps.png", "equal compute": "plots/quality-by-operations.png"}


def _speeds(report: StudyReport) -> list[str]:
    lines = [
        "## Quality against samples/s",
        "",
        f"Denoisers after {report.steps[-1]} steps.",
        "",
        "| arm | sampler steps | samples/s | KID-Lite0 | FD-64 |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {arm.name} | {point.num_steps} | {point.samples_per_second:.3g} | "
        f"{say_estimate(point.distances.kid)} | {say_estimate(point.distances.fd64)} |"
        for arm in report.arms
        for point in arm.speeds
    ]
    return [*lines, "", "![Quality against speed](plots/quality-by-speed.png)", ""]


def _verdict(report: StudyReport) -> list[str]:
    lines = [
        "## Does the paper's ordering hold here?",
        "",
        f"f {MIDDLE[0]} to {MIDDLE[-1]} best, f 1 slow, f 32 stalling, by KID-Lite0. A claim is decided when the 95 % interval of its "
        "difference lies wholly on one side of zero.",
        "",
    ]
    for bottleneck in report.config.bottlenecks:
        for table in TABLES:
            lines.append(f"- {bottleneck.upper()}, {table}: **{report.ordering(table, bottleneck)}**")
            for claim in report.claims:
                if (claim.table, claim.bottleneck) == (table, bottleneck):
                    finding = claim.finding
                    lines.append(f"  - {finding.name}: {finding.outcome}. {_where(report, finding.place)}{finding.because}")
    return lines


def _reached(report: StudyReport, table: Table) -> int | None:
    """The furthest place that all arms with any point have reached."""
    begun = [arm for arm in report.arms if arm.points]
    places = [
        place
        for place in range(len(report.steps))
        if begun and all(report.places(table, arm.name)[place] == 0 or _judged(report, table, arm, place) for arm in begun)
    ]
    return places[-1] if places else None


def _judged(report: StudyReport, table: Table, arm: ArmResult, place: int) -> bool:
    return arm.at(report.places(table, arm.name)[place]) is not None


def _where(report: StudyReport, place: int | None) -> str:
    if place is None:
        return ""
    return f"At {report.steps[place] / report.steps[-1]:.0%} of the way, "


def _latent(arm: ArmResult) -> str:
    return "x".join(map(str, arm.latent))


def _codebook(codebook: Codebook | None) -> str:
    if codebook is None:
        return ""
    return f"{codebook.used:.0%} of {codebook.size} used by {codebook.cells} cells, perplexity {codebook.perplexity:.1f}"


def _point(point: Point) -> str:
    distances: Sequence[Estimate] = (point.distances.kid, point.distances.fd, point.distances.fd64)
    return (
        f"{point.step} | {point.operations / 1e12:.3g} | {point.seconds / 3600:.2f} | {' | '.join(map(say_estimate, distances))} | "
        f"{point.samples_per_second:.3g}"
    )
