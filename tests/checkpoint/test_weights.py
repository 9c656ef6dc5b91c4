"""Weights on disk: lazily read, in one file or many, and every damage told in one sentence."""

import json
import pickle
import struct

import pytest
import safetensors.torch
import torch

from ildm.checkpoint.diffusers_folder import find_weights, read_config
from ildm.checkpoint.tensors import load_tensors
from ildm.checkpoint.weights import open_sharded, open_weights
from ildm.core.errors import CheckpointError

TENSORS = {"a.x": torch.arange(6.0).reshape(2, 3), "a.y": torch.ones(2), "b.x": torch.zeros(4)}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file(TENSORS, path)
    return path


@pytest.fixture
def sharded(tmp_path):
    shards = {"one.safetensors": ["a.x"], "two.safetensors": ["a.y", "b.x"]}
    for shard, names in shards.items():
        safetensors.torch.save_file({name: TENSORS[name] for name in names}, tmp_path / shard)
    index = tmp_path / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {name: shard for shard, names in shards.items() for name in names}}))
    return index


def test_one_file_and_shards_hold_the_same(file, sharded):
    for weights in (open_weights(file), open_sharded(sharded), find_weights(sharded.parent)):
        assert set(weights) == set(TENSORS) and all(torch.equal(weights[name], TENSORS[name]) for name in TENSORS)
    weights = open_weights(file)
    assert dict(weights.under("a.")).keys() == {"x", "y"} and weights.shape("a.x") == (2, 3)
    assert set(weights.without("a.")) == {"b.x"}


def header(entries, data=b""):
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + data


HOSTILE = {
    "empty": b"",
    "not a header": b"\x00" * 64,
    "a header longer than the file": struct.pack("<Q", 1 << 20) + b"{}",
    "a header of absurd length": struct.pack("<Q", 1 << 62) + b"{}",
    "truncated data": header({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}, b"\x00" * 8),
    "overlapping tensors": header(
        {
            "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
            "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]},
        },
        b"\x00" * 12,
    ),
    "offsets outside the file": header({"a": {"dtype": "F32", "shape": [2], "data_offsets": [800, 808]}}, b"\x00" * 8),
    "a shape of absurd size": header({"a": {"dtype": "F32", "shape": [1 << 40, 1 << 40], "data_offsets": [0, 8]}}, b"\x00" * 8),
    "a shape that does not fit": header({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}, b"\x00" * 8),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_header_that_lies_is_refused(kind, tmp_path):
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(HOSTILE[kind])
    with pytest.raises(CheckpointError, match=r"hostile\.safetensors is truncated or not a safetensors file"):
        open_weights(path)


@pytest.mark.parametrize("length", [0x0280, 0x0380, 0x0480, 0x0580])
def test_a_header_whose_length_looks_like_a_pickle_is_read(length, tmp_path):
    path = tmp_path / "file.safetensors"
    header = json.dumps({"weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).ljust(length).encode()
    path.write_bytes(length.to_bytes(8, "little") + header + bytes(4))
    assert torch.equal(open_weights(path)["weight"], torch.zeros(1))


def test_pickles_are_refused_wherever_they_lie(tmp_path):
    path = tmp_path / "model.ckpt"
    path.write_bytes(pickle.dumps({"a": 1}, protocol=2))
    with pytest.raises(CheckpointError, match="pickled checkpoint, which can run any code"):
        open_weights(path)
    (tmp_path / "diffusion_pytorch_model.bin").write_bytes(b"PK\x03\x04")
    with pytest.raises(CheckpointError, match=r"only as diffusion_pytorch_model\.bin"):
        find_weights(tmp_path)


def test_values_that_are_not_numbers_are_refused(tmp_path):
    path = tmp_path / "poisoned.safetensors"
    safetensors.torch.save_file({"a fine one": torch.ones(2), "bad": torch.tensor([1.0, float("nan")])}, path)
    weights = open_weights(path)
    assert weights["a fine one"].sum() == 2
    with pytest.raises(CheckpointError, match="'bad' with values that are not numbers"):
        _ = weights["bad"]


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_numbers_of_one_byte_are_widened(dtype, tmp_path):
    path, tensor = tmp_path / "small.safetensors", torch.tensor([1.5, -0.25, 3.0])
    safetensors.torch.save_file({"a fine one": tensor.to(dtype), "bad": torch.tensor([float("nan")]).to(dtype)}, path)
    assert torch.equal(open_weights(path)["a fine one"], tensor)
    assert torch.equal(load_tensors(path)["a fine one"], tensor)
    with pytest.raises(CheckpointError, match="'bad' with values that are not numbers"):
        _ = open_weights(path)["bad"]


def test_a_folder_in_place_of_a_file_is_told(tmp_path):
    with pytest.raises(
        CheckpointError, match=r"is a folder, but a file of weights is wanted: give the \.safetensors file in it"
    ):
        open_weights(tmp_path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda table: table | {"a.x": "../../secret.safetensors"}, "not a file beside it"),
        (lambda table: table | {"a.x": "/etc/passwd"}, "not a file beside it"),
        (lambda table: table | {"c": "one.safetensors"}, "does not hold it"),
        (lambda table: table | {"c": "three.safetensors"}, "is missing"),
    ],
)
def test_an_index_that_lies_is_refused(change, told, sharded):
    table = json.loads(sharded.read_text())["weight_map"]
    sharded.write_text(json.dumps({"weight_map": change(table)}))
    with pytest.raises(CheckpointError, match=told):
        open_sharded(sharded)


def test_an_index_that_is_none_is_refused(sharded):
    sharded.write_text("[]")
    with pytest.raises(CheckpointError, match="cannot be read"):
        open_sharded(sharded)


def test_a_part_of_another_graph_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(CheckpointError, match="holds no JSON object"):
        read_config(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(CheckpointError, match="is missing"):
        read_config(tmp_path)
    with pytest.raises(CheckpointError, match=r"holds no \.safetensors weights"):
        find_weights(tmp_path)
