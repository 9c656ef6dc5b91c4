"""Models are installed from what a person has, whole or not at all."""

import json
import zipfile

import pytest
from toy import build_model
from typer.testing import CliRunner

from ildm.checkpoint.installing import install
from ildm.checkpoint.load import load
from ildm.checkpoint.named import find_named, model_folder
from ildm.checkpoint.native import save_native
from ildm.core.errors import CheckpointError, ConfigError, StorageError


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ILDM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path):
    """A model's folder such as a person may have been given."""
    save_native(build_model(), tmp_path / "given")
    return tmp_path / "given"


def packed(folder, path, inside=""):
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"{inside}{file.name}")
    return path


def test_a_folder_is_installed_and_found_by_name(folder):
    manifest = install("mine", folder)
    assert load("mine", device="cpu").manifest == manifest


@pytest.mark.parametrize("inside", ["", "mine/", "other/"])
def test_an_archive_is_installed_wherever_the_model_lies_in_it(folder, tmp_path, inside):
    install("mine", packed(folder, tmp_path / "mine.zip", inside))
    assert (model_folder() / "mine" / "model.json").is_file()
    assert load("mine", device="cpu")


def test_a_damaged_model_leaves_nothing(folder):
    weights = folder / "denoiser.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(CheckpointError):
        install("mine", folder)
    assert not (model_folder() / "mine").exists()


def test_a_name_that_is_taken_is_kept_unless_it_is_to_be_replaced(folder):
    install("mine", folder)
    with pytest.raises(ConfigError, match="There is a model 'mine' already: give --replace"):
        install("mine", folder)
    install("mine", folder, replace=True)
    with pytest.raises(ConfigError, match="already: choose another name"):
        install("emoji-scenes", folder, replace=True)
    with pytest.raises(ConfigError, match="The name of a model"):
        install("../evil", folder)


def install_file(name, path, size, *, replace=False):
    """What stands by the name, after a file of that many bytes was put there."""
    path.write_bytes(bytes(size))
    install(name, path, replace=replace)
    return find_named(name)


@pytest.fixture
def unread(monkeypatch):
    """Files are taken for models unread: a whole model in one file is too large for a test."""
    monkeypatch.setattr("ildm.checkpoint.installing.load", lambda *_, **__: None)
    monkeypatch.setattr("ildm.checkpoint.installing.describe", lambda _: build_model().manifest)


@pytest.mark.usefixtures("unread")
def test_a_file_of_a_dotted_name_stands_beside_the_others(tmp_path):
    first = install_file("sd-v1", tmp_path / "x.safetensors", 100)
    second = install_file("sd-v1.5", tmp_path / "y.SAFETENSORS", 200)
    assert (first.stat().st_size, second.stat().st_size) == (100, 200)


@pytest.mark.usefixtures("unread")
def test_a_file_is_replaced_only_when_asked(tmp_path):
    installed = install_file("mine", tmp_path / "x.safetensors", 100)
    with pytest.raises(ConfigError, match="There is a model 'mine' already: give --replace"):
        install_file("mine", tmp_path / "y.safetensors", 200)
    assert installed.stat().st_size == 100
    assert install_file("mine", tmp_path / "y.safetensors", 200, replace=True) == installed
    assert installed.stat().st_size == 200


@pytest.mark.usefixtures("unread")
def test_a_full_disk_keeps_the_file_that_was_there(tmp_path, monkeypatch, small_disk):
    monkeypatch.setenv("ILDM_HOME", str(small_disk(1)))
    installed = install_file("mine", tmp_path / "x.safetensors", 100)
    with pytest.raises(StorageError, match="No room left on the disk"):
        install_file("mine", tmp_path / "y.safetensors", 2_000_000, replace=True)
    assert installed.stat().st_size == 100 and list(model_folder().iterdir()) == [installed]


def test_a_folder_without_room_leaves_nothing(folder, monkeypatch, small_disk):
    monkeypatch.setenv("ILDM_HOME", str(small_disk(1)))
    with pytest.raises(StorageError, match="No room left on the disk"):
        install("mine", folder)
    assert list(model_folder().iterdir()) == []


def test_what_holds_no_model_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="There is no folder or file"):
        install("mine", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="holds no model 'mine'"):
        install("mine", tmp_path / "empty")
    (tmp_path / "bad.zip").write_bytes(b"no archive")
    with pytest.raises(CheckpointError, match=r"is no \.zip archive"):
        install("mine", tmp_path / "bad.zip")


def test_an_archive_that_leaves_its_folder_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../evil.txt", "x")
    with pytest.raises(CheckpointError, match="lies outside"):
        install("mine", tmp_path / "evil.zip")
    assert not (tmp_path / "evil.txt").exists()


def test_the_command_says_what_it_did(folder):
    from ildm.cli.main import app

    result = CliRunner().invoke(app, ["models", "get", "mine", "--from", str(folder), "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["name"] == "mine"
