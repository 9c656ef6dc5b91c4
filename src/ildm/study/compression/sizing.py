"""Denoisers of one size for latents of any size: the same number of weights, attention at the same resolutions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product

import torch

from ildm.core.errors import ConfigError
from ildm.denoiser.config import UNetConfig
from ildm.denoiser.unet import UNet

# the coarsest grid of a latent that is large enough to be halved at all, and the finest one with attention
_COARSEST, _ATTENDED = 8, 16
# relative widths from the coarsest level up: as in the paper, levels narrow towards the pixels (Rombach 2022, table 12)
_WIDTHS = (3.0, 2.0, 1.5)
_STEP = 16  # channels come in multiples of this, which splits into heads and groups
_HEADS, _GROUPS = 4, 16
_NARROWEST, _WIDEST = 4.0, 1024.0


@cache
def denoiser(channels: int, side: int, labels: int, parameters: int) -> UNetConfig:
    """The U-Net of about `parameters` weights for square latents, told their class.

    Args:
        channels: of the latent.
        side: of the latent, cells, a power of 2.
        labels: number of classes.
        parameters: how many weights are wanted; channels come in steps of 16, so a few percent more or fewer are had.

    Raises:
        ConfigError: when no U-Net of this kind comes within 10 % of that.
    """
    low, high = _NARROWEST, _WIDEST
    # weights grow with the width, so the right one is found by halving
    for _ in range(14):
        middle = 0.5 * (low + high)
        if count_parameters(_graph(channels, side, labels, middle)) < parameters:
            low = middle
        else:
            high = middle
    # then one step more or fewer at the levels that hold most weights, because steps are coarse in a small network
    found = min(_around(_graph(channels, side, labels, low)), key=lambda one: abs(_gap(one, parameters)))
    if abs(_gap(found, parameters)) > 0.1:
        raise ConfigError(
            f"No denoiser for latents of {side}x{side} has {parameters:,} weights within 10 % (the nearest has "
            f"{count_parameters(found):,}): ask for another number of parameters."
        )
    return found


def count_parameters(graph: UNetConfig) -> int:
    """How many weights a U-Net has; nothing is allocated."""
    # only the outermost kernels know the latent, so denoisers for several latents are built once
    outer = 9 * graph.channels[0] * (graph.in_channels + graph.out_channels - 2) + graph.out_channels - 1
    return outer + _count_with_one_channel(replace(graph, in_channels=1, out_channels=1))


@cache
def _count_with_one_channel(graph: UNetConfig) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in UNet(graph).parameters())


def grids(side: int) -> tuple[int, ...]:
    """The sides of the grids a denoiser of such latents works on, finest first: halved down to 8, and once below that."""
    found = [side]
    while found[-1] > _COARSEST:
        found.append(found[-1] // 2)
    if found[-1] > 2 and len(found) == 1:
        found.append(found[-1] // 2)
    return tuple(found)


def _around(graph: UNetConfig) -> Iterator[UNetConfig]:
    """The graph with its two coarsest levels a step narrower, as they are, or a step wider, never narrowing downwards."""
    kept, moved = graph.channels[:-2], graph.channels[-2:]
    for steps in product((0, -_STEP, _STEP), repeat=len(moved)):
        channels = (*kept, *(max(_STEP, width + step) for width, step in zip(moved, steps, strict=True)))
        if list(channels) == sorted(channels):
            yield replace(graph, channels=channels)


def _gap(graph: UNetConfig, parameters: int) -> float:
    return count_parameters(graph) / parameters - 1.0


def _graph(channels: int, side: int, labels: int, width: float) -> UNetConfig:
    sides = grids(side)
    relative = [*(1.0 for _ in sides[len(_WIDTHS) :]), *reversed(_WIDTHS[: len(sides)])]
    return UNetConfig(
        in_channels=channels,
        out_channels=channels,
        channels=tuple(max(_STEP, round(width * share / _STEP) * _STEP) for share in relative),
        res_blocks=(1,) * len(sides),
        depths=tuple(int(grid <= _ATTENDED) for grid in sides),
        mid_depth=1,
        heads=(_HEADS,) * len(sides),
        norm_groups=_GROUPS,
        labels=labels,
    )
