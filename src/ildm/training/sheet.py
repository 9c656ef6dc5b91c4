"""Sample sheets: the same few things drawn again and again while a model learns."""

from __future__ import annotations

import random

from PIL import Image as PILImage

from ildm.conditioning.prompt import escape
from ildm.core.picture import paste_grid, to_picture
from ildm.data.latents import LatentCache
from ildm.data.sample import ImageDataset
from ildm.data.telling import pixels_of
from ildm.model import Model
from ildm.training.recipe import Recipe

_COUNT, _SEED = 16, 0


class Sheet:
    """What is drawn: the recipe's prompts, or what is known of the first samples.

    Args:
        recipe: settled.
        cache: of the data, for what is said of them.
    """

    def __init__(self, recipe: Recipe, dataset: ImageDataset, cache: LatentCache) -> None:
        self._dataset = dataset
        count = min(_COUNT, len(cache))
        said = [escape(cache.captions(index)[0]) for index in range(count)]
        is_told = recipe.text is not None or recipe.condition.conditioner() is not None
        # a prompt of the recipe's belongs to no sample, so where hints are shown each sample's own words go with it
        own = list(recipe.prompts) if recipe.condition.hint is None else []
        self._prompts = (own or said) if is_told else [""] * count

    def draw(self, model: Model) -> PILImage.Image:
        """The sheet; where a hint is shown, what it was made of is above each picture."""
        count = len(self._prompts)
        if model.hint is None:
            return paste_grid(model.generate(self._prompts, seed=list(range(count))), columns=8, gap=4)
        look = pixels_of(model.hint)
        samples = [self._dataset[index] for index in range(count)]
        given = [model.hint.pictures(look(sample, random.Random(_SEED))[None])[0] for sample in samples]
        images, masks = [one[0] for one in given], [one[1] for one in given]
        drawn = model.generate(self._prompts, seed=list(range(count)), image=images, mask=masks)
        pairs = zip(samples, drawn, strict=True)
        return paste_grid([one for sample, made in pairs for one in (to_picture(sample.image), made)], columns=8, gap=4)
