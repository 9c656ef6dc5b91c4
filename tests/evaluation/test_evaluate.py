"""Every metric separates a model that draws what is asked from one that does not, and the report says how it was made."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest
import torch.nn.functional as F

from ildm.core import extensions
from ildm.core.errors import ConfigError
from ildm.core.picture import to_bytes, to_floats
from ildm.evaluation.evaluate import evaluate
from ildm.evaluation.metric import Estimate, Figure


@pytest.fixture(scope="module")
def noise_report(noise_model, config, perfect_report):
    """After the perfect one, so that the gallery is there."""
    metrics = ("background-colour", "kernel-distance", "nearest-neighbours", "prompt-accuracy", "two-objects")
    return evaluate(noise_model, replace(config, metrics=metrics))


def test_every_registered_metric_yields_figures(perfect_report):
    # those of other tasks are in test_tasks.py
    others = {"box-accuracy", "class-accuracy", "inpainting", "map-agreement", "super-resolution"}
    assert {entry.metric for entry in perfect_report.entries} == set(extensions.names("ildm.metrics")) - others


@pytest.mark.parametrize("name", ["object-top-1", "both-objects-found", "background-colour", "relation-right"])
def test_accuracies_of_the_perfect_model_equal_their_ceiling(perfect_report, name):
    figure = perfect_report.find(name)
    assert figure.estimate == figure.beside["real renders"]
    assert figure.estimate.value > 0.7
    low, high = figure.estimate.interval
    assert low < figure.estimate.value <= high


@pytest.mark.parametrize("name", ["object-top-1", "background-colour"])
def test_accuracies_of_noise_and_of_shuffled_prompts_are_near_chance(perfect_report, noise_report, name):
    assert noise_report.find(name).estimate.value < 0.5
    assert perfect_report.find(name).beside["shuffled prompts"].value < 0.5
    assert noise_report.find(name).beside["real renders"] == perfect_report.find(name).beside["real renders"]


def test_distances_of_the_perfect_model_are_the_floor_and_noise_is_far(perfect_report, noise_report):
    for name in ("kid-lite0", "fd-lite0", "fd-lite0-64", "fid", "precision", "recall"):
        figure = perfect_report.find(name)
        assert figure.estimate.value == figure.beside["floor: real images"].value
    kid = noise_report.find("kid-lite0")
    assert kid.estimate.value > 10 * abs(kid.beside["reconstructions of real images"].value)
    assert noise_report.find("coverage").estimate.value < 0.2


def test_blur_raises_the_kernel_distance(fake_model, renders, config, perfect_report):
    def blurred(prompt, _):
        return to_bytes(F.avg_pool2d(to_floats(renders[prompt][None]), 5, 1, 2, count_include_pad=False))[0]

    report = evaluate(fake_model(blurred), replace(config, metrics=("kernel-distance",)))
    figure = report.find("kid-lite0")
    assert figure.estimate.value > figure.beside["floor: real images"].value + 0.02


def test_reconstruction_is_measured_through_the_autoencoder(perfect_report):
    # the fake autoencoder halves the resolution
    assert 15 < perfect_report.find("psnr").estimate.value < 40
    assert 0.5 < perfect_report.find("ssim").estimate.value < 1
    assert perfect_report.find("lite0-distance").estimate.value > 0.001


def test_the_report_says_how_it_was_made(perfect_report):
    told = json.loads(json.dumps(perfect_report.to_json(), allow_nan=False))
    assert told["settings"]["drawing"] == {
        "num_steps": 3,
        "guidance_scale": 2.5,
        "sampler": "heun",
        "seed": 40,
        "batch_size": 5,
    }
    assert told["settings"]["num_images"] == 12 and told["settings"]["splits"] == ["unseen_scene"]
    assert len(told["model"]["sha256"]) == 64 and told["versions"]["torch"]
    for figure in told["figures"]:
        assert {"metric", "name", "split", "kind", "estimate", "beside", "how"} <= figure.keys()
        assert figure["estimate"]["count"] > 0 and figure["how"]


def test_another_model_has_another_hash(fake_model, noise_model, config, perfect_report):
    other = fake_model(noise_model.draw)
    other.manifest = other.manifest.model_copy(update={"files": {"unet.safetensors": "0" * 64}})
    report = evaluate(other, replace(config, metrics=()))
    assert report.model["sha256"] != perfect_report.model["sha256"]


def test_only_the_metrics_chosen_run_and_nothing_is_drawn_for_them(fake_model, noise_model, config):
    model = fake_model(noise_model.draw)
    report = evaluate(model, replace(config, metrics=("reconstruction",)))
    assert {entry.metric for entry in report.entries} == {"reconstruction"}
    assert not model.calls and not report.pictures


def test_unknown_metrics_name_the_nearest(noise_model, config):
    with pytest.raises(ConfigError, match="did you mean 'prompt-accuracy'"):
        evaluate(noise_model, replace(config, metrics=("prompt-acuracy",)))


class MeanBrightness:
    """A metric such as another package would bring."""

    requires = frozenset({"two objects", "generated"})

    def compute(self, samples):
        pixels = samples.generated.pixels
        return [Figure(name="brightness", estimate=Estimate(value=pixels.float().mean().item(), count=len(pixels)))]


def test_another_package_adds_a_metric(monkeypatch, noise_model, config):
    point = EntryPoint("brightness", "somewhere:MeanBrightness", "ildm.metrics")
    found = extensions._found
    monkeypatch.setattr(EntryPoint, "load", lambda _: MeanBrightness)
    monkeypatch.setattr(extensions, "_found", lambda group: {"brightness": point} if group == "ildm.metrics" else found(group))
    report = evaluate(noise_model, config)
    assert report.find("brightness", kind="two objects").estimate.value == pytest.approx(127.5, abs=2)
    assert len(report.entries) == 1


def test_progress_is_told(noise_model, config):
    told = []
    evaluate(noise_model, replace(config, metrics=("background-colour",)), progress=lambda *news: told.append(news))
    assert ("drawing: unseen_scene, one object", 12, 12) in told
