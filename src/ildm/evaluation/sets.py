"""The sets a model is evaluated on: scenes of each split as they are, scenes with one object, scenes with two."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any, Literal

from ildm.core.errors import ConfigError, DataError
from ildm.core.manifest import Manifest
from ildm.core.progress import NamedProgress
from ildm.data.emoji_scenes import SIZES, EmojiScenes, EmojiScenesConfig
from ildm.data.layout import relation
from ildm.data.sample import Sample
from ildm.data.splits import SPLITS, Split
from ildm.evaluation.asking import Asking
from ildm.evaluation.building import Builder
from ildm.evaluation.drawing import Drawing, EvaluatedModel
from ildm.evaluation.gallery import GalleryConfig, load_recogniser
from ildm.evaluation.images import Images
from ildm.evaluation.intervals import MOST_SEEDS
from ildm.evaluation.metric import EvaluationSet, Kind
from ildm.evaluation.network import Lite0
from ildm.evaluation.recogniser import Recogniser

# fixed, so that every model is asked the same and measured against the same
_PROMPT_SEED, _REFERENCE_SEED = 100, 101
_OBJECT_SEEDS: dict[Kind, int] = {"one object": 102, "two objects": 103}
_TRIES, _MOST_OBJECTS = 20, 4


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """What to measure.

    Args:
        splits: of EmojiScenes; the first also lends the scenes with one and with two objects. None = all that have
            anything to show for the model's concepts.
        num_images: scenes of each split, for distances and reconstruction.
        num_probes: scenes with exactly one and with exactly two objects, for accuracies.
        metrics: registered names; None = all.
        drawing: how the model draws.
        num_seeds: how many times it draws each set, with other seeds each time, so that figures can be told from luck; 1 to 10.
        sprites: see `EmojiScenesConfig`.
        inception: path of the published weights of Inception-v3; None = those in torch's cache, if there are any.
    """

    splits: tuple[Split, ...] | None = None
    num_images: int = 512
    num_probes: int = 384
    metrics: tuple[str, ...] | None = None
    drawing: Drawing = field(default_factory=Drawing)
    num_seeds: int = 1
    sprites: Literal["cache", "sample"] = "cache"
    inception: str | None = None

    def __post_init__(self) -> None:
        if self.splits == ():
            raise ConfigError(f"An evaluation needs at least one split, but none was given: take {', '.join(SPLITS)}.")
        # a control judges every image by another one's condition, so two are the least
        for key, least in (("num_images", 10), ("num_probes", 2)):
            if getattr(self, key) < least:
                raise ConfigError(f"{key} must be {least} or more, but {getattr(self, key)} was given.")
        if not 1 <= self.num_seeds <= MOST_SEEDS:
            raise ConfigError(f"A set is drawn with 1 to {MOST_SEEDS} seeds, but {self.num_seeds} was given: take 3, say.")
        self.drawing.check_seeds(self.num_seeds, max(self.num_images, self.num_probes))


@dataclass(frozen=True, kw_only=True)
class PlannedSet:
    """A set that nothing was rendered or drawn for, but that is known to be one.

    Args:
        provides: see `EvaluationSet.provides`.
        make: makes it.
    """

    split: str
    kind: Kind
    provides: frozenset[str]
    make: Callable[[], EvaluationSet]


def emoji_sets(
    model: EvaluatedModel, network: Lite0, config: EvaluationConfig, *, progress: NamedProgress | None = None
) -> Iterator[EvaluationSet]:
    """The sets of `plan_sets`, made one after the other."""
    return (planned.make() for planned in plan_sets(model, network, config, progress=progress))


def plan_sets(
    model: EvaluatedModel, network: Lite0, config: EvaluationConfig, *, progress: NamedProgress | None = None
) -> list[PlannedSet]:
    """The sets of EmojiScenes, restricted to the model's concepts and to the styles it was trained on; each was tried with one scene.

    A model that is told one thing at most is measured on scenes with as many things as it was trained on.

    Raises:
        ConfigError: when the model's size is none that EmojiScenes has, or a split is empty for its concepts or not to be told to it.
        DataError: when the sprites were not built, or scenes with one or two objects are too few.
    """
    builder = Builder(model, network, config.drawing, turns=config.num_seeds, progress=progress)
    asking = builder.asking
    data = EmojiScenesConfig(
        size=_size(model),
        length=config.num_images,
        concepts=model.manifest.concepts or None,
        styles=_trained_styles(model.manifest),
        max_objects=_most_objects(model, asking),
        captions=1,
        sprites=config.sprites,
    )
    recognisers = _recognisers(GalleryConfig(size=data.size, sprites=config.sprites), asking, network, progress)
    splits = config.splits or tuple(split for split in SPLITS if _is_for(replace(data, split=split), asking))
    if not splits:
        EmojiScenes(data)  # which says why there is nothing to show

    def scenes(split: Split, count: int) -> EvaluationSet:
        wanted = replace(data, split=split, seed=_PROMPT_SEED, length=count)
        reference = Images.of(list(_drawn(replace(wanted, seed=_REFERENCE_SEED))), network)
        return _with(builder.build(split, "scenes", list(_drawn(wanted)), reference=reference), recognisers)

    def probes(kind: Kind, found: EmojiScenes, places: Sequence[int]) -> EvaluationSet:
        return _with(builder.build(splits[0], kind, [found[place] for place in places]), recognisers)

    planned = []
    for split in splits:
        _check_told(split, asking)
        planned.append(_planned(scenes(split, 1), partial(scenes, split, config.num_images)))
    for kind in _kinds(asking):
        found, places = _probes(replace(data, split=splits[0]), kind, config.num_probes)
        if places:
            planned.append(_planned(probes(kind, found, places[:1]), partial(probes, kind, found, places)))
    return planned


def _planned(tried: EvaluationSet, make: Callable[[], EvaluationSet]) -> PlannedSet:
    return PlannedSet(split=tried.split, kind=tried.kind, provides=tried.provides, make=make)


def _kinds(asking: Asking) -> list[Kind]:
    """Of scenes with so many objects, those that the model can be asked for."""
    one: list[Kind] = ["one object"] if asking.tells else []
    return [*one, "two objects"] if "places" in asking.tells and not asking.foreign else one


def _recognisers(
    gallery: GalleryConfig, asking: Asking, network: Lite0, progress: NamedProgress | None
) -> dict[str, Callable[[], Recogniser]]:
    """What names objects; or styles, where these are a model's classes."""
    if not asking.styles:
        return {"recogniser": cache(lambda: load_recogniser(gallery, network, progress=progress))}
    # every concept shows the few styles there are, so a few scenes of each are many
    styles = replace(gallery, names="style", per_concept=4, per_unseen_pair=1)
    return {"style_recogniser": cache(lambda: load_recogniser(styles, network, progress=progress).among(asking.styles))}


def _with(made: EvaluationSet, recognisers: dict[str, Callable[[], Recogniser]]) -> EvaluationSet:
    return replace(made, **recognisers, further=tuple(replace(one, **recognisers) for one in made.further))


def _trained_styles(manifest: Manifest) -> tuple[str, ...] | None:
    """The styles of EmojiScenes that a model says it has learned; None where it does not say. Splits of other styles show those."""
    styles = _trained_on(manifest).get("styles")
    return tuple(styles) if isinstance(styles, list) and styles else None


def _trained_on(manifest: Manifest) -> dict[str, Any]:
    """The configuration of EmojiScenes that a model was trained on; empty where it does not say."""
    data = manifest.training.get("recipe", {}).get("data", {})
    return data if isinstance(data, dict) and data.get("kind") == "emoji-scenes" else {}


def _most_objects(model: EvaluatedModel, asking: Asking) -> int:
    """How many things a scene may show: a model that is told one at most cannot know of more than it was trained on."""
    is_told_more = "places" in asking.tells or model.hint is not None
    return _MOST_OBJECTS if is_told_more else _trained_on(model.manifest).get("max_objects", _MOST_OBJECTS)


def _size(model: EvaluatedModel) -> int:
    width, height = model.image_size
    if width != height or width not in SIZES:
        raise ConfigError(
            f"The model draws {width}x{height} pixels, but EmojiScenes has squares of {', '.join(map(str, SIZES))}: "
            "only models of those sizes can be evaluated on it."
        )
    return width


def _is_for(config: EmojiScenesConfig, asking: Asking) -> bool:
    """Whether a split has anything to show, and a model can be told of it."""
    if config.split == "unseen_concept_pair" and config.max_objects == 1:
        return False
    try:
        _check_told(config.split, asking)
        EmojiScenes(config)
    except ConfigError:
        return False
    return True


def _check_told(split: Split, asking: Asking) -> None:
    if split == "unseen_style" and asking.styles:
        raise ConfigError(
            "The model draws the styles it was trained on, so it has no class for those of the split 'unseen_style'."
        )


def _drawn(config: EmojiScenesConfig) -> Iterator[Sample]:
    scenes = EmojiScenes(config)
    return (scenes[index] for index in range(len(scenes)))


def _probes(config: EmojiScenesConfig, kind: Kind, count: int) -> tuple[EmojiScenes, Sequence[int]]:
    """Scenes, and which of them have exactly one object, or two whose relation the caption names."""
    one = kind == "one object"
    wanted = replace(
        config,
        seed=_OBJECT_SEEDS[kind],
        length=_TRIES * count,
        max_objects=1 if one else 2,
        single_object_share=1.0 if one else 0.0,
    )
    scenes = EmojiScenes(wanted)
    if one:
        # all are, but those that have two objects by definition
        return scenes, range(0 if config.split == "unseen_concept_pair" else count)
    found: list[int] = []
    for place in range(len(scenes)):
        boxes = [thing.box for thing in scenes[place].objects]
        if len(boxes) == 2 and relation(boxes[0], boxes[1]) is not None:
            found.append(place)
        if len(found) == count:
            return scenes, found
    raise DataError(
        f"Only {len(found)} of {count} scenes with {kind} could be drawn from the split {config.split!r}: "
        "give the model more concepts, or ask for fewer scenes."
    )
