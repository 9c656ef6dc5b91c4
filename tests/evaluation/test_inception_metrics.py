"""FID and the Inception score in a report: with their weights, without, and for models that take no prompt."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ildm.core import extensions
from ildm.core.errors import CheckpointError, ConfigError
from ildm.evaluation.distances import frechet_distance
from ildm.evaluation.evaluate import evaluate
from ildm.evaluation.inception import RESIZE
from ildm.evaluation.inception_features import InceptionFeatures
from ildm.evaluation.inception_score import inception_score
from ildm.evaluation.inception_weights import load_inception
from ildm.evaluation.sets import emoji_sets

BOTH = ("fid", "inception-score")
METRICS = (*BOTH, "kernel-distance", "frechet-distance", "nearest-neighbours", "reconstruction")


@pytest.fixture(scope="module")
def noise_report(fake_model, noise_model, config, inception_file):
    """All that compares sets, for a model that draws noise and takes no words."""
    model = fake_model(noise_model.draw)
    model.conditioner = None
    return evaluate(model, replace(config, metrics=METRICS, inception=str(inception_file)))


def test_they_are_what_the_arithmetic_says_of_the_features(noise_model, network, config, inception_file, noise_report):
    scenes = next(emoji_sets(noise_model, network, config))
    inception = InceptionFeatures(load_inception(inception_file))
    expected = frechet_distance(inception.of(scenes.generated), inception.of(scenes.reference))
    fid, score = (noise_report.find(name) for name in BOTH)
    assert fid.estimate.value == pytest.approx(expected, rel=1e-6) and fid.estimate.count == 12
    parts = inception_score(inception.logits(scenes.generated))
    assert score.estimate.value == pytest.approx(parts.mean().item())
    assert score.beside["standard deviation over 10 parts"].value == pytest.approx(parts.std(correction=0).item(), abs=1e-9)


def test_fid_stands_beside_its_floor_and_its_ceiling(noise_report, perfect_report):
    noise, perfect = noise_report.find("fid"), perfect_report.find("fid")
    assert list(noise.beside) == ["floor: real images", "reconstructions of real images"]
    assert noise.beside == perfect.beside
    assert noise.estimate.value > 2 * noise.beside["floor: real images"].value
    low, high = noise.estimate.interval
    assert low < noise.estimate.value < high
    assert noise.how["resize"] == RESIZE and len(noise.how["weights sha256"]) == 64


def test_the_score_stands_beside_that_of_real_images(perfect_report):
    score = perfect_report.find("inception-score")
    assert score.estimate.value == score.beside["real images"].value >= 1
    assert "reconstructions of real images" in score.beside


def test_the_report_warns_of_other_resizers(noise_report):
    assert "resize in the same way" in noise_report.to_markdown()


def test_without_weights_the_report_says_why_there_is_no_fid(monkeypatch, noise_model, config):
    monkeypatch.setattr(extensions, "names", lambda _: [*BOTH, "kernel-distance"])
    report = evaluate(noise_model, config)
    assert {entry.metric for entry in report.entries} == {"kernel-distance"}
    (note,) = report.notes
    assert "pt_inception-2015-12-05-6726825d.pth" in note and "--inception" in note and len(note.splitlines()) == 1
    assert note in report.to_markdown() and "| fid" not in report.to_markdown()


@pytest.mark.parametrize("name", BOTH)
def test_asked_for_by_name_they_are_not_passed_over(noise_model, config, name):
    with pytest.raises(ConfigError, match="need the published weights of Inception-v3"):
        evaluate(noise_model, replace(config, metrics=(name,)))


def test_other_weights_never_make_a_fid(noise_model, config, tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"not these")
    with pytest.raises(CheckpointError, match="another network's"):
        evaluate(noise_model, replace(config, metrics=("fid",), inception=str(path)))
    # who asks for none of it need not have it
    assert not evaluate(noise_model, replace(config, metrics=(), inception=str(path))).notes


def test_a_model_without_words_is_measured_too(noise_report):
    assert {entry.metric for entry in noise_report.entries} == set(METRICS)
    names = (
        "kid-lite0",
        "fd-lite0",
        "fd-lite0-64",
        "fid",
        "inception-score",
        "precision",
        "recall",
        "density",
        "coverage",
        "psnr",
    )
    for name in names:
        assert noise_report.find(name).estimate.count == 12
    assert noise_report.pictures[0].prompt == ""
