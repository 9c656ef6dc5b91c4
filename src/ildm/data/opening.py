"""From a configuration to the data set it describes."""

from __future__ import annotations

from ildm.data.emoji_scenes import EmojiScenes, EmojiScenesConfig
from ildm.data.folder import ImageFolderConfig, ImageFolderDataset
from ildm.data.sample import ImageDataset

DataConfig = EmojiScenesConfig | ImageFolderConfig


def open_dataset(config: DataConfig) -> ImageDataset:
    """The data set of a configuration.

    Raises:
        ConfigError: when the configuration leaves nothing to show.
        DataError: when the data was not built or imported, or is damaged.
    """
    return EmojiScenes(config) if isinstance(config, EmojiScenesConfig) else ImageFolderDataset(config)
