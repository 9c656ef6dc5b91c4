"""The native folder: an exact round trip, and every damage told in one sentence."""

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

import ildm
from ildm.checkpoint.load import load
from ildm.checkpoint.native import MANIFEST, load_native, save_native
from ildm.core.errors import CheckpointError, StorageError
from ildm.core.files import sha256


def test_the_round_trip_is_exact(model, folder):
    again = ildm.load(folder, device="cpu", dtype="float32")
    for name in ("autoencoder", "unet", "conditioner"):
        for key, value in getattr(model, name).state_dict().items():
            assert torch.equal(getattr(again, name).state_dict()[key], value), key
    assert again.path == model.path and again.autoencoder.latent_space == model.autoencoder.latent_space
    assert again.manifest.concepts == ("rose", "key")
    images = [np.asarray(one.generate("a red rose", seed=3)[0]) for one in (model, again)]
    assert np.array_equal(*images)


def test_the_manifest_survives_a_second_trip(folder, tmp_path):
    first = load_native(folder)
    second = save_native(first, tmp_path / "again")
    assert second == first.manifest


def test_half_precision_weights_are_drawn_with_in_float32(model, tmp_path):
    save_native(model, tmp_path / "half", dtype=torch.float16)
    as_stored, again = load_native(tmp_path / "half"), load(tmp_path / "half", device="cpu", dtype="float32")
    weight, original = again.unet.conv_in.weight, model.unet.conv_in.weight
    assert as_stored.unet.conv_in.weight.dtype == torch.float16
    assert weight.dtype == torch.float32 and torch.allclose(weight, original, atol=1e-3)


def damage_bit(path):
    data = bytearray(path.read_bytes())
    data[-5] ^= 0x10
    path.write_bytes(data)


def rewrite(folder, name, change):
    """Change tensors and sign them again, as a faulty training would."""
    path = folder / name
    tensors = safetensors.torch.load_file(path)
    change(tensors)
    safetensors.torch.save_file(tensors, path)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][name] = sha256(path)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def poison(tensors):
    tensors["conv_in.bias"][0] = torch.nan


def edit(folder, **changes):
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | changes))


DAMAGES = {
    "a flipped bit": (lambda f: damage_bit(f / "denoiser.safetensors"), "SHA-256 differs"),
    "a truncated file": (
        lambda f: (f / "conditioner.safetensors").write_bytes((f / "conditioner.safetensors").read_bytes()[:99]),
        "SHA-256 differs",
    ),
    "a missing file": (lambda f: (f / "autoencoder.safetensors").unlink(), "is missing"),
    "a pickle": (lambda f: (f / "denoiser.safetensors").write_bytes(pickle.dumps({"a": 1})), "pickled checkpoint"),
    "NaN weights": (lambda f: rewrite(f, "denoiser.safetensors", poison), "not numbers"),
    "a tensor too many": (
        lambda f: rewrite(f, "denoiser.safetensors", lambda t: t.update(extra=torch.zeros(1))),
        "has no place for",
    ),
    "a tensor too few": (lambda f: rewrite(f, "denoiser.safetensors", lambda t: t.pop("conv_in.bias")), "lacks conv_in.bias"),
    "another shape": (
        lambda f: rewrite(f, "denoiser.safetensors", lambda t: t.update({"conv_in.bias": torch.zeros(3)})),
        "is expected",
    ),
    "a damaged manifest": (lambda f: (f / MANIFEST).write_text("{"), "cannot be read"),
    "a manifest of a later version": (lambda f: edit(f, version=99), "upgrade ildm"),
    "a manifest with an unknown key": (lambda f: edit(f, surprise=1), "surprise"),
    "a graph that cannot be built": (lambda f: edit(f, denoiser={"chanels": [32]}), "did you mean 'channels'"),
    "an unsigned file": (lambda f: edit(f, files={}), "SHA-256"),
    "a damaged vocabulary": (lambda f: (f / "tokenizer.json").write_text("{}"), "vocabulary"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told_in_one_sentence(folder, damage):
    act, said = DAMAGES[damage]
    act(folder)
    with pytest.raises(CheckpointError, match=said) as caught:
        ildm.load(folder)
    assert "\n" not in str(caught.value)


def test_names_and_files_that_are_no_models(tmp_path):
    with pytest.raises(CheckpointError, match="There is no model 'emoji-scens': did you mean 'emoji-scenes'"):
        ildm.load("emoji-scens")
    with pytest.raises(CheckpointError, match="not a model that this program knows"):
        ildm.load(tmp_path)
    for name, content, said in (
        ("old.ckpt", pickle.dumps({}), "pickled checkpoint"),
        ("cut.safetensors", b"\x40\0\0\0\0\0\0\0{", "truncated"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=said):
            ildm.load(tmp_path / name)


def test_a_full_disk_leaves_the_former_model_whole(model, small_disk):
    disk = small_disk(1)
    folder = disk / "toy"
    with pytest.raises(StorageError, match="No room left"):
        save_native(replace(model), folder)
    assert not any(disk.iterdir())


def test_a_disk_that_fills_up_keeps_what_was_there(model, small_disk, folder):
    megabytes = sum(file.stat().st_size for file in folder.iterdir()) // 2**20 + 2
    disk = small_disk(megabytes)
    shutil.copytree(folder, disk / "toy")
    before = {file.name: file.read_bytes() for file in (disk / "toy").iterdir()}
    (disk / "filler").write_bytes(b"0" * (megabytes * 2**20 - sum(map(len, before.values())) - 500_000))
    with pytest.raises(StorageError, match="No room left"):
        save_native(model, disk / "toy")
    assert {file.name: file.read_bytes() for file in (disk / "toy").iterdir()} == before
    assert sorted(path.name for path in disk.iterdir()) == ["filler", "toy"]


def test_a_model_follows_the_decoder_of_the_one_it_shares_a_first_stage_with():
    """`emoji-maps` was written before the decoder of `emoji-scenes` became deeper."""
    lender, borrower = (ildm.load(name, device="cpu", dtype="float32") for name in ("emoji-scenes", "emoji-maps"))
    assert borrower.autoencoder.config == lender.autoencoder.config
    assert borrower.autoencoder.fingerprint() == lender.autoencoder.fingerprint()
    written = json.loads((Path(ildm.__file__).parent / "shipped" / "emoji-maps" / MANIFEST).read_text())["autoencoder"]
    assert written.get("decoder_res_blocks") is None and lender.autoencoder.config.decoder_res_blocks is not None
