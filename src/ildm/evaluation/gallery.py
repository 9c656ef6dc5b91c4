"""The gallery: real renders of every concept that a recogniser learns from, once, and keeps.

home()/evaluation/recogniser-<fingerprint>.safetensors
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Literal

import torch

from ildm.core.config import to_json
from ildm.core.efficientnet_lite import LITE0
from ildm.core.errors import ConfigError
from ildm.core.files import atomic_file, home
from ildm.core.progress import NamedProgress
from ildm.data.emoji_scenes import EmojiScenes, EmojiScenesConfig
from ildm.data.sample import Sample
from ildm.evaluation.images import extract
from ildm.evaluation.network import Lite0
from ildm.evaluation.recogniser import SHRINKAGE, Recogniser, fit

_VERSION = 1  # raise when the same configuration would make another recogniser
# far from every seed that a person is likely to train or evaluate with
_SEED = 861_000
_CHUNK = 64
# scenes in a row, for each concept, that may bring nothing wanted
_PATIENCE = 8


@dataclass(frozen=True, kw_only=True)
class GalleryConfig:
    """Which renders the recogniser learns from.

    Args:
        size: side of the renders, pixels: that of the images to be judged.
        per_concept: scenes with one object, of random style, place, size and background, for each concept.
        per_unseen_pair: further ones for each concept in the style that training never shows it in.
        sprites: see `EmojiScenesConfig`.
        names: what the recogniser tells: "concept" by an image's features, or "style" by its textures.
    """

    size: int = 128
    per_concept: int = 16
    per_unseen_pair: int = 3
    sprites: Literal["cache", "sample"] = "cache"
    names: Literal["concept", "style"] = "concept"


def load_recogniser(config: GalleryConfig, network: Lite0, *, progress: NamedProgress | None = None) -> Recogniser:
    """The recogniser of all concepts, read from the cache, or made and put there (some minutes on a CPU).

    Raises:
        DataError: when the sprites were not built.
        StorageError: when the cache cannot be written.
    """
    sources = _sources(config)
    path = _cache_file(config, sources)
    cached = _read(path)
    if cached is not None:
        return cached
    recogniser = _learn(config, sources, network, progress)
    _write(path, recogniser)
    return recogniser


def _learn(
    config: GalleryConfig, sources: list[tuple[EmojiScenes, int]], network: Lite0, progress: NamedProgress | None
) -> Recogniser:
    most = sum(quota * len(source.concepts) for source, quota in sources)
    scenes = chain.from_iterable(_draw(source, quota) for source, quota in sources)
    parts, shown = [], []
    # in chunks, because all scenes at once would fill a gigabyte
    while chunk := list(islice(scenes, _CHUNK)):
        look = network.textures if config.names == "style" else None
        parts.append(extract(network, torch.stack([sample.image for sample in chunk]), look=look))
        shown += [getattr(sample.objects[0], config.names) for sample in chunk]
        if progress is not None:
            progress(f"learning the {config.names}s", len(shown), most)
    if progress is not None:
        progress(f"learning the {config.names}s", most, most)
    labels = sorted(set(shown))
    places = {label: index for index, label in enumerate(labels)}
    return fit(torch.cat(parts), torch.tensor([places[label] for label in shown]), labels)


def _sources(config: GalleryConfig) -> list[tuple[EmojiScenes, int]]:
    scenes = EmojiScenesConfig(
        size=config.size,
        split="train",
        length=2**31,
        seed=_SEED,
        max_objects=1,
        single_object_share=1.0,
        captions=1,
        sprites=config.sprites,
    )
    sources = [(EmojiScenes(scenes), config.per_concept)]
    # the few sprites of the sample may hold none of the held-out pairs
    with suppress(ConfigError):
        sources.append((EmojiScenes(replace(scenes, split="unseen_pair")), config.per_unseen_pair))
    return sources


def _draw(source: EmojiScenes, quota: int) -> Iterator[Sample]:
    """Scenes until every concept has `quota` of them, or until the rarest ones keep it waiting for long."""
    seen: Counter[str] = Counter()
    waited, index = 0, 0
    while waited <= _PATIENCE * max(_CHUNK, len(seen)):
        sample = source[index]
        index, waited = index + 1, waited + 1
        concept = sample.objects[0].concept
        if seen[concept] < quota:
            seen[concept] += 1
            waited = 0
            yield sample


def _cache_file(config: GalleryConfig, sources: list[tuple[EmojiScenes, int]]) -> Path:
    parts = [source.fingerprint for source, _ in sources]
    values = {"version": _VERSION, "network": LITE0.sha256, "shrinkage": SHRINKAGE, "scenes": parts, **to_json(config)}
    # recognisers of concepts were kept before there were others
    if config.names == "concept":
        del values["names"]
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
    return home() / "evaluation" / f"recogniser-{digest}.safetensors"


def _read(path: Path) -> Recogniser | None:
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            labels = json.loads(file.metadata()["labels"])
            tensors = {name: file.get_tensor(name) for name in ("centre", "whitening", "means")}
    except (SafetensorError, KeyError, OSError):
        # a damaged cache is made anew
        return None
    return Recogniser(labels=tuple(labels), **tensors)


def _write(path: Path, recogniser: Recogniser) -> None:
    from safetensors.torch import save_file

    tensors = {name: getattr(recogniser, name).contiguous() for name in ("centre", "whitening", "means")}
    with atomic_file(path) as temporary:
        save_file(tensors, temporary, metadata={"labels": json.dumps(recogniser.labels)})
