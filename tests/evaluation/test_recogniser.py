"""The recogniser learns what tells concepts apart and disregards what varies within each."""

from __future__ import annotations

import pytest
import torch

from ildm.core.errors import ConfigError, DataError
from ildm.evaluation.recogniser import fit, hits


@pytest.fixture(scope="module")
def gallery():
    """Four concepts, told apart by two faint features, beside one loud feature that is the same nuisance for all."""
    draws = torch.Generator().manual_seed(0)
    classes = torch.arange(400) % 4
    corners = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])

    def draw():
        nuisance = 30 * torch.randn(400, 1, generator=draws)
        return torch.cat([nuisance, corners[classes] + 0.3 * torch.randn(400, 2, generator=draws)], dim=1)

    return draw, classes


def test_it_sees_past_a_loud_nuisance(gallery):
    draw, classes = gallery
    rows, fresh = draw(), draw()
    recogniser = fit(rows, classes, ["a", "b", "c", "d"])
    assert hits(recogniser.scores(fresh), classes, 1).float().mean() > 0.8
    # the plain nearest mean, which the loud feature misleads
    means = torch.stack([rows[classes == one].mean(dim=0) for one in range(4)])
    assert (torch.cdist(fresh, means).argmin(dim=1) == classes).float().mean() < 0.6


def test_scores_are_cosines(gallery):
    draw, classes = gallery
    recogniser = fit(draw(), classes, ["a", "b", "c", "d"])
    assert recogniser.scores(draw()).abs().max() <= 1 + 1e-5


def test_hits_counts_the_best_k():
    scores = torch.tensor([[0.1, 0.9, 0.5], [0.1, 0.9, 0.5]])
    assert hits(scores, torch.tensor([1, 2]), 1).tolist() == [True, False]
    assert hits(scores, torch.tensor([2, 0]), 2).tolist() == [True, False]
    assert hits(scores, torch.tensor([0, 0]), 5).all()


def test_unknown_labels_name_the_nearest(gallery):
    draw, classes = gallery
    recogniser = fit(draw(), classes, ["apple", "rocket", "cactus", "bread"])
    assert recogniser.indices(["bread", "apple"]).tolist() == [3, 0]
    with pytest.raises(ConfigError, match="did you mean 'cactus'"):
        recogniser.indices(["cactuss"])


def test_it_can_choose_among_fewer(gallery):
    draw, classes = gallery
    recogniser = fit(draw(), classes, ["apple", "rocket", "cactus", "bread"])
    rows = draw()
    few = recogniser.among(["bread", "apple"])
    assert few.labels == ("bread", "apple")
    torch.testing.assert_close(few.scores(rows), recogniser.scores(rows)[:, [3, 0]])


def test_a_concept_without_images_is_refused():
    with pytest.raises(DataError, match="'b' too rarely"):
        fit(torch.randn(4, 3), torch.tensor([0, 0, 2, 2]), ["a", "b", "c"])
