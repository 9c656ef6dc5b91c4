"""Files are whole or not there, and the former one survives."""

import errno
from pathlib import Path

import pytest

from ildm.core.errors import StorageError
from ildm.core.files import atomic_file, atomic_folder, check_writable, home, sha256, storage_sentence, write_json


def test_a_failed_write_leaves_the_former_file_and_no_rest(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    before = path.read_bytes()
    with pytest.raises(RuntimeError), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    folder = tmp_path / "model"
    for content in ("old", "new"):
        with atomic_folder(folder) as temporary:
            (temporary / content).write_text(content)
    assert [file.name for file in folder.iterdir()] == ["new"] and list(tmp_path.iterdir()) == [folder]


def test_a_failed_folder_leaves_the_former_one(tmp_path):
    folder = tmp_path / "model"
    with atomic_folder(folder) as temporary:
        (temporary / "old").write_text("old")
    with pytest.raises(RuntimeError), atomic_folder(folder) as temporary:
        (temporary / "new").write_text("half")
        raise RuntimeError
    assert [file.name for file in folder.iterdir()] == ["old"] and list(tmp_path.iterdir()) == [folder]


def test_a_full_disk_is_told_in_one_sentence(small_disk):
    path = small_disk(1) / "big"
    with pytest.raises(StorageError, match="No room left on the disk"), atomic_file(path) as temporary:
        temporary.write_bytes(b"0" * 2_000_000)
    assert list(path.parent.iterdir()) == []


@pytest.fixture
def bad_places(tmp_path):
    """Places where nothing can be written, each with the words that say why."""
    (tmp_path / "file").write_text("here first")
    (tmp_path / "folder.png").mkdir()
    return {
        Path("/proc/nowhere/picture.png"): "its folder cannot be made",
        tmp_path / "file" / "picture.png": f"{tmp_path / 'file'} is a file, not a folder",
        tmp_path / "file" / "deep" / "picture.png": f"{tmp_path / 'file'} is a file, not a folder",
        tmp_path / "folder.png": "is a folder, but a file is to be written there",
        tmp_path / ("a" * 300 + ".png"): "a name that is too long",
    }


def test_a_place_that_cannot_be_written_is_told_in_one_sentence(bad_places):
    for path, said in bad_places.items():
        with pytest.raises(StorageError, match=said), atomic_file(path) as temporary:
            temporary.write_text("new")


def test_such_a_place_is_found_out_beforehand(bad_places, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    for path, said in bad_places.items():
        with pytest.raises(StorageError, match=said):
            check_writable(path)
    with pytest.raises(StorageError, match="is a file, but a folder is to be written there"):
        check_writable(tmp_path / "file", folder=True)
    for path in (tmp_path / "new.png", tmp_path / "new" / "deep" / "picture.png", tmp_path / "file"):
        check_writable(path)
    check_writable(tmp_path / "folder.png", folder=True)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_does_not_take_a_files_place(tmp_path):
    (tmp_path / "model").write_text("a file")
    with pytest.raises(StorageError, match="is a file, but a folder"), atomic_folder(tmp_path / "model") as temporary:
        (temporary / "new").write_text("new")
    assert (tmp_path / "model").read_text() == "a file" and list(tmp_path.iterdir()) == [tmp_path / "model"]


@pytest.mark.parametrize("number", [errno.EROFS, errno.EDQUOT, errno.EACCES, errno.EIO, errno.ELOOP])
def test_every_reason_of_the_system_becomes_a_sentence(tmp_path, number):
    with pytest.raises(StorageError) as told, atomic_file(tmp_path / "a"):
        raise OSError(number, "as the system says")
    assert str(told.value) == storage_sentence(tmp_path / "a", number) and str(told.value).endswith(".")


def test_a_file_that_was_only_read_is_not_mistaken_for_the_one_written(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "new" / "a"):
        (tmp_path / "other" / "source").read_text()
    with pytest.raises(OSError, match="truncated"), atomic_file(tmp_path / "a"):
        raise OSError("image file is truncated")


def test_home_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("ILDM_HOME", str(tmp_path))
    assert home() == tmp_path
    monkeypatch.delenv("ILDM_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert home().name == "ildm"


def test_sha256_of_known_bytes(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc").startswith("ba7816bf8f01cfea")
