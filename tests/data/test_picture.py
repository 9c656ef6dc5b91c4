"""Any image file becomes upright RGB pixels, or is refused with a reason."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ildm.core.errors import ConfigError
from ildm.data import picture
from ildm.data.fitting import Fitting
from ildm.data.picture import RefusedFile, read_colour, read_picture

WHITE = (255, 255, 255)


def save(path, image, **options):
    image.save(path, **options)
    return path


def chunk(kind, content=b""):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def pixel(path, behind=WHITE, at=(1, 1)):
    return read_picture(path, behind).getpixel(at)


def test_exif_orientation_is_applied(tmp_path):
    image = Image.new("RGB", (20, 10), "red")
    image.paste("blue", (0, 0, 10, 10))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it a quarter turn clockwise
    upright = read_picture(save(tmp_path / "turned.png", image, exif=exif), WHITE)
    assert upright.size == (10, 20)
    assert upright.getpixel((5, 2)) == (0, 0, 255)
    assert upright.getpixel((5, 18)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("RGBA", (8, 8), (255, 0, 0, 0)), (0, 255, 0)),
        (Image.new("RGBA", (8, 8), (255, 0, 0, 255)), (255, 0, 0)),
        (Image.new("LA", (8, 8), (80, 255)), (80, 80, 80)),
        (Image.new("P", (8, 8)), (0, 0, 0)),
        (Image.new("1", (8, 8), 1), WHITE),
        (Image.fromarray(np.full((8, 8), 40_000, dtype=np.uint16)), (155, 155, 155)),
    ],
)
def test_every_kind_of_pixel_becomes_rgb(tmp_path, image, expected):
    path = save(tmp_path / "image.png", image)
    assert read_picture(path, (0, 255, 0)).mode == "RGB"
    assert pixel(path, (0, 255, 0)) == expected


def test_half_clear_pixels_are_mixed_with_the_colour_behind(tmp_path):
    path = save(tmp_path / "half.png", Image.new("RGBA", (8, 8), (255, 0, 0, 128)))
    assert np.allclose(pixel(path, (0, 0, 255)), (128, 0, 127), atol=1)


def test_clear_palette_entries_count(tmp_path):
    image = Image.new("P", (8, 8), 0)
    image.putpalette([10, 20, 30, 200, 100, 50])
    assert pixel(save(tmp_path / "clear.png", image, transparency=0), (1, 2, 3)) == (1, 2, 3)


def test_print_colours_are_converted(tmp_path):
    path = save(tmp_path / "print.jpg", Image.new("CMYK", (16, 16), (0, 255, 255, 0)), quality=95)
    red, green, blue = pixel(path)
    assert red > 200 > 60 > max(green, blue)


@pytest.mark.parametrize("values", [(0.5, 0.5), (127.5, 300.0)])
def test_floating_pixels_are_read_in_either_range(tmp_path, values):
    low, high = values
    array = np.full((8, 8), low, dtype=np.float32)
    array[4:] = high
    array[0, 0] = np.nan
    red, *_ = pixel(save(tmp_path / "float.tif", Image.fromarray(array)))
    assert red == 128


def test_what_cannot_be_used_says_why(tmp_path):
    whole = save(tmp_path / "whole.png", Image.effect_noise((200, 200), 80))
    content = whole.read_bytes()
    cases = {
        "empty.png": (b"", "empty"),
        "text.jpg": (b"just some words", "not an image"),
        "cut.png": (content[: len(content) // 2], "truncated or damaged"),
        "flipped.png": (content[:3000] + bytes(200) + content[3200:], "truncated or damaged"),
    }
    for name, (bytes_of_it, reason) in cases.items():
        (tmp_path / name).write_bytes(bytes_of_it)
        with pytest.raises(RefusedFile, match=reason):
            read_picture(tmp_path / name, WHITE)


def test_bombs_are_not_even_decoded(tmp_path, monkeypatch):
    path = tmp_path / "bomb.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)) + chunk(b"IDAT")
    )
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("it was decoded"))
    with pytest.raises(RefusedFile, match=r"(more|larger) than 100 megapixels"):
        read_picture(path, WHITE)
    monkeypatch.setattr(picture, "MOST_PIXELS", 399_999_999)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(RefusedFile, match="20000x20000 pixels"):
        read_picture(path, WHITE)


def test_colours_have_names_or_codes():
    assert read_colour("#ff0080") == (255, 0, 128)
    with pytest.raises(ConfigError, match="'whitish'"):
        read_colour("whitish")


def test_a_crop_keeps_the_middle_and_a_pad_keeps_everything():
    image = Image.new("RGB", (60, 20), "red")
    image.paste("blue", (20, 0, 40, 20))
    cropped = Fitting(width=60, height=20, size=16, fit="crop").picture(image, WHITE)
    assert cropped.size == (16, 16)
    assert cropped.crop((2, 0, 14, 16)).getcolors() == [(192, (0, 0, 255))]
    padded = np.asarray(Fitting(width=60, height=20, size=60, fit="pad").picture(image, (9, 9, 9)))
    assert padded[0, 0].tolist() == [9, 9, 9]
    assert padded[30, 5].tolist() == [255, 0, 0]
    assert padded[30, 30].tolist() == [0, 0, 255]


def test_boxes_move_with_the_picture():
    crop, pad = (Fitting(width=60, height=20, size=16, fit=fit) for fit in ("crop", "pad"))
    middle, left = (1 / 3, 0.0, 2 / 3, 0.5), (0.0, 0.0, 0.2, 1.0)
    assert crop.box(middle) == pytest.approx((0, 0, 1, 0.5))
    assert crop.box(left) is None
    assert pad.box(middle) == pytest.approx((1 / 3, 1 / 3, 2 / 3, 0.5))
    assert pad.box(left) == pytest.approx((0, 1 / 3, 0.2, 2 / 3))


def test_maps_are_never_mixed():
    classes = np.zeros((40, 40), dtype=np.int32)
    classes[:, 20:] = 700
    square = np.asarray(Fitting(width=40, height=40, size=9).map(Image.fromarray(classes)))
    assert set(np.unique(square)) == {0, 700}
