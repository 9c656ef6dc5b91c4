"""The smoothest values inside an area that meet those around it (Perez 2003, "Poisson Image Editing", equations 1 and 2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

_TOLERANCE = 3e-4
"""How far a value may be from four times the mean of its neighbours less its own, as a share of the largest value."""
_MOST_TURNS = 1000

Values = Float[Tensor, "channels height width"]
Area = Bool[Tensor, "height width"]


def membrane(values: Values, area: Area) -> Values:
    """Values with those inside an area replaced by the solution of Laplace's equation, so that each is the mean of its neighbours.

    Beyond the edges of the grid lies what lies at them. Of values inside the area nothing is looked at; where the area is everything,
    they become 0.

    Args:
        values: finite around the area, float32 or float64; the error is below 1/255 of the largest of them for areas of up to
            1024 x 1024, and grows slowly with the area.
        area: True inside.

    Solved by conjugate gradients from the solution on a coarser grid, and so on (cascadic multigrid, Bornemann 1996).
    """
    if not bool(area.any()):
        return values
    if bool(area.all()):
        return torch.zeros_like(values)
    values = torch.where(area, 0.0, values)
    rows, columns = (_reach(area.any(dim=side)) for side in (1, 0))
    filled = values.clone()
    filled[:, rows, columns] = _solved(values[:, rows, columns], area[rows, columns])
    return filled


def _reach(marked: Bool[Tensor, " places"]) -> slice:
    """From one place before the first that is marked to one after the last."""
    places = marked.nonzero()
    return slice(max(0, int(places[0]) - 1), int(places[-1]) + 2)


def _solved(values: Values, area: Area) -> Values:
    if not bool(area.any()):
        return values
    inside = area.to(values.dtype)
    filled = torch.where(area, _guess(values, inside), values)
    # inside the area: four times a value less its neighbours is 0
    error = -inside * _bend(filled)
    bound = _TOLERANCE * float(values.abs().amax())
    direction, energy = error, (error * error).sum()
    for _ in range(_MOST_TURNS):
        if float(error.abs().amax()) <= bound:
            break
        bent = inside * _bend(direction)
        length = energy / (direction * bent).sum()
        filled = filled + length * direction
        error = error - length * bent
        before, energy = energy, (error * error).sum()
        direction = error + energy / before * direction
    return filled


def _bend(values: Values) -> Values:
    """Four times each value, less its neighbours."""
    wide = F.pad(values[None], (1, 1, 1, 1), mode="replicate")[0]
    return 4 * values - wide[:, 1:-1, 2:] - wide[:, 1:-1, :-2] - wide[:, 2:, 1:-1] - wide[:, :-2, 1:-1]


def _guess(values: Values, inside: Float[Tensor, "height width"]) -> Values:
    """The solution on a grid of half the sides, each of whose cells is the mean of what is known in it."""
    known = (1 - inside)[None]
    means = F.avg_pool2d(torch.cat([values * known, known])[None], 2, ceil_mode=True, count_include_pad=False)[0]
    share = means[-1]
    coarse = _solved(means[:-1] / share.clamp(min=torch.finfo(share.dtype).tiny), share == 0)
    return F.interpolate(coarse[None], size=inside.shape, mode="bilinear")[0]
