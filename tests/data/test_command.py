"""`ildm data` from arguments to files, and its sentences when they are wrong."""

import json
from types import SimpleNamespace

import pytest
from PIL import Image
from torch.nn.functional import avg_pool2d

from ildm.cli.main import main
from ildm.data.latents import LatentCache


@pytest.fixture
def ildm(monkeypatch, capsys):
    """`ildm("data", ...)` runs the command line: (exit code, output, errors)."""

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["ildm", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return ended.value.code or 0, told.out, told.err

    return run


def test_scenes_are_shown_counted_and_exported(ildm, tmp_path):
    code, out, _ = ildm(
        "data", "emoji", "--sprites", "sample", "--size", 64, "--preview", tmp_path / "sheet.png",
        "--export", tmp_path / "scenes", "--statistics", "--count", 12, "--json",
    )  # fmt: skip
    result = json.loads(out)
    assert code == 0
    assert (result["concepts"], result["styles"]) == (6, ["flat", "3d", "noto", "blob"])
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 1000
    assert len(list((tmp_path / "scenes" / "images").iterdir())) == result["exported"] == 12
    assert [row["split"] for row in result["statistics"]] == ["train", "unseen_scene", "unseen_pair", "unseen_concept_pair"]


def test_built_sprites_are_found_again(ildm, at_emoji_home, monkeypatch):
    monkeypatch.setattr("ildm.data.sprite_cache._whole", lambda *_: True)
    code, out, _ = ildm("data", "emoji")
    assert code == 0
    assert "40 concepts in 6 styles" in out  # as many as the home's drawings show
    code, out, _ = ildm("data", "card")
    assert code == 0
    assert (at_emoji_home / "emoji" / "128" / "CARD.md").is_file()


def test_a_data_set_is_encoded_once(ildm, at_emoji_home, monkeypatch):
    class Stub:
        image_size = (64, 64)
        autoencoder = SimpleNamespace(encoder_fingerprint=lambda: "0123456789abcdef")
        calls = 0

        def encode(self, images):
            self.calls += 1
            return avg_pool2d(images, 8)

    stub = Stub()
    monkeypatch.setattr("ildm.checkpoint.load.load", lambda *_, **__: stub)
    for _ in range(2):
        code, out, _ = ildm("data", "encode", "stub", "--count", 6, "--batch-size", 4, "--workers", 0)
        assert code == 0
        assert "6 samples are encoded" in out
    assert stub.calls == 2
    [folder] = (at_emoji_home / "latents").iterdir()
    assert len(LatentCache(folder, stub.autoencoder.encoder_fingerprint())) == 6


def test_an_import_tells_what_it_refused(ildm, empty_home, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (40, 40)).save(photos / "a.png")
    (photos / "a.txt").write_text("black")
    (photos / "b.png").touch()
    (photos / "b.txt").write_text("nothing")
    code, out, _ = ildm("data", "import", photos, "--name", "mine", "--size", 32)
    assert code == 0
    assert out.splitlines()[0] == "refused b.png: the file is empty"
    assert "Imported: 1 images as 'mine', 1 files refused." in out
    code, out, _ = ildm("data", "import", photos, "--name", "mine", "--size", 32, "--json")
    assert json.loads(out)["unchanged"] is True


def test_one_bad_file_is_refused_and_the_rest_imported(ildm, album):
    for name in "abc":
        album.add(f"{name}.png", name)
    album.add("b\udce9.png")
    (album.folder / "dead.png").symlink_to("nowhere")
    album.rows(
        {"file_name": "a.png", "caption": "bad \ud800 half"},
        {"file_name": "b.png", "objects": [{"label": "fox", "box": [4, 4, 30, 30]}]},
    )
    code, out, err = ildm("data", "import", album.folder, "--name", "mine", "--size", 32)
    assert (code, err) == (0, "")
    *refused, last = out.splitlines()
    assert [line.split(":")[0] for line in refused] == [f"refused {name}.png" for name in ("a", "b", "b\\udce9", "dead")]
    assert "Imported: 1 images as 'mine', 4 files refused." in last
    assert "use bbox (x, y, width, height) for pixels" in out


@pytest.mark.parametrize("line", ["[" * 100_000, '{"file_name": "a.png", "x": ' + "1" * 5000 + "}"])
def test_a_table_that_cannot_be_read_is_one_sentence(ildm, album, line):
    album.add("a.png", "a")
    album.rows(line)
    code, out, err = ildm("data", "import", album.folder, "--name", "mine")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "metadata.jsonl, line 1: " in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("import", "{empty}", "--name", "mine"), "is empty"),
        (("import", "{empty}/gone", "--name", "mine"), "is not there"),
        (("emoji", "--size", "100", "--sprites", "sample"), "size is one of 64, 128, 256"),
        (("emoji", "--split", "tain", "--sprites", "sample"), "did you mean 'train'"),
        (("card",), "not built yet"),
        (("encode", "no-such-model"), "no-such-model"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(ildm, empty_home, tmp_path, shapes_unchecked, arguments, told):
    (tmp_path / "empty").mkdir()
    code, out, err = ildm("data", *(argument.format(empty=tmp_path / "empty") for argument in arguments))
    assert (code, out) == (2, "")
    assert told in err
    assert len(err.strip().splitlines()) == 1


def test_a_registry_out_of_reach_is_exit_code_2(ildm, empty_home, monkeypatch, tmp_path):
    (tmp_path / "npm").write_text("#!/bin/sh\necho 'npm error code ENOTFOUND' >&2\nexit 1\n")
    (tmp_path / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    code, _, err = ildm("data", "emoji")
    assert code == 2
    assert "ENOTFOUND" in err
    assert "run the same command again" in err
