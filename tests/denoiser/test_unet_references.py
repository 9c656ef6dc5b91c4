"""References on their way through a whole U-Net, plain and prepared, and through a guided denoiser."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ildm.core.errors import ShapeError
from ildm.core.references import References
from ildm.core.types import Conditioning, Regions
from ildm.denoiser.attention import SelfAttention, join_heads, split_heads
from ildm.denoiser.config import UNetConfig
from ildm.denoiser.guidance import Guided
from ildm.denoiser.inference import PreparedUNet, prepare
from ildm.denoiser.precondition import Preconditioned
from ildm.denoiser.references import noise_references
from ildm.denoiser.unet import UNet
from ildm.diffusion.path import LinearInterpolation, VariancePreserving, add_noise

BATCH, SIDE, CHANNELS = 2, 8, 4
CONFIG = UNetConfig(
    channels=(16, 32), res_blocks=(1, 1), depths=(1, 1), head_width=8, context_width=12, norm_groups=8, qk_norm=True
)
VARIANTS = {
    "text": CONFIG,
    "told and concatenated": replace(
        CONFIG, linear_projection=True, pooled_width=10, labels=4, concat_channels=3, qk_norm=False
    ),
    "unconditional": replace(CONFIG, attention="plain", context_width=None, qk_norm=False),
}
TIMES = torch.tensor([3.0, 700.0])


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def awake(config: UNetConfig) -> UNet:
    """A U-Net whose zero-initialised outputs are random, as after training."""
    torch.manual_seed(0)
    network = UNet(config).eval().requires_grad_(False)
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return network


def conditioning_for(config: UNetConfig) -> Conditioning:
    return Conditioning(
        context=None if config.context_width is None else random(BATCH, 7, config.context_width, seed=1),
        pooled=None if config.pooled_width is None else random(BATCH, config.pooled_width, seed=2),
        label=None if config.labels is None else torch.tensor([0, 3]),
        concat=random(BATCH, config.concat_channels, SIDE, SIDE, seed=3) if config.concat_channels else None,
    )


def references_for(weights: Tensor, seed: int = 4, queries: Tensor | None = None) -> References:
    batch, count = weights.shape[:2]
    return References(
        latents=random(batch, count, CHANNELS, SIDE, SIDE, seed=seed),
        weights=weights,
        seeds=torch.arange(batch * count).reshape(batch, count),
        queries=queries,
    )


NOISED = random(BATCH, CHANNELS, SIDE, SIDE, seed=5)
WEIGHTS = torch.tensor([[1.0, 0.3], [0.0, 2.0]])
MASKS = torch.rand(BATCH, 2, 16, 16, generator=torch.Generator().manual_seed(6)) * (torch.arange(16) < 9)
LEFT = (torch.arange(16) < 8).float().expand(BATCH, 16, 16).contiguous()


@pytest.fixture(scope="module", params=VARIANTS)
def network(request: pytest.FixtureRequest) -> UNet:
    return awake(VARIANTS[request.param])


@pytest.fixture(scope="module")
def prepared(network: UNet) -> PreparedUNet:
    return prepare(network)


@pytest.fixture
def plain(network: UNet) -> Conditioning:
    return conditioning_for(network.config)


def test_without_references_nothing_changes(network: UNet, prepared: PreparedUNet, plain: Conditioning) -> None:
    going = replace(plain, references=references_for(torch.zeros(BATCH, 2)))
    for run in (network, prepared):
        assert torch.equal(run(NOISED, TIMES, going), run(NOISED, TIMES, plain))


def test_a_reference_of_weight_0_is_absent(network: UNet, plain: Conditioning) -> None:
    """Even beside others that are there, and whatever lies in it."""
    exact, plain = copy.deepcopy(network).double(), plain.to("cpu", torch.float64)
    one, other = references_for(torch.tensor([[1.0], [0.0]])), references_for(torch.zeros(BATCH, 1)).map(lambda x: 100 * x)
    both = References(
        **{name: torch.cat([getattr(one, name), getattr(other, name)], dim=1) for name in ("latents", "weights", "seeds")}
    )
    found, expected = (exact(NOISED.double(), TIMES, replace(plain, references=given)) for given in (both, one))
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)
    torch.testing.assert_close(found[1], exact(NOISED.double(), TIMES, plain)[1], atol=1e-10, rtol=0)
    faint = replace(plain, references=references_for(torch.full((BATCH, 1), 1e-30, dtype=torch.float64)))
    torch.testing.assert_close(exact(NOISED.double(), TIMES, faint), exact(NOISED.double(), TIMES, plain), atol=1e-10, rtol=0)


def test_it_is_as_if_references_had_gone_first_and_been_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    network, plain, weight = (
        awake(CONFIG).double(),
        conditioning_for(CONFIG)[:1].to("cpu", torch.float64),
        torch.tensor([1.5, 0.2]),
    )
    given = references_for(weight[None].double()).map(lambda x: x.double() if x.is_floating_point() else x)
    found = network(NOISED[:1].double(), TIMES[:1], replace(plain, references=given))
    kept: list[Tensor] = []
    alone = SelfAttention.forward

    def keep(layer: SelfAttention, x: Tensor, _beside: None) -> Tensor:
        kept.append(x)
        return alone(layer, x)

    def read(layer: SelfAttention, x: Tensor, _beside: None) -> Tensor:
        more = torch.cat([x, kept.pop(0).flatten(0, 1)[None]], dim=1)  # (1, (1 + R) N, C)
        key, value = layer.norm_k(split_heads(layer.to_k(more), layer.heads)), split_heads(layer.to_v(more), layer.heads)
        query = layer.norm_q(split_heads(layer.to_q(x), layer.heads))
        scores = (query @ key.mT / query.shape[-1] ** 0.5).exp()
        scores[..., x.shape[1] :] *= weight.double().repeat_interleave(x.shape[1])
        return layer.to_out(join_heads(scores / scores.sum(dim=-1, keepdim=True) @ value))

    monkeypatch.setattr(SelfAttention, "forward", keep)
    network(given.latents[0], TIMES[:1].expand(2), plain.map(lambda x: x.expand(2, *x.shape[1:])))
    monkeypatch.setattr(SelfAttention, "forward", read)
    torch.testing.assert_close(found, network(NOISED[:1].double(), TIMES[:1], plain), atol=1e-10, rtol=0)
    assert not kept


def test_masks_of_one_value_are_that_weight(network: UNet, plain: Conditioning) -> None:
    whole, masked = (references_for(weights) for weights in (WEIGHTS, WEIGHTS[..., None, None].expand(-1, -1, 5, 3)))
    found, expected = (network(NOISED, TIMES, replace(plain, references=given)) for given in (masked, whole))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("weights", [WEIGHTS, MASKS], ids=["weights", "masks"])
@pytest.mark.parametrize("queries", [None, LEFT], ids=["everywhere", "left"])
def test_prepared_is_the_same(
    network: UNet, prepared: PreparedUNet, plain: Conditioning, weights: Tensor, queries: Tensor | None
) -> None:
    for scale in (1.0, 3.0, 0.0, 1.0):  # a new strength acts at once
        given = replace(plain, references=references_for(weights * scale, queries=queries))
        found, expected = prepared(NOISED, TIMES, given), network(NOISED, TIMES, given)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_a_compiled_network_reads_references_without_being_compiled_anew() -> None:
    network = awake(CONFIG)
    given = replace(conditioning_for(CONFIG), references=references_for(WEIGHTS))
    found = prepare(network, compiled=True)(NOISED, TIMES, given)
    torch.testing.assert_close(found, network(NOISED, TIMES, given), atol=1e-5, rtol=0)


def test_references_meet_their_own_sample_under_its_conditioning(network: UNet, plain: Conditioning) -> None:
    """Rows are not mixed up: each sample alone, in the order of the batch, gives the same."""
    given = replace(plain, references=references_for(MASKS, queries=LEFT))
    found = network(NOISED, TIMES, given)
    for index in (slice(0, 1), slice(1, 2)):
        torch.testing.assert_close(found[index], network(NOISED[index], TIMES[index], given[index]), atol=1e-5, rtol=0)


def test_regions_and_masked_tokens_hold_for_references() -> None:
    network = awake(CONFIG)
    regions = Regions(
        context=random(BATCH, 3, 7, 12),
        weights=random(BATCH, 3, 16, 16).softmax(dim=1),
        context_mask=torch.arange(7).expand(BATCH, 3, 7) < torch.tensor([3, 5, 7])[:, None],
    )
    given = Conditioning(regions=regions, references=references_for(WEIGHTS))
    found = network(NOISED, TIMES, given)
    torch.testing.assert_close(found[1:], network(NOISED[1:], TIMES[1:], given[1:]), atol=1e-5, rtol=0)
    torch.testing.assert_close(found, prepare(network)(NOISED, TIMES, given), atol=1e-5, rtol=0)


def test_what_was_computed_of_weights_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared, asked = prepare(awake(VARIANTS["unconditional"])), []
    monkeypatch.setattr(prepared.network, "grids", lambda size: asked.append(size) or [(8, 8), (4, 4)])
    for weights, queries in ((WEIGHTS, None), (WEIGHTS, LEFT), (WEIGHTS, None), (WEIGHTS.clone(), LEFT.clone()), (MASKS, LEFT)):
        prepared(NOISED, TIMES, Conditioning(references=references_for(weights, queries=queries)))
    assert len(asked) == 3


def test_references_of_another_size_than_the_sample_are_refused(network: UNet, plain: Conditioning) -> None:
    small = replace(references_for(WEIGHTS), latents=torch.zeros(2, 2, CHANNELS, 4, 8))
    with pytest.raises(ShapeError, match="at the size that is drawn"):
        network(NOISED, TIMES, replace(plain, references=small))


@pytest.mark.parametrize("path", [VariancePreserving(), LinearInterpolation()], ids=lambda path: path.kind)
def test_references_are_noised_to_the_time_by_noise_of_their_own(path: VariancePreserving | LinearInterpolation) -> None:
    clean = references_for(WEIGHTS)
    for t in (torch.tensor([0.3, 0.9]).double(), torch.tensor([0.2, 0.1]).double()):
        found = noise_references(path, Conditioning(references=clean), t, NOISED).references
        assert found is not None
        for place in (0, 1):
            expected = add_noise(path, clean.latents[:, place], clean.noise[:, place], t)
            torch.testing.assert_close(found.latents[:, place], expected)
    assert noise_references(path, Conditioning(), t, NOISED) == Conditioning()


def test_a_sample_that_is_its_own_reference_changes_and_runs_replay() -> None:
    path = VariancePreserving()
    denoiser = Preconditioned(prepare(awake(CONFIG)), path, "velocity")
    t, plain = torch.tensor([0.4, 0.6]).double(), conditioning_for(CONFIG)
    data = random(BATCH, CHANNELS, SIDE, SIDE, seed=9)
    own = References(latents=data[:, None], weights=torch.full((BATCH, 1), 50.0), seeds=torch.tensor([[1], [2]]))
    noised = add_noise(path, data, NOISED, t)
    found = denoiser(noised, t, replace(plain, references=own))
    assert (found - denoiser(noised, t, plain)).abs().mean() > 1e-3
    assert torch.equal(found, denoiser(noised, t, replace(plain, references=replace(own))))
    assert not torch.equal(found, denoiser(noised, t, replace(plain, references=replace(own, seeds=own.seeds + 2))))


def test_liked_acts_on_the_positive_half_and_disliked_on_the_negative() -> None:
    denoiser = Preconditioned(prepare(awake(CONFIG)), VariancePreserving(), "velocity")
    t, positive = torch.tensor([0.4, 0.6]).double(), conditioning_for(CONFIG)
    negative = replace(positive[:1], context=random(1, 7, 12, seed=8))
    for liked, disliked in ((1, 0), (0, 1), (2, 1)):
        halves = []
        for half, count in ((positive, liked), (negative, disliked)):
            given = references_for(torch.ones(1 if half is negative else BATCH, count), seed=count) if count else None
            halves.append(replace(half, references=given))
        above, below = (denoiser(NOISED, t, half.map(lambda x: x.expand(BATCH, *x.shape[1:]))) for half in halves)
        found = Guided(denoiser, halves[1], 3.0)(NOISED, t, halves[0])
        torch.testing.assert_close(found, below + 3.0 * (above - below), atol=1e-4, rtol=0)
