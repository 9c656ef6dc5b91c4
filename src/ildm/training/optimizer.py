"""AdamW with warm-up, a plateau and a decay, and clipped gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import AdamW

from ildm.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """How weights follow gradients.

    Args:
        learning_rate: on the plateau.
        betas: of Adam's two averages.
        weight_decay: applied to matrices and kernels, not to biases, norms and embeddings' scalars.
        clip_norm: the gradient's norm is cut to this; 0 = never.
        warmup_steps: the rate rises linearly over them.
        decay: of the rate over the last `decay_share` of the steps: "none", "linear" to zero, or "cosine" to zero.
        decay_share: in (0, 1]; 1 decays from the end of the warm-up on.
    """

    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    warmup_steps: int = 100
    decay: Literal["none", "linear", "cosine"] = "none"
    decay_share: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate < math.inf or not 0 < self.decay_share <= 1:
            raise ConfigError(
                f"The learning rate is positive and decay_share within (0, 1], but {self.learning_rate} and {self.decay_share} were given."
            )

    def rate(self, step: int, num_steps: int) -> float:
        """The learning rate of step `step` (from 0) of `num_steps`."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        start = max(self.warmup_steps, round(num_steps * (1.0 - self.decay_share)))
        if self.decay == "none" or step < start:
            return self.learning_rate
        done = min(1.0, (step - start) / max(1, num_steps - start))
        left = 1.0 - done if self.decay == "linear" else 0.5 * (1.0 + math.cos(math.pi * done))
        return self.learning_rate * left


class Optimizer:
    """One group of parameters, updated by one configuration.

    Args:
        parameters: those to train; each must receive a gradient.
        num_steps: of the whole run, for the decay.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], config: OptimizerConfig, num_steps: int) -> None:
        self.config = config
        self.num_steps = num_steps
        self.parameters = list(parameters)
        groups = [
            {"params": [p for p in self.parameters if p.ndim >= 2], "weight_decay": config.weight_decay},
            {"params": [p for p in self.parameters if p.ndim < 2], "weight_decay": 0.0},
        ]
        self.inner = AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True)

    def update(self, loss: Float[Tensor, ""], step: int) -> Float[Tensor, ""]:
        """Follow the loss's gradient once. Returns the gradient's norm before clipping, still on the device."""
        self.inner.zero_grad(set_to_none=True)
        loss.backward()
        limit = self.config.clip_norm or math.inf
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, limit)
        for group in self.inner.param_groups:
            group["lr"] = self.config.rate(step, self.num_steps)
        self.inner.step()
        return norm
