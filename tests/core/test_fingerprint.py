"""One hash of many weights: the same for the same, another for any other."""

import copy

import torch
from torch import nn

from ildm.core.fingerprint import fingerprint


def test_every_weight_name_and_text_counts():
    torch.manual_seed(0)
    layer = nn.Linear(3, 2)
    first = fingerprint("a", layer)
    assert first == fingerprint("a", copy.deepcopy(layer)) and len(first) == 64
    changed = copy.deepcopy(layer)
    changed.bias.data[1] += 1e-6
    others = {
        fingerprint("b", layer),
        fingerprint(layer, "a"),
        fingerprint("a", changed),
        fingerprint("a", nn.Sequential(layer)),
    }
    assert first not in others and len(others) == 4


def test_copies_in_finer_formats_are_the_same_once_rounded():
    layer = nn.Linear(3, 2).to(torch.bfloat16)
    finer = copy.deepcopy(layer).float()
    assert fingerprint(layer) == fingerprint(finer)
    finer.weight.data += 1e-6
    assert fingerprint(layer) != fingerprint(finer)
    assert fingerprint(layer, rounded_to=torch.bfloat16) == fingerprint(finer, rounded_to=torch.bfloat16)
