"""Colour masks: Regional Prompter's colours, written and read exactly, and read again after what pictures go through."""

import colorsys
import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from ildm.conditioning.regional_prompter import degrees, read_colours, write_colours
from ildm.core.errors import ConfigError, DataError

SIZE = 240


def pictured(regions):
    """The masks of an array that has each pixel's region, -1 = none."""
    return [(regions == number).astype(np.float32) for number in range(regions.max() + 1)]


def scattered(count, seed=0, radius=14):
    """Discs of `count` regions on a white ground, the last ones on top, and a strip of all colours side by side."""
    generator = np.random.default_rng(seed)
    regions = np.full((SIZE, SIZE), -1)
    rows, columns = np.indices(regions.shape)
    for number in [*range(count), *range(count)]:
        middle = generator.uniform(radius, SIZE - radius, 2)
        regions[np.hypot(rows - middle[0], columns - middle[1]) < radius] = number
    regions[:24] = (columns * count // SIZE)[:24]
    return regions


def saved(picture, **options):
    stream = io.BytesIO()
    picture.save(stream, **options)
    return Image.open(io.BytesIO(stream.getvalue()))


def test_degrees_are_those_of_the_page():
    """README, Mask regions: 0, 180, 90, 270, 45, 135, 225, 315, 22.5 and so on. #269: the ninth is 22.5."""
    assert degrees(9) == [0, 180, 90, 270, 45, 135, 225, 315, 22.5]
    assert degrees(0) == []


@given(st.integers(2, 200))
def test_each_degree_is_as_far_as_can_be_from_those_before(count):
    *before, last = degrees(count)
    gaps = np.diff([*sorted(before), 360])
    distance = min(min(abs(last - other), 360 - abs(last - other)) for other in before)
    assert distance == gaps.max() / 2
    assert degrees(count - 1) == before


def test_colours_are_half_saturated_and_half_bright():
    """README, Mask regions: HSV(degree, 50 %, 50 %); #94: what was cleared is white."""
    picture = write_colours([np.array([[1, 0, 0, 0, 0]]), *(np.eye(5)[number][None] for number in range(1, 4))])
    assert [picture.getpixel((x, 0)) for x in range(5)] == [
        (128, 64, 64),
        (64, 128, 128),
        (96, 128, 64),
        (96, 64, 128),
        (255, 255, 255),
    ]


@given(
    st.integers(2, 12).flatmap(
        lambda count: arrays.arrays(int, st.tuples(*[st.integers(1, 8)] * 2), elements=st.integers(-1, count - 1))
    )
)
def test_what_was_written_is_read_again(regions):
    masks = pictured(regions) or [np.zeros(regions.shape, dtype=np.float32)]
    picture = saved(write_colours(masks), format="PNG")
    read = read_colours(picture)
    assert len(read) == regions.max() + 1
    assert all(np.array_equal(one, other) for one, other in zip(read, masks, strict=False))
    expected = read_colours(picture, count=20)
    assert len(expected) == 20
    assert all(np.array_equal(one, other) for one, other in zip(expected, masks, strict=False))
    assert not any(mask.any() for mask in expected[len(masks) :])


@pytest.mark.parametrize("count", [13, 32, 64, 100, 128])
def test_many_regions(count):
    masks = pictured(np.arange(count).reshape(1, -1))
    assert np.array_equal(read_colours(write_colours(masks)), masks)


def test_colours_of_image_editors_are_read():
    """#269: an editor has whole degrees only, so that 22.5 becomes 23; a half may be 127 or 128."""
    colours = [(127, 63, 63), (63, 127, 127), (128, 89, 64), (127, 63, 64)]
    picture = Image.new("RGB", (4, 1))
    for place, colour in enumerate(colours):
        picture.putpixel((place, 0), colour)
    read = read_colours(picture.resize((20, 5), Image.Resampling.NEAREST))
    assert len(read) == 9
    assert [[mask[0, 5 * place] for mask in (read[0], read[1], read[8])] for place in range(4)] == [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
        [1, 0, 0],
    ]


@pytest.mark.parametrize("rounding", [np.floor, np.round])
def test_pictures_of_regional_prompter_are_exact(rounding):
    """However the halves become bytes, a single pixel is enough."""
    colours = [rounding(np.array(colorsys.hsv_to_rgb(hue / 360, 0.5, 0.5)) * 255) for hue in degrees(40)]
    read = read_colours(Image.fromarray(np.array([colours], dtype=np.uint8)))
    assert np.array_equal(read, np.eye(40)[:, None])


@pytest.mark.parametrize("colour", ["white", "black", "grey", "#404040", "red", "#ffcccc", "#200808", (128, 64, 64, 0)])
def test_other_colours_are_no_region(colour):
    assert read_colours(Image.new("RGBA", (8, 8), colour)) == []


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK", "LA", "1", "F", "I", "YCbCr", "HSV"])
def test_every_kind_of_image_is_read(mode):
    picture = write_colours(pictured(scattered(3)))
    if mode in ("LA", "1", "F", "I"):
        assert read_colours(picture.convert("L").convert(mode)) == []
    else:
        assert len(read_colours(picture.quantize() if mode == "P" else picture.convert(mode))) == 3


def agreement(read, regions):
    """The share of pixels that are in the right region, of those that do not touch another region."""
    padded = np.pad(regions, 2, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5))
    inside = windows.max(axis=(-2, -1)) == windows.min(axis=(-2, -1))
    assert inside.mean() > 0.3
    found = np.where(np.sum(read, axis=0) > 0, np.argmax(read, axis=0), -1)
    return (found == regions)[inside].mean()


@pytest.mark.parametrize("count", range(2, 13))
@pytest.mark.parametrize("quality", [50, 75, 95])
def test_jpegs_are_read(count, quality):
    regions = scattered(count, seed=count)
    picture = saved(write_colours(pictured(regions)), format="JPEG", quality=quality)
    read = read_colours(picture)
    assert len(read) == count
    assert agreement(read, regions) > 0.99
    assert agreement(read_colours(picture, count=count), regions) > 0.99


@pytest.mark.parametrize(
    "resampling", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS, Image.Resampling.BOX]
)
@pytest.mark.parametrize("size", [150, 2 * SIZE // 3 + 7, SIZE + 1, 411, 4 * SIZE])
@pytest.mark.parametrize("count", [2, 5, 8, 12])
def test_resized_masks_are_read(count, size, resampling):
    regions = scattered(count, seed=count)
    picture = write_colours(pictured(regions)).resize((size, size), resampling)
    read = read_colours(picture)
    assert len(read) == count
    places = (np.arange(size) + 0.5) * SIZE / size
    expected = regions[places.astype(int)][:, places.astype(int)]
    assert agreement(read, expected) > 0.97


def test_borders_between_two_regions_are_no_third():
    """The middle of 0 and 45 degrees is the colour of the ninth region."""
    regions = np.full((64, 64), 0)
    regions[:, 32:] = 4
    picture = write_colours(pictured(regions)).resize((101, 101), Image.Resampling.BILINEAR)
    assert picture.getpixel((50, 0)) == (128, 88, 64)
    assert len(read_colours(picture, count=5)) == 5
    assert len(read_colours(picture.rotate(30, Image.Resampling.BILINEAR, fillcolor="white"))) == 5


def test_the_nearest_hue_is_found_around_the_circle():
    """Of 180 and 270 degrees, 10 is nearer to 270, and 80 to 180."""
    regions = np.repeat([[1] * 8 + [3] * 8], 8, axis=0)
    picture = write_colours(pictured(regions))
    for place, hue in enumerate([10, 40, 50, 80, 215, 235, 350]):
        picture.putpixel((place, 0), tuple(round(255 * value) for value in colorsys.hsv_to_rgb(hue / 360, 0.5, 0.5)))
    read = read_colours(picture)
    assert len(read) == 4
    assert [int(read[3][0, place]) for place in range(7)] == [1, 1, 0, 0, 0, 1, 1]


def test_more_regions_than_expected_are_seen():
    assert len(read_colours(write_colours(pictured(scattered(5))), count=3)) == 5
    assert len(read_colours(write_colours(pictured(np.repeat(np.arange(40), 8)[None].repeat(5, axis=0))), count=3)) == 40


def test_a_photograph_below_is_ignored_where_it_is_far_from_the_colours():
    """README, Mask regions: what is not near one of the colours is left out."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    noise[16:48, 16:48] = np.asarray(write_colours([np.ones((32, 32))]))
    (mask,) = read_colours(Image.fromarray(noise))
    assert mask[16:48, 16:48].all()
    assert mask.mean() < 0.5


def test_soft_and_overlapping_masks_are_decided():
    soft = [np.array([[1.0, 0.6, 0.5, 0.4, 0.7]]), np.array([[0.0, 0.8, 0.5, 0.4, 0.6]])]
    read = read_colours(write_colours(soft))
    assert [mask.tolist() for mask in read] == [[[1, 0, 0, 0, 1]], [[0, 1, 1, 0, 0]]]


@pytest.mark.parametrize(
    ("masks", "sentence"),
    [
        ([], "at least one region and at most 128, but 0 were given"),
        ([np.ones((1, 1))] * 129, "but 129 were given"),
        ([np.ones((1, 1)), np.ones((1, 2))], "have one size, but (1, 1), (1, 2) were given"),
        ([np.full((1, 1), 255)], "divide it by its maximum"),
        ([np.ones((1, 1, 3))], "one of shape (1, 1, 3) and type float64 was given"),
        ([np.array([["a"]])], "numbers in [0, 1]"),
    ],
)
def test_what_cannot_be_written_is_said(masks, sentence):
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        write_colours(masks)


def test_what_cannot_be_read_is_said():
    with pytest.raises(ConfigError, match="has pixels, but an image of 0 x 3 was given"):
        read_colours(Image.new("RGB", (0, 3)))
    with pytest.raises(ConfigError, match="at most 128 regions, but 129 were asked for"):
        read_colours(Image.new("RGB", (1, 1)), count=129)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP"])
def test_a_damaged_file_is_said(kind):
    stream = io.BytesIO()
    write_colours(pictured(scattered(5))).save(stream, format=kind)
    whole = stream.getvalue()
    with pytest.raises(DataError, match="its file is damaged"):
        read_colours(Image.open(io.BytesIO(whole[: len(whole) * 2 // 3])))


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.sampled_from([3, 4]))), st.integers(0, 12))
def test_any_picture_is_read(pixels, count):
    read = read_colours(Image.fromarray(pixels), count=count)
    assert len(read) >= count
    assert all(mask.shape == pixels.shape[:2] and set(np.unique(mask)) <= {0, 1} for mask in read)
    assert not read or np.sum(read, axis=0).max() <= 1
