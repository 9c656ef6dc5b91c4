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


def check_classes(dataset: ImageDataset) -> None:
    """See that every image has an object, the first of which is its class.

    Raises:
        DataError: naming the first that has none.
    """
    if isinstance(dataset, EmojiScenes):
        return
    bare = next((sample.source for sample in map(dataset.__getitem__, range(len(dataset))) if not sample.objects), None)
    if bare is not None:
        raise DataError(f"The image {bare} has no object, so its class is not known: import it with one, or leave it out.")


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
        DataError: when there are no maps, or an image has none; the first is named.
    """
    if isinstance(dataset, EmojiScenes):
        return tuple(one.label for one in all_concepts())
    samples = ((one.source, one.semantic_map) for one in map(dataset.__getitem__, range(len(dataset))))
    largest_of = {source: None if found is None else int(found.max()) for source, found in samples}
    largest = max((one for one in largest_of.values() if one is not None), default=0)
    if largest == 0:
        raise DataError(
            "These images have no semantic maps, which this kind of model is shown: import them with a semantic_map in their metadata, a "
            "picture with the number of a class in each pixel."
        )
    bare = next((source for source, one in largest_of.items() if one is None), None)
    if bare is not None:
        raise DataError(
            f"The image {bare} has no semantic map, which this kind of model is shown: import it with one, or leave it out."
        )
    return tuple(f"class {number}" for number in range(1, largest + 1))
