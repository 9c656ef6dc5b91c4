"""Adapters: live and merged are the same function, strengths act at once, and nothing is left of them when they are cleared."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from ildm.core.errors import ConfigError
from ildm.core.types import Conditioning, Regions
from ildm.denoiser.adapters import Adapter, Adapters
from ildm.denoiser.config import UNetConfig
from ildm.denoiser.inference import prepare
from ildm.denoiser.low_rank import Adapted, Change, LowRank
from ildm.denoiser.unet import UNet

CONFIG = UNetConfig(channels=(16, 32), res_blocks=(1, 2), depths=(1, 2), head_width=8, context_width=12, norm_groups=4)
VARIANTS = {
    "as Stable Diffusion 1": CONFIG,
    "as Stable Diffusion XL": replace(CONFIG, linear_projection=True, pooled_width=10, qk_norm=True),
    "as an unconditional LDM": replace(
        CONFIG, attention="plain", depths=(0, 1), context_width=None, resample="residual", scale_shift_norm=True
    ),
}
BATCH, SIZE, TOKENS = 2, 8, 5
TIMES = torch.tensor([3.0, 700.0])


def awake(config: UNetConfig, dtype: torch.dtype = torch.float64) -> UNet:
    torch.manual_seed(0)
    network = UNet(config)
    for parameter in network.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return network.to(dtype).eval()


def adapter_for(network: nn.Module, *, seed: int, rank: int, only: str = "") -> Adapter:
    """Random changes to every linear layer and convolution whose name has the pattern `only` in it, large enough to matter."""
    noise = torch.Generator().manual_seed(seed)
    changes = {}
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Linear | nn.Conv2d) and re.search(only, name):
            weight = layer.weight
            down = torch.randn(rank, *weight.shape[1:], generator=noise) * weight[0].numel() ** -0.5
            up = torch.randn(len(weight), rank, *(1 for _ in weight.shape[2:]), generator=noise) * 0.5
            changes[f"unet.{name}"] = LowRank(down, up)
    return Adapter(name=f"adapter {seed}", changes=changes)


def conditioning_for(config: UNetConfig, dtype: torch.dtype = torch.float64, seed: int = 1) -> Conditioning:
    torch.manual_seed(seed)
    return Conditioning(
        context=None if config.context_width is None else torch.randn(BATCH, TOKENS, config.context_width, dtype=dtype),
        pooled=None if config.pooled_width is None else torch.randn(BATCH, config.pooled_width, dtype=dtype),
    )


def run(network: Callable[..., Tensor], config: UNetConfig, dtype: torch.dtype = torch.float64) -> Tensor:
    noised = torch.randn(BATCH, 4, SIZE, SIZE, generator=torch.Generator().manual_seed(2)).to(dtype)
    with torch.no_grad():
        return network(noised, TIMES.to(dtype), conditioning_for(config, dtype))


def snapshot(module: nn.Module) -> tuple[list[tuple[str, int]], dict[str, tuple[int, int]], dict[str, Tensor]]:
    """Every module and parameter as objects, where its numbers lie, and a copy of them."""
    places = {name: (id(weight), weight.data_ptr()) for name, weight in module.named_parameters()}
    values = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    return [(name, id(inner)) for name, inner in module.named_modules()], places, values


def same(before: tuple, after: tuple) -> bool:
    return before[:2] == after[:2] and all(torch.equal(before[2][name], after[2][name]) for name in before[2] | after[2])


def memory(tensor: Tensor) -> int:
    """Where a tensor's numbers lie, be it all of them or a part."""
    return tensor.untyped_storage().data_ptr()


@pytest.fixture(scope="module", params=list(VARIANTS))
def network(request: pytest.FixtureRequest) -> UNet:
    return awake(VARIANTS[request.param])


@pytest.fixture(scope="module")
def pair(network: UNet) -> tuple[Adapter, Adapter]:
    """One that changes everything, and one that leaves queries and keys, and much else, alone."""
    return adapter_for(network, seed=1, rank=3), adapter_for(network, seed=2, rank=5, only="to_v|to_out|conv2")


@pytest.fixture
def small() -> UNet:
    return awake(CONFIG, torch.float32)


def test_live_merged_and_by_hand_are_the_same_function(network: UNet, pair: tuple[Adapter, Adapter]) -> None:
    adapters = Adapters({"unet": network})
    strengths = dict(zip(pair, (0.8, -0.3), strict=True))
    plain = run(network, network.config)
    by_hand = UNet(network.config).double().eval()
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for adapter, strength in strengths.items():
        for name, change in adapter.changes.items():
            weight = weights[f"{name.removeprefix('unet.')}.weight"]
            weight += strength * torch.einsum(
                "or,ri->oi", change.up.double().flatten(1), change.down.double().flatten(1)
            ).view_as(weight)
    by_hand.load_state_dict(weights)
    wanted = run(by_hand, network.config)
    adapters.set(strengths)
    live = [run(network, network.config), run(prepare(network), network.config)]
    adapters.clear()
    adapters.merge(strengths)
    merged = [run(network, network.config), run(prepare(network), network.config)]
    adapters.clear()
    assert (wanted - plain).norm() > 0.1 * plain.norm()
    for found in (*live, *merged):
        assert (found - wanted).norm() <= 1e-10 * wanted.norm()
    assert torch.equal(run(network, network.config), plain)


def test_live_and_merged_ones_add_up(network: UNet, pair: tuple[Adapter, Adapter]) -> None:
    adapters = Adapters({"unet": network})
    adapters.merge(dict(zip(pair, (0.8, -0.3), strict=True)))
    wanted = run(network, network.config)
    adapters.merge({pair[0]: 0.8})
    adapters.set({pair[1]: -0.3})
    found = run(network, network.config)
    adapters.clear()
    assert (found - wanted).norm() <= 1e-10 * wanted.norm()


@pytest.mark.parametrize("mode", ["live", "merged", "both"])
def test_nothing_is_left_of_them(mode: str, network: UNet, pair: tuple[Adapter, Adapter]) -> None:
    adapters = Adapters({"unet": network})
    before, output = snapshot(network), run(network, network.config)
    for strengths in ({pair[0]: 0.8, pair[1]: -0.3}, {pair[1]: 1.0}):
        if mode != "merged":
            adapters.set(strengths)
        if mode != "live":
            adapters.merge(strengths)
        assert not torch.equal(run(network, network.config), output)
    adapters.clear()
    assert same(before, snapshot(network))
    assert torch.equal(run(network, network.config), output)
    assert adapters.strengths == {}


def test_a_strength_of_nothing_in_the_weights_gives_them_back(small: UNet) -> None:
    adapters, adapter = Adapters({"unet": small}), adapter_for(small, seed=1, rank=2)
    before = snapshot(small)
    adapters.merge({adapter: 0.7})
    adapters.merge({})
    assert same(before, snapshot(small))


def test_a_model_that_moved_meanwhile_gets_its_own_weights_in_the_new_format(small: UNet) -> None:
    adapters, adapter = Adapters({"unet": small}), adapter_for(small, seed=1, rank=2)
    wanted = {name: tensor.to(torch.bfloat16) for name, tensor in small.state_dict().items()}
    adapters.merge({adapter: 0.7})
    adapters.set({adapter: 0.7})
    small.to(torch.bfloat16)
    run(small, CONFIG, torch.bfloat16)
    adapters.clear()
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in small.state_dict().items())


def test_saved_while_live_are_the_weights_without_adapters(small: UNet) -> None:
    adapters = Adapters({"unet": small})
    before = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    adapters.set({adapter_for(small, seed=1, rank=2): 1.0})
    saved = small.state_dict()
    assert list(saved) == list(before)
    assert all(torch.equal(tensor, before[name]) for name, tensor in saved.items())


def test_strengths_act_at_once_in_a_prepared_network(small: UNet) -> None:
    """Also through the keys and values that it has kept of the same context."""
    adapters = Adapters({"unet": small})
    first, second = adapter_for(small, seed=1, rank=2), adapter_for(small, seed=2, rank=3, only="attn2.to_")
    adapters.set({first: 0.0, second: 0.0})
    prepared = prepare(small)
    seen: list[Tensor] = []
    for strengths in ({first: 1.0}, {second: 1.0}, {first: 0.8, second: -0.3}, {}, {second: 0.5}, {first: 1.0}):
        adapters.set(strengths)
        assert adapters.strengths == strengths
        found = run(prepared, CONFIG, torch.float32)
        wanted = run(small, CONFIG, torch.float32)
        assert (found - wanted).norm() <= 1e-5 * wanted.norm()
        seen.append(found)
    assert torch.equal(seen[0], seen[-1])
    assert all((a - b).norm() > 0.01 * b.norm() for place, a in enumerate(seen[:5]) for b in seen[:place])


def test_regions_read_their_contexts_through_the_adapters(small: UNet) -> None:
    adapters, adapter = Adapters({"unet": small}), adapter_for(small, seed=1, rank=2, only="attn2.to_")
    adapters.set({adapter: 0.0})
    prepared = prepare(small)
    torch.manual_seed(0)
    regions = Regions(context=torch.randn(BATCH, 3, TOKENS, 12), weights=torch.rand(BATCH, 3, 16, 16).softmax(dim=1))
    noised = torch.randn(BATCH, 4, SIZE, SIZE)
    with torch.no_grad():
        for strength in (0.0, 1.0):
            adapters.set({adapter: strength})
            wanted = small(noised, TIMES, Conditioning(regions=regions))
            found = prepared(noised, TIMES, Conditioning(regions=regions))
            assert (found - wanted).norm() <= 1e-5 * wanted.norm()


def test_a_rough_twin_carries_its_changes_in_its_own_format(small: UNet) -> None:
    adapters, adapter = Adapters({"unet": small}), adapter_for(small, seed=1, rank=2)
    adapters.set({adapter: 1.0})
    rough, wanted = run(prepare(small, dtype=torch.bfloat16), CONFIG, torch.float32), run(small, CONFIG, torch.float32)
    assert 0 < (rough - wanted).norm() < 0.1 * wanted.norm()
    assert all(buffer.dtype == torch.float32 for buffer in small.buffers())


def test_adapters_at_rest_change_no_bit_and_cost_nothing(small: UNet, monkeypatch: pytest.MonkeyPatch) -> None:
    adapters, adapter = Adapters({"unet": small}), adapter_for(small, seed=1, rank=2)
    outputs = [run(small, CONFIG, torch.float32), run(prepare(small), CONFIG, torch.float32)]
    adapters.set({adapter: 1.0})
    adapters.set({})
    assert any(isinstance(module, Adapted) for module in small.modules())
    monkeypatch.setattr(Change, "forward", lambda *_: pytest.fail("a resting adapter was computed"))
    assert torch.equal(run(small, CONFIG, torch.float32), outputs[0])
    assert torch.equal(run(prepare(small), CONFIG, torch.float32), outputs[1])


def test_a_twin_shares_the_pairs_and_only_new_adapters_make_it_stale(small: UNet) -> None:
    told: list[str] = []
    adapters = Adapters({"unet": small}, changed=lambda: told.append("changed"))
    first, second = adapter_for(small, seed=1, rank=2), adapter_for(small, seed=2, rank=2)
    adapters.set({first: 1.0})
    adapters.set({first: 0.5})
    adapters.set({})
    adapters.set({first: -1.0})
    assert len(told) == 1
    # queries, keys and values, and what projects the time, are joined there
    mine = {memory(buffer) for name, buffer in small.named_buffers() if "attn2" in name or "ff" in name}
    assert mine and mine <= {memory(buffer) for buffer in prepare(small).buffers()}
    adapters.set({second: 1.0})
    adapters.merge({first: 1.0})
    adapters.clear()
    assert len(told) == 4
    adapters.clear()
    assert len(told) == 4


def test_what_does_not_fit_is_told_and_nothing_is_changed(small: UNet) -> None:
    adapters, fitting = Adapters({"unet": small}), adapter_for(small, seed=1, rank=2)
    before = snapshot(small)
    other = adapter_for(awake(replace(CONFIG, channels=(16, 48))), seed=1, rank=2)
    unknown = Adapter(
        name="strange",
        changes={"unet.conv_in": fitting.changes["unet.conv_in"], "text.conv_in": fitting.changes["unet.conv_in"]},
    )
    for act in (adapters.set, adapters.merge):
        with pytest.raises(
            ConfigError, match=r"'adapter 1' does not fit this model.*unet\.\S+, unet\.\S+, unet\.\S+ and \d+ more"
        ):
            act({fitting: 1.0, other: 1.0})
        with pytest.raises(ConfigError, match=r"'strange' does not fit .* its changes to text\.conv_in:"):
            act({unknown: 1.0})
        with pytest.raises(ConfigError, match="'adapter 1' must be a number, but nan was given"):
            act({fitting: float("nan")})
    assert same(before, snapshot(small))
    adapters.set({fitting: 1.0})
    with pytest.raises(ConfigError, match="inf was given"):
        adapters.set({fitting: float("inf")})
    assert adapters.strengths == {fitting: 1.0}
