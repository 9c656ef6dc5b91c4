"""Textual inversion: files of every kind become words, do what diffusers makes of them, and leave no trace."""

import pickle
import warnings

import clip_peers
import pytest
import safetensors.torch
import torch

from ildm.checkpoint.embeddings import add_embedding, read_embedding
from ildm.core.errors import CheckpointError, ConfigError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from transformers import CLIPTextModel  # noqa: F401 - imported here, where its warnings are no errors

PROMPT = "a photo of EasyCat, the dog"


def one(clip_pair_folders):
    """A pipeline and a conditioner of width 24, made anew: diffusers cannot forget a word without a trace."""
    return clip_peers.single(clip_peers.GRAPHS[1], clip_pair_folders[0], padding="<|endoftext|>", activation="quick_gelu")


@pytest.fixture
def sd(clip_pair_folders):
    return one(clip_pair_folders)[1]


@pytest.fixture(scope="module")
def xl(clip_pair_folders):
    return clip_peers.double(clip_pair_folders, clip_peers.PAIRS[0])[1]


@pytest.fixture(scope="module")
def refiner(clip_pair_folders):
    return clip_peers.double(clip_pair_folders, clip_peers.PAIRS[0], refiner=True, zero_empty=False)[1]


def vectors(count, width, seed=0):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def write(path, **tensors):
    safetensors.torch.save_file(tensors, path)
    return path


@pytest.mark.parametrize("count", [1, 3])
@torch.inference_mode()
def test_a_word_is_what_diffusers_makes_of_it(count, clip_pair_folders, tmp_path):
    pipeline, ours = one(clip_pair_folders)
    # diffusers takes only the first vector of a word with capitals
    path = write(tmp_path / "embedding.safetensors", **{"<easy-cat>": vectors(count, 24)})
    assert add_embedding(ours, path) == "<easy-cat>"
    pipeline.load_textual_inversion(str(tmp_path), weight_name=path.name)
    prompts = ["a photo of <easy-cat>, the dog", "a dog, <easy-cat>!", "<easy-cat> <easy-cat>", "a dog"]
    wanted, _ = pipeline.encode_prompt(prompts, "cpu", 1, False)
    assert clip_peers.relative_error(ours(prompts).context, wanted) <= 1e-5


@torch.inference_mode()
def test_capitals_do_not_matter_but_longer_words_do(sd, tmp_path):
    plain = sd(["a EasyCats", "a photo of easycat"]).context
    add_embedding(sd, write(tmp_path / "EasyCat.safetensors", emb_params=vectors(2, 24)))
    words = sd(["a EasyCats", "a photo of easycat", "a photo of EASYCAT", "a photo of EasyCat"]).context
    assert torch.equal(words[0], plain[0]) and not torch.equal(words[1], plain[1])
    assert torch.equal(words[1], words[2]) and torch.equal(words[1], words[3])


@pytest.mark.parametrize("kind", ["sd", "xl", "refiner"])
@torch.inference_mode()
def test_a_word_is_taken_back_without_a_trace(kind, tmp_path, request):
    ours = request.getfixturevalue(kind)
    prompts = [PROMPT, "<toy> cat", ""]
    before, weights = ours(prompts), {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    parts = {"a": vectors(2, 24)} if kind == "sd" else {"clip_l": vectors(2, 16), "clip_g": vectors(2, 24)}
    first, second = write(tmp_path / "EasyCat.safetensors", **parts), write(tmp_path / "other.safetensors", **parts)
    add_embedding(ours, first, name="EasyCat")
    alone = ours(prompts)
    add_embedding(ours, second, name="<toy>")
    assert ours.words.names == ["EasyCat", "<toy>"]
    both = ours(prompts)
    assert not torch.equal(both.context[0], before.context[0]) and not torch.equal(both.context[1], before.context[1])
    assert torch.equal(both.context[2], before.context[2])
    files = [tmp_path / "with", tmp_path / "without"]
    for folder in files:
        folder.mkdir()
    ours.write_files(files[0])
    ours.words.remove("<toy>")
    assert torch.equal(ours(prompts).context, alone.context)
    ours.words.remove("EasyCat")
    ours.write_files(files[1])
    after = ours(prompts)
    assert torch.equal(after.context, before.context)
    assert after.pooled is None or torch.equal(after.pooled, before.pooled)
    assert ours.words.names == []
    assert ours.state_dict().keys() == weights.keys()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in ours.state_dict().items())
    for file in files[0].iterdir():
        assert file.read_bytes() == (files[1] / file.name).read_bytes()


@torch.inference_mode()
def test_the_word_that_stays_keeps_its_vectors(sd, tmp_path):
    paths = [write(tmp_path / f"word{place}.safetensors", emb_params=vectors(1 + place, 24, place)) for place in range(2)]
    for path in paths:
        add_embedding(sd, path)
    both = sd(["a word1"]).context
    sd.words.remove("word0")
    assert torch.equal(sd(["a word1"]).context, both)


@torch.inference_mode()
def test_each_encoder_of_xl_gets_its_own_vectors(xl, tmp_path):
    plain = xl([PROMPT])
    add_embedding(xl, write(tmp_path / "EasyCat.safetensors", clip_l=vectors(1, 16), clip_g=vectors(1, 24)))
    first = xl([PROMPT])
    xl.words.remove("EasyCat")
    add_embedding(xl, write(tmp_path / "EasyCat.safetensors", clip_l=vectors(1, 16, 1), clip_g=vectors(1, 24)))
    second = xl([PROMPT])
    xl.words.remove("EasyCat")
    assert not torch.equal(first.context, plain.context)
    assert not torch.equal(first.context[..., :16], second.context[..., :16])
    assert torch.equal(first.context[..., 16:], second.context[..., 16:]) and torch.equal(first.pooled, second.pooled)


@torch.inference_mode()
def test_a_word_of_many_vectors_is_not_cut(sd, tmp_path):
    add_embedding(sd, write(tmp_path / "many.safetensors", emb_params=vectors(10, 24)))
    assert sd(["cat " * 65 + "many"]).context.shape[1] == 77
    assert sd(["cat " * 66 + "many"]).context.shape[1] == 154
    text = sd.tokenizer(["cat " * 66 + "many"])[0, 1]
    assert (text >= sd.config.encoder.vocabulary_size).nonzero().flatten().tolist() == list(range(1, 11))


@pytest.mark.parametrize(
    ("tensors", "name", "counts"),
    [
        ({"emb_params": vectors(2, 24)}, "file", [2]),
        ({"<cat-toy>": vectors(1, 24)[0]}, "<cat-toy>", [1]),
        ({"<cat-toy>": vectors(4, 24)}, "<cat-toy>", [4]),
        ({"clip_g": vectors(3, 24), "clip_l": vectors(3, 16)}, "file", [3, 3]),
        ({"clip_g": vectors(3, 24)}, "file", [3]),
    ],
)
def test_every_form_of_file_is_read(tensors, name, counts, tmp_path):
    embedding = read_embedding(write(tmp_path / "file.safetensors", **tensors))
    assert embedding.name == name and [len(part) for part in embedding.vectors] == counts
    if len(counts) == 2:
        assert [part.shape[1] for part in embedding.vectors] == [16, 24]


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        ({"a": vectors(1, 4), "b": vectors(1, 4)}, r"holds a, b, but an embedding is one tensor, or clip_l and clip_g"),
        ({"a": torch.ones(2, 3, 4)}, r"holds 'a' of shape \(2, 3, 4\) in float32"),
        ({"a": torch.ones(2, 3, dtype=torch.int64)}, "in int64"),
        ({"a": torch.full((2, 3), torch.nan)}, "values that are not numbers"),
    ],
)
def test_a_file_of_another_kind_is_told(tensors, told, tmp_path):
    with pytest.raises(CheckpointError, match=told):
        read_embedding(write(tmp_path / "file.safetensors", **tensors))


def test_a_pickled_or_missing_embedding_is_told(tmp_path):
    path = tmp_path / "old.pt"
    path.write_bytes(pickle.dumps({"string_to_param": {}}, protocol=2))
    with pytest.raises(CheckpointError, match=r"old\.pt is a pickled checkpoint, which can run any code"):
        read_embedding(path)
    with pytest.raises(CheckpointError, match="is missing"):
        read_embedding(tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    ("kind", "tensors", "told"),
    [
        ("sd", {"emb_params": vectors(1, 32)}, "has vectors of width 32, but this model's text side takes 24"),
        ("sd", {"clip_l": vectors(1, 16), "clip_g": vectors(1, 40)}, "has vectors of width 40, but .* takes 24"),
        ("xl", {"emb_params": vectors(1, 24)}, "has vectors of width 24, but this model's text side takes 16 and 24"),
        ("xl", {"clip_l": vectors(1, 16), "clip_g": vectors(2, 24)}, "has 1 and 2 vectors, but 1 to 75 fit"),
        ("sd", {"emb_params": vectors(76, 24)}, "has 76 vectors, but 1 to 75 fit into a window"),
    ],
)
def test_an_embedding_for_another_model_is_told(kind, tensors, told, tmp_path, request):
    ours = request.getfixturevalue(kind)
    with pytest.raises(ConfigError, match=told):
        add_embedding(ours, write(tmp_path / "x.safetensors", **tensors))
    assert ours.words.names == []


def test_names_that_do_not_serve_are_told(sd, tmp_path):
    path = write(tmp_path / "EasyCat.safetensors", emb_params=vectors(1, 24))
    add_embedding(sd, path)
    with pytest.raises(ConfigError, match="already has an embedding 'easycat'"):
        add_embedding(sd, path, name="easycat")
    with pytest.raises(ConfigError, match="a word without spaces around it, but ' '"):
        add_embedding(sd, path, name=" ")
    with pytest.raises(ConfigError, match="no embedding 'EasyDog': did you mean 'EasyCat'"):
        sd.words.remove("EasyDog")
