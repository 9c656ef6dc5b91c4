"""Every file of a folder is taken in or listed: links, pipes, odd names, and names that are spelled in other ways."""

import os
import unicodedata

import pytest
from PIL import Image

from ildm.core.errors import DataError

COMPOSED, APART = (unicodedata.normalize(form, "café.png") for form in ("NFC", "NFD"))


def sources(album):
    return sorted(sample.source for sample in album.taken())


def test_links_to_folders_are_followed(album, tmp_path):
    album.add("a.png", "a")
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "deep").mkdir(parents=True)
    for name in ("b.png", "deep/c.png"):
        Image.new("RGB", (40, 40)).save(elsewhere / name)
        (elsewhere / name).with_suffix(".txt").write_text("a caption")
    (album.folder / "more").symlink_to(elsewhere)
    (album.folder / "d.png").symlink_to(elsewhere / "b.png")
    (album.folder / "d.txt").write_text("a link to a file")
    report = album.take_in()
    assert (report.kept, report.refused) == (4, [])
    assert sources(album) == ["a.png", "d.png", "more/b.png", "more/deep/c.png"]


def test_links_in_circles_are_walked_once(album):
    album.add("sub/a.png", "a")
    (album.folder / "sub" / "up").symlink_to("..")
    (album.folder / "again").symlink_to("sub")
    album.rows({"file_name": "again/a.png", "caption": "by another way"})
    report = album.take_in()
    assert (report.kept, report.refused) == (1, [])
    [sample] = album.taken()
    assert (sample.source, sample.captions) == ("sub/a.png", ("by another way", "a"))


def test_what_is_no_file_is_listed(album):
    album.add("a.png", "a")
    (album.folder / "dead.png").symlink_to("nowhere.png")
    (album.folder / "dead.txt").write_text("its caption is not told a second time")
    (album.folder / "self.png").symlink_to("self.png")
    os.mkfifo(album.folder / "pipe.png")
    (album.folder / ".hidden").symlink_to("nowhere")
    album.rows({"file_name": "pipe.png", "caption": "nor is this"}, {"file_name": "a.png", "semantic_map": "pipe.png"})
    album.add("b.png", "b")
    report = album.take_in()
    assert report.kept == 1
    assert dict(report.refused) == {
        "a.png": "its map pipe.png is not there",
        "dead.png": "a link that leads nowhere",
        "pipe.png": "neither a file nor a folder",
        "self.png": "it cannot be read (Too many levels of symbolic links)",
    }
    assert album.take_in().refused == report.refused


def test_a_folder_of_dead_links_says_so(album):
    (album.folder / "dead.png").symlink_to("nowhere.png")
    with pytest.raises(DataError, match=r"holds no image that can be read: dead\.png \(a link that leads nowhere\)"):
        album.take_in()


def test_a_folder_that_may_not_be_read_is_listed(album, monkeypatch):
    album.add("a.png", "a")
    album.add("locked/b.png", "b")
    look = type(album.folder).iterdir

    def denied(path):
        if path.name == "locked":
            raise PermissionError(13, "Permission denied")
        return look(path)

    monkeypatch.setattr(type(album.folder), "iterdir", denied)
    assert album.take_in().refused == [("locked", "this folder cannot be read (Permission denied)")]


def test_a_name_that_is_no_text_is_refused(album):
    album.add("a.png", "a")
    album.add("good.png").rename(album.folder / "b\udce9.png")  # how Python spells a byte of Latin-1
    album.rows({"file_name": "b\udce9.png", "caption": "not told twice"})
    report = album.take_in()
    assert (report.kept, report.refused) == (1, [("b\\udce9.png", "its name is not UTF-8: rename it")])
    assert album.take_in().refused == report.refused


@pytest.mark.parametrize(("on_disk", "in_table"), [(COMPOSED, APART), (APART, COMPOSED)])
def test_an_accent_may_be_spelled_in_two_ways(album, on_disk, in_table):
    album.add(on_disk)
    Image.new("L", (40, 40), 3).save(album.folder / f"map of {on_disk}")
    (album.folder / in_table).with_suffix(".txt").write_text("from beside it", encoding="utf-8")
    album.rows({"file_name": in_table, "caption": "from a table", "semantic_map": f"map of {in_table}"})
    report = album.take_in()
    assert (report.kept, report.refused) == (1, [])
    [sample] = album.taken()
    assert sample.captions == ("from a table", "from beside it")
    assert sample.semantic_map.unique().tolist() == [3]


def test_two_files_of_one_spelling_are_told_apart(album):
    for name in (COMPOSED, APART):
        album.add(name)
    album.rows({"file_name": COMPOSED, "caption": "composed"}, {"file_name": APART, "caption": "apart"})
    album.take_in()
    assert {sample.source: sample.captions for sample in album.taken()} == {COMPOSED: ("composed",), APART: ("apart",)}


def test_tables_may_name_files_by_their_whole_path(album, tmp_path):
    (tmp_path / "by-a-link").symlink_to(album.folder)
    for name in ("a.png", "sub/b.png", "c.png"):
        album.add(name)
    (album.folder / "sub" / "captions.csv").write_text(
        "file_name,caption\n"
        f"{album.folder}/a.png,whole\n../c.png,upwards\n{tmp_path}/by-a-link/sub/b.png,by a link\n"
        f"{tmp_path}/d.png,elsewhere\n../../e.png,further up\n"
    )
    report = album.take_in()
    assert dict(report.refused) == {
        f"{tmp_path}/d.png": "named in a table, but outside the folder",
        "../e.png": "named in a table, but outside the folder",
    }
    assert {sample.source: sample.captions for sample in album.taken()} == {
        "a.png": ("whole",),
        "c.png": ("upwards",),
        "sub/b.png": ("by a link",),
    }


@pytest.mark.parametrize("name", ["a\0.png", "a" * 5000, "loop/x.png", "/", ".", "bad \ud800 half.png"])
def test_names_that_no_file_can_have_are_only_not_there(album, name):
    album.add("a.png", "a")
    (album.folder / "loop").symlink_to("loop")
    album.rows({"file_name": name, "caption": "x"}, {"file_name": "a.png", "semantic_map": name})
    with pytest.raises(DataError, match=r"its map .* is not there") as caught:
        album.take_in()
    assert str(caught.value).isprintable()
