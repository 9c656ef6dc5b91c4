"""Files of region presets: read back as they were written, usable by hand, and told plainly when they are not."""

import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ildm.conditioning.regional_prompter import write_colours
from ildm.core.errors import DataError
from ildm.session.mask_pictures import in_uri, mask_of_png, png_of_mask
from ildm.session.region_files import parse_preset, preset_text, read_preset, write_preset
from ildm.session.region_presets import PresetRegion, RegionPreset
from ildm.session.wire import Mask

LEFT = np.zeros((8, 8), np.uint8)
LEFT[:, :4] = 255

words = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
shares = st.floats(0.0, 1.0)
masks = st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([[0, 255], list(range(256))])).flatmap(
    lambda size: st.lists(st.sampled_from(size[2]), min_size=size[0] * size[1], max_size=size[0] * size[1]).map(
        lambda values: Mask.from_array(np.array(values, np.uint8).reshape(size[:2]))
    )
)
boxes = st.tuples(shares, shares, shares, shares).map(lambda b: (min(b[::2]), min(b[1::2]), max(b[::2]), max(b[1::2])))
places = st.one_of(
    st.just({}),
    st.builds(lambda mask: {"mask": mask}, masks),
    st.builds(lambda box: {"box": box}, boxes.filter(lambda box: box[0] < box[2] and box[1] < box[3])),
)
region_fields = st.fixed_dictionaries(
    {},
    optional={
        "name": words,
        "prompt": words,
        "negative_prompt": words,
        "strength": st.floats(0.0, 10.0),
        "base_ratio": shares,
        "guidance_scale": st.floats(0.0, 100.0) | st.none(),
        "seed": st.integers(0, 2**53 - 1) | st.none(),
        "window": st.tuples(st.integers(0, 9), st.integers(10, 99)) | st.none(),
        "loras": st.lists(st.fixed_dictionaries({"name": st.just("ink"), "strength": st.floats(-10, 10)}), max_size=2),
    },
)
presets = st.builds(
    RegionPreset,
    name=words.filter(bool),
    description=words,
    prompt=words | st.none(),
    negative_prompt=words | st.none(),
    common_prompt=words,
    overlap=st.sampled_from(["normalise", "add", "z-order"]),
    mode=st.sampled_from(["attention", "latent"]),
    regions=st.lists(st.builds(lambda fields, place: {**fields, **place}, region_fields, places), max_size=3),
)


@given(preset=presets)
@settings(max_examples=150, deadline=None)
def test_what_is_written_is_read_back(preset, tmp_path_factory):
    assert parse_preset(preset_text(preset), source="it") == preset
    path = tmp_path_factory.getbasetemp() / "round-trip.json"
    write_preset(preset, path)
    assert read_preset(path) == preset


@given(preset=presets, cut=st.integers(0, 10_000), put=st.text(max_size=3))
@settings(max_examples=150, deadline=None)
def test_a_text_that_was_cut_or_changed_is_read_or_refused(preset, cut, put):
    text = preset_text(preset)
    for damaged in (text[:cut], text[: cut % len(text)] + put + text[cut % len(text) + 1 :]):
        try:
            parse_preset(damaged, source="it")
        except DataError as error:
            assert "\n" not in str(error) and str(error)[-1] in ".?", str(error)


@given(mask=masks)
def test_a_mask_survives_being_a_picture(mask):
    assert mask_of_png(png_of_mask(mask)) == mask


def test_a_file_cannot_be_half_written(tmp_path, monkeypatch):
    path = tmp_path / "one.json"
    write_preset(RegionPreset(name="one"), path)
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(Exception, match="No room left"):
        write_preset(RegionPreset(name="other"), path)
    assert read_preset(path).name == "one" and list(tmp_path.iterdir()) == [path]


# --- pictures --------------------------------------------------------------------------------------------------------------


def png(picture):
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def rgba(colour, alpha):
    picture = Image.new("RGBA", (8, 8), colour)
    picture.putalpha(Image.fromarray(alpha))
    return picture


PALETTE = Image.new("P", (8, 8), 1)
PALETTE.putpalette([0, 0, 0, 255, 255, 255])
PALETTE.paste(0, (4, 0, 8, 8))


@pytest.mark.parametrize(
    "picture",
    [
        Image.fromarray(LEFT),
        Image.fromarray(LEFT).convert("1"),
        Image.fromarray(LEFT).convert("RGB"),
        Image.fromarray(LEFT.astype(np.uint16) * 257),
        rgba("black", LEFT),  # where it is transparent only that counts
        rgba("white", LEFT),
        Image.fromarray(LEFT).convert("RGBA"),  # nowhere transparent
        PALETTE,
    ],
    ids=lambda picture: picture.mode,
)
def test_masks_of_many_kinds(picture):
    assert np.array_equal(mask_of_png(png(picture)).to_array(), LEFT / 255)


def write(folder, **fields):
    path = folder / "preset.json"
    path.write_text(json.dumps({"format": "ildm-regions", "version": 1, "name": "mine", **fields}))
    return path


def test_masks_may_lie_beside_the_file_or_below_it(tmp_path):
    (tmp_path / "masks").mkdir()
    (tmp_path / "left.png").write_bytes(png(Image.fromarray(LEFT)))
    (tmp_path / "masks" / "right.png").write_bytes(png(Image.fromarray(255 - LEFT)))
    regions = [{"mask": "left.png"}, {"mask": "masks/right.png"}, {"mask": in_uri(png(Image.fromarray(LEFT)))}, {}]
    preset = read_preset(write(tmp_path, regions=regions))
    left, right = Mask.from_array(LEFT), Mask.from_array(255 - LEFT)
    assert [one.mask for one in preset.regions] == [left, right, left, None]


def test_one_picture_may_show_all_regions_in_colours(tmp_path):
    parts = [LEFT[:, :8] / 255, 1 - LEFT / 255]
    picture = png(write_colours(parts))
    (tmp_path / "colours.png").write_bytes(picture)
    for colours in ("colours.png", in_uri(picture)):
        preset = read_preset(write(tmp_path, colours=colours, regions=[{"prompt": "a"}, {"prompt": "b"}]))
        assert preset.regions == tuple(
            PresetRegion(prompt=prompt, mask=Mask.from_array(part)) for prompt, part in zip("ab", parts, strict=True)
        )


def test_a_mark_at_the_beginning_of_a_file_is_passed_over(tmp_path):
    path = write(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_preset(path).name == "mine"


# --- what cannot be used ---------------------------------------------------------------------------------------------------

TWO = png(write_colours([LEFT / 255, 1 - LEFT / 255]))
BAD = {
    "unknown key": ({"prompts": ""}, "it has the unknown key 'prompts': did you mean 'prompt'?"),
    "unknown key of a region": ({"regions": [{}, {"negative": ""}]}, "region 2 has the unknown key 'negative': did you mean"),
    "unknown key of a lora": ({"regions": [{"loras": [{"called": "x"}]}]}, "loras.0 of region 1 has no name: add it."),
    "id": ({"regions": [{"id": "x"}]}, "region 1 has the unknown key 'id'"),
    "no name": ({"name": ""}, "in name, string should have at least 1 character, but '' came: change it."),
    "strength": ({"regions": [{"strength": 11}]}, "in strength of region 1, input should be less than or equal to 10, but 11"),
    "not a number": ({"regions": [{"strength": float("nan")}]}, "in strength of region 1"),
    "overlap": ({"overlap": "max"}, "in overlap, input should be 'normalise', 'add' or 'z-order', but 'max' came"),
    "regions": ({"regions": "many"}, "in regions, input should be a valid tuple, but 'many' came"),
    "no region": ({"regions": ["many"]}, "in region 1, "),
    "too many": ({"regions": [{}] * 65}, "in regions, tuple should have at most 64 items"),
    "box": ({"regions": [{"box": [0.5, 0, 0.5, 1]}]}, "in region 1, a box is [left, top, right, bottom] in rising fractions"),
    "box outside": ({"regions": [{"box": [0, 0, 2, 1]}]}, "in box.2 of region 1, input should be less than or equal to 1"),
    "both": ({"regions": [{"box": [0, 0, 1, 1], "mask": in_uri(TWO)}]}, "in region 1, it has a box and a mask"),
    "window": ({"regions": [{"window": [5, 5]}]}, "in region 1, a window is [start, stop) with stop behind start"),
    "missing mask": ({"regions": [{"mask": "x.png"}]}, "in mask of region 1, there is no file 'x.png' in the preset's folder"),
    "folder": ({"regions": [{"mask": "."}]}, "there is no file '.'"),
    "absolute": ({"regions": [{"mask": "/x.png"}]}, "'/x.png' leads out of the preset's folder"),
    "drive": ({"regions": [{"mask": "C:x.png"}]}, "'C:x.png' leads out of the preset's folder"),
    "share": ({"regions": [{"mask": "\\\\host\\x.png"}]}, "leads out of the preset's folder"),
    "root": ({"regions": [{"mask": "\\x.png"}]}, "leads out of the preset's folder"),
    "up": ({"regions": [{"mask": "a/../../x.png"}]}, "'a/../../x.png' leads out of the preset's folder"),
    "up and back": ({"regions": [{"mask": "..\\x.png"}]}, "leads out of the preset's folder"),
    "nul": ({"regions": [{"mask": "x\0.png"}]}, "cannot be the name of a file"),
    "long": ({"regions": [{"mask": "x" * 5000}]}, "in mask of region 1, "),
    "no picture": ({"regions": [{"mask": "preset.json"}]}, "in mask of region 1, it is no PNG picture, or a damaged one"),
    "JPEG": (
        {"regions": [{"mask": "data:image/jpeg;base64,AAAA"}]},
        "a picture in the text begins with 'data:image/png;base64,'",
    ),
    "not base64": ({"regions": [{"mask": "data:image/png;base64,?"}]}, "the text behind 'base64,' is not base64"),
    "cut": ({"regions": [{"mask": in_uri(TWO[:-30])}]}, "it is no PNG picture, or a damaged one"),
    "large": ({"regions": [{"mask": in_uri(png(Image.new("1", (4097, 2))))}]}, "it has 4097 x 2 pixels, but 4096 a side"),
    "number": ({"regions": [{"mask": 7}]}, "in mask of region 1, a mask is the name of a PNG"),
    "bytes": ({"regions": [{"mask": {"width": 1, "height": 1, "data": ""}}]}, "a mask is the name of a PNG"),
    "colours": ({"colours": 7, "regions": [{}]}, "colours is the name of a PNG or a data URI, but 7 came"),
    "missing colours": ({"colours": "x.png", "regions": [{}]}, "of its colours, there is no file 'x.png'"),
    "colours and box": ({"colours": in_uri(TWO), "regions": [{}, {"box": [0, 0, 1, 1]}]}, "but region 2 says so too"),
    "more colours": ({"colours": in_uri(TWO), "regions": [{}]}, "its colours show 2 regions, but 1 are listed"),
    "fewer colours": ({"colours": in_uri(TWO), "regions": [{}] * 3}, "region 3 is nowhere in its colours: draw it in RGB("),
    "version": ({"version": 2}, "has version 2 of presets, but this program reads up to 1: update it."),
    "format": ({"format": "other"}, 'is no preset of regions: that is a JSON object with "format": "ildm-regions"'),
    "letters": ({"prompt": "\ud800"}, "in prompt, "),
    "huge": ({"prompt": "x" * 8193}, "in prompt, string should have at most 8192 characters"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_told_in_one_sentence(name, tmp_path):
    fields, said = BAD[name]
    path = write(tmp_path, **fields)
    with pytest.raises(DataError) as caught:
        read_preset(path)
    told = str(caught.value)
    assert said in told and told.startswith(str(path)) and "\n" not in told and len(told) < 600


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "is no JSON"),
        (b"[]", "is no preset of regions"),
        (b"[" * 100_000, "is no JSON"),
        (b'{"format": 1' + b"0" * 10_000 + b"}", "is no JSON"),
        (b"\x89PNG", "is no text"),
    ],
)
def test_other_files_are_told_too(data, said, tmp_path):
    (tmp_path / "x.json").write_bytes(data)
    with pytest.raises(DataError, match=said):
        read_preset(tmp_path / "x.json")
    with pytest.raises(DataError, match="There is no file"):
        read_preset(tmp_path / "y.json")


def test_a_link_does_not_lead_out_of_the_folder(tmp_path):
    (tmp_path / "secret.png").write_bytes(png(Image.fromarray(LEFT)))
    folder = tmp_path / "preset"
    folder.mkdir()
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match="leads out of the preset's folder"):
        read_preset(write(folder, regions=[{"mask": "link.png"}]))


def test_a_text_alone_names_no_files(tmp_path):
    text = write(tmp_path, regions=[{"mask": "left.png"}]).read_text()
    with pytest.raises(DataError, match=r"'left\.png' names a file, but here a picture is a text"):
        parse_preset(text, source="it")


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("ildm.session.region_files.MAX_BYTES", 10)
    with pytest.raises(DataError, match="which no preset of regions has"):
        read_preset(write(tmp_path))


@pytest.mark.parametrize("side", [4097, 9999, 20_000])
def test_a_picture_that_is_small_but_unpacks_to_much_is_refused_before(side, monkeypatch):
    bomb = png(Image.new("1", (side, side)))
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("it was decoded"))
    with pytest.raises(ValueError, match="4096"):
        mask_of_png(bomb)
    assert len(bomb) < 100_000
