"""A folder of images becomes a data set: every file kept, or refused with a reason."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from ildm.core.errors import ConfigError, DataError, StorageError
from ildm.data.emoji_scenes import EmojiScenes, EmojiScenesConfig
from ildm.data.exporting import export_samples
from ildm.data.folder import ImageFolderConfig, ImageFolderDataset
from ildm.data.importing import ImportOptions, import_folder

OPTIONS = ImportOptions(size=32)


@pytest.fixture
def photos(tmp_path, empty_home):
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def add(folder, name, caption=None, colour="red", size=(40, 40)):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    if caption is not None:
        path.with_suffix(".txt").write_text(caption, encoding="utf-8")


def open_all(name, size=32):
    return ImageFolderDataset(ImageFolderConfig(name=name, size=size, split="all"))


def rows(folder, *values):
    (folder / "metadata.jsonl").write_text("\n".join(json.dumps(value) for value in values), encoding="utf-8")


def test_captions_come_from_all_three_places(photos):
    add(photos, "a.png", "one\n\n two \n")
    add(photos, "sub/b.jpg")
    add(photos, "c.webp")
    (photos / "captions.csv").write_text('file_name,caption\nsub/b.jpg,"three, four"\nsub/b.jpg,five\n', encoding="utf-8")
    rows(photos, {"file_name": "c.webp", "captions": ["six", "seven"]}, {"file_name": "a.png", "text": "eight"})
    report = import_folder(photos, "mine", OPTIONS)
    assert (report.kept, report.refused) == (3, [])
    captions = {sample.source: set(sample.captions) for sample in open_all("mine")}
    assert captions == {"a.png": {"one", "two", "eight"}, "c.webp": {"six", "seven"}, "sub/b.jpg": {"three, four", "five"}}
    assert all(sample.image.shape == (3, 32, 32) for sample in open_all("mine"))


def test_boxes_come_in_fractions_or_pixels(photos):
    add(photos, "wide.png", size=(80, 40))
    thing = {"label": "cat", "box": [0.25, 0, 0.5, 1]}
    rows(
        photos,
        {
            "file_name": "wide.png",
            "caption": "cats",
            "objects": [thing, {"category": "dog", "bbox": [40, 10, 20, 20]}, {"label": "out", "box": [0, 0, 0.1, 1]}],
        },
    )
    import_folder(photos, "mine", OPTIONS)
    [sample] = open_all("mine")
    assert [(one.concept, one.box) for one in sample.objects] == [("cat", (0, 0, 0.5, 1)), ("dog", (0.5, 0.25, 1, 0.75))]


def test_an_export_comes_back_whole(tmp_path, empty_home):
    scenes = EmojiScenes(EmojiScenesConfig(size=64, sprites="sample"))
    assert export_samples(scenes, tmp_path / "scenes", 12) == 12
    report = import_folder(tmp_path / "scenes", "again", ImportOptions(size=64))
    assert (report.kept, report.refused) == (12, [])
    for index, sample in enumerate(open_all("again", 64)):
        original = scenes[index]
        assert torch.equal(sample.image, original.image)
        assert torch.equal(sample.instance_map, original.instance_map.int())
        assert torch.equal(sample.semantic_map, original.semantic_map.int())
        assert (sample.captions, sample.objects) == (original.captions, original.objects)
    with pytest.raises(DataError, match="already holds something"):
        export_samples(scenes, tmp_path / "scenes", 12)


def test_every_refusal_is_listed_with_its_reason(photos):
    add(photos, "good.png", "good")
    add(photos, "silent.png")
    add(photos, "tiny.png", "tiny", size=(4, 40))
    (photos / "empty.png").touch()
    (photos / "words.jpg").write_text("no image", encoding="utf-8")
    (photos / "lonely.txt").write_text("a caption", encoding="utf-8")
    (photos / ".hidden").write_text("left alone", encoding="utf-8")
    for name in ("empty", "words"):
        (photos / f"{name}.txt").write_text("a caption", encoding="utf-8")
    rows(photos, {"file_name": "gone.png", "caption": "gone"})
    seen = []
    report = import_folder(photos, "mine", OPTIONS, progress=lambda done, total: seen.append((done, total)))
    assert report.kept == 1
    assert dict(report.refused) == {
        "empty.png": "the file is empty",
        "gone.png": "named in a table, but not there",
        "lonely.txt": "a caption without an image of the same name",
        "silent.png": "it has no caption",
        "tiny.png": "4x40 pixels, less than 8 on a side",
        "words.jpg": "not an image that can be read",
    }
    written = (report.folder / "refused.txt").read_text(encoding="utf-8").splitlines()
    assert written == [f"{file}\t{reason}" for file, reason in sorted(report.refused)]
    assert seen[-1] == (5, 5)


def test_maps_that_do_not_fit_are_refused(photos):
    add(photos, "a.png", "a")
    add(photos, "b.png", "b")
    Image.fromarray(np.zeros((9, 9), dtype=np.uint8)).save(photos / "map.png")
    rows(photos, {"file_name": "a.png", "instance_map": "map.png"}, {"file_name": "b.png", "semantic_map": "gone.png"})
    with pytest.raises(DataError, match=r"None of the 2 files .*another size, 9x9"):
        import_folder(photos, "mine", OPTIONS)


def test_images_without_captions_may_be_kept(photos):
    add(photos, "silent.png")
    with pytest.raises(DataError, match=r"None of the 1 images .* has a caption: write NAME\.txt .*--without-captions"):
        import_folder(photos, "mine", OPTIONS)
    import_folder(photos, "mine", ImportOptions(size=32, need_captions=False))
    assert open_all("mine")[0].captions == ("",)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ([], "is empty: put images into it"),
        (["a.txt", "b.txt"], "holds 2 files but no image"),
        (["broken.png"], r"None of the 1 files .* can be used: broken\.png \(the file is empty\)"),
    ],
)
def test_a_folder_with_nothing_to_use_is_one_sentence(photos, files, told):
    for name in files:
        (photos / name).touch()
    with pytest.raises(DataError, match=told):
        import_folder(photos, "mine", ImportOptions(size=32, need_captions=False))
    with pytest.raises(DataError, match="nothing was imported so far"):
        open_all("mine")


def test_wrong_places_and_names_are_told_plainly(photos, tmp_path):
    with pytest.raises(DataError, match="nowhere is not there"):
        import_folder(tmp_path / "nowhere", "mine", OPTIONS)
    add(photos, "a.png", "a")
    with pytest.raises(DataError, match="a file, not a folder"):
        import_folder(photos / "a.png", "mine", OPTIONS)
    with pytest.raises(ConfigError, match=r"'\.\./mine'"):
        import_folder(photos, "../mine", OPTIONS)
    with pytest.raises(ConfigError, match="between 8 and 4096"):
        ImportOptions(size=5)
    with pytest.raises(ConfigError, match="'whitish'"):
        ImportOptions(background="whitish")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{not json", "line 2: this is not JSON"),
        ("[1]", "line 2: every line is one JSON object"),
        ('{"caption": "a"}', "line 2: no file name"),
        ('{"file_name": "a.png", "caption": 3}', "line 2: a caption is a text"),
        ('{"file_name": "a.png", "objects": [{"label": "x", "box": [1, 2]}]}', "line 2: a box is four numbers"),
        ('{"file_name": "a.png", "objects": [{"label": "x", "box": [0.5, 0, 0.5, 1]}]}', "line 2: .*empty box"),
        ('{"file_name": "a.png", "objects": ["cat"]}', "line 2: every object has a label"),
        ('{"file_name": "a.png", "objects": 5}', "line 2: objects is a list"),
        ('{"file_name": "a.png", "instance_map": 5}', "line 2: instance_map is the name of an image"),
        ('{"file_name": "a.png", "objects": [{"label": "x", "box": [0, 0, NaN, 1]}]}', "line 2: a box is four numbers"),
    ],
)
def test_a_wrong_line_of_a_table_is_named(photos, line, told):
    add(photos, "a.png", "a")
    (photos / "metadata.jsonl").write_text('{"file_name": "a.png"}\n' + line, encoding="utf-8")
    with pytest.raises(DataError, match=told):
        import_folder(photos, "mine", OPTIONS)


def test_a_table_in_another_encoding_is_told_plainly(photos):
    add(photos, "a.png")
    (photos / "captions.csv").write_bytes("file_name,caption\na.png,été".encode("latin-1"))
    with pytest.raises(DataError, match=r"captions\.csv is not UTF-8"):
        import_folder(photos, "mine", OPTIONS)


def test_the_same_import_is_done_once(photos):
    add(photos, "a.png", "a")
    add(photos, "silent.png")
    first = import_folder(photos, "mine", OPTIONS)
    before = open_all("mine").fingerprint
    again = import_folder(photos, "mine", OPTIONS)
    assert (first.unchanged, again.unchanged) == (False, True)
    assert (again.kept, again.refused) == (1, [("silent.png", "it has no caption")])
    add(photos, "b.png", "b")
    with pytest.raises(DataError, match="already called 'mine': choose another --name, or pass --replace"):
        import_folder(photos, "mine", OPTIONS)
    assert open_all("mine").fingerprint == before
    assert import_folder(photos, "mine", ImportOptions(size=32, replace=True)).kept == 2
    assert open_all("mine").fingerprint != before


def test_a_twentieth_is_held_out(photos):
    for number in range(150):
        add(photos, f"{number}.png", str(number), colour=(number, 0, 0), size=(8, 8))
    import_folder(photos, "mine", ImportOptions(size=8))
    train, held_out = (
        ImageFolderDataset(ImageFolderConfig(name="mine", size=8, split=split)) for split in ("train", "held_out")
    )
    assert 1 <= len(held_out) <= 20
    assert len(train) + len(held_out) == 150
    assert not {sample.source for sample in train} & {sample.source for sample in held_out}
    assert train.fingerprint != held_out.fingerprint
    assert train.describe()["images"] == len(train)


def test_imported_images_that_went_bad_are_told_plainly(photos):
    add(photos, "a.png", "a")
    folder = import_folder(photos, "mine", OPTIONS).folder
    with pytest.raises(DataError, match="imported at 32 pixels, but 64 were asked for"):
        open_all("mine", 64)
    with pytest.raises(DataError, match="imported so far: mine"):
        open_all("nine")
    dataset = open_all("mine")
    picture = folder / "images" / "000000.png"
    whole = picture.read_bytes()
    place = whole.index(b"IDAT") - 1  # the end of the chunk's length
    for content in (b"", whole[:place] + bytes([whole[place] - 8]) + whole[place + 1 :]):
        picture.write_bytes(content)
        with pytest.raises(DataError, match=r"000000\.png is missing or damaged"):
            dataset[0]
    (folder / "dataset.json").write_text("{")
    with pytest.raises(DataError, match=r"dataset\.json is damaged"):
        open_all("mine")


def test_a_full_disk_leaves_no_half_import(photos, small_disk, monkeypatch):
    home = small_disk(1)
    monkeypatch.setenv("ILDM_HOME", str(home))
    for number in range(12):
        noise = np.random.default_rng(number).integers(0, 256, (256, 256, 3), dtype=np.uint8)
        Image.fromarray(noise).save(photos / f"{number}.png")
        (photos / f"{number}.txt").write_text("noise", encoding="utf-8")
    with pytest.raises(StorageError, match="No room left"):
        import_folder(photos, "mine", ImportOptions(size=256))
    assert not list((home / "data").iterdir())


@pytest.mark.parametrize("need_captions", [True, False])
def test_a_caption_that_is_no_text_refuses_its_image(photos, need_captions):
    add(photos, "good.png", "good")
    add(photos, "latin.png")
    (photos / "latin.txt").write_bytes("ein Kätzchen".encode("latin-1"))
    report = import_folder(photos, "mine", ImportOptions(size=32, need_captions=need_captions))
    assert report.kept == 1
    assert report.refused == [("latin.png", "its caption latin.txt is not UTF-8 text: save it as UTF-8")]
