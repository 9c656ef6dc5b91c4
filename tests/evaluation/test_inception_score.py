"""The Inception score against a plain loop and its limits."""

from __future__ import annotations

import math

import pytest
import torch

from ildm.core.errors import DataError
from ildm.evaluation.inception_score import inception_score
from ildm.evaluation.intervals import t_interval


def plain(logits, splits):
    scores = []
    for part in range(splits):
        rows = logits[part * len(logits) // splits : (part + 1) * len(logits) // splits].double().tolist()
        chances = []
        for row in rows:
            total = sum(math.exp(value) for value in row)
            chances.append([math.exp(value) / total for value in row])
        overall = [sum(column) / len(chances) for column in zip(*chances, strict=True)]
        divergences = [sum(p * math.log(p / q) for p, q in zip(row, overall, strict=True)) for row in chances]
        scores.append(math.exp(sum(divergences) / len(divergences)))
    return scores


@pytest.mark.parametrize(("count", "splits"), [(40, 10), (43, 10), (10, 10), (7, 1)])
def test_it_matches_a_plain_loop(count, splits):
    logits = torch.randn(count, 6, generator=torch.Generator().manual_seed(count)) * 2
    assert inception_score(logits, splits).tolist() == pytest.approx(plain(logits, splits), rel=1e-9)


def test_sure_and_even_images_score_the_number_of_classes_and_any_others_less():
    sure = torch.eye(5).repeat(4, 1) * 1e4
    assert inception_score(sure, 2).tolist() == pytest.approx([5, 5])
    # all of one class, and all undecided
    assert inception_score(sure[:1].repeat(20, 1), 2).tolist() == pytest.approx([1, 1])
    assert inception_score(torch.zeros(20, 5), 2).tolist() == pytest.approx([1, 1])


def test_fewer_images_than_parts_are_refused():
    with pytest.raises(DataError, match="10 parts with an image at least in each, but 9 were given"):
        inception_score(torch.zeros(9, 5))


def test_the_interval_of_ten_parts_is_students():
    low, high = t_interval(torch.arange(10.0))
    # deviation 3.02765, divided by sqrt(10), times 2.262157
    assert (low, high) == pytest.approx((4.5 - 2.165852, 4.5 + 2.165852), rel=1e-5)
