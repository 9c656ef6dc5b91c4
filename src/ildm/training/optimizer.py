"""How weights follow gradients: AdamW, or Muon for the hidden matrices, with warm-up, a plateau, a decay and clipped gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import AdamW, Muon

from ildm.core.errors import ConfigError
from ildm.training.world import ALONE, World

NamedParameters = Iterable[tuple[str, nn.Parameter]]
OUTER_LAYERS = ("embedding", "codebook", "conv_in", "conv_out", "places_out")
"""Parts of names that mark a network's ends: what they map from or to is no hidden state, so Muon leaves them to AdamW."""


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """How weights follow gradients.

    Args:
        learning_rate: of AdamW, on the plateau.
        betas: of AdamW's two averages.
        hidden_learning_rate: of Muon, on the plateau, scaled so that its updates are as large as AdamW's at this rate;
            0 leaves the hidden matrices to AdamW too.
        momentum: of Muon.
        weight_decay: applied to matrices and kernels, not to biases, norms and embeddings' scalars.
        clip_norm: the gradient's norm is cut to this; 0 = never.
        warmup_steps: the rates rise linearly over them.
        decay: of the rates over the last `decay_share` of the steps: "none", "linear" to zero, or "cosine" to zero.
        decay_share: in (0, 1]; 1 decays from the end of the warm-up on.
    """

    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)
    hidden_learning_rate: float = 0.0
    momentum: float = 0.95
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    warmup_steps: int = 100
    decay: Literal["none", "linear", "cosine"] = "none"
    decay_share: float = 1.0

    def __post_init__(self) -> None:
        for key, fits, takes in (
            ("learning_rate", 0 < self.learning_rate < math.inf, "a finite number above 0"),
            ("betas", all(0 <= beta < 1 for beta in self.betas), "two numbers within [0, 1)"),
            ("hidden_learning_rate", 0 <= self.hidden_learning_rate < math.inf, "a finite number of at least 0"),
            ("momentum", 0 <= self.momentum < 1, "a number within [0, 1)"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "a finite number of at least 0"),
            ("clip_norm", self.clip_norm >= 0, "a number of at least 0"),
            ("warmup_steps", self.warmup_steps >= 0, "a number of at least 0"),
            ("decay_share", 0 < self.decay_share <= 1, "a number within (0, 1]"),
        ):
            if not fits:
                raise ConfigError(f"{key} takes {takes}, but {getattr(self, key)} was given.")

    def scale(self, step: int, num_steps: int) -> float:
        """What the learning rates are multiplied by in step `step` (from 0) of `num_steps`: 1 on the plateau."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        start = max(self.warmup_steps, round(num_steps * (1.0 - self.decay_share)))
        if self.decay == "none" or step < start:
            return 1.0
        done = min(1.0, (step - start) / max(1, num_steps - start))
        return 1.0 - done if self.decay == "linear" else 0.5 * (1.0 + math.cos(math.pi * done))


class Optimizer:
    """Parameters updated by one configuration.

    Args:
        parameters: those to train with their names; each must receive a gradient, and stay where it is in memory.
        num_steps: of the whole run, for the decay.
        world: the processes that train the same parameters, each with the gradient of its part of the batch.
    """

    def __init__(self, parameters: NamedParameters, config: OptimizerConfig, num_steps: int, *, world: World = ALONE) -> None:
        self.config = config
        self.num_steps = num_steps
        self._world = world
        named = list(parameters)
        self.parameters = [parameter for _, parameter in named]
        hidden = [p for name, p in named if config.hidden_learning_rate and _is_hidden(name, p)]
        taken = set(map(id, hidden))
        rest = [p for p in self.parameters if id(p) not in taken]
        groups = [
            {"params": [p for p in rest if p.ndim >= 2], "weight_decay": config.weight_decay},
            {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
        ]
        self._adamw = AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True)
        self._muon = _Muon(hidden, config) if hidden else None

    def update(self, loss: Float[Tensor, ""], step: int) -> Float[Tensor, ""]:
        """Follow the loss's gradient once. Returns the gradient's norm before clipping, still on the device."""
        for parameter in self.parameters:
            parameter.grad = None
        loss.backward()
        self._world.average_gradients(self.parameters)
        limit = self.config.clip_norm or math.inf
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, limit)
        scale = self.config.scale(step, self.num_steps)
        for group in self._adamw.param_groups:
            group["lr"] = scale * self.config.learning_rate
        self._adamw.step()
        if self._muon is not None:
            self._muon.step(scale * self.config.hidden_learning_rate)
        return norm

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs to go on exactly."""
        return {"adamw": self._adamw.state_dict()} | ({"muon": self._muon.inner.state_dict()} if self._muon else {})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to what `state_dict` returned.

        Raises:
            ValueError: when it is of other parameters or another kind.
        """
        if ("muon" in state) != (self._muon is not None):
            raise ValueError("One of these optimizers uses Muon and the other does not.")
        self._adamw.load_state_dict(state["adamw"])
        if self._muon is not None:
            self._muon.inner.load_state_dict(state["muon"])


class _Muon:
    """torch's Muon, which takes matrices only, on kernels too: each is seen as (out, everything else), in the same memory.

    The update is the momentum with all its singular values made about one (Jordan 2024), times 0.2 sqrt(longer side) so that
    it is as large as AdamW's (Liu 2025, sec. 2.2).
    """

    def __init__(self, parameters: list[nn.Parameter], config: OptimizerConfig) -> None:
        self._parameters = parameters
        self._matrices = [nn.Parameter(_as_matrix(p.detach())) for p in parameters]
        self.inner = Muon(
            self._matrices,
            lr=config.hidden_learning_rate,
            weight_decay=config.weight_decay,
            momentum=config.momentum,
            adjust_lr_fn="match_rms_adamw",
        )

    def step(self, learning_rate: float) -> None:
        for matrix, parameter in zip(self._matrices, self._parameters, strict=True):
            assert parameter.grad is not None
            matrix.grad = parameter.grad.flatten(1)
        self.inner.param_groups[0]["lr"] = learning_rate
        self.inner.step()


def _is_hidden(name: str, parameter: nn.Parameter) -> bool:
    return parameter.ndim >= 2 and not any(part in name for part in OUTER_LAYERS)


def _as_matrix(weight: Tensor) -> Tensor:
    """(out, ...) as (out, everything else) without a copy."""
    return weight.view(len(weight), -1)
