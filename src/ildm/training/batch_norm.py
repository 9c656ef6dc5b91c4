"""Batch normalisation by the whole batch, where each process holds a part of it (Ioffe & Szegedy 2015; Peng 2018, section 3.2).

torch's own for several processes works on GPUs alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ildm.training.world import World


class WholeBatchNorm(nn.BatchNorm2d):
    """Does what `inner` would do with all parts of the batch.

    Args:
        inner: its weights and running statistics are taken over, as they are in memory.
    """

    def __init__(self, inner: nn.BatchNorm2d, world: World) -> None:
        super().__init__(inner.num_features, inner.eps, inner.momentum, inner.affine, inner.track_running_stats)
        self._parameters, self._buffers = inner._parameters, inner._buffers
        self._world = world

    def forward(self, input: Tensor) -> Tensor:
        """Normalised features (batch, channels, height, width), in the format they came in."""
        if not self.training:
            return super().forward(input)
        features = input.to(torch.promote_types(input.dtype, torch.float32))
        # the parts are equally large, so the mean of their means is that of all
        mean = _world_mean(features.mean(dim=(0, 2, 3), keepdim=True), self._world)
        centred = features - mean
        variance = _world_mean(centred.square().mean(dim=(0, 2, 3), keepdim=True), self._world)
        self._track(mean.detach().flatten(), variance.detach().flatten(), features.numel() // features.shape[1])
        normalised = centred * (variance + self.eps).rsqrt()
        return (normalised * self.weight[:, None, None] + self.bias[:, None, None]).to(input.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, here: int) -> None:
        """Follow with the running statistics, the variance without its bias."""
        assert self.momentum is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        number = here * self._world.share.count
        self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
        self.running_var.lerp_((variance * (number / (number - 1))).to(self.running_var), self.momentum)
        self.num_batches_tracked.add_(1)


def normalise_whole_batches(network: nn.Module, world: World) -> None:
    """Let all batch normalisations of a network see the whole batch; nothing changes where one process sees it anyway."""
    if world.share.count == 1:
        return
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, WholeBatchNorm(child, world))


class _WorldMean(torch.autograd.Function):
    """The mean over all processes. Each one's loss depends on each one's part, so gradients are averaged on their way back, too."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, world: World) -> Tensor:
        ctx.world = world
        return world.mean(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        return ctx.world.mean(gradient), None


def _world_mean(values: Tensor, world: World) -> Tensor:
    mean: Any = _WorldMean.apply(values, world)
    return mean
