"""Both stages at toy size, on the sprites inside the package."""

from dataclasses import replace

import pytest
import torch

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.conditioning.text import TextConditioner
from ildm.conditioning.tokenizer import Tokenizer
from ildm.denoiser.unet import UNet
from ildm.recipes.emoji_tiny import recipe
from ildm.training.denoising import CaptionedLatents, Networks
from ildm.training.grounding import grounds
from ildm.training.in_places import InPlaces
from ildm.training.stage_one import StageOne
from ildm.training.stage_two import StageTwo
from ildm.training.world import ALONE

CAPTIONS = ("a red rose", "a blue key", "a small house", "some grapes on a table")


@pytest.fixture(scope="session")
def tiny():
    return recipe()


def build_stage_one(tiny, codebook_size=None, world=ALONE, **changes):
    """Stage one on images that depend on the position alone; the discriminator takes part from step 3."""
    graph = replace(tiny.autoencoder, codebook_size=codebook_size)
    loss = replace(tiny.stage_one.loss, discriminator_start=3, discriminator_ramp=2)
    config = replace(tiny.stage_one, loss=loss, **changes)
    torch.manual_seed(0)

    def batches(position):
        while True:
            yield world.share.of(torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(position)) * 2 - 1)
            position += 8

    return StageOne(config, Autoencoder(graph), batches, torch.zeros(2, 3, 32, 32), world)


def build_stage_two(
    tiny, latents=None, maps=None, world=ALONE, hint=None, features=None, mentions=None, captions=None, **changes
):
    """Stage two on given latents, or on some that depend on the position alone; with a hint, these features are shown beside each batch."""
    config = replace(tiny.stage_two, **changes)
    torch.manual_seed(0)
    tokenizer = Tokenizer.train(captions or CAPTIONS, vocabulary_size=300, max_tokens=16)
    conditioner = TextConditioner(replace(tiny.text, max_tokens=16), tokenizer)
    channels = 0 if hint is None else hint.concat_channels
    graph = replace(tiny.denoiser, context_width=tiny.text.width, pooled_width=tiny.text.width, concat_channels=channels)

    def batches(position):
        part = world.share.of
        while True:
            drawn = torch.randn(config.batch_size, 4, 8, 8, generator=torch.Generator().manual_seed(position))
            said = [CAPTIONS[index % 4] for index in range(config.batch_size)] if captions is None else captions
            shown = drawn if latents is None else latents
            named, seen = (None if given is None else part(given) for given in (maps, features))
            yield CaptionedLatents(part(shown), part(said), named, seen)
            position += config.batch_size

    classes = 0 if maps is None else 1 + int(maps.max())
    networks = Networks(UNet(graph), conditioner, hint)
    ground = grounds(conditioner, mentions)
    in_places = None if mentions is None else InPlaces(mentions)
    return StageTwo(config, networks, batches, lambda _: None, lambda *_: None, classes, ground, in_places, world)


@pytest.fixture(scope="session")
def stage_one(tiny):
    """Makes toy stage ones."""
    return lambda **changes: build_stage_one(tiny, **changes)


@pytest.fixture(scope="session")
def stage_two(tiny):
    """Makes toy stage twos."""
    return lambda latents=None, maps=None, **changes: build_stage_two(tiny, latents, maps, **changes)
