"""Contexts of different lengths, brought to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
import torch.nn.functional as F

Part = TypeVar("Part", bound=Any)


def equal_tokens(parts: Sequence[Part]) -> Sequence[Part]:
    """Values with contexts of one length: shorter ones get masked tokens at their end.

    Args:
        parts: dataclasses with a `context` (..., tokens, width) or None, and a `context_mask` (..., tokens) or None.
    """
    lengths = {part.context.shape[-2] for part in parts if part.context is not None}
    masked = any(part.context_mask is not None for part in parts)
    if len(lengths) <= 1 and not masked:
        return parts
    longest = max(lengths, default=0)
    return [part if part.context is None else _padded(part, longest) for part in parts]


def _padded(part: Part, length: int) -> Part:
    context, mask = part.context, part.context_mask
    if mask is None:
        mask = torch.ones(context.shape[:-1], dtype=torch.bool, device=context.device)
    missing = length - context.shape[-2]
    return replace(part, context=F.pad(context, (0, 0, 0, missing)), context_mask=F.pad(mask, (0, missing)))
