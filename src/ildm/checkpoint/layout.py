"""The same weights under other names: which tensors of a file make which tensor of ours, and back.

A layout is a list of pieces, one per tensor of ours, made from a graph's configuration. Reading and writing walk the same list, so
what can be read can be written, and nothing is left over on either side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from ildm.checkpoint.weights import Weights
from ildm.core.errors import CheckpointError


@dataclass(frozen=True)
class Piece:
    """One tensor of ours and where a layout keeps it.

    Args:
        ours: its name here.
        theirs: its name there; three names for queries, keys and values that are one fused tensor here.
        trailing: axes of length 1 that the layout's form has and ours lacks (2 for a 1x1 convolution that is linear here), or
            lacks and ours has, as a negative number.
        heads: how many heads a fused tensor interleaves: for each head in turn its queries, keys and values.
    """

    ours: str
    theirs: tuple[str, ...]
    trailing: int = 0
    heads: int = 1

    def read(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Our tensor."""
        parts = [_with_trailing(tensors[name], -self.trailing) for name in self.theirs]
        return parts[0] if len(parts) == 1 else _fuse(parts, self.heads)

    def write(self, tensor: Tensor) -> dict[str, Tensor]:
        """Their tensors."""
        parts = [tensor] if len(self.theirs) == 1 else _divide(tensor, len(self.theirs), self.heads)
        return {name: _with_trailing(part, self.trailing) for name, part in zip(self.theirs, parts, strict=True)}


@dataclass(frozen=True)
class Turned(Piece):
    """A matrix that has its rows there as columns here."""

    def read(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Our tensor."""
        return tensors[self.theirs[0]].T.contiguous()

    def write(self, tensor: Tensor) -> dict[str, Tensor]:
        """Their tensor."""
        return {self.theirs[0]: tensor.T.contiguous()}


@dataclass(frozen=True)
class Third(Piece):
    """A tensor that is one third of a fused one there; the three stand in a layout in their order.

    Args:
        place: 0, 1, 2: which third, along the first axis.
    """

    place: int = 0

    def read(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Our tensor."""
        fused = tensors[self.theirs[0]]
        if fused.shape[0] % 3:
            raise CheckpointError(
                f"{self.theirs[0]!r} of shape {tuple(fused.shape)} does not divide into queries, keys and values: "
                "the file was made for another model."
            )
        return fused.chunk(3)[self.place].clone()


Layout = tuple[Piece, ...]


def own_layout(module: nn.Module) -> Layout:
    """The layout of files with our own names."""
    return tuple(Piece(name, (name,)) for name in module.state_dict())


def read_layout(layout: Layout, tensors: Mapping[str, Tensor], *, source: str) -> dict[str, Tensor]:
    """Our tensors, out of theirs.

    Args:
        tensors: everything that the file holds for this part, and nothing else.
        source: how to call the file in a sentence.

    Raises:
        CheckpointError: when tensors are missing or left over, the first few of them named.
    """
    wanted = {name for piece in layout for name in piece.theirs}
    _complain(
        source, "lacks", [name for name in wanted if name not in tensors], "it was made for another model or is incomplete"
    )
    _complain(source, "holds", [name for name in tensors if name not in wanted], "this model has no place for them")
    return {piece.ours: piece.read(tensors) for piece in layout}


def fill_by_layout(module: nn.Module, layout: Layout, weights: Weights) -> None:
    """Give a module on the meta device its weights: each is read once, and no second copy is made.

    Raises:
        CheckpointError: when tensors are missing, left over, of another shape or not of floating numbers.
    """
    wanted = {name: place.shape for name, place in module.state_dict().items()}
    weights.expect()
    found = read_layout(layout, weights, source=weights.source)
    for name, tensor in found.items():
        if tensor.shape != wanted[name] or not tensor.is_floating_point():
            raise CheckpointError(
                f"{weights.source} holds weights for {name!r} of shape {tuple(tensor.shape)} in {_short(tensor.dtype)}, but "
                f"{tuple(wanted[name])} in a floating-point format is expected: it was made for another model."
            )
    module.load_state_dict(found, assign=True)
    module.requires_grad_(False).eval()


def write_layout(layout: Layout, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Their tensors, out of ours; parts of one tensor of theirs are joined, in the layout's order."""
    parts: dict[str, list[Tensor]] = {}
    for piece in layout:
        for name, tensor in piece.write(tensors[piece.ours]).items():
            parts.setdefault(name, []).append(tensor)
    return {name: found[0] if len(found) == 1 else torch.cat(found) for name, found in parts.items()}


@dataclass(frozen=True)
class Place:
    """A module of ours in a layout.

    Args:
        theirs: the module's dotted name there.
        parts: what its parts are called there, by our dotted name below the module; a key also serves at the end of a longer name.
            What is not listed keeps its name.
    """

    theirs: str
    parts: Mapping[str, str] = field(default_factory=dict)

    def name(self, part: str, leaf: str) -> str:
        """The full name there of a tensor `leaf` ("weight", "bias") of a part of the module ("" for the module's own)."""
        for ours, theirs in self.parts.items():
            if part == ours or part.endswith(f".{ours}"):
                part = part[: len(part) - len(ours)] + theirs
                break
        return ".".join(piece for piece in (self.theirs, part, leaf) if piece)


def rename(name: str, places: Mapping[str, Place]) -> str:
    """The name there of a tensor of ours: its longest module that has a place, and what follows.

    Raises:
        KeyError: when no module of its name has a place.
    """
    *modules, leaf = name.split(".")
    for length in range(len(modules), 0, -1):
        place = places.get(".".join(modules[:length]))
        if place is not None:
            return place.name(".".join(modules[length:]), leaf)
    raise KeyError(name)


def _with_trailing(tensor: Tensor, count: int) -> Tensor:
    """Add axes of length 1 at the end, or take `-count` of them away; vectors stay vectors."""
    if tensor.ndim < 2 or count == 0:
        return tensor
    return tensor.reshape(*tensor.shape, *[1] * count) if count > 0 else tensor.reshape(tensor.shape[:count])


def _fuse(parts: list[Tensor], heads: int) -> Tensor:
    """Queries, keys and values as one tensor, head by head."""
    by_head = [part.unflatten(0, (heads, -1)) for part in parts]
    return torch.stack(by_head, dim=1).flatten(0, 2)


def _divide(tensor: Tensor, count: int, heads: int) -> list[Tensor]:
    """The inverse of `_fuse`."""
    return [part.flatten(0, 1).contiguous() for part in tensor.unflatten(0, (heads, count, -1)).unbind(1)]


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _complain(source: str, verb: Literal["lacks", "holds"], names: list[str], meaning: str) -> None:
    if names:
        shown = ", ".join(sorted(names)[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        raise CheckpointError(f"{source} {verb} {shown}: {meaning}.")
