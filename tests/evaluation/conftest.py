"""Models whose quality is known beforehand, on the 24 sprites that travel inside the package."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from ildm.core.manifest import Defaults, LatentSpaceFields, Manifest
from ildm.evaluation.evaluate import evaluate
from ildm.evaluation.network import load_lite0
from ildm.evaluation.sets import Drawing, EvaluationConfig, emoji_sets

CONCEPTS = ("red apple", "scissors", "rocket", "cactus", "bread", "hourglass done")
CONFIG = EvaluationConfig(
    splits=("unseen_scene",),
    num_images=12,
    num_probes=12,
    sprites="sample",
    drawing=Drawing(num_steps=3, seed=40, batch_size=5),
)


class FakeModel:
    """Draws what `draw(prompt, seed)` returns, (3, 64, 64) in bytes; its autoencoder halves the resolution."""

    conditioner = SimpleNamespace()
    device = torch.device("cpu")
    image_size = (64, 64)

    def __init__(self, draw):
        self.draw = draw
        self.calls = []
        self.manifest = Manifest(
            name="fake",
            image_size=self.image_size,
            prediction="data",
            path={"kind": "linear"},
            latent_space=LatentSpaceFields(channels=3, stride=2, scale=(1.0,) * 3, shift=(0.0,) * 3),
            autoencoder={},
            denoiser={},
            concepts=CONCEPTS,
            defaults=Defaults(num_steps=9, guidance_scale=2.5, sampler="heun"),
        )

    def generate(self, prompt="", *, num_steps=None, guidance_scale=None, sampler=None, seed=None):
        self.calls.append(SimpleNamespace(num_steps=num_steps, guidance_scale=guidance_scale, sampler=sampler, seed=seed))
        drawn = [self.draw(text, number) for text, number in zip(prompt, seed, strict=True)]
        return [Image.fromarray(pixels.permute(1, 2, 0).numpy()) for pixels in drawn]

    def encode(self, images):
        return F.avg_pool2d(images, 2)

    def decode(self, latents):
        return F.interpolate(latents, scale_factor=2)


def noise(_, seed):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (3, 64, 64), dtype=np.uint8))


@pytest.fixture(scope="session")
def network():
    return load_lite0()


@pytest.fixture(scope="session")
def config():
    """A small evaluation on the sample's sprites."""
    return CONFIG


@pytest.fixture(scope="session")
def fake_model():
    """Makes models from how they draw."""
    return FakeModel


@pytest.fixture(scope="session")
def noise_model():
    """Draws noise, whatever the prompt."""
    return FakeModel(noise)


@pytest.fixture(scope="session")
def renders(network, noise_model):
    """The real render behind every prompt of `CONFIG`."""
    sets = emoji_sets(noise_model, network, CONFIG)
    return {prompt: pixels for one in sets for prompt, pixels in zip(one.prompts, one.real.pixels, strict=True)}


@pytest.fixture(scope="session")
def perfect_model(renders):
    """Answers every prompt with a real render of it."""
    return FakeModel(lambda prompt, _: renders[prompt])


@pytest.fixture(scope="session")
def perfect_report(perfect_model, ildm_home):
    """Every metric on the perfect model."""
    return evaluate(perfect_model, CONFIG)
