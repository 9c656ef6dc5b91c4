"""A prepared U-Net is the same function, faster."""

from __future__ import annotations

from dataclasses import replace

import jaxtyping
import pytest
import torch
from torch import Tensor

from ildm.core.errors import ShapeError
from ildm.core.types import Conditioning, Regions
from ildm.denoiser.attention import CrossAttention, split_heads
from ildm.denoiser.config import UNetConfig
from ildm.denoiser.inference import PreparedUNet, prepare
from ildm.denoiser.packed import PackedConv2d, can_pack
from ildm.denoiser.unet import UNet

CONFIG = UNetConfig(
    channels=(32, 64), res_blocks=(1, 2), depths=(1, 2), head_width=16, context_width=24, norm_groups=8, qk_norm=True
)
VARIANTS = {
    "as Stable Diffusion 1": CONFIG,
    "as Stable Diffusion XL": replace(CONFIG, linear_projection=True, pooled_width=10, labels=4, concat_channels=3),
    "as an unconditional LDM": replace(
        CONFIG, attention="plain", depths=(0, 1), context_width=None, resample="residual", scale_shift_norm=True, qk_norm=False
    ),
}
BATCH, TOKENS = 2, 7
TIMES = torch.tensor([3.0, 700.0])


def awake(config: UNetConfig) -> UNet:
    """A U-Net whose zero-initialised outputs are random, as after training."""
    torch.manual_seed(0)
    network = UNet(config)
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return network


def conditioning_for(config: UNetConfig, size: int, seed: int = 1) -> Conditioning:
    torch.manual_seed(seed)
    return Conditioning(
        context=None if config.context_width is None else torch.randn(BATCH, TOKENS, config.context_width),
        pooled=None if config.pooled_width is None else torch.randn(BATCH, config.pooled_width),
        label=None if config.labels is None else torch.tensor([0, 3]),
        concat=torch.randn(BATCH, config.concat_channels, size, size) if config.concat_channels else None,
    )


def latent(size: int = 8, batch: int = BATCH) -> Tensor:
    return torch.randn(batch, 4, size, size, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def network() -> UNet:
    return awake(CONFIG)


@pytest.fixture(scope="module")
def prepared(network: UNet) -> PreparedUNet:
    return prepare(network)


def close(found: Tensor, network: UNet, noised: Tensor, times: Tensor, conditioning: Conditioning) -> None:
    with torch.no_grad():
        torch.testing.assert_close(found, network.eval()(noised, times, conditioning), atol=1e-5, rtol=0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_output_is_the_same(variant: str) -> None:
    network = awake(VARIANTS[variant])
    conditioning = conditioning_for(network.config, 8)
    close(prepare(network)(latent(), TIMES, conditioning), network, latent(), TIMES, conditioning)


def test_bfloat16_stays_close_and_keeps_the_format_of_its_input(network: UNet) -> None:
    conditioning = conditioning_for(CONFIG, 8)
    rough = prepare(network, dtype=torch.bfloat16)(latent(), TIMES, conditioning)
    with torch.no_grad():
        exact = network(latent(), TIMES, conditioning)
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).std() < 0.05 * exact.std()


def test_sizes_and_batches_may_change_between_calls(network: UNet, prepared: PreparedUNet) -> None:
    for size, batch in ((8, 2), (16, 2), (16, 1), (4, 2), (8, 2)):
        conditioning = conditioning_for(CONFIG, size)[:batch]
        found = prepared(latent(size, batch), TIMES[:batch], conditioning)
        close(found, network, latent(size, batch), TIMES[:batch], conditioning)


def test_a_convolution_keeps_the_layouts_of_its_last_two_shapes() -> None:
    convolution = torch.nn.Conv2d(4, 8, 3, padding=1)
    if not can_pack(convolution.weight):
        pytest.skip("oneDNN does not compute here, so nothing is packed.")
    packed = PackedConv2d(convolution)
    for side in (8, 4, 8, 2):
        x = torch.randn(1, 4, side, side)
        with torch.no_grad():
            torch.testing.assert_close(packed(x), convolution(x), atol=1e-5, rtol=0)
    assert list(packed.packed) == [(1, 4, 4, 4), (1, 4, 2, 2)]


def test_a_new_prompt_acts_at_once(network: UNet, prepared: PreparedUNet) -> None:
    for seed in (1, 2, 1):
        conditioning = conditioning_for(CONFIG, 8, seed)
        close(prepared(latent(), TIMES, conditioning), network, latent(), TIMES, conditioning)


def test_a_context_overwritten_in_place_counts_as_new(network: UNet, prepared: PreparedUNet) -> None:
    conditioning = conditioning_for(CONFIG, 8)
    prepared(latent(), TIMES, conditioning)
    assert conditioning.context is not None
    conditioning.context.mul_(-1)
    close(prepared(latent(), TIMES, conditioning), network, latent(), TIMES, conditioning)


def test_a_context_mask_acts(network: UNet, prepared: PreparedUNet) -> None:
    conditioning = conditioning_for(CONFIG, 8)
    prepared(latent(), TIMES, conditioning)
    masked = replace(conditioning, context_mask=torch.arange(TOKENS).expand(BATCH, -1) < 3)
    close(prepared(latent(), TIMES, masked), network, latent(), TIMES, masked)


def test_regions_act_and_follow_their_masks(network: UNet, prepared: PreparedUNet) -> None:
    context, weights = torch.randn(BATCH, 3, TOKENS, 24), torch.rand(BATCH, 3, 32, 32).softmax(dim=1)
    for painted in (weights, weights.flip(3)):
        conditioning = Conditioning(regions=Regions(context=context, weights=painted))
        close(prepared(latent(), TIMES, conditioning), network, latent(), TIMES, conditioning)


def test_a_context_is_projected_once(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = prepare(awake(CONFIG))
    projected = []
    layers = prepared.network.cross_attentions()
    project = layers[0].project
    monkeypatch.setattr(layers[0], "project", lambda context: projected.append(1) or project(context))
    for seed in (1, 1, 2, 1, 2):
        prepared(latent(), TIMES, conditioning_for(CONFIG, 8, seed))
    assert len(projected) == 2


@pytest.mark.parametrize(
    ("variant", "copies", "computed"),
    [
        ("as Stable Diffusion 1", (0, 0), 1),
        ("as Stable Diffusion 1", (0, 1, 0, 1), 2),
        ("as Stable Diffusion 1", (0, 1, 0, 1, 0, 1), 2),
        ("as Stable Diffusion 1", (0, 0, 1, 1), 4),
        ("as Stable Diffusion 1", (0, 1), 2),
        ("as an unconditional LDM", (0, 0), 1),
    ],
)
def test_rows_that_are_alike_are_one_until_they_read_their_contexts(
    variant: str, copies: tuple[int, ...], computed: int
) -> None:
    """As guidance makes them: each latent again for every context."""
    network = awake(VARIANTS[variant])
    config, rows = network.config, len(copies)
    noised, times = latent()[list(copies)], TIMES[list(copies)]
    context = None if config.context_width is None else torch.randn(rows, TOKENS, config.context_width)
    prepared, widths = prepare(network), dict[str, int]()
    for name in ("conv_in", "conv_out"):
        prepared.network.get_submodule(name).register_forward_hook(
            lambda _, __, made, name=name: widths.update({name: made.shape[0]})
        )
    close(prepared(noised, times, Conditioning(context=context)), network, noised, times, Conditioning(context=context))
    assert widths == {"conv_in": computed, "conv_out": rows}


def test_rows_that_differ_in_anything_else_are_not_one() -> None:
    network = awake(VARIANTS["as Stable Diffusion XL"])
    conditioning, noised = conditioning_for(network.config, 8), latent(batch=1).expand(2, -1, -1, -1)
    one = replace(conditioning[:1].expand(2), context=conditioning.context)
    for differing in (
        one,
        replace(one, pooled=conditioning.pooled),
        replace(one, label=conditioning.label),
        replace(one, concat=conditioning.concat),
    ):
        close(prepare(network)(noised, TIMES[:1].expand(2), differing), network, noised, TIMES[:1].expand(2), differing)
    close(prepare(network)(noised, TIMES, one), network, noised, TIMES, one)


def test_the_network_is_left_as_it_was(network: UNet) -> None:
    names = list(network.state_dict())
    prepare(network, dtype=torch.bfloat16)(latent(), TIMES, conditioning_for(CONFIG, 8))
    assert list(network.state_dict()) == names
    assert all(parameter.dtype == torch.float32 and parameter.requires_grad for parameter in network.parameters())
    network(latent(), TIMES, conditioning_for(CONFIG, 8)).square().mean().backward()


def test_what_does_not_fit_is_refused_in_a_sentence(prepared: PreparedUNet) -> None:
    with pytest.raises(ShapeError, match="needs a conditioning with `context`"):
        prepared(latent(), TIMES, Conditioning())


@pytest.mark.slow
def test_compiled_output_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    # the compiler traces with stand-ins for tensors, which the shape checks would refuse
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    network = awake(VARIANTS["as Stable Diffusion XL"])
    prepared = prepare(network, compiled=True)
    conditioning = conditioning_for(network.config, 8)
    for _ in range(2):
        close(prepared(latent(), TIMES, conditioning), network, latent(), TIMES, conditioning)


def test_looking_notes_how_much_goes_to_some_tokens(network: UNet) -> None:
    """Against the layers' own queries and keys, and without a trace in what the network gives."""
    prepared = prepare(network)
    conditioning, noised, time = Conditioning(context=torch.randn(1, 5, 24)), latent(16, 1), torch.tensor([300.0])
    tokens = torch.tensor([False, True, False, True, False])
    before = prepared(noised, time, conditioning)
    seen: list[Tensor] = []

    def note(layer: CrossAttention, inputs: tuple[Tensor, ...]) -> None:
        assert conditioning.context is not None
        query, key = layer.norm_q(split_heads(layer.to_q(inputs[0]), layer.heads))[0], layer.project(conditioning.context)[0][0]
        shares = torch.stack([(q @ k.T / q.shape[-1] ** 0.5).softmax(dim=1) for q, k in zip(query, key, strict=True)])
        seen.append(shares[:, :, tokens].sum(dim=2).mean(dim=0))

    hooks = [layer.register_forward_pre_hook(note) for layer in network.cross_attentions()]
    network(noised, time, conditioning)
    for hook in hooks:
        hook.remove()
    maps = prepared.look(noised, time, conditioning, tokens)
    assert len(maps) == len(seen) and {tuple(one.shape) for one in maps} == set(network.grids((16, 16)))
    for found, expected in zip(maps, seen, strict=True):
        torch.testing.assert_close(found.flatten(), expected, atol=1e-5, rtol=0)
    assert torch.equal(prepared(noised, time, conditioning), before)
    everything = prepared.look(noised, time, conditioning, torch.ones(5, dtype=torch.bool))
    assert all(torch.allclose(one, torch.ones_like(one)) for one in everything)
