"""The same graph as diffusers': tiny networks with the peer's weights give the peer's output, full-size ones its size."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ildm.core.types import Conditioning
from ildm.denoiser.config import UNetConfig
from ildm.denoiser.unet import UNet

os.environ.setdefault("HF_HUB_OFFLINE", "1")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    diffusers = pytest.importorskip("diffusers")

# our names to diffusers'
NAMES = [
    (r"\.downsampler\.", ".downsamplers.0."),
    (r"\.upsampler\.", ".upsamplers.0."),
    (r"\.ff\.proj_in\.", ".ff.net.0.proj."),
    (r"\.ff\.proj_out\.", ".ff.net.2."),
    (r"\.to_out\.", ".to_out.0."),
]
BATCH, SIZE, TOKENS = 2, 8, 5

Builder = Callable[[], tuple[nn.Module, UNetConfig]]


def condition_peer(levels: int, kinds: str, **options: object) -> nn.Module:
    """A tiny UNet2DConditionModel; `kinds` has C (cross-attention) or D (none) per level."""
    down = {"C": "CrossAttnDownBlock2D", "D": "DownBlock2D"}
    up = {"C": "CrossAttnUpBlock2D", "D": "UpBlock2D"}
    return diffusers.UNet2DConditionModel(
        block_out_channels=(32, 64, 64)[:levels],
        layers_per_block=2,
        down_block_types=tuple(down[kind] for kind in kinds),
        up_block_types=tuple(up[kind] for kind in reversed(kinds)),
        norm_num_groups=8,
        **options,
    )


def tiny(**options: object) -> UNetConfig:
    return UNetConfig(norm_groups=8, **options)  # type: ignore[arg-type]


def stable_diffusion_1() -> tuple[nn.Module, UNetConfig]:
    peer = condition_peer(3, "CCD", cross_attention_dim=24, attention_head_dim=4)
    return peer, tiny(channels=(32, 64, 64), depths=(1, 1, 0), heads=(4, 4, 4), context_width=24)


def stable_diffusion_2() -> tuple[nn.Module, UNetConfig]:
    peer = condition_peer(3, "CCD", cross_attention_dim=24, attention_head_dim=(4, 8, 8), use_linear_projection=True)
    return peer, tiny(channels=(32, 64, 64), depths=(1, 1, 0), head_width=8, context_width=24, linear_projection=True)


def stable_diffusion_xl() -> tuple[nn.Module, UNetConfig]:
    peer = condition_peer(
        3,
        "DCC",
        cross_attention_dim=24,
        attention_head_dim=(4, 8, 8),
        use_linear_projection=True,
        transformer_layers_per_block=(1, 2, 3),
        addition_embed_type="text_time",
        addition_time_embed_dim=6,
        projection_class_embeddings_input_dim=40,
    )
    config = tiny(
        channels=(32, 64, 64),
        depths=(0, 2, 3),
        mid_depth=3,
        head_width=8,
        context_width=24,
        linear_projection=True,
        pooled_width=40,
    )
    return peer, config


def class_embedding() -> tuple[nn.Module, UNetConfig]:
    peer = condition_peer(2, "CD", cross_attention_dim=24, attention_head_dim=4, num_class_embeds=7)
    config = tiny(channels=(32, 64), res_blocks=(2, 2), depths=(1, 0), heads=(4, 4), context_width=24, labels=7)
    return peer, config


def modulated_norm() -> tuple[nn.Module, UNetConfig]:
    peer = condition_peer(2, "CD", cross_attention_dim=24, attention_head_dim=4, resnet_time_scale_shift="scale_shift")
    config = tiny(channels=(32, 64), res_blocks=(2, 2), depths=(1, 0), heads=(4, 4), context_width=24, scale_shift_norm=True)
    return peer, config


def inpainting() -> tuple[nn.Module, UNetConfig]:
    peer = condition_peer(2, "CD", in_channels=9, cross_attention_dim=24, attention_head_dim=4)
    config = tiny(channels=(32, 64), res_blocks=(2, 2), depths=(1, 0), heads=(4, 4), context_width=24, concat_channels=5)
    return peer, config


def unconditional(**options: object) -> Builder:
    """The unconditional LDMs: plain self-attention, here also with residual resampling."""

    def build() -> tuple[nn.Module, UNetConfig]:
        residual = options.get("resample") == "residual"
        peer = diffusers.UNet2DModel(
            in_channels=4,
            out_channels=4,
            block_out_channels=(32, 64),
            layers_per_block=2,
            down_block_types=("ResnetDownsampleBlock2D" if residual else "DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "ResnetUpsampleBlock2D" if residual else "UpBlock2D"),
            upsample_type="resnet" if residual else "conv",
            attention_head_dim=8,
            norm_num_groups=8,
            norm_eps=1e-5,
            freq_shift=0,
        )
        config = tiny(channels=(32, 64), res_blocks=(2, 2), depths=(0, 1), attention="plain", head_width=8, **options)
        return peer, config

    return build


CASES = {
    "SD 1": stable_diffusion_1,
    "SD 2": stable_diffusion_2,
    "SD XL": stable_diffusion_xl,
    "class": class_embedding,
    "inpainting": inpainting,
    "scale and shift": modulated_norm,
    "LDM": unconditional(),
    "LDM, residual resampling": unconditional(resample="residual"),
}


def theirs_to_ours(ours: UNet, theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """The peer's weights under our names; every one of them must be used."""
    left = dict(theirs)
    mapped = {}
    for name, value in ours.state_dict().items():
        peer_name = name
        for pattern, replacement in NAMES:
            peer_name = re.sub(pattern, replacement, peer_name)
        if ".qkv." in name:
            parts = [left.pop(peer_name.replace("qkv", f"to_{part}")) for part in "qkv"]
            mapped[name] = fused_head_first(parts, width=8)
        else:
            # a 1x1 convolution and a linear layer differ by two axes of length one
            mapped[name] = left.pop(peer_name).reshape(value.shape)
    assert not left, f"the peer's {sorted(left)} have no place in our network"
    return mapped


def fused_head_first(parts: list[Tensor], width: int) -> Tensor:
    """Per head its queries, keys and values: the layout of the original LDM checkpoints."""
    return torch.stack([part.unflatten(0, (-1, width)) for part in parts], dim=1).flatten(0, 2)


def random_conditioning(config: UNetConfig, peer: nn.Module) -> tuple[Conditioning, dict[str, object]]:
    """A conditioning, and the same for the peer's call."""
    context = torch.randn(BATCH, TOKENS, config.context_width, dtype=torch.float64) if config.context_width else None
    calls: dict[str, object] = {} if context is None else {"encoder_hidden_states": context}
    pooled = label = concat = None
    if config.labels is not None:
        label = torch.tensor([2, 5])
        calls["class_labels"] = label
    if config.concat_channels:
        concat = torch.randn(BATCH, config.concat_channels, SIZE, SIZE, dtype=torch.float64)
    if config.pooled_width is not None:
        # the peer makes the pooled features itself: text beside sinusoids of six sizes and crops
        text, sizes = torch.randn(BATCH, 4, dtype=torch.float64), torch.arange(12.0).reshape(BATCH, 6)
        calls["added_cond_kwargs"] = {"text_embeds": text, "time_ids": sizes}
        waves = peer.add_time_proj(sizes.flatten()).reshape(BATCH, -1)
        pooled = torch.cat([text, waves.to(text)], dim=1)
    return Conditioning(context=context, label=label, pooled=pooled, concat=concat), calls


@pytest.mark.parametrize("case", CASES)
def test_output_equals_the_peers(case: str) -> None:
    torch.manual_seed(0)
    peer, config = CASES[case]()
    ours = UNet(config).double()
    peer = peer.double().eval()
    ours.load_state_dict(theirs_to_ours(ours, peer.state_dict()))
    conditioning, calls = random_conditioning(config, peer)
    noised = torch.randn(BATCH, config.in_channels, SIZE, SIZE, dtype=torch.float64)
    timestep = torch.tensor([3.25, 871.0])

    whole = noised if conditioning.concat is None else torch.cat([noised, conditioning.concat], dim=1)
    with torch.no_grad():
        expected = peer(whole, timestep, **calls).sample
        predicted = ours.eval()(noised, timestep, conditioning)

    assert expected.std() > 0.05
    assert (predicted - expected).abs().max() <= 1e-10


FULL_SIZE = {
    "SD 1": (
        UNetConfig(
            channels=(320, 640, 1280, 1280), res_blocks=(2, 2, 2, 2), depths=(1, 1, 1, 0), heads=(8, 8, 8, 8), context_width=768
        ),
        859_520_964,
    ),
    "SD 2": (
        UNetConfig(
            channels=(320, 640, 1280, 1280),
            res_blocks=(2, 2, 2, 2),
            depths=(1, 1, 1, 0),
            head_width=64,
            context_width=1024,
            linear_projection=True,
        ),
        865_910_724,
    ),
    "SD XL": (
        UNetConfig(
            channels=(320, 640, 1280),
            depths=(0, 2, 10),
            mid_depth=10,
            head_width=64,
            context_width=2048,
            linear_projection=True,
            pooled_width=2816,
        ),
        2_567_463_684,
    ),
}


@pytest.mark.parametrize("name", FULL_SIZE)
def test_full_size_graphs_have_the_published_number_of_parameters(name: str) -> None:
    config, published = FULL_SIZE[name]
    with torch.device("meta"):
        network = UNet(config)
    assert sum(parameter.numel() for parameter in network.parameters()) == published
