"""The U-Net as a whole: what it takes, what it refuses, what reaches what."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ildm.core.config import from_json, to_json
from ildm.core.errors import ConfigError, ShapeError
from ildm.core.types import Conditioning, Regions
from ildm.denoiser.config import UNetConfig
from ildm.denoiser.unet import UNet

CONFIG = UNetConfig(
    channels=(16, 32),
    res_blocks=(1, 1),
    depths=(0, 1),
    head_width=8,
    context_width=12,
    pooled_width=10,
    labels=5,
    concat_channels=2,
    norm_groups=4,
    qk_norm=True,
)
BATCH, SIZE, TOKENS = 2, 8, 5
TIMES = torch.tensor([3.0, 700.0])


def awake(config: UNetConfig) -> UNet:
    """A U-Net whose zero-initialised outputs are random, as after training."""
    torch.manual_seed(0)
    network = UNet(config)
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return network


def full_conditioning() -> Conditioning:
    torch.manual_seed(1)
    return Conditioning(
        context=torch.randn(BATCH, TOKENS, 12),
        pooled=torch.randn(BATCH, 10),
        label=torch.tensor([0, 3]),
        concat=torch.randn(BATCH, 2, SIZE, SIZE),
    )


@pytest.fixture(scope="module")
def network() -> UNet:
    return awake(CONFIG)


@pytest.fixture(scope="module")
def noised() -> Tensor:
    return torch.randn(BATCH, 4, SIZE, SIZE, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        replace(CONFIG, scale_shift_norm=True, resample="residual"),
        replace(CONFIG, attention="plain", context_width=None, qk_norm=False),
        replace(CONFIG, context_width=None, linear_projection=True),
    ],
    ids=["convolution", "residual", "plain", "without context"],
)
def test_gradients_reach_every_parameter(config: UNetConfig, noised: Tensor) -> None:
    network = awake(config)
    conditioning = full_conditioning()
    if config.context_width is None:
        conditioning = replace(conditioning, context=None)
    network(noised, TIMES, conditioning).square().mean().backward()
    silent = [name for name, parameter in network.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert silent == []


@pytest.mark.parametrize("field", ["context", "pooled", "label", "concat"])
def test_every_kind_of_conditioning_changes_the_output(network: UNet, noised: Tensor, field: str) -> None:
    conditioning = full_conditioning()
    other = replace(conditioning, **{field: getattr(conditioning, field).flip(0)})
    with torch.no_grad():
        difference = network(noised, TIMES, other) - network(noised, TIMES, conditioning)
    assert (difference.flatten(1).std(dim=1) > 1e-3).all()


def test_time_changes_the_output_and_may_be_fractional(network: UNet, noised: Tensor) -> None:
    with torch.no_grad():
        outputs = [network(noised, torch.full((BATCH,), time), full_conditioning()) for time in (3.0, 3.5, 700.0)]
    assert (outputs[0] - outputs[1]).std() > 1e-4
    assert (outputs[0] - outputs[2]).std() > 1e-3


def test_a_fresh_network_predicts_zero(noised: Tensor) -> None:
    assert not UNet(CONFIG)(noised, TIMES, full_conditioning()).any()


def test_samples_of_a_batch_do_not_mix(network: UNet, noised: Tensor) -> None:
    conditioning = full_conditioning()
    with torch.no_grad():
        both = network(noised, TIMES, conditioning)
        second = network(noised[1:], TIMES[1:], conditioning[1:])
    torch.testing.assert_close(both[1:], second, atol=1e-5, rtol=0)


def test_channels_last_is_the_same_network(network: UNet, noised: Tensor) -> None:
    with torch.no_grad():
        plain = network(noised, TIMES, full_conditioning())
        turned = awake(CONFIG).to(memory_format=torch.channels_last)
        other = turned(noised.to(memory_format=torch.channels_last), TIMES, full_conditioning())
    torch.testing.assert_close(other, plain, atol=1e-5, rtol=0)


def test_autocast_to_bfloat16_stays_close(network: UNet, noised: Tensor) -> None:
    with torch.no_grad():
        exact = network(noised, TIMES, full_conditioning())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = network(noised, TIMES, full_conditioning()).float()
    assert (rough - exact).std() < 0.05 * exact.std()


def test_regions_reach_every_level(noised: Tensor) -> None:
    """Left and right halves with contexts of their own, against the whole image under either one."""
    config = UNetConfig(channels=(16, 32), res_blocks=(1, 1), depths=(1, 1), head_width=8, context_width=12, norm_groups=4)
    network = awake(config)
    contexts = torch.randn(BATCH, 2, TOKENS, 12)
    weights = torch.zeros(BATCH, 2, 64, 64)
    weights[:, 0, :, :32], weights[:, 1, :, 32:] = 1, 1
    whole = torch.stack([torch.ones(BATCH, 64, 64), torch.zeros(BATCH, 64, 64)], dim=1)
    with torch.no_grad():
        halves = network(noised, TIMES, Conditioning(regions=Regions(context=contexts, weights=weights)))
        first = network(noised, TIMES, Conditioning(regions=Regions(context=contexts, weights=whole)))
        plain = network(noised, TIMES, Conditioning(context=contexts[:, 0]))
    torch.testing.assert_close(first, plain, atol=1e-5, rtol=0)
    assert (halves - plain).std() > 1e-3


WRONG = {
    "a latent of the wrong width": (
        lambda latent, times, given: (latent[..., :7], times, given),
        r"8x7 was given.*multiples of 2: try 8x8",
    ),
    "a latent of the wrong height": (
        lambda latent, times, given: (latent[:, :, :5], times, given),
        r"5x8 was given.*multiples of 2: try 4x8",
    ),
    "a latent of the wrong channels": (
        lambda latent, times, given: (latent[:, :3], times, given),
        r"takes noised latents \(batch, 4, height, width\), but \(2, 3, 8, 8\)",
    ),
    "one time for two samples": (
        lambda latent, times, given: (latent, times[:1], given),
        r"one time per sample, shape \(2,\), but times of shape \(1,\)",
    ),
    "a conditioning for another batch": (
        lambda latent, times, given: (latent, times, given[:1]),
        r"2 latents were given with a conditioning for 1",
    ),
    "no context": (
        lambda latent, times, given: (latent, times, replace(given, context=None)),
        r"needs a conditioning with `context`",
    ),
    "context of the wrong width": (
        lambda latent, times, given: (latent, times, replace(given, context=given.context[..., :7])),
        r"tokens of width 12, but the context given has tokens of width 7",
    ),
    "no pooled vector": (
        lambda latent, times, given: (latent, times, replace(given, pooled=None)),
        r"needs a conditioning with `pooled`",
    ),
    "a pooled vector of the wrong width": (
        lambda latent, times, given: (latent, times, replace(given, pooled=given.pooled[:, :3])),
        r"pooled vector of 10 features, but \(2, 3\)",
    ),
    "no label": (
        lambda latent, times, given: (latent, times, replace(given, label=None)),
        r"needs a conditioning with `label`",
    ),
    "no channels to concatenate": (
        lambda latent, times, given: (latent, times, replace(given, concat=None)),
        r"needs a conditioning with `concat`",
    ),
    "channels to concatenate of the wrong size": (
        lambda latent, times, given: (latent, times, replace(given, concat=given.concat[..., :4])),
        r"concatenated channels of shape \(2, 2, 8, 8\), but \(2, 2, 8, 4\)",
    ),
}


@pytest.mark.usefixtures("shapes_unchecked")
@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_is_refused_in_a_sentence(network: UNet, noised: Tensor, what: str) -> None:
    spoil, message = WRONG[what]
    with pytest.raises(ShapeError, match=message):
        network(*spoil(noised, TIMES, full_conditioning()))


@pytest.mark.parametrize("field", ["context", "pooled", "label", "concat"])
def test_conditioning_a_network_cannot_read_is_refused(noised: Tensor, field: str) -> None:
    bare = UNet(UNetConfig(channels=(16, 32), res_blocks=(1, 1), depths=(0, 1), head_width=8, norm_groups=4))
    conditioning = Conditioning(**{field: getattr(full_conditioning(), field)})
    with pytest.raises(ShapeError, match=f"takes no `{field}`"):
        bare(noised, TIMES, conditioning)


@pytest.mark.usefixtures("shapes_unchecked")
def test_regions_without_a_weight_each_are_refused(network: UNet, noised: Tensor) -> None:
    regions = Regions(context=torch.randn(BATCH, 3, TOKENS, 12), weights=torch.ones(BATCH, 2, 8, 8))
    with pytest.raises(ShapeError, match="one weight map per context"):
        network(noised, TIMES, replace(full_conditioning(), context=None, regions=regions))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"depths": (1, 1, 1)}, "2 values of depths"),
        ({"head_width": 5}, "level 1 has 32 channels, which do not split into heads of 5"),
        ({"head_width": None, "heads": (2, 5)}, "level 1 has 32 channels, which do not split into 5 heads"),
        ({"heads": (2, 2)}, "exactly one of head_width"),
        ({"norm_groups": 5}, "do not split into 5 norm groups"),
        ({"attention": "plain", "context_width": 8}, "reads no context"),
        ({"attention": "plain", "depths": (0, 2)}, "depth of 0 or 1"),
        ({"dropout": 1.0}, "dropout is a probability"),
        ({"dropout": -0.1}, "dropout is a probability"),
    ],
)
def test_a_graph_that_cannot_be_is_refused(values: dict[str, object], message: str) -> None:
    plain = {"channels": (16, 32), "res_blocks": (1, 1), "depths": (0, 1), "head_width": 8, "norm_groups": 4}
    with pytest.raises(ConfigError, match=f"(?i){message}"):
        UNetConfig(**plain | values)  # type: ignore[arg-type]


def test_configuration_survives_json() -> None:
    assert from_json(UNetConfig, to_json(CONFIG)) == CONFIG


def test_a_column_of_16_pixels_acts_at_every_level_of_a_512_pixel_picture() -> None:
    """Stable Diffusion 1's graph, at a tenth of its width: 64x64 latents of 8 pixels each, levels down to 8x8."""
    graph = UNetConfig(
        channels=(32, 64, 128, 128),
        res_blocks=(2, 2, 2, 2),
        depths=(1, 1, 1, 0),
        mid_depth=1,
        heads=(8, 8, 8, 8),
        context_width=24,
    )
    network = awake(graph).eval()
    generator = torch.Generator().manual_seed(4)
    noised = torch.randn(1, 4, 64, 64, generator=generator)
    base, other = torch.randn(2, 1, 7, 24, generator=generator)
    mask = torch.zeros(512, 512)
    mask[:, 248:264] = 1.0
    weights = torch.stack([1.0 - mask, mask])[None]

    def predict(column: torch.Tensor) -> torch.Tensor:
        regions = Regions(context=torch.stack([base, column], dim=1), weights=weights)
        attended = network.attend(Conditioning(regions=regions), (64, 64))
        assert all(one[1].amax() > 0.5 for one in attended.weights.values())
        return network(noised, TIMES[:1], Conditioning(regions=regions))

    with torch.no_grad():
        change = (predict(other) - predict(base)).abs().mean(dim=(0, 1, 2))
    assert change[31:33].min() > 3 * change[:16].mean()
