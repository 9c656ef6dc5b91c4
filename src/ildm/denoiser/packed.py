"""Layers as a CPU computes them fastest, above all with weights stored in the layout oneDNN computes in.

Given plain weights, oneDNN lays them out anew at every call, which at 4x4 latents costs as much as the convolution itself.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ildm.denoiser.low_rank import acting, carry, halves, plain
from ildm.denoiser.transformer import FeedForward

SHAPES_KEPT = 2  # guidance inside and outside its interval: two batch sizes


def can_pack(weight: Tensor) -> bool:
    """Whether this machine's oneDNN computes in the format of `weight`."""
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    if weight.dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return weight.dtype == torch.float32


def pack_layers(module: nn.Module) -> None:
    """Replace every convolution, linear and feed-forward layer inside `module`, and the group norms of a bf16 network."""
    for name, child in module.named_children():
        setattr(module, name, packed(child))


def packed(layer: nn.Module) -> nn.Module:
    """What takes the place of a layer, which may be itself, with what is inside it replaced."""
    if isinstance(layer, nn.Conv2d):
        return PackedConv2d(layer)
    if isinstance(layer, nn.ConvTranspose2d):
        return PackedConvTranspose2d(layer)
    if isinstance(layer, nn.Linear):
        return PackedLinear(layer.weight, layer.bias)
    if isinstance(layer, nn.GroupNorm) and layer.weight.dtype == torch.bfloat16:
        return Float32GroupNorm(layer)
    if isinstance(layer, FeedForward):
        return PackedFeedForward(layer)
    pack_layers(layer)
    return layer


class PackedLinear(nn.Module):
    """A linear layer; its layout serves every number of rows."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach())
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")

    def gelu(self, x: Tensor) -> Tensor:
        """The layer and a GELU."""
        return torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "gelu", [], "none")

    def times(self, x: Tensor, factor: Tensor) -> Tensor:
        """The layer, and its output multiplied."""
        return torch.ops.mkldnn._linear_pointwise.binary(x, factor, self.packed, self.bias, "mul")


class PackedFeedForward(nn.Module):
    """A feed-forward layer: its GELU and the product with the gate are made where the matrix products write their results."""

    def __init__(self, layer: FeedForward) -> None:
        super().__init__()
        bare, changes = plain(layer.proj_in), halves(layer.proj_in)
        parts = zip(bare.weight.chunk(2), bare.bias.chunk(2), changes, strict=True)
        self.hidden, self.gate = (carry(PackedLinear(weight, bias), some) for weight, bias, some in parts)
        self.proj_out = packed(layer.proj_out)

    def forward(self, x: Tensor) -> Tensor:
        if acting(self.hidden):
            return self.proj_out(self.hidden(x) * F.gelu(self.gate(x)))
        gate = plain(self.gate).gelu(x)
        return self.proj_out(plain(self.hidden).times(x, gate))


class PackedConvolution(nn.Module):
    """A convolution, laid out once per input shape: the layout for one shape can be a hundred times too slow for another."""

    def __init__(self, layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
        super().__init__()
        self.weight = layer.weight
        self.bias = layer.bias
        self.packed: dict[torch.Size, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        packed = self.packed.get(x.shape)
        if packed is None:
            # several threads may draw with one model: what another one has dropped meanwhile is gone, and that is all
            for oldest in list(self.packed)[: max(0, len(self.packed) - SHAPES_KEPT + 1)]:
                self.packed.pop(oldest, None)
            packed = self.packed[x.shape] = self.pack(list(x.shape))
        return self.convolve(x, packed)

    def pack(self, shape: list[int]) -> Tensor:
        """The weight in the layout for inputs of this shape."""
        raise NotImplementedError

    def convolve(self, x: Tensor, packed: Tensor) -> Tensor:
        """The convolution of `x` with a weight that `pack` made."""
        raise NotImplementedError


class PackedConv2d(PackedConvolution):
    """A convolution."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__(layer)
        self.geometry = (layer.padding, layer.stride, layer.dilation, layer.groups)

    def pack(self, shape: list[int]) -> Tensor:
        return torch.ops.mkldnn._reorder_convolution_weight(self.weight, *self.geometry, shape)

    def convolve(self, x: Tensor, packed: Tensor) -> Tensor:
        return torch.ops.mkldnn._convolution_pointwise(x, packed, self.bias, *self.geometry, "none", [], "")


class PackedConvTranspose2d(PackedConvolution):
    """A transposed convolution."""

    def __init__(self, layer: nn.ConvTranspose2d) -> None:
        super().__init__(layer)
        self.geometry = (layer.padding, layer.output_padding, layer.stride, layer.dilation, layer.groups)

    def pack(self, shape: list[int]) -> Tensor:
        return torch.ops.mkldnn._reorder_convolution_transpose_weight(self.weight, *self.geometry, shape)

    def convolve(self, x: Tensor, packed: Tensor) -> Tensor:
        return torch.ops.mkldnn._convolution_transpose_pointwise(x, packed, self.bias, *self.geometry, "none", [], "")


class Float32GroupNorm(nn.Module):
    """A group norm computed in float32: torch's bf16 kernel takes three times as long on channels-last inputs."""

    def __init__(self, layer: nn.GroupNorm) -> None:
        super().__init__()
        self.groups, self.eps = layer.num_groups, layer.eps
        self.weight, self.bias = layer.weight.detach().float(), layer.bias.detach().float()

    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x.float(), self.groups, self.weight, self.bias, self.eps).to(x.dtype)
