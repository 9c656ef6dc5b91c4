"""Models whose quality is known beforehand, on the 24 sprites that travel inside the package."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from ildm.core.files import sha256
from ildm.core.manifest import Defaults, LatentSpaceFields, Manifest
from ildm.evaluation import inception_weights
from ildm.evaluation.evaluate import evaluate
from ildm.evaluation.inception import CLASSES, WIDTH, Convolution, Inception
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
    hint = None
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

    def generate(self, prompt="", *, num_steps=None, guidance_scale=None, sampler=None, seed=None, **_):
        self.calls.append(SimpleNamespace(num_steps=num_steps, guidance_scale=guidance_scale, sampler=sampler, seed=seed))
        drawn = [self.draw(text, number) for text, number in zip(prompt, seed, strict=True)]
        return [Image.fromarray(pixels.permute(1, 2, 0).numpy()) for pixels in drawn]

    def encode(self, images):
        return F.avg_pool2d(images, 2)

    def decode(self, latents):
        return F.interpolate(latents, scale_factor=2)


def noise(_, seed):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (3, 64, 64), dtype=np.uint8))


@pytest.fixture(scope="session", autouse=True)
def torch_home(tmp_path_factory):
    """An empty cache of torch, so that no test finds weights that a person has."""
    folder = tmp_path_factory.mktemp("torch-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def published_inception():
    """Random weights of Inception-v3 under the published names, that carry a signal to the end."""
    draws = torch.Generator().manual_seed(0)
    layers = [module for module in Inception().modules() if isinstance(module, Convolution)]
    published = {}
    for name, layer in zip(inception_weights.PUBLISHED, layers, strict=True):
        shape = layer.weight.shape
        published[f"{name}.conv.weight"] = torch.randn(shape, generator=draws) * (2 / shape[1:].numel()) ** 0.5
        for part, least in {"weight": 0.8, "bias": -0.1, "running_mean": -0.1, "running_var": 0.6}.items():
            published[f"{name}.bn.{part}"] = least + torch.rand(shape[0], generator=draws) * 2 * abs(least)
        published[f"{name}.bn.num_batches_tracked"] = torch.tensor(0)
    published["fc.weight"] = torch.randn(CLASSES, WIDTH, generator=draws) / WIDTH**0.5
    published["fc.bias"] = torch.randn(CLASSES, generator=draws)
    return published


@pytest.fixture(scope="session")
def inception_file(published_inception, tmp_path_factory):
    """A file of random weights that passes for the published one during the whole run."""
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save(published_inception, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inception_weights, "WEIGHTS_SHA256", sha256(path))
        yield path


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
def perfect_report(perfect_model, ildm_home, inception_file):
    """Every metric on the perfect model."""
    return evaluate(perfect_model, replace(CONFIG, inception=str(inception_file)))
