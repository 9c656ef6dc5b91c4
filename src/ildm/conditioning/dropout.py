"""Forgetting the condition now and then, so that guidance has something to compare with (Ho & Salimans 2022)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ildm.core.errors import ConfigError
from ildm.core.share import WHOLE, Share


def drop_prompts(prompts: Sequence[str], rate: float, generator: torch.Generator, share: Share = WHOLE) -> list[str]:
    """Replace each prompt by the empty one with probability `rate`, independently.

    Args:
        share: which part of their batch the prompts are.

    Raises:
        ConfigError: when the rate is not within [0, 1].
    """
    if not 0.0 <= rate <= 1.0:
        raise ConfigError(f"A dropout rate lies in [0, 1], but {rate} was given.")
    dropped = share.of(torch.rand(share.count * len(prompts), generator=generator)) < rate
    return ["" if drop else prompt for prompt, drop in zip(prompts, dropped.tolist(), strict=True)]
