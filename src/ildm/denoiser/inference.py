"""The same graph, prepared for inference: fewer and larger products, nothing computed twice, weights laid out once.

What `prepare` changes, none of it visible in the result beyond rounding:
- keys and values of a context are made when the context changes, not at every step;
- rows of a batch that are alike but for their contexts, as under guidance, are one until they read these;
- the time projections of all residual blocks are one product, as are a self-attention's queries, keys and values;
- 1x1 convolutions around transformers are linear layers;
- upsampling and the convolution after it are one transposed convolution, with 4 products per output instead of 9;
- on CPUs weights are stored in the layout oneDNN computes in, and gates are multiplied where they are made (`packed`);
- optionally torch.compile fuses what is left, with the weights frozen into the program.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ildm.core.masks import Grid
from ildm.core.types import Conditioning, Regions
from ildm.core.upsampling import spread
from ildm.denoiser.attended import Attended, Beside, Watch, token_mask
from ildm.denoiser.attention import SelfAttention, attend_rows, attend_where_acting, join_heads, project
from ildm.denoiser.blocks import ResBlock, Upsample
from ildm.denoiser.inputs import check_inputs
from ildm.denoiser.low_rank import carry, flattened, plain, stacked, strengths_in
from ildm.denoiser.packed import can_pack, pack_layers
from ildm.denoiser.references import Companions, companions
from ildm.denoiser.rows import repeats_after
from ildm.denoiser.transformer import Transformer
from ildm.denoiser.unet import UNet, join


def prepare(network: UNet, *, dtype: torch.dtype | None = None, compiled: bool = False) -> PreparedUNet:
    """A fast, frozen twin of `network` on the same device.

    Args:
        network: left as it is. Weights that need no change are shared with it: prepare again after changing them. Adapters that are
            live in it are live in the twin, at strengths that can still be set.
        dtype: to compute in; None = that of the network. Inputs and outputs keep the caller's.
        compiled: compile at the first call of each shape, which takes a minute and a C++ compiler.
    """
    shared: dict[int, Tensor] = {id(buffer): buffer for buffer in network.buffers()}
    shared |= {id(parameter): nn.Parameter(parameter.detach(), requires_grad=False) for parameter in network.parameters()}
    return PreparedUNet(copy.deepcopy(network, shared).eval(), dtype or next(network.parameters()).dtype, compiled=compiled)


class PreparedUNet(nn.Module):
    """Called like a `UNet`, without gradients. Made by `prepare`."""

    def __init__(self, network: UNet, dtype: torch.dtype, *, compiled: bool) -> None:
        super().__init__()
        self.config = network.config
        self.dtype = dtype
        self.time_projections = _join_time_projections(network)
        _fuse(network)
        self.network = network
        self.to(dtype)
        if not compiled and can_pack(next(network.parameters())):
            pack_layers(self)
        self._strengths = strengths_in(nn.ModuleList(network.cross_attentions()))
        self._keys_values = Recent(self._project)
        self._regions = Recent(self._attend_regions)
        self._companions = Recent(self._accompany)
        self._compiled = compiled
        self._run = frozen_program(self._compute) if compiled else self._compute

    @torch.no_grad()
    def forward(
        self,
        noised: Float[Tensor, "batch in_channels height width"],
        timestep: Float[Tensor, " batch"],
        conditioning: Conditioning,
    ) -> Float[Tensor, "batch out_channels height width"]:
        """As `UNet.forward`."""
        check_inputs(self.config, noised, timestep, conditioning)
        size = (noised.shape[2], noised.shape[3])
        attended = self._attend(conditioning, size)
        inputs = Conditioning(pooled=conditioning.pooled, label=conditioning.label).to(noised.device, self.dtype)
        if conditioning.guidance is not None:  # in its own format, as the time is
            inputs = replace(inputs, guidance=conditioning.guidance.to(noised.device))
        joined, references = join(noised, conditioning).to(self.dtype), conditioning.references
        if references is not None:
            going = self._companions(references.weights, references.queries, size)
            if going is not None:  # never compiled: the number of rows changes with likes and dislikes
                embedding = self._embed(timestep, inputs)
                return going.predict(self.network.predict, joined, embedding, attended, references.latents).to(noised.dtype)
        if not self._compiled and joined.device.type == "cpu":
            # guidance asks about the same latents twice: until they read the prompts, they are computed once
            rows = joined.shape[0]
            alike = repeats_after(joined, timestep, inputs.pooled, inputs.label, inputs.guidance)
            joined, attended = joined[:alike], attended._replace(rows=None if alike == rows else rows)
        return self._run(joined, timestep, inputs, attended).to(noised.dtype)

    @torch.no_grad()
    def look(
        self,
        noised: Float[Tensor, "1 in_channels height width"],
        timestep: Float[Tensor, " 1"],
        conditioning: Conditioning,
        tokens: Bool[Tensor, " tokens"],
    ) -> list[Float[Tensor, "_ _"]]:
        """How much every cross-attention looks at some tokens of a plain context, at every position: (height, width) each, in order.

        Args:
            noised, timestep, conditioning: as for `forward`, of one sample.
            tokens: (tokens,), True for those that are looked for.
        """
        check_inputs(self.config, noised, timestep, conditioning)
        watch = Watch(tokens)
        attended = self._attend(conditioning, (noised.shape[2], noised.shape[3]))._replace(watch=watch)
        inputs = replace(conditioning, references=None, concat=None, context=None).to(noised.device, self.dtype)
        joined = join(noised, conditioning).to(self.dtype)
        self.network.predict(joined, self._embed(timestep, inputs), attended)  # never compiled: it is looked into
        return watch.maps

    def _compute(self, noised: Tensor, timestep: Tensor, conditioning: Conditioning, attended: Attended) -> Tensor:
        return self.network.predict(noised, self._embed(timestep, conditioning), attended)

    def _embed(self, timestep: Tensor, conditioning: Conditioning) -> Tensor:
        return self.time_projections(self.network.embed(timestep, conditioning, self.dtype))  # (B, all)

    def _attend(self, conditioning: Conditioning, size: Grid) -> Attended:
        regions, strengths = conditioning.regions, tuple(strength.value for strength in self._strengths)
        if regions is not None:
            return self._regions(regions.context, regions.weights, regions.context_mask, size, strengths)
        if conditioning.context is not None:
            return Attended(self._keys_values(conditioning.context, strengths), token_mask(conditioning.context_mask), {})
        return Attended((), None, {})

    def _attend_regions(
        self, context: Tensor, weights: Tensor, mask: Tensor | None, size: Grid, strengths: tuple[float, ...]
    ) -> Attended:
        regions = Regions(context=context, weights=weights, context_mask=mask)
        return attend_where_acting(regions, self._keys_values(context, strengths), self.network.grids(size))

    def _project(self, context: Tensor, _strengths: tuple[float, ...]) -> tuple[tuple[Tensor, Tensor], ...]:
        flat = context.reshape(-1, *context.shape[-2:])  # (B R, T, W)
        return project(self.network.cross_attentions(), flat.to(self.dtype))

    def _accompany(self, weights: Tensor, queries: Tensor | None, size: Grid) -> Companions | None:
        return companions(weights, queries, self.network.grids(size))


def frozen_program(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`function` compiled with its weights as constants, which lets the compiler lay them out once."""
    from torch._inductor import config  # a second to import, and only compiling needs it

    compiled = torch.compile(function)

    def call(*arguments: Any) -> Tensor:
        # as an option of torch.compile, freezing would be seen too late: tracing already decides what is constant
        with torch.no_grad(), config.patch(freezing=True):
            return compiled(*arguments)

    return call


class FusedSelfAttention(nn.Module):
    """Self-attention whose queries, keys and values are one product."""

    def __init__(self, attention: SelfAttention) -> None:
        super().__init__()
        self.heads = attention.heads
        self.qkv = _stacked([attention.to_q, attention.to_k, attention.to_v])
        self.to_out, self.norm_q, self.norm_k = attention.to_out, attention.norm_q, attention.norm_k

    def forward(
        self, x: Float[Tensor, "batch positions channels"], beside: Beside | None = None
    ) -> Float[Tensor, "batch positions channels"]:
        query, key, value = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (B, H, N, d) each
        return self.to_out(join_heads(attend_rows(self.norm_q(query), self.norm_k(key), value, beside)))  # (B, N, C)


class Share(nn.Module):
    """One block's part of the product that projects the time for all blocks."""

    def __init__(self, start: int, stop: int) -> None:
        super().__init__()
        self.start, self.stop = start, stop

    def forward(self, projections: Float[Tensor, "batch all"]) -> Tensor:
        return projections[:, self.start : self.stop]


class Recent:
    """The last few results of a function of tensors, found again by the tensors' values."""

    def __init__(self, function: Callable[..., Any], *, kept: int = 4) -> None:
        self.function = function
        self.kept = kept
        self._results: list[tuple[tuple[Any, ...], Any]] = []

    def __call__(self, *arguments: Any) -> Any:
        for known, result in self._results:
            if len(known) == len(arguments) and all(map(_same, known, arguments)):
                return result
        result = self.function(*arguments)
        self._results = [(tuple(map(_kept, arguments)), result), *self._results][: self.kept]
        return result


def _kept(argument: Any) -> Any:
    # a copy, so that a tensor overwritten in place counts as new
    return argument.clone() if isinstance(argument, Tensor) and argument.device.type == "cpu" else argument


def _same(known: Any, argument: Any) -> bool:
    if not isinstance(known, Tensor):
        return not isinstance(argument, Tensor) and known == argument
    if not isinstance(argument, Tensor) or argument.device.type != "cpu":
        return known is argument  # comparing values would wait for the device
    return known.shape == argument.shape and known.dtype == argument.dtype and torch.equal(known, argument)


def _join_time_projections(network: UNet) -> nn.Module:
    blocks = [module for module in network.modules() if isinstance(module, ResBlock)]
    joined = _stacked([block.time_emb_proj for block in blocks])
    start = 0
    for block in blocks:
        stop = start + plain(block.time_emb_proj).out_features
        block.register_module("time_emb_proj", Share(start, stop))
        start = stop
    return joined


def _fuse(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, SelfAttention):
            setattr(module, name, FusedSelfAttention(child))
        elif isinstance(child, Upsample):
            setattr(module, name, _as_transposed(child.conv))
        else:
            _fuse(child)
    if isinstance(module, Transformer) and not module.linear_projection:
        module.linear_projection = True
        module.register_module("proj_in", _as_linear(module.proj_in))
        module.register_module("proj_out", _as_linear(module.proj_out))


def _stacked(layers: list[nn.Module]) -> nn.Module:
    """One linear layer with the outputs of several, in their order."""
    bare = [plain(layer) for layer in layers]
    bias = None if bare[0].bias is None else torch.cat([layer.bias for layer in bare])
    return carry(_linear(torch.cat([layer.weight for layer in bare]), bias), stacked(layers))


def _as_linear(layer: nn.Module) -> nn.Module:
    return carry(_linear(plain(layer).weight.flatten(1), plain(layer).bias), flattened(layer))


def _as_transposed(convolution: nn.Conv2d) -> nn.ConvTranspose2d:
    channels = convolution.in_channels
    layer = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1, device="meta")
    layer.register_parameter("weight", nn.Parameter(spread(convolution.weight.detach()), requires_grad=False))
    layer.bias = convolution.bias
    return layer


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    layer.register_parameter("weight", nn.Parameter(weight.detach(), requires_grad=False))
    if bias is not None:
        layer.register_parameter("bias", nn.Parameter(bias.detach(), requires_grad=False))
    return layer
