"""The gallery is learnt once, kept, and learnt anew when its file is damaged or its configuration changes."""

from __future__ import annotations

import pytest
import torch

from ildm.data.sample import Sample, SceneObject
from ildm.evaluation import gallery as gallery_module
from ildm.evaluation.gallery import GalleryConfig, load_recogniser

CONFIG = GalleryConfig(size=64, per_concept=2, per_unseen_pair=1, sprites="sample")


CONCEPTS = ("bread", "cactus", "hourglass done", "red apple", "rocket", "scissors")


def shown(_, quota):
    """Blank scenes that claim to show each concept as often as asked."""
    for concept in CONCEPTS * quota:
        thing = SceneObject(concept=concept, style="flat", box=(0, 0, 1, 1), instance=1)
        yield Sample(image=torch.zeros(3, 8, 8, dtype=torch.uint8), captions=(concept,), objects=(thing,))


@pytest.fixture
def learning(monkeypatch, tmp_path):
    """A home of its own, and the numbers of images that were looked at."""
    monkeypatch.setenv("ILDM_HOME", str(tmp_path))
    seen = []

    def extract(_, pixels, look=None):
        seen.append(len(pixels))
        return torch.randn(len(pixels), 16, generator=torch.Generator().manual_seed(len(seen)))

    monkeypatch.setattr(gallery_module, "extract", extract)
    monkeypatch.setattr(gallery_module, "_draw", shown)
    return seen


def files(folder):
    return sorted(folder.glob("evaluation/*.safetensors"))


def test_it_is_learnt_once_and_kept(learning, tmp_path, network):
    first = load_recogniser(CONFIG, network)
    looked_at = sum(learning)
    again = load_recogniser(CONFIG, network)
    assert looked_at == sum(learning) == 6 * (2 + 1)
    assert again.labels == first.labels == CONCEPTS
    for name in ("centre", "whitening", "means"):
        torch.testing.assert_close(getattr(again, name), getattr(first, name))
    assert len(files(tmp_path)) == 1


def test_a_damaged_file_is_made_anew(learning, tmp_path, network):
    load_recogniser(CONFIG, network)
    looked_at = sum(learning)
    file = files(tmp_path)[0]
    file.write_bytes(file.read_bytes()[:1000])
    load_recogniser(CONFIG, network)
    assert sum(learning) == 2 * looked_at


def test_another_configuration_has_another_file(learning, tmp_path, network):
    load_recogniser(CONFIG, network)
    load_recogniser(GalleryConfig(size=64, per_concept=3, per_unseen_pair=1, sprites="sample"), network)
    assert len(files(tmp_path)) == 2


def test_styles_have_a_file_of_their_own(learning, tmp_path, network):
    load_recogniser(CONFIG, network)
    styles = load_recogniser(GalleryConfig(size=64, per_concept=2, per_unseen_pair=1, sprites="sample", names="style"), network)
    assert styles.labels == ("flat",) and len(files(tmp_path)) == 2


def test_every_concept_fills_its_quota():
    source, quota = gallery_module._sources(CONFIG)[0]
    drawn = [sample.objects[0].concept for sample in gallery_module._draw(source, quota)]
    assert {drawn.count(concept) for concept in set(drawn)} == {2} and len(set(drawn)) == 6


def test_progress_ends_at_the_total(learning, network):
    told = []
    load_recogniser(CONFIG, network, progress=lambda *news: told.append(news))
    assert told[-1][1] == told[-1][2] and told[0][0] == "learning the concepts"
