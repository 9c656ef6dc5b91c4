"""What earlier imports left: damaged images are taken in again, pieces of a killed import go away, those of a running one stay."""

import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from ildm.data import former
from ildm.data.folder import is_whole
from ildm.data.former import clear_leftovers, fresh_folder


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "a picture is gone": lambda folder: (folder / "images" / "000000.png").unlink(),
    "a picture is empty": lambda folder: (folder / "images" / "000000.png").write_bytes(b""),
    "a picture is words": lambda folder: (folder / "images" / "000000.png").write_text("broken"),
    "a picture is cut off": lambda folder: cut(folder / "images" / "000000.png"),
    "a bit of a picture is flipped": lambda folder: flip(folder / "images" / "000000.png"),
    "the refusals are gone": lambda folder: (folder / "refused.txt").unlink(),
    "the metadata is gone": lambda folder: (folder / "metadata.jsonl").unlink(),
    "the metadata is cut off": lambda folder: cut(folder / "metadata.jsonl"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_data_set_is_imported_again(album, damage):
    album.add("a.png", "a")
    album.add("silent.png")
    folder = album.take_in().folder
    before = (folder / "dataset.json").read_text()
    assert album.take_in().unchanged
    DAMAGES[damage](folder)
    report = album.take_in()
    assert (report.unchanged, report.kept, report.refused) == (False, 1, [("silent.png", "it has no caption")])
    assert (folder / "dataset.json").read_text() == before
    assert is_whole(folder)
    assert [sample.captions for sample in album.taken()] == [("a",)]


def test_replace_always_imports(album):
    album.add("a.png", "a")
    folder = album.take_in().folder
    (folder / "dataset.json").write_text("{")
    assert not album.take_in(replace=True).unchanged
    assert not album.take_in(replace=True).unchanged
    assert album.take_in().unchanged


def test_what_a_killed_import_left_is_cleared_by_the_next(album, tmp_path):
    album.add("a.png", "a")
    script = (
        "import sys, time; from pathlib import Path; from ildm.data.importing import ImportOptions, import_folder\n"
        "def wait(*_): print('reading', flush=True); time.sleep(100)\n"
        "import_folder(Path(sys.argv[1]), 'mine', ImportOptions(size=32), progress=wait)"
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(album.folder)], stdout=subprocess.PIPE)
    data = tmp_path / "home" / "data"
    try:
        assert child.stdout.readline() == b"reading\n"
        [running] = data.iterdir()
        clear_leftovers(data / "mine")
        assert running.exists()
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    assert running.exists()
    album.take_in()
    assert [path.name for path in data.iterdir()] == ["mine"]


def test_leftovers_of_other_names_stay(tmp_path):
    mine = [".mine.0123abcd.part", ".mine.0123abce.former"]
    others = [".mine.too.0123abcd.part", ".mine.0123abcd.more", ".yours.0123abcd.part"]
    for name in ["mine", *mine, *others]:
        (tmp_path / name).mkdir()
    clear_leftovers(tmp_path / "mine")
    assert {path.name for path in tmp_path.iterdir()} == {"mine", *others}
    clear_leftovers(tmp_path / "nowhere" / "mine")


def test_images_that_were_only_moved_away_come_back(album):
    album.add("a.png", "a")
    folder = album.take_in().folder
    folder.rename(folder.with_name(".mine.0123abcd.former"))
    folder.with_name(".mine.0123abcd.part").mkdir()
    assert album.take_in().unchanged
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


def test_the_lock_holds_until_the_folder_has_its_name(tmp_path, monkeypatch):
    atomic_folder = former.atomic_folder

    @contextmanager
    def disturbed(path):
        with atomic_folder(path) as folder:
            yield folder
            clear_leftovers(path)

    monkeypatch.setattr(former, "atomic_folder", disturbed)
    with fresh_folder(tmp_path / "mine") as folder:
        (folder / "a").write_text("a")
        clear_leftovers(tmp_path / "mine")
    assert (tmp_path / "mine" / "a").is_file()
