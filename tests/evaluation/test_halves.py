"""The halves hold what the relation says they should, undeformed."""

from __future__ import annotations

import pytest
import torch

from ildm.evaluation.halves import halves

PLACES = {"left": (slice(24, 40), slice(8, 24)), "right": (slice(24, 40), slice(40, 56))}
PLACES |= {"above": (slice(8, 24), slice(24, 40)), "below": (slice(40, 56), slice(24, 40))}
OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}


@pytest.mark.parametrize("relation", PLACES)
def test_the_first_object_is_in_the_first_half(relation):
    pixels = torch.full((3, 64, 64), 100, dtype=torch.uint8)
    pixels[:, *PLACES[relation]] = 200
    pixels[:, *PLACES[OPPOSITE[relation]]] = 50
    first, second = halves(pixels, relation)
    assert first.shape == second.shape == (3, 64, 64)
    assert set(first.unique().tolist()) == {100, 200} and set(second.unique().tolist()) == {50, 100}
    # as many pixels as before, so nothing was stretched or cut
    assert (first == 200).sum() == (second == 50).sum() == 3 * 16 * 16
