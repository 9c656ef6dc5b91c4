"""Files that cannot be used: one sentence each, and a model that was loaded before draws as before."""

import json
import pickle
import shutil
import struct

import pipelines
import pytest
import safetensors.torch
import torch

import ildm
from ildm.checkpoint.convert import convert
from ildm.core.errors import CheckpointError

SINGLE, FOLDER, PICKLE = "model.safetensors", "folder", "model.ckpt"
UNET, TEXT, PLAIN = "model.diffusion_model.", "cond_stage_model.transformer.", "model.diffusion_model.out.2.bias"


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A folder with a model in both formats, the model loaded from it, and what it draws."""
    place = tmp_path_factory.mktemp("good")
    convert(pipelines.save(pipelines.make_pipeline("SD 1", place), place / "saved"), place / FOLDER, "diffusers")
    convert(place / FOLDER, place / SINGLE, "single-file")
    model = ildm.load(place / SINGLE, dtype="float32")
    return place, model, draw(model)


def draw(model):
    # a file that nobody says the size of is drawn as large as its family
    return model.generate("a fox", num_steps=2, seed=1, width=64, height=64)[0].tobytes()


def rewrite(path, change):
    tensors = safetensors.torch.load_file(path)
    change(tensors)
    safetensors.torch.save_file(tensors, path)


def header(path, change):
    """Write a file's header anew, the tensors after it as they are."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    fields = json.loads(content[8 : 8 + length])
    changed = json.dumps(change(fields)).encode()
    path.write_bytes(struct.pack("<Q", len(changed)) + changed + content[8 + length :])


def overlapping(fields):
    names = [name for name in fields if name != "__metadata__"]
    fields[names[1]]["data_offsets"] = fields[names[0]]["data_offsets"]
    return fields


def beyond(fields):
    fields[PLAIN] |= {"shape": [2**60], "data_offsets": [0, 2**62]}
    return fields


def portable(path, text):
    (path / "ildm.json").write_text(text)


def flip(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


CASES = {
    "pickled": (
        PICKLE,
        lambda f: f.write_bytes(pickle.dumps({"state_dict": {}})),
        r"pickled checkpoint.*convert it to \.safetensors",
    ),
    "pickled, by another name": (SINGLE, lambda f: f.write_bytes(pickle.dumps({"state_dict": {}})), "pickled checkpoint"),
    "zipped, as torch saves": (SINGLE, lambda f: torch.save({"a": torch.ones(1)}, f), "pickled checkpoint"),
    "empty": (SINGLE, lambda f: f.write_bytes(b""), "truncated"),
    "truncated": (SINGLE, lambda f: f.write_bytes(f.read_bytes()[:-100]), "truncated"),
    "a header longer than the file": (SINGLE, lambda f: f.write_bytes(struct.pack("<Q", 2**40) + b"{}"), "truncated"),
    "overlapping tensors": (SINGLE, lambda f: header(f, overlapping), "truncated or not a safetensors file"),
    "a tensor beyond the file": (SINGLE, lambda f: header(f, beyond), "truncated or not a safetensors file"),
    "another family": (
        SINGLE,
        lambda f: rewrite(f, lambda t: [t.update({"x" + name: t.pop(name)}) for name in list(t) if name.startswith(TEXT)]),
        "no text encoder of a known family",
    ),
    "a LoRA": (
        SINGLE,
        lambda f: safetensors.torch.save_file({"lora_unet_x.lora_up.weight": torch.ones(1)}, f),
        "give a model, and this file as --lora",
    ),
    "a U-Net alone": (
        SINGLE,
        lambda f: rewrite(f, lambda t: [t.pop(name) for name in list(t) if not name.startswith(UNET)]),
        "as --unet",
    ),
    "an autoencoder alone": (
        SINGLE,
        lambda f: rewrite(f, lambda t: [t.pop(name) for name in list(t) if not name.startswith("first_stage_model.")]),
        "as --vae",
    ),
    "something else": (SINGLE, lambda f: safetensors.torch.save_file({"a": torch.ones(1)}, f), "no model that is known"),
    "whole numbers": (SINGLE, lambda f: rewrite(f, lambda t: t.update({PLAIN: t[PLAIN].int()})), "floating-point format"),
    "numbers that are none": (SINGLE, lambda f: rewrite(f, lambda t: t[PLAIN].fill_(torch.nan)), "not numbers"),
    "a damaged manifest": (FOLDER, lambda f: portable(f, '{"name": 1}'), "not a valid manifest"),
    "a manifest of a path outside": (
        FOLDER,
        lambda f: portable(f, (f / "ildm.json").read_text().replace('"files":{', '"files":{"../secret":"00",')),
        "outside",
    ),
    "a flipped bit": (FOLDER, lambda f: flip(f / "unet" / "diffusion_pytorch_model.safetensors"), "SHA-256 differs"),
    "no U-Net": (FOLDER, lambda f: shutil.rmtree(f / "unet"), "is missing"),
    "an unknown graph": (
        FOLDER,
        lambda f: [(f / "ildm.json").unlink(), (f / "unet" / "config.json").write_text('{"_class_name": "Other"}')],
        "describes no U-Net",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_file_is_told_in_one_sentence_and_harms_nothing(case, good, tmp_path):
    place, model, drawn = good
    name, spoil, told = CASES[case]
    target = tmp_path / name
    if name == FOLDER:
        shutil.copytree(place / FOLDER, target)
    elif name == SINGLE:
        shutil.copy(place / SINGLE, target)
    spoil(target)
    with pytest.raises(CheckpointError, match=told) as caught:
        ildm.load(target)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    assert draw(model) == drawn


def test_mixed_number_formats_are_read(good, tmp_path):
    place, _, _ = good
    shutil.copy(place / SINGLE, tmp_path / SINGLE)
    rewrite(tmp_path / SINGLE, lambda t: t.update({name: t[name].half() for name in list(t)[::2]}))
    model = ildm.load(tmp_path / SINGLE, dtype="float32", prediction="epsilon")
    assert {weight.dtype for weight in model.unet.parameters()} == {torch.float32} and draw(model)
