"""Large images through a first stage in bounded memory and without seams: the result is that of the whole computation.

Tiles coded alone have norms and attention of their own and so each a tone of its own, which blending only smears. Here no tile is
alone: the coder is walked once, layer by layer, and each layer strip by strip (`strips`), with its norms measured over the whole
grid and its attention computed whole. In memory are the input and the output of one residual block, and what a strip needs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.blocks import AttentionBlock, Downsample, ResBlock, Upsample
from ildm.autoencoder.coder import Decoder, Encoder, Level, Middle
from ildm.autoencoder.config import AutoencoderConfig
from ildm.autoencoder.strips import Activated, Convolved, Rows, Stored, Sum, Upsampled
from ildm.core.errors import ConfigError
from ildm.core.types import Image, Latent

STRIP = 2**22  # values: 16 rows of 256 features at 1024 pixels, 16 MiB in float32
WHOLE_ON_CPU, WHOLE_ELSEWHERE = 2**26, 2**30  # bytes of the largest grid; a whole decode takes four to six times as much

SAME, BELOW, NONE = (1, 1), (0, 1), (0, 0)  # paddings


def decode_large(autoencoder: Autoencoder, latents: Latent, dtype: torch.dtype | None = None) -> Image:
    """As `autoencoder.decode`, in bounded memory: strip by strip and without gradients where `whole_at_once` is 0.

    Args:
        dtype: what strips are computed in; None = the format of the weights.
    """
    stride = autoencoder.config.stride
    at_once = whole_at_once(autoencoder, latents.shape[-1] * stride, latents.shape[-2] * stride)
    if at_once == 0:
        return in_strips(autoencoder, dtype=dtype).decode(latents)
    return torch.cat([autoencoder.decode(part) for part in latents.split(at_once)])


def encode_large(autoencoder: Autoencoder, images: Image) -> Latent:
    """As `autoencoder.encode`, in bounded memory: strip by strip and without gradients where `whole_at_once` is 0."""
    at_once = whole_at_once(autoencoder, images.shape[-1], images.shape[-2])
    if at_once == 0:
        return in_strips(autoencoder).encode(images)
    return torch.cat([autoencoder.encode(part) for part in images.split(at_once)])


def whole_at_once(autoencoder: Autoencoder, width: int, height: int) -> int:
    """How many images of this size in pixels are coded whole in one batch; 0 = not even one: in strips.

    The largest grids of a batch may take 64 MiB on a CPU, where strips are as fast, and 1 GiB on other devices. For Stable
    Diffusion's first stage that is one image of 256x256 in float32 on a CPU, one of 1448x1448 in bfloat16 on a GPU.
    """
    weight = autoencoder.last_layer
    limit = WHOLE_ON_CPU if weight.device.type == "cpu" else WHOLE_ELSEWHERE
    return limit // max(1, largest_grid(autoencoder.config, width, height) * weight.element_size())


def largest_grid(config: AutoencoderConfig, width: int, height: int) -> int:
    """Values in the decoder's largest grid of features for an image of this size in pixels."""
    pixels = width * height // config.fold**2
    return max(features * pixels // 4**level for level, features in enumerate((*config.channels[1:], config.channels[-1])))


def in_strips(autoencoder: Autoencoder, *, strip: int = STRIP, dtype: torch.dtype | None = None) -> Autoencoder:
    """The same first stage with the same weights, which codes sample by sample and strip by strip, without gradients.

    Results differ from the whole computation by rounding only.

    Args:
        autoencoder: left as it is.
        strip: how many values a strip may hold in the widest grid it is computed from, >= 1. Less takes less memory and more time.
        dtype: what the decoder computes in; None = the format of the weights.

    Raises:
        ConfigError: for a strip below 1.
    """
    if strip < 1:
        raise ConfigError(
            f"A strip of {strip} values was given, but it needs at least 1: leave it out for the default {STRIP}."
        )
    twin = copy.copy(autoencoder)
    twin._modules = dict(autoencoder._modules)  # its own, so that the given one keeps its coders
    twin.register_module("encoder", SampleBySample(partial(_encode, autoencoder.encoder, strip)))
    decoder = autoencoder.decoder if dtype is None else _rounded(autoencoder.decoder, dtype)
    twin.register_module("decoder", SampleBySample(partial(_decode, decoder, strip)))
    return twin


def _rounded(decoder: Decoder, dtype: torch.dtype) -> Decoder:
    """A decoder with its weights in another number format; those that have it are shared."""
    rounded = {id(weight): nn.Parameter(weight.detach().to(dtype), requires_grad=False) for weight in decoder.parameters()}
    return copy.deepcopy(decoder, rounded)


class SampleBySample(nn.Module):
    """A coder that takes one sample of the batch after the other."""

    def __init__(self, code: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.code = code

    @torch.no_grad()
    def forward(self, batch: Tensor) -> Tensor:
        # grids are laid out channels last, where torch's own group norm, which may come next, is less exact
        return torch.cat([self.code(sample).contiguous() for sample in batch.split(1)])


def _encode(encoder: Encoder, strip: int, image: Tensor) -> Tensor:
    x: Rows = Convolved(Stored(encoder.fold(image), strip), encoder.conv_in, SAME).store()
    for layer in _layers(*encoder.levels, encoder.middle):
        x = _through(layer, x)
    return Convolved(Activated(x, encoder.norm_out), encoder.conv_out, SAME).store().values


def _decode(decoder: Decoder, strip: int, features: Tensor) -> Tensor:
    x: Rows = Convolved(Stored(features.to(decoder.conv_in.weight), strip), decoder.conv_in, SAME).store()
    last = decoder.conv_out.in_channels * x.height * x.width * 4 ** (len(decoder.levels) - 1)
    for layer in _layers(decoder.middle, *decoder.levels):
        x = _through(layer, x)
        # a doubled grid that outgrows those of the last level is computed again at each of its three uses
        if isinstance(x, Upsampled) and x.size <= last:
            x = x.store()
    return decoder.unfold(Convolved(Activated(x, decoder.norm_out), decoder.conv_out, SAME).store().values).to(features)


def _layers(*parts: nn.Module) -> Iterator[nn.Module]:
    """The layers of levels and middles in their order: walked in one loop, where no caller still holds a grid that is done with."""
    for part in parts:
        if isinstance(part, Middle):
            yield from (part.resnet1, part.attention, part.resnet2)
        elif isinstance(part, Level):
            for pair in zip(part.resnets, part.attentions, strict=True):
                yield from pair
            yield part.resample


def _through(layer: nn.Module, x: Rows) -> Rows:
    """The rows after a layer; all but those of an `Upsample` are stored."""
    if isinstance(layer, ResBlock):
        return _residual(layer, x)
    if isinstance(layer, AttentionBlock):
        assert isinstance(x, Stored)
        return Stored(layer(x.values), x.strip)
    if isinstance(layer, Downsample):
        return Convolved(x, layer.conv, BELOW).store()
    if isinstance(layer, Upsample):
        return Upsampled(x, layer.conv)
    assert isinstance(layer, nn.Identity)
    return x


def _residual(block: ResBlock, x: Rows) -> Stored:
    h = Convolved(Activated(x, block.norm1), block.conv1, SAME).store()
    skip = Convolved(x, block.conv_shortcut, NONE) if isinstance(block.conv_shortcut, nn.Conv2d) else x
    return Sum(skip, Convolved(Activated(h, block.norm2), block.conv2, SAME)).store(into=h.values)
