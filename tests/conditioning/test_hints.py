"""What a model is shown beside words: maps, small pictures and holes; what does not fit is refused in a sentence."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from ildm.conditioning.hint import drop_features, show
from ildm.conditioning.inpainting import Inpainting, InpaintingConfig, composite
from ildm.conditioning.low_resolution import LowResolution, LowResolutionConfig
from ildm.conditioning.semantic_map import SemanticMap, SemanticMapConfig
from ildm.core.errors import ConfigError, ShapeError
from ildm.core.picture import from_picture
from ildm.core.types import Conditioning

CPU = torch.device("cpu")
SIZE, GRID = (32, 64), (8, 4)  # (width, height) in pixels, (rows, columns) of the latent


def a_map(size=SIZE, value=2, mode="L"):
    numbers = np.zeros(size[::-1], np.uint8)
    numbers[: size[1] // 2, : size[0] // 2] = value
    return Image.fromarray(numbers).convert(mode)


def encode(images):
    """A first stage of three channels: the average of each cell."""
    return torch.nn.functional.avg_pool2d(images, 8)


@pytest.fixture(scope="module")
def semantic_map():
    torch.manual_seed(0)
    return SemanticMap(SemanticMapConfig(names=("a", "b", "c"), width=3, detail=2))


def test_a_map_stands_beside_the_latent_cell_by_cell(semantic_map):
    beside = show(semantic_map, a_map(), None, SIZE, GRID, encode, CPU, 2)
    concat = beside.shown.concat
    assert concat.shape == (2, 12, *GRID)
    assert semantic_map.concat_channels == 12
    # the four parts of a cell are the class's embedding each
    expected = semantic_map.embedding.weight[2].repeat_interleave(4)
    assert torch.equal(concat[0, :, 0, 0], expected)
    assert torch.equal(concat[0, :, -1, -1], semantic_map.embedding.weight[0].repeat_interleave(4))
    # and what is hidden is none of the classes
    assert torch.equal(beside.hidden.concat[0, :, 0, 0], semantic_map.embedding.weight[4].repeat_interleave(4))


def test_a_class_has_a_number_in_maps():
    hint = SemanticMap(SemanticMapConfig(names=("fox", "key")))
    assert (hint.number("fox"), hint.number("key")) == (1, 2)
    with pytest.raises(ConfigError, match="no class 'foxx' for maps: did you mean 'fox'"):
        hint.number("foxx")


def test_a_map_by_cross_attention_is_a_token_for_each_cell_that_knows_its_place():
    torch.manual_seed(0)
    hint = SemanticMap(SemanticMapConfig(names=("a", "b"), route="cross-attention", context_width=16))
    made = show(hint, a_map(), None, SIZE, GRID, encode, CPU, 1).shown
    assert made.context.shape == (1, 32, 16)
    assert hint.concat_channels == 0
    # two cells of the same class differ by their places alone
    assert not torch.equal(made.context[0, 0], made.context[0, 1])


@pytest.mark.parametrize(
    ("image", "mask", "told"),
    [
        (None, None, "draws by a semantic map"),
        (a_map((64, 64)), None, "The map is 64x64, but 32x64 is drawn"),
        (a_map(value=9), None, "the number 9, but this model knows 0 .* and the classes 1 to 3"),
        (a_map(value=0), None, "The map is empty"),
        (a_map(mode="RGB"), None, "one channel .* but this picture is RGB"),
        (a_map(), a_map(), "no mask"),
    ],
)
def test_a_map_that_does_not_fit_is_refused(semantic_map, image, mask, told):
    with pytest.raises((ConfigError, ShapeError), match=told):
        semantic_map.read(image, mask, SIZE)


@pytest.mark.parametrize(("stride", "channels"), [(4, 3), (8, 12), (2, 3), (16, 48)])
def test_a_small_picture_loses_no_pixel_beside_the_latent(stride, channels):
    hint = LowResolution(LowResolutionConfig(factor=4, stride=stride))
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 8, 3), dtype=np.uint8))
    assert hint.size_of(picture) == (32, 64)
    grid = (64 // stride, 32 // stride)
    concat = show(hint, picture, None, (32, 64), grid, encode, CPU, 1).shown.concat
    assert concat.shape == (1, channels, *grid)
    pixels = hint.read(picture, None, (32, 64)).float() / 127.5 - 1
    if stride >= 4:
        assert torch.equal(torch.nn.functional.pixel_shuffle(concat, stride // 4), pixels)
    else:
        assert torch.equal(concat[..., ::2, ::2], pixels)


def test_a_small_picture_of_odd_sides_is_drawn_whole_and_cut():
    hint = LowResolution(LowResolutionConfig(factor=4, stride=8))
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (15, 7, 3), dtype=np.uint8))
    assert hint.size_of(picture) == (32, 64)
    pixels = hint.read(picture, None, (32, 64))
    assert pixels.shape == (1, 3, 16, 8) and torch.equal(pixels[..., :15, :7], from_picture(picture)[None])
    assert torch.equal(pixels[..., 7], pixels[..., 6]) and torch.equal(pixels[..., 15, :], pixels[..., 14, :])
    drawn = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 32, 3), dtype=np.uint8))
    drawn.info["seed"] = 7
    assert hint.completed(picture, None, drawn).size == (28, 60)
    wild = LowResolution(LowResolutionConfig(factor=4, stride=8, degradation="bsr"))
    cut = wild.completed(picture, None, drawn)
    assert cut.size == (28, 60) and cut.info["seed"] == 7 and cut.tobytes() == drawn.crop((0, 0, 28, 60)).tobytes()


def test_a_drawing_made_small_again_is_the_small_picture_where_that_was_made_by_a_clean_filter():
    scene = Image.effect_mandelbrot((64, 64), (-2, -1.2, 1, 1.2), 50).convert("RGB")
    small = scene.resize((16, 16), Image.Resampling.BICUBIC)
    drawn = scene.filter(ImageFilter.GaussianBlur(1.5)).point(lambda value: 0.8 * value + 20)
    drawn.info["seed"] = 7

    def off(one, other):
        return np.abs(np.asarray(one, np.float64) - np.asarray(other, np.float64)).mean()

    clean, wild = (
        LowResolution(LowResolutionConfig(factor=4, stride=8, degradation=kind)).completed(small, None, drawn)
        for kind in ("bicubic", "bsr")
    )
    assert wild.tobytes() == drawn.tobytes() and clean.info["seed"] == 7
    again = {name: one.resize((16, 16), Image.Resampling.BICUBIC) for name, one in {"clean": clean, "wild": wild}.items()}
    assert off(again["clean"], small) < 0.25 * off(again["wild"], small)
    assert off(clean, scene) < off(wild, scene)


@pytest.mark.parametrize(
    ("image", "mask", "told"),
    [
        (None, None, "draws a picture 4 times larger"),
        (a_map(mode="RGB"), None, "The picture is 32x64, so it is drawn at 128x256, but 32x64 was asked for"),
        (a_map(mode="RGB"), a_map(), "no mask"),
    ],
)
def test_a_small_picture_that_does_not_fit_is_refused(image, mask, told):
    with pytest.raises((ConfigError, ShapeError), match=told):
        LowResolution(LowResolutionConfig()).read(image, mask, SIZE)


@pytest.mark.parametrize("change", [{"factor": 1}, {"factor": 3}, {"dropout": 2.0}])
def test_an_enlargement_that_cannot_be_is_refused(change):
    with pytest.raises(ConfigError):
        LowResolutionConfig(**change)


def test_both_forms_of_inpainting_show_the_same_in_their_own_order():
    picture, mask = a_map(value=200, mode="RGB"), a_map(value=255)
    shown = {
        form: show(Inpainting(InpaintingConfig(form=form, channels=3)), picture, mask, SIZE, GRID, encode, CPU, 1).shown.concat
        for form in ("stable-diffusion", "ldm")
    }
    nine, seven = shown["stable-diffusion"][0], shown["ldm"][0]
    assert nine.shape == seven.shape == (4, *GRID)
    assert torch.equal(nine[1:], seven[:3])  # the surroundings
    assert torch.equal(2 * nine[0] - 1, seven[3])  # the mask, 0 and 1 or -1 and 1
    assert set(nine[0].unique().tolist()) == {0.0, 1.0}


def test_what_lies_under_the_mask_is_not_looked_at():
    hint, mask = Inpainting(InpaintingConfig(channels=3)), a_map(value=255)
    black, white = (Image.new("RGB", SIZE, colour) for colour in ("black", "white"))
    hidden = Image.composite(white, black, mask)
    made = [show(hint, picture, mask, SIZE, GRID, encode, CPU, 1).shown.concat for picture in (black, hidden)]
    assert torch.equal(*made)
    assert not torch.equal(made[0], show(hint, white, mask, SIZE, GRID, encode, CPU, 1).shown.concat)


def test_what_is_not_drawn_anew_keeps_its_bytes():
    draws = np.random.default_rng(0)
    picture, drawn = (Image.fromarray(draws.integers(0, 256, (*SIZE[::-1], 3), dtype=np.uint8)) for _ in range(2))
    drawn.info["seed"] = 7
    levels = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (SIZE[1], 1))
    made = composite(picture, Image.fromarray(levels), drawn)
    kept = levels < 128
    assert np.array_equal(np.array(made)[kept], np.array(picture)[kept])
    assert not np.array_equal(np.array(made)[~kept], np.array(picture)[~kept])
    # where a hole is, it is where the model was told to draw
    told = Inpainting(InpaintingConfig()).read(picture, Image.fromarray(levels), SIZE)[0, 3]
    assert np.array_equal(told.numpy() > 0, levels >= 128)
    assert made.info["seed"] == 7
    assert composite(picture, None, drawn) is drawn
    with pytest.raises(ShapeError, match="A picture of 32x64 was drawn into one of 8x8 under a mask of 32x64"):
        composite(Image.new("RGB", (8, 8)), Image.fromarray(levels), drawn)


def test_what_is_drawn_meets_what_is_kept():
    across = np.broadcast_to(np.linspace(60, 180, SIZE[0])[None, :, None], (*SIZE[::-1], 3))
    picture, darker = (Image.fromarray(levels.astype(np.uint8)) for levels in (across, across - 24))
    mask = Image.new("L", SIZE)
    mask.paste(255, (8, 8, 24, 56))
    # a drawing whose colours are all off by the same is put right; one that agrees around the hole stays as it is inside
    off = np.array(composite(picture, mask, darker)).astype(int) - np.array(picture)
    assert np.abs(off).max() <= 1
    agreed = Image.composite(Image.new("RGB", SIZE, "green"), picture, mask)
    assert np.array_equal(np.array(composite(picture, mask, agreed)), np.array(agreed))


def test_a_mask_without_a_hole_is_refused():
    with pytest.raises(ConfigError, match="The mask has no hole"):
        Inpainting(InpaintingConfig()).read(a_map(mode="RGB"), Image.new("L", SIZE), SIZE)


@pytest.mark.parametrize(
    "hint",
    [
        SemanticMap(SemanticMapConfig(names=("a", "b"))),
        LowResolution(LowResolutionConfig()),
        Inpainting(InpaintingConfig(channels=3)),
    ],
    ids=["map", "small", "hole"],
)
def test_pictures_are_the_inverse_of_reading(hint):
    given = {
        "semantic-map": (a_map(), None),
        "low-resolution": (Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 8, 3), dtype=np.uint8)), None),
        "inpainting": (a_map(value=200, mode="RGB"), a_map(value=255)),
    }[hint.kind]
    pixels = hint.read(*given, SIZE)
    [again] = hint.pictures(pixels)
    assert torch.equal(hint.read(*again, SIZE), pixels)


def test_a_map_of_a_class_that_was_not_learned_is_refused(semantic_map):
    def shown(concepts):
        return show(semantic_map, [a_map(value=1), a_map(value=2)], None, SIZE, GRID, encode, CPU, 2, concepts)

    with pytest.raises(ConfigError, match=r"number 2, 'b', which this model has not learned: `ildm info` lists the 2"):
        shown(("a", "c"))
    assert torch.equal(shown(("a", "b")).shown.concat, shown(()).shown.concat)


def test_features_are_dropped_at_the_stated_rate(semantic_map):
    features = torch.ones(4000, 1, 2, 2, dtype=torch.int16)
    dropped = drop_features(semantic_map, features, 0.1, torch.Generator().manual_seed(0))
    share = (dropped == 4).float().mean().item()
    assert abs(share - 0.1) < 3 * (0.09 / 4000) ** 0.5
    assert torch.equal(drop_features(semantic_map, features, 0.0, torch.Generator()), features)


def test_lists_show_each_picture_its_own(semantic_map):
    one, other = a_map(value=1), a_map(value=3)
    both = show(semantic_map, [one, other], None, SIZE, GRID, encode, CPU, 2).shown.concat
    alone = [show(semantic_map, picture, None, SIZE, GRID, encode, CPU, 1).shown.concat[0] for picture in (one, other)]
    assert torch.equal(both, torch.stack(alone))
    with pytest.raises(ShapeError, match="3 pictures are drawn, but 2 images came"):
        show(semantic_map, [one, other], None, SIZE, GRID, encode, CPU, 3)


def test_conditionings_stand_side_by_side():
    words = Conditioning(context=torch.zeros(1, 2, 4), context_mask=torch.tensor([[True, False]]))
    both = words.beside(Conditioning(context=torch.ones(1, 3, 4), concat=torch.ones(1, 1, 2, 2)))
    assert both.context.shape == (1, 5, 4)
    assert both.context_mask.tolist() == [[True, False, True, True, True]]
    assert both.concat is not None
    assert words.beside(Conditioning()) is words
    with pytest.raises(ShapeError, match="both carry 'concat'"):
        both.beside(Conditioning(concat=torch.ones(1, 1, 2, 2)))


def test_no_picture_is_drawn_larger_than_the_largest():
    hint = LowResolution(LowResolutionConfig(factor=4, stride=8))
    assert hint.size_of(Image.new("L", (1024, 8))) == (4096, 32)
    with pytest.raises(ShapeError, match=r"A picture of 1025x8 would be drawn 4 times larger.*at most 1024 pixels a side"):
        hint.size_of(Image.new("L", (1025, 8)))
