"""Likes and dislikes as references of the denoiser (von Ruette 2023, FABRIC): liked pictures join the self-attention of the
conditional half of guidance, disliked ones that of the half which is moved away from.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ildm.core.masks import area_average
from ildm.core.references import References
from ildm.session.blobs import Blobs
from ildm.session.settings import Feedback


def acts(share: float) -> bool:
    """Whether feedback acts where this share of the run is done: in the middle third, where what is where has been settled and details have
    not.
    """
    return 1.0 <= 3.0 * share < 2.0


def references(
    feedback: Sequence[Feedback], blobs: Blobs, grid: tuple[int, int, int], seed: int, device: torch.device
) -> tuple[References | None, References | None]:
    """What the two halves of guidance are to read: (liked, disliked).

    Args:
        grid: (channels, height, width) of the run's latents; what was judged at another size is left out.
        seed: of the noise that references get.
    """
    fitting = [one for one in feedback if tuple(blobs.latent(one.source).shape[1:]) == grid]
    liked = [one for one in fitting if one.liked]
    disliked = [one for one in fitting if not one.liked]
    return _join(liked, blobs, grid, seed, device), _join(disliked, blobs, grid, seed, device)


def _join(
    several: Sequence[Feedback], blobs: Blobs, grid: tuple[int, int, int], seed: int, device: torch.device
) -> References | None:
    if not several:
        return None
    masks = torch.stack([_area(one, blobs, grid) for one in several])  # (R, h, w)
    strengths = torch.tensor([one.strength for one in several])[:, None, None]
    return References(
        latents=torch.cat([blobs.latent(one.source, device) for one in several])[None],  # (1, R, C, h, w)
        weights=(masks * strengths)[None].to(device),
        seeds=torch.full((1, len(several)), seed, dtype=torch.int64),
        # seen only where they were judged
        queries=masks.amax(dim=0)[None].to(device),
    )


def _area(one: Feedback, blobs: Blobs, grid: tuple[int, int, int]) -> Float[Tensor, "height width"]:
    if one.area is None:
        return torch.ones(grid[1:])
    return area_average(torch.from_numpy(blobs.mask(one.area).to_array()).double(), grid[1:]).float()
