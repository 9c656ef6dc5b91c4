"""Bytes and floats are each other's inverse, and a sheet shows every picture where it belongs."""

import numpy as np
import torch
from PIL import Image

from ildm.core.picture import enlarged, paste_grid, to_bytes, to_floats, to_picture, to_pictures


def test_every_byte_comes_back():
    pixels = torch.arange(256, dtype=torch.uint8).repeat(3).reshape(1, 3, 16, 16)
    floats = to_floats(pixels)
    assert floats.min() == -1 and floats.max() == 1 and torch.equal(to_bytes(floats), pixels)


def test_what_lies_beyond_is_cut_off_and_halves_are_rounded():
    images = torch.tensor([-7.0, 7.0, 0.0]).reshape(1, 3, 1, 1)
    assert to_bytes(images).flatten().tolist() == [0, 255, 128]


def test_channels_come_last_in_a_picture():
    pixels = torch.zeros(3, 2, 4, dtype=torch.uint8)
    pixels[0, 0, 3] = 255
    picture = to_picture(pixels)
    assert picture.size == (4, 2) and picture.getpixel((3, 0)) == (255, 0, 0) and picture.getpixel((0, 0)) == (0, 0, 0)
    [same] = to_pictures(to_floats(pixels[None]))
    assert np.array_equal(np.asarray(same), np.asarray(picture))


def test_a_sheet_has_a_row_for_every_columns_pictures():
    colours = ("red", "lime", "blue", "black", "yellow")
    sheet = paste_grid([Image.new("RGB", (20, 10), colour) for colour in colours], columns=3, gap=2)
    assert sheet.size == (3 * 22 + 2, 2 * 12 + 2)
    for place, colour in enumerate(colours):
        left, top = 2 + place % 3 * 22, 2 + place // 3 * 12
        assert sheet.crop((left, top, left + 20, top + 10)).getcolors() == [
            (200, Image.new("RGB", (1, 1), colour).getpixel((0, 0)))
        ]
    assert sheet.getpixel((0, 0)) == (255, 255, 255) and sheet.getpixel((50, 20)) == (255, 255, 255)


def test_captions_stand_below_their_pictures_and_are_cut():
    pictures = [Image.new("RGB", (128, 20), "red")] * 2
    sheet = paste_grid(pictures, columns=2, captions=["a fox", "many words " * 40], lines=2)
    height = 20 + 2 + 2 * 13
    assert sheet.size == (2 * 136 + 8, height + 2 * 8)
    for left in (8, 144):
        below = sheet.crop((left, 28, left + 128, 8 + height))
        assert np.asarray(below).min() < 100
    assert np.asarray(sheet.crop((0, 8 + height, sheet.width, sheet.height))).min() == 255


def test_one_picture_makes_no_empty_columns():
    assert paste_grid([Image.new("RGB", (20, 10))], columns=8, gap=4).size == (28, 18)


def test_small_pictures_are_zoomed_by_whole_numbers():
    assert [enlarged(Image.new("RGB", (side, 10)), 128).size for side in (60, 64, 128, 200)] == [
        (180, 30),
        (128, 20),
        (128, 10),
        (200, 10),
    ]
