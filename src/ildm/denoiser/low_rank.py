"""Low-rank changes to a network's weights (Hu 2021, eq. 3), added to what its layers give while the weights stay as they are.

`W x + s (up @ down) x`: a layer that is changed stands inside an `Adapted` with its changes, so a network with adapters is still an
ordinary tree of modules, which `ildm.denoiser.inference` rearranges like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ildm.denoiser.blocks import Upsample

Layer = nn.Linear | nn.Conv2d
Multiply = Callable[[Tensor, Tensor], Tensor]
"""What a layer makes of its input with another weight than its own, and no bias."""


@dataclass(frozen=True, eq=False)
class LowRank:
    """A change to one weight, as the product of two small ones.

    Args:
        down: (rank, in), or (rank, in, height, width) for a convolution.
        up: (out, rank), or (out, rank, 1, 1) for a convolution.
    """

    down: Tensor
    up: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weight that it changes."""
        return (self.up.shape[0], *self.down.shape[1:])

    def product(self) -> Tensor:
        """What is added to the weight at strength 1."""
        return (self.up.flatten(1) @ self.down.flatten(1)).reshape(self.shape)

    def to(self, like: Tensor) -> LowRank:
        """On the device of `like` and in its number format."""
        return LowRank(self.down.to(like), self.up.to(like))


class Strength:
    """How strongly an adapter acts. All its changes read it, those in copies of the network too, so setting it costs nothing."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = value

    def __deepcopy__(self, memo: dict[int, Any]) -> Strength:
        return self


class Change(nn.Module):
    """What a low-rank change adds to the output of a layer at strength 1. It moves with its network, but is no part of its weights."""

    down: Tensor
    up: Tensor

    def __init__(self, pair: LowRank, strength: Strength, multiply: Multiply) -> None:
        super().__init__()
        self.register_buffer("down", pair.down, persistent=False)
        self.register_buffer("up", pair.up, persistent=False)
        self.strength = strength
        self.multiply = multiply

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.multiply(x, self.down)
        return F.linear(hidden, self.up) if self.up.ndim == 2 else F.conv2d(hidden, self.up)


class Adapted(nn.Module):
    """A layer and the changes to it; those whose strength is 0 cost nothing."""

    def __init__(self, layer: nn.Module, changes: Sequence[Change] = ()) -> None:
        super().__init__()
        self.layer = layer
        self.changes = nn.ModuleList(changes)
        self.train(layer.training)

    def forward(self, x: Tensor) -> Tensor:
        output = self.layer(x)
        for change in acting(self):
            output = torch.add(output, change(x), alpha=change.strength.value)
        return output

    def state_dict(self, *args: Any, **options: Any) -> dict[str, Any]:
        """That of the layer, so that what is saved has the names it has without adapters."""
        return self.layer.state_dict(*args, **options)


def plain(layer: nn.Module) -> Any:
    """A layer without its changes."""
    return layer.layer if isinstance(layer, Adapted) else layer


def changes_of(layer: nn.Module) -> list[Change]:
    """The changes to a layer, in the order in which they came; none for a plain one."""
    return [change for change in layer.changes if isinstance(change, Change)] if isinstance(layer, Adapted) else []


def acting(layer: nn.Module) -> list[Change]:
    """The changes to a layer that are not at rest."""
    return [change for change in changes_of(layer) if change.strength.value != 0]


def strengths_in(module: nn.Module) -> list[Strength]:
    """Every strength that something inside `module` reads, once."""
    return list(dict.fromkeys(inner.strength for inner in module.modules() if isinstance(inner, Change)))


def change_to(module: nn.Module, pair: LowRank, strength: Strength) -> Change:
    """The change that a pair makes to the output of a linear layer, a convolution, or an upsampling by its convolution."""
    if isinstance(module, nn.Linear):
        return Change(pair, strength, F.linear)
    if isinstance(module, Upsample):
        return Change(pair, strength, _upsample_convolve)
    assert isinstance(module, nn.Conv2d)
    geometry: dict[str, Any] = {"stride": module.stride, "padding": module.padding, "dilation": module.dilation}
    return Change(pair, strength, partial(F.conv2d, **geometry))


def carry(layer: nn.Module, changes: Sequence[Change]) -> nn.Module:
    """`layer` with `changes`, or itself where there are none."""
    return Adapted(layer, changes) if changes else layer


def flattened(layer: nn.Module) -> list[Change]:
    """The changes to a 1x1 convolution as changes to the linear layer that is the same product."""
    return [
        Change(LowRank(change.down.flatten(1), change.up.flatten(1)), change.strength, F.linear) for change in changes_of(layer)
    ]


def stacked(layers: Sequence[nn.Module]) -> list[Change]:
    """The changes to linear layers of one input as changes to the layer that has all their outputs, in their order."""
    strengths = dict.fromkeys(change.strength for layer in layers for change in changes_of(layer))
    return [Change(_stack([_pair(layer, strength) for layer in layers]), strength, F.linear) for strength in strengths]


def halves(layer: nn.Module) -> tuple[list[Change], list[Change]]:
    """The changes to the first and to the second half of a linear layer's outputs."""
    both = [(change, change.up.chunk(2)) for change in changes_of(layer)]
    first, second = (
        [Change(LowRank(change.down, ups[half]), change.strength, F.linear) for change, ups in both] for half in (0, 1)
    )
    return first, second


def _pair(layer: nn.Module, strength: Strength) -> LowRank:
    """What one adapter changes in a linear layer: of rank 0 when that is nothing."""
    for change in changes_of(layer):
        if change.strength is strength:
            return LowRank(change.down, change.up)
    weight = plain(layer).weight.detach()
    return LowRank(weight.new_empty(0, weight.shape[1]), weight.new_empty(weight.shape[0], 0))


def _stack(pairs: Sequence[LowRank]) -> LowRank:
    return LowRank(torch.cat([pair.down for pair in pairs]), torch.block_diag(*(pair.up for pair in pairs)))


def _upsample_convolve(x: Tensor, weight: Tensor) -> Tensor:
    # with so few outputs the plain form costs next to nothing
    return F.conv2d(F.interpolate(x, scale_factor=2.0, mode="nearest"), weight, padding=1)
