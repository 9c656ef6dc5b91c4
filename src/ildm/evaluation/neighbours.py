"""Fidelity and coverage by nearest neighbours: do our images lie where real ones lie, and the real ones where ours do?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ildm.core.errors import DataError
from ildm.evaluation.blocks import row_blocks
from ildm.evaluation.distances import Features, Reference


@dataclass(frozen=True, kw_only=True)
class Neighbourhood:
    """Who lies in whose k-NN ball.

    Args:
        precise: (ours,), True where an image of ours lies within the ball of some real one.
        recalled: (reference,), True where a real image lies within the ball of some image of ours.
        covered: (reference,), True where the ball of a real image holds some image of ours.
        density: (ours,), how many real balls hold it, divided by k; 1 on average for the same distribution.
    """

    precise: Bool[Tensor, " ours"]
    recalled: Bool[Tensor, " reference"]
    covered: Bool[Tensor, " reference"]
    density: Float[Tensor, " ours"]


def neighbourhood(ours: Features, reference: Reference, *, k: int = 3) -> Neighbourhood:
    """Precision and recall of Kynkaanniemi 2019 (k = 3 there), density and coverage of Naeem 2020, per image.

    A ball reaches from an image to its k-th nearest neighbour in its own set, itself not counted.

    Raises:
        DataError: when a side has no more than `k` images.
    """
    if min(len(ours), len(reference)) <= k:
        raise DataError(
            f"The {k}-nearest-neighbour figures need more than {k} images on each side, but {len(ours)} and "
            f"{len(reference)} were given: raise the count."
        )
    ours, reference = ours.double(), reference.double()
    radius, radius_reference = _radius(ours, k), _radius(reference, k)
    holders = []  # of each image of ours, how many real balls
    recalled = covered = torch.zeros(len(reference), dtype=torch.bool, device=reference.device)
    for rows in row_blocks(len(ours), len(reference)):
        across = _distances(ours[rows], reference)
        in_real_ball = across <= radius_reference[None, :]
        holders.append(in_real_ball.sum(dim=1))
        recalled = recalled | (across <= radius[rows, None]).any(dim=0)
        covered = covered | in_real_ball.any(dim=0)
    held = torch.cat(holders)
    return Neighbourhood(precise=held > 0, recalled=recalled, covered=covered, density=held.double() / k)


def _radius(rows: Tensor, k: int) -> Tensor:
    return torch.cat([_kth(rows, part, k) for part in row_blocks(len(rows), len(rows))])


def _kth(rows: Tensor, part: slice, k: int) -> Tensor:
    distances = _distances(rows[part], rows)
    # the smallest distance is that of a row to itself
    distances.diagonal(part.start).zero_()
    return distances.kthvalue(k + 1, dim=1).values


def _distances(x: Tensor, y: Tensor) -> Tensor:
    return torch.cdist(x, y, compute_mode="use_mm_for_euclid_dist")
