"""The names of what is in a data set: of the things in its boxes, and of the numbers in its maps."""

from __future__ import annotations

from ildm.core.errors import DataError
from ildm.data.concepts import all_concepts
from ildm.data.emoji_scenes import EmojiScenes
from ildm.data.sample import ImageDataset


def thing_names(dataset: ImageDataset) -> tuple[str, ...]:
    """What objects are called, each name once, in a fixed order.

    Raises:
        DataError: when no object has a name.
    """
    if isinstance(dataset, EmojiScenes):
        return tuple(one.label for one in dataset.concepts)
    found = {thing.concept for index in range(len(dataset)) for thing in dataset[index].objects}
    if not found:
        raise DataError(
            "These images have no objects, which this kind of model is told: import them with objects in their metadata, each with a "
            "label and a box."
        )
    return tuple(sorted(found))


def style_names(dataset: ImageDataset) -> tuple[str, ...]:
    """What the styles of objects are called.

    Raises:
        DataError: when no object has one.
    """
    if isinstance(dataset, EmojiScenes):
        return tuple(dataset.styles)
    found = {thing.style for index in range(len(dataset)) for thing in dataset[index].objects if thing.style}
    if not found:
        raise DataError("The objects of these images have no style: import them with one, or draw concepts instead.")
    return tuple(sorted(found))


def map_names(dataset: ImageDataset) -> tuple[str, ...]:
    """What the numbers 1, 2, ... of semantic maps stand for.

    Raises:
        DataError: when there are no maps.
    """
    if isinstance(dataset, EmojiScenes):
        return tuple(one.label for one in all_concepts())
    maps = (dataset[index].semantic_map for index in range(len(dataset)))
    largest = max((int(one.max()) for one in maps if one is not None), default=0)
    if largest == 0:
        raise DataError(
            "These images have no semantic maps, which this kind of model is shown: import them with a semantic_map in their metadata, a "
            "picture with the number of a class in each pixel."
        )
    return tuple(f"class {number}" for number in range(1, largest + 1))
