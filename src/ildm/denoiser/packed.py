"""Layers whose weights are stored in the layout oneDNN computes in.

Given plain weights, oneDNN lays them out anew at every call, which at 4x4 latents costs as much as the convolution itself.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SHAPES_KEPT = 2  # guidance inside and outside its interval: two batch sizes


def can_pack(weight: Tensor) -> bool:
    """Whether this machine's oneDNN computes in the format of `weight`."""
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    if weight.dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return weight.dtype == torch.float32


def pack_layers(module: nn.Module) -> None:
    """Replace every convolution and linear layer inside `module`."""
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d):
            setattr(module, name, PackedConv2d(child))
        elif isinstance(child, nn.Linear):
            setattr(module, name, PackedLinear(child))
        else:
            pack_layers(child)


class PackedLinear(nn.Module):
    """A linear layer; its layout serves every number of rows."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.packed = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach())
        self.bias = None if layer.bias is None else layer.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")


class PackedConv2d(nn.Module):
    """A convolution, laid out once per input shape: the layout for one shape can be a hundred times too slow for another."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.weight = layer.weight.detach()
        self.bias = None if layer.bias is None else layer.bias.detach()
        self.geometry = (list(layer.padding), list(layer.stride), list(layer.dilation), layer.groups)
        self.packed: dict[torch.Size, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        packed = self.packed.get(x.shape)
        if packed is None:
            packed = self._pack(x.shape)
        return torch.ops.mkldnn._convolution_pointwise(x, packed, self.bias, *self.geometry, "none", [], "")

    def _pack(self, shape: torch.Size) -> Tensor:
        while len(self.packed) >= SHAPES_KEPT:
            del self.packed[next(iter(self.packed))]
        self.packed[shape] = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *self.geometry, list(shape))
        return self.packed[shape]
