"""Grids of features too large to compute whole: each is read a few rows at a time, from what is stored below it.

A convolution needs one more row on each side, so rows are read with that halo. A group norm needs the statistics of the whole grid,
so they are measured in a walk of their own before its first row is read. Nothing is estimated.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ildm.core.upsampling import spread

Grid = Float[Tensor, "1 channels height width"]
Strip = Float[Tensor, "1 channels rows width"]


class Rows(ABC):
    """A grid (1, channels, height, width) of which some rows at a time are in memory.

    Args:
        shape: (channels, height, width).
        strip: how many values a strip may hold; one row is always allowed.
        below: values per row of the widest grid that these rows are computed from.
    """

    def __init__(self, shape: tuple[int, int, int], strip: int, below: int = 0) -> None:
        self.channels, self.height, self.width = shape
        self.strip = strip
        self.widest = max(self.channels * self.width, below)

    @property
    def size(self) -> int:
        """How many values the grid has."""
        return self.channels * self.height * self.width

    @abstractmethod
    def read(self, top: int, bottom: int) -> Strip:
        """The rows from `top` up to and without `bottom`; they may be a view, so they are not to be written to."""

    def read_padded(self, first: int, end: int, *, right: int = 0) -> Strip:
        """The same with rows of zeros beyond the grid, and columns of zeros at its right."""
        x = self.read(max(first, 0), min(end, self.height))
        border = (0, right, max(-first, 0), max(end - self.height, 0))
        return F.pad(x, border) if any(border) else x

    def spans(self) -> Iterator[tuple[int, int]]:
        """Top and bottom of each strip, downwards."""
        rows = max(1, self.strip // self.widest)
        for top in range(0, self.height, rows):
            yield top, min(top + rows, self.height)

    def store(self, into: Grid | None = None) -> Stored:
        """Compute every row and keep it.

        Args:
            into: where; None = a new tensor. It may be a grid that these rows are computed from, as long as each needs only the
                row above it and what lies below: a strip is written after the next one has been computed.
        """
        strips = ((top, self.read(top, bottom)) for top, bottom in self.spans())
        held = next(strips)
        values = _grid_like(held[1], self.height) if into is None else into
        for following in strips:
            _write(values, *held)
            held = following
        _write(values, *held)
        return Stored(values, self.strip)


class Stored(Rows):
    """Rows that are all in memory."""

    def __init__(self, values: Grid, strip: int) -> None:
        _, channels, height, width = values.shape
        super().__init__((channels, height, width), strip)
        self.values = values

    def read(self, top: int, bottom: int) -> Strip:
        return self.values[:, :, top:bottom]


class Convolved(Rows):
    """Rows after a convolution.

    Args:
        rows: its input.
        convolution: its weights and stride; the padding is given here.
        padding: zeros around the input: how many above and at the left, how many below and at the right.
    """

    def __init__(self, rows: Rows, convolution: nn.Conv2d, padding: tuple[int, int]) -> None:
        self.rows, self.convolution, self.padding = rows, convolution, padding
        self.stride, self.reach = convolution.stride[0], convolution.kernel_size[0]
        shape = (convolution.out_channels, rows.height // self.stride, rows.width // self.stride)
        super().__init__(shape, rows.strip, below=self.stride * rows.widest)

    def read(self, top: int, bottom: int) -> Strip:
        before, after = self.padding
        first = top * self.stride - before
        # the convolution pads both sides by `before`; what the right side has beyond that is added here
        x = self.rows.read_padded(first, (bottom - 1) * self.stride - before + self.reach, right=after - before)
        return F.conv2d(x, self.convolution.weight, self.convolution.bias, self.stride, (0, before))


class Upsampled(Rows):
    """Rows after `upsample_convolve`: twice the resolution by nearest neighbours, then a 3x3 convolution."""

    def __init__(self, rows: Rows, convolution: nn.Conv2d) -> None:
        self.rows, self.convolution = rows, convolution
        self.transposed = convolution.weight.device.type == "cpu"
        self.weight = spread(convolution.weight) if self.transposed else convolution.weight
        super().__init__((convolution.out_channels, 2 * rows.height, 2 * rows.width), rows.strip, below=rows.widest)

    def read(self, top: int, bottom: int) -> Strip:
        first = (top - 1) // 2
        x = self.rows.read_padded(first, bottom // 2 + 1)
        # both forms leave out the first and the last doubled row, whose neighbours are not here
        if self.transposed:
            doubled = F.conv_transpose2d(x, self.weight, self.convolution.bias, stride=2, padding=(2, 1))
        else:
            doubled = F.conv2d(F.interpolate(x, scale_factor=2.0), self.weight, self.convolution.bias, padding=(0, 1))
        return doubled[:, :, top - 2 * first - 1 : bottom - 2 * first - 1]


class Activated(Rows):
    """Rows after a group norm over the whole grid, then SiLU."""

    def __init__(self, rows: Rows, norm: nn.GroupNorm) -> None:
        super().__init__((rows.channels, rows.height, rows.width), rows.strip, below=rows.widest)
        self.rows = rows
        per_group = rows.channels // norm.num_groups
        mean, variance = (value.repeat_interleave(per_group) for value in group_moments(rows, norm))
        scale = norm.weight * (variance + norm.eps).rsqrt()
        self.scale, self.shift = scale[:, None, None], (norm.bias - mean * scale)[:, None, None]  # (C, 1, 1)

    def read(self, top: int, bottom: int) -> Strip:
        x = self.rows.read(top, bottom)
        return F.silu(torch.addcmul(self.shift, x, self.scale).to(x.dtype), inplace=True)


class Sum(Rows):
    """Two grids, added."""

    def __init__(self, one: Rows, other: Rows) -> None:
        super().__init__((one.channels, one.height, one.width), one.strip, below=max(one.widest, other.widest))
        self.one, self.other = one, other

    def read(self, top: int, bottom: int) -> Strip:
        return self.one.read(top, bottom) + self.other.read(top, bottom)


def group_moments(rows: Rows, norm: nn.GroupNorm) -> tuple[Float[Tensor, " groups"], Float[Tensor, " groups"]]:
    """Mean and variance of each of a norm's groups of channels over the whole grid, in float32 or better.

    Strips and channels are joined by the law of total variance, which loses no digits where the mean is large.
    """
    spans = list(rows.spans())
    device, dtype = norm.weight.device, torch.promote_types(norm.weight.dtype, torch.float32)
    # One block for all strips: small tensors left between large ones keep the memory of these from being used again.
    means, variances = torch.empty(2, len(spans), rows.channels, dtype=dtype, device=device)
    for index, (top, bottom) in enumerate(spans):
        x = rows.read(top, bottom).to(dtype)
        means[index] = x.mean(dim=(0, 2, 3))
        variances[index] = (x - means[index, :, None, None]).square_().mean(dim=(0, 2, 3))
    share = torch.tensor([(bottom - top) / rows.height for top, bottom in spans], dtype=dtype, device=device)[:, None, None]
    means, variances = (part.unflatten(1, (norm.num_groups, -1)) for part in (means, variances))  # (strips, groups, C / groups)
    mean = (share * means).sum(dim=0).mean(dim=1)
    return mean, (share * (variances + (means - mean[:, None]).square())).sum(dim=0).mean(dim=1)


def _grid_like(strip: Tensor, height: int) -> Tensor:
    """An unwritten grid for strips like this: with a pixel's channels side by side, its rows are one block of memory."""
    _, channels, _, width = strip.shape
    shape = (1, channels, height, width)
    return torch.empty(shape, dtype=strip.dtype, device=strip.device, memory_format=torch.channels_last)


def _write(values: Tensor, top: int, strip: Tensor) -> None:
    values[:, :, top : top + strip.shape[2]] = strip
