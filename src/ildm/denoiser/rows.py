"""Rows of a batch that are alike until they read their contexts, as guidance makes them: one stands for all of them until then."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def repeats_after(*tensors: Tensor | None) -> int:
    """After how many rows all of them repeat themselves to the end; the number of rows where they do not."""
    given = [one for one in tensors if one is not None]
    rows = given[0].shape[0]
    periods = (count for count in range(1, rows) if rows % count == 0)
    return next((count for count in periods if all(one[count:].equal(one[:-count]) for one in given)), rows)


def told_apart(x: Float[Tensor, "some *rest"], rows: int | None) -> Float[Tensor, "rows *rest"]:
    """A row for each of those that the given ones stand for, again and again in order; None = each stands for itself."""
    return x if rows is None or x.shape[0] == rows else torch.cat([x] * (rows // x.shape[0]))
