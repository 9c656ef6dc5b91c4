"""One file, row or map that cannot be used is refused with its reason, and the rest is taken in."""

import json
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from ildm.core.errors import DataError
from ildm.data.boxed_objects import read_objects
from ildm.data.cells import fill_cells

FOX = {"label": "fox", "box": [0.1, 0.2, 0.5, 0.6]}


def refusals(album, row, **options):
    """What is refused, and why, when one good image lies beside one with this row."""
    album.add("good.png", "good")
    album.add("a.png", colour="blue")
    album.rows({"file_name": "a.png", "caption": "a"} | row)
    report = album.take_in(**options)
    assert [sample.source for sample in album.taken()] == (["good.png"] if report.refused else ["a.png", "good.png"])
    return dict(report.refused)


def save_map(album, picture, name="map.png"):
    picture.save(album.folder / name)
    return {"semantic_map": name}


@pytest.mark.parametrize(
    ("objects", "told"),
    [
        (
            [{"label": "fox", "box": [4, 4, 30, 30]}],
            "fractions of the image, but 4 4 30 30 was given: use bbox (x, y, width, height)",
        ),
        ([{"label": "fox", "box": [0, 0, 2, 1]}], "fractions of the image, but 0 0 2 1 was given"),
        (
            [{"label": "fox", "box": [1.2, 0, 1.5, 1]}],
            "the box of 'fox', 1.2 0 1.5 1, lies outside the image, whose sides go from 0 to 1",
        ),
        (
            [{"label": "fox", "bbox": [60, 4, 30, 30]}],
            "the box of 'fox', 60 4 90 34, lies outside the image, which is 40x40 pixels",
        ),
        ([FOX, {"label": "red; fox", "box": [0, 0, 1, 1]}], "the label 'red; fox' has a semicolon"),
        ([{"label": "fox", "box": [0, 0, 1, 10**400]}], "line 1: a box is four numbers, but [0, 0, 1, 1000"),
        ([{"label": "fox \ud800", "box": [0, 0, 1, 1]}], "a text holds '\\ud800', half of a sign"),
        ("[{", "metadata.jsonl, line 1: this is not JSON"),
        ("[" * 100_000, "line 1: this is nested too deeply"),
    ],
)
def test_objects_that_make_no_sense_refuse_their_image(album, objects, told):
    [(file, reason)] = refusals(album, {"objects": objects}).items()
    assert file == "a.png"
    assert told in reason
    assert len(reason) < 250


def test_boxes_may_reach_out_of_the_image(album):
    assert refusals(album, {"objects": [{"label": "fox", "box": [-0.1, 0.5, 0.5, 1.2]}]}) == {}
    [fox] = album.taken()[0].objects
    assert fox.box == (0, 0.5, 0.5, 1)


def test_labels_are_kept_in_one_line():
    [fox] = read_objects([FOX | {"label": " red\n fox\t", "style": None}])
    assert (fox.label, fox.style) == ("red fox", "")


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x1c"])
def test_signs_that_part_lines_elsewhere_are_part_of_a_text(album, separator):
    album.add("a.png")
    album.add("b.png", f"one{separator}wording\nanother")
    odd = album.add(f"c{separator}d.png")
    (album.folder / "captions.csv").write_text(f"file_name,caption\n{odd.name},from a{separator}table\n", encoding="utf-8")
    rows = (
        {"file_name": "a.png", "caption": f"a cat{separator}on a mat"},
        {"file_name": "b.png", "objects": [FOX | {"style": f"flat{separator}ish"}]},
    )
    album.rows(*(json.dumps(row, ensure_ascii=False) for row in rows))
    assert album.take_in().kept == 3
    assert album.take_in().unchanged
    assert {sample.source: sample.captions for sample in album.taken()} == {
        "a.png": (f"a cat{separator}on a mat",),
        "b.png": (f"one{separator}wording", "another"),
        odd.name: (f"from a{separator}table",),
    }
    assert album.taken()[1].objects[0].style == f"flat{separator}ish"


def test_refusals_are_told_in_lines_whatever_the_names(album):
    album.add("a.png", "a")
    album.add("two\nlines\u2028here.png")
    album.add("after: a colon.png")
    report = album.take_in()
    assert [file for file, _ in report.refused] == ["after: a colon.png", "two\\nlines\\u2028here.png"]
    assert {reason for _, reason in report.refused} == {"it has no caption"}
    assert album.take_in().refused == report.refused


def test_what_comes_along_with_images_is_no_image(album):
    """`lonely.txt` describes nothing, whatever else is called so; what an earlier import refused describes nothing either."""
    album.add("a.png", "a")
    for name in ("lonely.txt", "lonely.json", "refused.txt"):
        (album.folder / name).write_text("{}")
    assert album.take_in().refused == [("lonely.txt", "a caption without an image of the same name")]


@pytest.mark.parametrize("key", ["instance_map", "semantic_map"])
def test_a_map_of_colours_is_refused(album, key):
    colours = np.zeros((40, 40, 3), dtype=np.uint8)
    colours[:20, :, 0] = colours[20:, :, 2] = 255
    save_map(album, Image.fromarray(colours))
    told = refusals(album, {key: "map.png"})
    assert told == {"a.png": "its map map.png cannot be used: it has colours; a map is a greyscale or a palette picture"}


@pytest.mark.parametrize(
    ("key", "value", "largest"),
    [
        ("semantic_map", 32768, 32767),
        ("semantic_map", 70000, 32767),
        ("semantic_map", -1, 32767),
        ("instance_map", 70000, 65535),
    ],
)
def test_numbers_that_would_wrap_are_refused(album, key, value, largest):
    save_map(album, Image.fromarray(np.full((40, 40), value, dtype=np.int32)), "map.tif")
    told = refusals(album, {key: "map.tif"})
    assert told == {"a.png": f"its map map.tif holds the number {value}, but its numbers lie between 0 and {largest}"}


@pytest.mark.parametrize(("key", "largest"), [("semantic_map", 32767), ("instance_map", 65535)])
def test_the_largest_numbers_come_through(album, key, largest):
    save_map(album, Image.fromarray(np.full((40, 40), largest, dtype=np.uint16)))
    assert refusals(album, {key: "map.png"}) == {}
    assert (getattr(album.taken()[0], key) == largest).all()


def test_maps_of_latents_hold_no_larger_numbers():
    with pytest.raises(DataError, match="the number 40000, but classes lie between 0 and 32767"):
        fill_cells(torch.full((8, 8), 40000, dtype=torch.int32), (2, 2))


def chunk(kind, content=b""):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the file is empty"),
        (b"words", "not a picture of the kind PNG, TIFF, BMP, GIF, PPM that can be read"),
        (
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)) + chunk(b"IDAT"),
            "megapixels",
        ),
    ],
)
def test_a_map_that_cannot_be_read_refuses_its_image(album, content, told):
    (album.folder / "map.png").write_bytes(content)
    [(file, reason)] = refusals(album, {"semantic_map": "map.png"}).items()
    assert file == "a.png"
    assert reason.startswith("its map map.png cannot be used: ")
    assert told in reason


def test_a_black_and_white_map_is_not_read_as_class_255(album):
    told = refusals(album, save_map(album, Image.new("1", (40, 40), 1)))
    assert "one bit a pixel" in told["a.png"]


def test_the_maps_of_a_wrong_row_are_not_taken_for_images(album):
    row = save_map(album, Image.new("L", (40, 40), 3)) | {"objects": 5}
    assert refusals(album, row, need_captions=False) == {"a.png": "metadata.jsonl, line 1: objects is a list, but 5 was given"}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"file_name": "a.png", "x": ' + "1" * 5000 + "}", "metadata.jsonl, line 2: a number has too many digits"),
        ('{"file_name": "a.png", "x": ' + "[" * 100_000 + "}", "metadata.jsonl, line 2: this is nested too deeply"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(album, line, told):
    album.add("a.png", "a")
    album.rows({"file_name": "a.png"}, line)
    with pytest.raises(DataError, match=told):
        album.take_in()


def test_a_quote_that_does_not_end_is_named(album):
    album.add("a.png", "a")
    (album.folder / "captions.csv").write_text('file_name,caption\na.png,a\na.png,"' + "x" * 200_000)
    with pytest.raises(DataError, match=r"captions\.csv, line 3: this is not CSV .*: look for a quote that does not end"):
        album.take_in()


def test_a_caption_in_quotes_keeps_its_lines(album):
    album.add("a.png")
    album.add("b.png")
    (album.folder / "captions.csv").write_text(
        'file_name,caption\r\na.png,"a cat\r\non a mat"\r\nb.png,b\r\n,c\r\n', newline=""
    )
    with pytest.raises(DataError, match="line 5: no file name"):
        album.take_in()
    (album.folder / "captions.csv").write_text('file_name,caption\r\na.png,"a cat\r\non a mat"\r\nb.png,b\r\n', newline="")
    album.take_in()
    assert [sample.captions for sample in album.taken()] == [("a cat\non a mat",), ("b",)]


def test_half_a_sign_in_a_caption_refuses_its_image(album):
    told = refusals(album, {"caption": "bad \ud800 half"})
    assert told == {
        "a.png": "metadata.jsonl, line 1: a text holds '\\ud800', half of a sign, which no file can hold: write it anew"
    }


def test_a_caption_that_may_not_be_read_refuses_its_image(album, monkeypatch):
    album.add("a.png", "a")
    album.add("b.png", "b")
    read = type(album.folder).read_text

    def denied(path, *arguments, **options):
        if path.name == "b.txt":
            raise PermissionError(13, "Permission denied")
        return read(path, *arguments, **options)

    monkeypatch.setattr(type(album.folder), "read_text", denied)
    assert album.take_in().refused == [("b.png", "its caption b.txt cannot be read (Permission denied)")]
