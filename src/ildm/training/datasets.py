"""From a data configuration to the data set it describes."""

from __future__ import annotations

from ildm.data.emoji_scenes import EmojiScenes, EmojiScenesConfig
from ildm.data.sample import ImageDataset


def open_dataset(config: EmojiScenesConfig) -> ImageDataset:
    """Open the data set of a recipe.

    Raises:
        DataError: when it was not built or imported yet.
    """
    return EmojiScenes(config)
