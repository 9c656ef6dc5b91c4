"""One hash of many weights."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def fingerprint(*parts: nn.Module | str, rounded_to: torch.dtype = torch.float32) -> str:
    """A SHA-256 over texts and the named weights of modules, in order, wherever the weights lie.

    Args:
        rounded_to: the number format that weights are rounded to before they are hashed; with a coarse one, copies of one module in
            finer formats are the same.
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            digest.update(part.encode())
            continue
        for name, tensor in sorted(part.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().to(rounded_to).float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
