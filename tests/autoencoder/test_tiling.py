"""Coding in strips is coding whole: the same numbers to rounding, in less memory."""

import weakref

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

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
    assert striped.decode(latents).is_contiguous() and striped.encode(images).is_contiguous()
    assert torch.allclose(striped.posterior(images).log_variance, model.posterior(images).log_variance, atol=1e-10)


def test_single_precision_differs_by_rounding_only():
    model = awake(**GRAPHS["published"]).float()
    latents = normal(1, 3, 12, 10, dtype=torch.float32)
    assert torch.allclose(in_strips(model, strip=SOME_ROWS).decode(latents), model.decode(latents), atol=1e-5)


def test_half_precision_is_as_exact_as_it_is_whole():
    model = awake(**GRAPHS["published"])
    latents = normal(1, 3, 12, 10)
    exact = model.decode(latents)
    model.to(torch.bfloat16)
    striped, whole = (coder.decode(latents.bfloat16()) for coder in (in_strips(model, strip=SOME_ROWS), model))
    assert striped.dtype == torch.bfloat16
    assert (striped - exact).abs().mean() < 1.2 * (whole - exact).abs().mean()


def test_strips_may_be_decoded_in_a_rougher_format_than_the_weights_have():
    model = awake(**GRAPHS["published"]).float()
    latents = normal(1, 3, 12, 10, dtype=torch.float32)
    exact, weights = model.decode(latents), [weight.clone() for weight in model.parameters()]
    rough = in_strips(model, strip=SOME_ROWS, dtype=torch.bfloat16).decode(latents)
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).abs().mean() < 0.02
    assert all(torch.equal(one, other) for one, other in zip(weights, model.parameters(), strict=True))
    same = in_strips(model, strip=SOME_ROWS, dtype=torch.float32)
    assert torch.equal(same.decode(latents), in_strips(model, strip=SOME_ROWS).decode(latents))


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
    with pytest.raises(ShapeError, match=r"try .*32x32"):
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_statistics_keep_their_digits_where_the_mean_is_large(dtype):
    values = (normal(1, 4, 50, 20) * torch.tensor([1.0, 2.0, 3.0, 4.0])[:, None, None] + 300).to(dtype)
    mean, variance = group_moments(Stored(values, 100), torch.nn.GroupNorm(2, 4).to(dtype))
    grouped = values.double().reshape(2, -1)
    assert torch.allclose(mean.double(), grouped.mean(dim=1), rtol=1e-6)
    assert torch.allclose(variance.double(), grouped.var(dim=1, correction=0), rtol=1e-5)


class LiveValues(TorchDispatchMode):
    """Counts the values of all tensors made within that are alive together; `most` is the peak."""

    def __init__(self):
        super().__init__()
        self.now, self.most, self.known = 0, 0, set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        results = function(*args, **(kwargs or {}))
        for tensor in tree_iter(results):
            storage = tensor.untyped_storage() if isinstance(tensor, torch.Tensor) else None
            if storage is not None and storage.data_ptr() not in self.known:
                self.known.add(storage.data_ptr())
                count = storage.nbytes() // tensor.element_size()
                self.now += count
                self.most = max(self.most, self.now)
                weakref.finalize(storage, self.forget, storage.data_ptr(), count)
        return results

    def forget(self, address, count):
        self.known.discard(address)
        self.now -= count


def live_values(call, *arguments):
    with LiveValues() as mode:
        call(*arguments)
    return mode.most


def test_memory_is_two_grids_of_the_last_level_and_a_few_strips():
    model = awake(channels=(8, 32), middle_attention=False).float()
    latents, images = normal(2, 3, 32, 24, dtype=torch.float32), normal(2, 3, 64, 48, dtype=torch.float32)
    grid, strip, doubled_kernel = 8 * 64 * 48, 2 * 32 * 48, 32 * 32 * 16
    striped = in_strips(model, strip=strip)
    bound = 2 * grid + 9 * strip + doubled_kernel + 2 * images.numel()
    assert live_values(striped.decode, latents) < bound < live_values(model.decode, latents[:1]) / 2
    assert live_values(striped.encode, images) < bound


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
    assert [whole_at_once(model, side, side) for side in (128, 256, 264)] == [4, 1, 0]
    monkeypatch.undo()
    model.bfloat16()
    assert [whole_at_once(model, side, side) for side in (1024, 1448, 1456)] == [2, 1, 0]
