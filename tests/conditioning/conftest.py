"""Every text conditioner at toy size."""

import pytest
import torch
from clip_folders import write_folder

from ildm.conditioning.clip import ClipConditioner, ClipConfig
from ildm.conditioning.clip_encoder import ClipEncoderConfig
from ildm.conditioning.clip_pair import ClipPairConditioner, ClipPairConfig
from ildm.conditioning.clip_tokenizer import ClipTokenizer
from ildm.conditioning.text import TextConditioner, TextEncoderConfig
from ildm.conditioning.tokenizer import Tokenizer

CAPTIONS = ["a red rose on a plain white background", "a photo of a cat, a dog and a rose", "!?"]


def _encoder(width, size, **settings):
    return ClipEncoderConfig(width=width, depth=2, num_heads=2, feed_forward_width=32, vocabulary_size=size, **settings)


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="module")
def kinds(clip_folder):
    """Every text conditioner in fp64, with weights large enough that every part of it matters."""
    tokenizers = [
        ClipTokenizer.from_folder(clip_folder, padding=padding) for padding in ("<|endoftext|>", "<|endoftext|>", "!")
    ]
    size = tokenizers[0].vocabulary_size
    pair = ClipPairConfig(first=_encoder(16, size), second=_encoder(24, size, projection_width=20), size_width=16)
    own = TextEncoderConfig(width=16, depth=2, num_heads=2, max_tokens=20)
    made = {
        "own": TextConditioner(own, Tokenizer.train(CAPTIONS, vocabulary_size=360, max_tokens=20)),
        "sd": ClipConditioner(ClipConfig(encoder=_encoder(16, size)), tokenizers[0]),
        "xl": ClipPairConditioner(pair, tokenizers[1], tokenizers[2]),
    }
    noise = torch.Generator().manual_seed(0)
    for conditioner in made.values():
        conditioner.double().eval().requires_grad_(False)
        for name, weight in conditioner.named_parameters():
            weight.normal_(std=0.3, generator=noise)
            if "norm" in name and name.endswith("weight"):
                weight.add_(1)
    return made
