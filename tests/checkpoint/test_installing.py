"""Models are installed from what a person has, whole or not at all."""

import json
import zipfile

import pytest
from toy import build_model
from typer.testing import CliRunner

from ildm.checkpoint.installing import install
from ildm.checkpoint.load import load
from ildm.checkpoint.named import model_folder
from ildm.checkpoint.native import save_native
from ildm.core.errors import CheckpointError, ConfigError


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
