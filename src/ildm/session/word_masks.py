"""Where a word is: a mask read from what the cross-attentions look at, and from what would not be drawn without the word.

Tang 2022 (DAAM) reads the attention; Couairon 2022 (DiffEdit) compares two estimates. Either alone is often wrong: some layers look at a
word from where it is not, and a word changes more than the thing it names. Where both say so it mostly is.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ildm.conditioning.places import without
from ildm.core.masks import Grid
from ildm.core.types import Conditioning, Latent
from ildm.model import Model
from ildm.session.wire import Mask

SOFTNESS = 0.25
"""How much of the range from the least to the most looked at lies in a mask's soft edge."""


@torch.inference_mode()
def find_word(model: Model, word: str, prompt: str, latent: Latent, t: float, size: tuple[int, int]) -> Mask:
    """Where a word of a prompt is in a noised latent, by three evaluations of the network.

    Args:
        prompt: words with brackets that weigh them at most.
        latent: (1, channels, height, width), noised to time `t`.
        size: (width, height) in pixels.

    Raises:
        ConfigError: when the word is not in the prompt, or the model attends to no words.
    """
    return mask_of_heat(heat_of_word(model, word, prompt, latent, t, size), size)


@torch.inference_mode()
def heat_of_word(
    model: Model, word: str, prompt: str, latent: Latent, t: float, size: tuple[int, int]
) -> Float[Tensor, "height width"]:
    """How strongly a word acts at every position of the latent, >= 0. Arguments and errors as for `find_word`."""
    with model.adapters.resting():
        return _heat(model, word, prompt, latent, t, size)


def _heat(model: Model, word: str, prompt: str, latent: Latent, t: float, size: tuple[int, int]) -> Tensor:
    grid = (latent.shape[2], latent.shape[3])
    attention = mean_map(model.look(word, prompt, latent, t, size), grid)
    with_it, without_it = (model.condition([text], size) for text in (prompt, without(prompt, word)))
    both = Conditioning.cat([model.alone(one, size) for one in (with_it, without_it)])
    times = torch.full((2,), t, dtype=torch.float64)
    data, other = model.denoiser(latent.repeat(2, 1, 1, 1), times, both)
    change = (data - other).abs().mean(dim=0)[None, None]
    change = F.avg_pool2d(F.pad(change, (1, 1, 1, 1), mode="replicate"), 3, stride=1)[0, 0]
    return attention * change


def mean_map(maps: Sequence[Float[Tensor, "_ _"]], grid: Grid) -> Float[Tensor, "height width"]:
    """The mean of what several cross-attentions look at; each counts as much, at whatever resolution it is."""
    return torch.stack([_resized(one / one.mean().clamp_min(1e-12), grid) for one in maps]).mean(dim=0)


def shown_heat(heat: Float[Tensor, "height width"], size: tuple[int, int]) -> Mask:
    """A map as it is, for people to look at: from its least, 0, to its most, 1. Arguments as for `mask_of_heat`."""
    even = _evened(_resized(heat, (size[1], size[0])))
    return Mask.from_array((torch.zeros(size[1], size[0]) if even is None else even.cpu()).numpy())


def mask_of_heat(heat: Float[Tensor, "height width"], size: tuple[int, int]) -> Mask:
    """A soft mask of where a map is high.

    Args:
        heat: >= 0.
        size: (width, height) of the mask in pixels.
    """
    even = _evened(_resized(heat, (size[1], size[0])))
    if even is None:
        return Mask.from_array(torch.ones(size[1], size[0]).numpy())
    return Mask.from_array(((even - _threshold(even)) / SOFTNESS + 0.5).clamp(0.0, 1.0).cpu().numpy())


def _evened(fine: Tensor) -> Tensor | None:
    """The same from 0 to 1; None where it is everywhere alike."""
    low, high = float(fine.min()), float(fine.max())
    return None if high - low < 1e-6 * max(1e-12, high) else (fine - low) / (high - low)


def _threshold(values: Tensor) -> float:
    """The border between two groups of numbers in [0, 1] that are as far apart as they can be (Otsu 1979)."""
    counts = torch.histc(values.float().cpu(), bins=64, min=0.0, max=1.0).double()
    middles = (torch.arange(64, dtype=torch.float64) + 0.5) / 64
    below = counts.cumsum(dim=0)
    above = below[-1] - below
    sums = (counts * middles).cumsum(dim=0)
    apart = below * above * (sums / below.clamp_min(1.0) - (sums[-1] - sums) / above.clamp_min(1.0)).square()
    best = apart == apart.max()  # empty bins between the groups are all as good: the middle of them
    return float((middles[best].mean() + 0.5 / 64).clamp(0.0, 1.0))


def _resized(heat: Tensor, grid: Grid) -> Tensor:
    return F.interpolate(heat[None, None].float(), grid, mode="bilinear", align_corners=False)[0, 0]
