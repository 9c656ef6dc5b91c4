"""Coding in strips is coding whole: the same numbers to rounding, in less memory."""

import pytest
import torch

from ildm.autoencoder import tiling
from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.blocks import Downsample, Upsample
from ildm.autoencoder.coder import Decoder, Encoder
from ildm.autoencoder.config import AutoencoderConfig
from ildm.autoencoder.strips import Convolved, Stored, Upsampled, group_moments
from ildm.autoencoder.tiling import decode_large, encode_large, in_strips, whole_at_once
from ildm.core.errors import ConfigError, ShapeError

GRAPHS = {
    "published": {"channels": (8, 16, 16), "num_res_blocks": 2, "middle_attention": True},
    "convolutions alone": {"channels": (8, 16), "middle_attention": False},
    "folded": {"channels": (8, 16), "fold": 2},
    "attention in levels": {"channels": (8, 12), "attention_levels": (0, 1)},
    "equally wide": {"channels": (8, 8, 8)},
    "one level": {"channels": (8,), "fold": 4},
}
ONE_ROW, SOME_ROWS, ALL_ROWS = 1, 700, 10**9


def awake(**fields):
    """A double-precision first stage whose norms do something of their own."""
    torch.manual_seed(0)
    model = Autoencoder(AutoencoderConfig(**({"num_res_blocks": 1, "latent_channels": 3} | fields))).double()
    for module in model.modules():
        if isinstance(module, torch.nn.GroupNorm):
            torch.nn.init.normal_(module.weight, 1.0, 0.3)
            torch.nn.init.normal_(module.bias, 0.0, 0.3)
    return model.requires_grad_(False)


def normal(*shape, seed=1, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.fixture(scope="module", params=GRAPHS)
def model(request):
    return awake(**GRAPHS[request.param])


@pytest.mark.parametrize("strip", [ONE_ROW, SOME_ROWS, ALL_ROWS])
@pytest.mark.parametrize("grid", [(5, 3), (1, 4)])
def test_strips_code_as_the_whole_does(model, grid, strip):
    striped = in_strips(model, strip=strip)
    latents = normal(2, 3, *grid)
    images = normal(2, 3, *(side * model.config.stride for side in grid))
    assert torch.allclose(striped.decode(latents), model.decode(latents), atol=1e-10)
    assert torch.allclose(striped.encode(images), model.encode(images), atol=1e-10)
    assert torch.allclose(striped.posterior(images).log_variance, model.posterior(images).log_variance, atol=1e-10)


def test_single_precision_differs_by_rounding_only():
    model = awake(**GRAPHS["published"]).float()
    latents = normal(1, 3, 12, 10, dtype=torch.float32)
    assert torch.allclose(in_strips(model, strip=SOME_ROWS).decode(latents), model.decode(latents), atol=1e-5)


def test_half_precision_keeps_its_format_and_measures_norms_in_float32():
    model = awake(**GRAPHS["published"])
    latents = normal(1, 3, 12, 10)
    exact = model.decode(latents)
    model.to(torch.bfloat16)
    striped, whole = (coder.decode(latents.bfloat16()) for coder in (in_strips(model, strip=SOME_ROWS), model))
    assert striped.dtype == torch.bfloat16
    assert (striped - exact).abs().mean() < 1.2 * (whole - exact).abs().mean()


def test_each_sample_of_a_batch_is_its_own():
    model = in_strips(awake(**GRAPHS["published"]), strip=SOME_ROWS)
    latents = normal(3, 3, 4, 5)
    assert torch.equal(model.decode(latents)[1:2], model.decode(latents[1:2]))


def test_the_given_first_stage_stays_as_it_is():
    model = awake(**GRAPHS["folded"])
    names = list(model.state_dict())
    in_strips(model)
    assert isinstance(model.encoder, Encoder) and isinstance(model.decoder, Decoder)
    assert list(model.state_dict()) == names


def test_strips_leave_no_gradients():
    model = awake(**GRAPHS["folded"]).requires_grad_()
    assert not in_strips(model).decode(normal(1, 3, 4, 4)).requires_grad


def test_what_cannot_be_coded_is_refused():
    model = awake(**GRAPHS["folded"])
    with pytest.raises(ConfigError, match="strip of 0 values"):
        in_strips(model, strip=0)
    with pytest.raises(ShapeError, match="try 32x32"):
        in_strips(model).encode(normal(1, 3, 31, 32))
    with pytest.raises(ShapeError, match="Latents of 3 channels"):
        in_strips(model).decode(normal(1, 4, 8, 8))


@pytest.mark.parametrize("layer", [torch.nn.Conv2d(2, 3, 3, padding=1), Downsample(2), Upsample(2)])
def test_any_rows_of_a_layer_can_be_read(layer):
    x = normal(1, 2, 6, 4, dtype=torch.float32)
    with torch.no_grad():
        whole = layer(x)
        if isinstance(layer, Upsample):
            rows = Upsampled(Stored(x, 1), layer.conv)
        else:
            rows = Convolved(Stored(x, 1), getattr(layer, "conv", layer), (0 if isinstance(layer, Downsample) else 1, 1))
        assert (rows.channels, rows.height, rows.width) == whole.shape[1:]
        for top in range(rows.height):
            for bottom in range(top + 1, rows.height + 1):
                assert torch.allclose(rows.read(top, bottom), whole[:, :, top:bottom], atol=1e-6)


def test_statistics_keep_their_digits_where_the_mean_is_large():
    values = normal(1, 4, 50, 20, dtype=torch.float32) * torch.tensor([1.0, 2.0, 3.0, 4.0])[:, None, None] + 3e3
    mean, variance = group_moments(Stored(values, 100), torch.nn.GroupNorm(2, 4))
    grouped = values.double().reshape(2, -1)
    assert torch.allclose(mean.double(), grouped.mean(dim=1), rtol=1e-6)
    assert torch.allclose(variance.double(), grouped.var(dim=1, correction=0), rtol=1e-4)


def test_small_images_are_coded_whole_and_bit_for_bit(monkeypatch):
    model = awake(**GRAPHS["folded"]).float()
    latents, images = normal(3, 3, 4, 4, dtype=torch.float32), normal(3, 3, 16, 16, dtype=torch.float32)
    assert whole_at_once(model, 16, 16) > 3
    assert torch.equal(decode_large(model, latents), model.decode(latents))
    assert torch.equal(encode_large(model, images), model.encode(images))
    largest = 16 * 8 * 8 * 4  # bytes of 16 features on the folded grid of 8x8
    monkeypatch.setattr(tiling, "WHOLE_ON_CPU", 2 * largest)
    assert whole_at_once(model, 16, 16) == 2
    apart = torch.cat([model.decode(latents[:2]), model.decode(latents[2:])])
    assert torch.equal(decode_large(model, latents), apart)
    monkeypatch.setattr(tiling, "WHOLE_ON_CPU", largest - 1)
    assert whole_at_once(model, 16, 16) == 0
    assert torch.equal(decode_large(model, latents), in_strips(model).decode(latents))
    assert torch.equal(encode_large(model, images), in_strips(model).encode(images))


def test_the_published_first_stage_is_whole_up_to_the_sizes_that_are_documented(monkeypatch):
    with torch.device("meta"):
        model = Autoencoder(AutoencoderConfig())
    monkeypatch.setattr(tiling, "WHOLE_ELSEWHERE", tiling.WHOLE_ON_CPU)
    assert [whole_at_once(model, side, side) for side in (256, 512, 520)] == [4, 1, 0]
    monkeypatch.undo()
    model.bfloat16()
    assert [whole_at_once(model, side, side) for side in (1024, 1448, 1456)] == [2, 1, 0]
