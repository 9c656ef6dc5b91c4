"""Measure a model: make the sets, let every chosen metric look at those it can, and write down how it was done."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from typing import Any

from ildm.core import extensions
from ildm.core.config import to_json
from ildm.core.device import describe
from ildm.core.progress import NamedProgress
from ildm.evaluation.metric import EvaluationSet, Metric
from ildm.evaluation.network import PACKAGE, load_lite0
from ildm.evaluation.report import Entry, Picture, Report
from ildm.evaluation.sets import Drawing, EvaluatedModel, EvaluationConfig, emoji_sets

_PICTURES = 64


def evaluate(model: EvaluatedModel, config: EvaluationConfig | None = None, *, progress: NamedProgress | None = None) -> Report:
    """Every figure of a model, on every set that the chosen metrics can use.

    Raises:
        ConfigError: for an unknown metric (nearest match named), a missing package, or a model of a size that the data lacks.
        DataError: when the data was not built.
    """
    config = config or EvaluationConfig()
    config = replace(config, drawing=_resolved(model, config.drawing))
    metrics = _metrics(config.metrics)
    network = load_lite0(str(model.device))
    entries: list[Entry] = []
    pictures: list[Picture] = []
    for samples in emoji_sets(model, network, config, progress=progress):
        for name, metric in metrics.items():
            if metric.requires <= samples.provides:
                entries += [
                    Entry(metric=name, split=samples.split, kind=samples.kind, figure=figure)
                    for figure in metric.compute(samples)
                ]
        pictures = pictures or _pictures(samples)
    return Report(
        model=_describe_model(model),
        settings=to_json(config) | {"guidance_interval": model.manifest.defaults.guidance_interval},
        machine={"device": describe(model.device), "system": f"{platform.system()} {platform.machine()}"},
        versions={"python": platform.python_version()} | {name: _version(name) for name in ("ildm", "torch", "numpy", PACKAGE)},
        entries=tuple(entries),
        pictures=tuple(pictures),
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


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
