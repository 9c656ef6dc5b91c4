"""Measure a model: make the sets, let every chosen metric look at those it can, and write down how it was done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ildm.core import extensions
from ildm.core.config import to_json
from ildm.core.efficientnet_lite import LITE0
from ildm.core.errors import ConfigError
from ildm.core.progress import NamedProgress
from ildm.evaluation.asking import Asking
from ildm.evaluation.circumstances import machine, versions
from ildm.evaluation.drawing import Drawing, EvaluatedModel
from ildm.evaluation.inception import RESIZE
from ildm.evaluation.inception_features import InceptionFeatures
from ildm.evaluation.inception_weights import find_inception, load_inception, missing_inception
from ildm.evaluation.metric import CheckedMetric, EvaluationSet, Metric
from ildm.evaluation.network import load_lite0
from ildm.evaluation.report import Entry, Picture, Report
from ildm.evaluation.seeds import over_seeds
from ildm.evaluation.sets import EvaluationConfig, PlannedSet, plan_sets

_PICTURES = 64
_RESIZING = (
    "FID and the Inception score are comparable with figures of other programs only where those resize in the same way "
    f"({RESIZE}) and take as many images."
)


def evaluate(
    model: EvaluatedModel,
    config: EvaluationConfig | None = None,
    *,
    progress: NamedProgress | None = None,
    keep: Callable[[Report], object] | None = None,
) -> Report:
    """Every figure of a model, on every set that the chosen metrics can use.

    What can be seen to be wrong is told before anything is drawn.

    Args:
        keep: is given the report so far whenever a metric has looked at a set, with a note on what is missing.

    Raises:
        ConfigError: for an unknown metric or sampler (nearest match named), a missing package, weights that were named or whose metric was,
            but that are not there, a split that is empty for this model, or a model of a size that the data lacks.
        CheckpointError: when the weights for a FID are not the published ones.
        DataError: when the data was not built.
    """
    config = config or EvaluationConfig()
    config = replace(config, drawing=_resolved(model, config.drawing))
    extensions.load("ildm.samplers", str(config.drawing.sampler))
    metrics = _metrics(config.metrics)
    inception, notes = _inception(metrics, config, model.device, progress)
    notes = _foreign(model) + notes
    plan = plan_sets(model, load_lite0(str(model.device)), config, progress=progress)
    given = frozenset() if inception is None else frozenset({"inception"})
    _check_usable(metrics, [planned.provides | given for planned in plan])
    report = Report(
        model=_describe_model(model),
        settings=to_json(config) | {"guidance_interval": model.manifest.defaults.guidance_interval},
        machine=machine(model.device),
        versions=versions(LITE0.package),
        entries=(),
        notes=notes,
    )
    for number, planned in enumerate(plan):
        made = planned.make()
        further = tuple(replace(one, inception=inception) for one in made.further)
        samples = replace(made, inception=inception, further=further)
        for name, metric in metrics.items():
            if metric.requires <= samples.provides:
                report = replace(report, entries=report.entries + _entries(name, metric, samples))
                report = replace(report, pictures=report.pictures or tuple(_pictures(samples)))
                if keep is not None:
                    keep(replace(report, notes=(_unfinished(plan[number:]), *notes)))
    return replace(report, notes=notes + _idle(config, report))


def _entries(name: str, metric: Metric, samples: EvaluationSet) -> tuple[Entry, ...]:
    figures = over_seeds(metric, samples)
    return tuple(Entry(metric=name, split=samples.split, kind=samples.kind, figure=figure) for figure in figures)


def _check_usable(metrics: Mapping[str, Metric], provided: Sequence[frozenset[str]]) -> None:
    """See that every metric that has a set to look at can do it here.

    Raises:
        ConfigError: when one cannot.
    """
    for metric in metrics.values():
        if isinstance(metric, CheckedMetric) and any(metric.requires <= provides for provides in provided):
            metric.check()


def _unfinished(left: Sequence[PlannedSet]) -> str:
    told = "; ".join(f"{planned.split}, {planned.kind}" for planned in left)
    return f"This was written before all was measured. Not measured yet, the first of them in part: {told}."


def _foreign(model: EvaluatedModel) -> tuple[str, ...]:
    """What is left out of the report of a model of other things, and why."""
    missing = Asking(model.conditioner, model.hint, model.manifest.concepts).missing
    if not missing:
        return ()
    return (
        f"The model has no name for {len(missing)} of the things that EmojiScenes shows, such as {missing[0]!r}, so it cannot be asked for "
        "them: of what it draws only the speed was measured, by names of its own, and of its autoencoder the reconstruction. Distances and "
        "accuracies, which compare drawings with these scenes, are left out.",
    )


def _idle(config: EvaluationConfig, report: Report) -> tuple[str, ...]:
    """What is said of metrics that were asked for by name and found nothing to look at."""
    busy = {entry.metric for entry in report.entries}
    return tuple(
        f"{name} asks what this model is not told, or what these sets do not show: it has no figure."
        for name in config.metrics or ()
        if name not in busy
    )


def check_metrics(chosen: Sequence[str] | None) -> None:
    """Check that metrics of these names are registered; None = all.

    Raises:
        ConfigError: for an unknown one (nearest match named).
    """
    _metrics(chosen or ())


def _resolved(model: EvaluatedModel, drawing: Drawing) -> Drawing:
    defaults = model.manifest.defaults
    return replace(
        drawing,
        num_steps=defaults.num_steps if drawing.num_steps is None else drawing.num_steps,
        guidance_scale=defaults.guidance_scale if drawing.guidance_scale is None else drawing.guidance_scale,
        sampler=defaults.sampler if drawing.sampler is None else drawing.sampler,
    )


def _metrics(chosen: Sequence[str] | None) -> dict[str, Metric]:
    if chosen is None:
        return {name: metric() for name, metric in extensions.load_all("ildm.metrics").items()}
    return {name: extensions.load("ildm.metrics", name)() for name in chosen}


def _inception(
    metrics: Mapping[str, Metric], config: EvaluationConfig, device: torch.device, progress: NamedProgress | None
) -> tuple[InceptionFeatures | None, tuple[str, ...]]:
    """What takes the features for a FID, where a metric wants them and their weights are here, and what the report says of it."""
    path = find_inception(None if config.inception is None else Path(config.inception))
    if not any("inception" in metric.requires for metric in metrics.values()):
        return None, ()
    if path is not None:
        return InceptionFeatures(load_inception(path, str(device)), progress=progress), (_RESIZING,)
    if config.metrics is not None:
        # asked for by name, so doing without is no answer
        raise ConfigError(missing_inception())
    return None, (missing_inception(),)


def _pictures(samples: EvaluationSet) -> list[Picture]:
    """The first images drawn for their prompts, unpicked; none unless a metric had them drawn."""
    if samples.generated is None or not samples.generated.made:
        return []
    prompts = samples.prompts or [""] * len(samples.generated)
    return [
        Picture(prompt=prompt, pixels=pixels)
        for prompt, pixels in zip(prompts[:_PICTURES], samples.generated.pixels[:_PICTURES], strict=False)
    ]


def _describe_model(model: EvaluatedModel) -> dict[str, Any]:
    manifest = model.manifest
    digest = hashlib.sha256(json.dumps(manifest.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()
    return {
        "name": manifest.name,
        "image_size": list(model.image_size),
        "concepts": len(manifest.concepts) or "all",
        # the manifest holds the hash of every other file, so its own hash stands for all
        "sha256": digest,
        "files": dict(manifest.files),
    }
