"""Muon and Adam as few large operations on tensors that stay in place, so that a whole step can be one CUDA graph.

What is computed is what `ildm.training.optimizer` computes; matrices of one shape are updated together here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ildm.training.optimizer import OptimizerConfig, _is_hidden

_torch: Any = torch  # whose operations on lists are not declared
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the Newton-Schulz iteration (Jordan 2024)
_ITERATIONS = 5


class Optimizer:
    """Parameters, their averages, and `rate`, which the learning rates are multiplied by.

    Args:
        named: those to train.
        ema_decay: of the averages.
    """

    def __init__(self, named: Iterable[tuple[str, nn.Parameter]], config: OptimizerConfig, ema_decay: float) -> None:
        named = list(named)
        self.config, self._ema_decay = config, ema_decay
        self.parameters = [parameter for _, parameter in named]
        device = self.parameters[0].device
        self.rate, self._steps = torch.ones((), device=device), torch.zeros((), device=device)
        self._averages = [parameter.detach().clone() for parameter in self.parameters]
        hidden = [place for place, (name, one) in enumerate(named) if _is_hidden(name, one)]
        self._groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        for place in hidden:
            rows, columns = self.parameters[place].flatten(1).shape
            self._groups[rows, columns].append(place)
        self._momenta = {shape: torch.zeros(len(places), *shape, device=device) for shape, places in self._groups.items()}
        taken = set(hidden)
        self._rest = [place for place in range(len(named)) if place not in taken]
        self._decayed = [place for place in self._rest if self.parameters[place].ndim >= 2]
        self._first = [torch.zeros_like(self.parameters[place]) for place in self._rest]
        self._second = [torch.zeros_like(one) for one in self._first]
        self._initial = self.state()

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> Tensor:
        """Follow the gradients once, in the order of `parameters`. Returns their norm before clipping."""
        norm = torch.stack(_torch._foreach_norm(list(gradients))).norm()
        kept = (self.config.clip_norm / norm).clamp(max=1.0) if self.config.clip_norm else torch.ones_like(norm)
        gradients = _torch._foreach_mul(list(gradients), kept)
        for shape, places in self._groups.items():
            self._follow_matrices(shape, places, gradients)
        self._follow_rest([gradients[place] for place in self._rest])
        _torch._foreach_lerp_(self._averages, self.parameters, 1.0 - self._ema_decay)
        return norm

    def restart(self) -> None:
        """As it was at first, the weights too."""
        self.load_state(self._initial)

    def state(self) -> list[Tensor]:
        """A copy of everything, the weights too."""
        return [one.detach().clone() for one in self._everything()]

    @torch.no_grad()
    def load_state(self, state: list[Tensor]) -> None:
        """Back to a copy."""
        _torch._foreach_copy_(self._everything(), state)

    @torch.no_grad()
    def forget(self) -> None:
        """The averages begin anew at the weights."""
        _torch._foreach_copy_(self._averages, self.parameters)

    @torch.no_grad()
    def settle(self) -> None:
        """The weights go on from their averages."""
        _torch._foreach_copy_(self.parameters, self._averages)

    @torch.no_grad()
    def swap(self) -> None:
        """Averages and weights change places; a second call changes them back."""
        for average, parameter in zip(self._averages, self.parameters, strict=True):
            kept = parameter.clone()
            parameter.copy_(average)
            average.copy_(kept)

    def _everything(self) -> list[Tensor]:
        return [*self.parameters, *self._averages, *self._momenta.values(), *self._first, *self._second, self._steps]

    def _follow_matrices(self, shape: tuple[int, int], places: list[int], gradients: Sequence[Tensor]) -> None:
        momentum, config = self._momenta[shape], self.config
        gradient = torch.stack([gradients[place].flatten(1) for place in places])  # (n, rows, columns)
        momentum.lerp_(gradient, 1.0 - config.momentum)
        update = _orthogonal(gradient.lerp(momentum, config.momentum)).float()
        rate = self.rate * (config.hidden_learning_rate * 0.2 * max(shape) ** 0.5)
        followed = [self.parameters[place] for place in places]
        _torch._foreach_mul_(followed, 1.0 - self.rate * (config.hidden_learning_rate * config.weight_decay))
        update = update * rate
        _torch._foreach_sub_(followed, [one.view_as(p) for one, p in zip(update, followed, strict=True)])

    def _follow_rest(self, gradients: list[Tensor]) -> None:
        (beta1, beta2), config = self.config.betas, self.config
        self._steps.add_(1.0)
        _torch._foreach_lerp_(self._first, gradients, 1.0 - beta1)
        _torch._foreach_mul_(self._second, beta2)
        _torch._foreach_addcmul_(self._second, gradients, gradients, value=1.0 - beta2)
        decayed = [self.parameters[place] for place in self._decayed]
        if decayed:
            _torch._foreach_mul_(decayed, 1.0 - self.rate * (config.learning_rate * config.weight_decay))
        denominators = _torch._foreach_sqrt(self._second)
        _torch._foreach_div_(denominators, (1.0 - beta2**self._steps).sqrt())
        _torch._foreach_add_(denominators, 1e-8)
        updates = _torch._foreach_div(self._first, denominators)
        _torch._foreach_mul_(updates, self.rate * config.learning_rate / (1.0 - beta1**self._steps))
        _torch._foreach_sub_([self.parameters[place] for place in self._rest], updates)


def _orthogonal(matrices: Tensor) -> Tensor:
    """(n, rows, columns) with all singular values about one."""
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = (matrices.mT if tall else matrices).to(torch.bfloat16 if matrices.is_cuda else torch.float32)
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x
