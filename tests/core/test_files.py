"""Files are whole or not there, and the former one survives."""

import pytest

from ildm.core.errors import StorageError
from ildm.core.files import atomic_file, atomic_folder, home, sha256, write_json


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


def test_home_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("ILDM_HOME", str(tmp_path))
    assert home() == tmp_path
    monkeypatch.delenv("ILDM_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert home().name == "ildm"


def test_sha256_of_known_bytes(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc").startswith("ba7816bf8f01cfea")
