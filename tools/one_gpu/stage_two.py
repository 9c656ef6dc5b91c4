"""Stage two by the clock: a denoiser with what it is told by, and a way back when it goes astray."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import NamedTuple

import torch
from clock import by_the_clock, passed, recorded, release, say
from optimizer import Optimizer
from stages import InPlacesLoss, StageTwoLoss
from telling import nothing
from torch import Tensor, nn

from ildm.conditioning.grounding import NOTHING
from ildm.conditioning.text import TextConditioner
from ildm.data.concepts import all_concepts
from ildm.training.auxiliary import Auxiliary, AuxiliaryCosts
from ildm.training.denoising import Losses, Networks
from ildm.training.recipe import Recipe
from ildm.training.stage_two_config import StageTwoConfig
from parts import write_parts

_HELPED, _ALONE, _APART = "with help", "without", "with words in their places"  # kinds of steps
_FORGET = (100, 200, 500, 1000, 2000)  # steps at which the averages begin anew
_LOOK, _WRITE = 200, 90.0  # steps between two looks at the loss, seconds between two writings
_SETTLED = 1000  # steps until which a rate that has just risen may cost something
_COMPILED = 180.0  # seconds after which what another process compiles is compiled here, too
_WORSE = 1.05  # times the best loss so far is astray: where it was seen, nothing recovered by itself


def kinds(config: StageTwoConfig) -> list[str]:
    """The kinds of steps that a training has."""
    helped = [_HELPED] if config.learned(1.0) != config.learned(0.0) else []
    return [*helped, _ALONE, *([_APART] if config.in_places else [])]


class Lessons(NamedTuple):
    """What a denoiser learns from, a row for each scene.

    Args:
        latents: (count, channels, rows, columns).
        tokens, named: prompts in several wordings, and what each token names; (count, wordings, length).
        features: of a hint, or anything where there is none.
        maps: the thing in each cell; (count, rows, columns).
        spoken: where words act in their places, the texts of each scene; (count, texts, length).
        areas: where each of them acts, see `InPlacesLoss`.
    """

    latents: Tensor
    tokens: Tensor
    named: Tensor
    features: Tensor
    maps: Tensor
    spoken: Tensor | None = None
    areas: Tensor | None = None


class SecondStage:
    """A denoiser's training.

    Args:
        name: of the files it writes.
        networks: trained in place, from the weights that they have, on their device.
        tokens: how many each prompt has.
        cells: rows and columns of the latents.
        batch: latents per step.
        compiled: let the networks be compiled.
    """

    def __init__(
        self,
        name: str,
        plan: Recipe,
        networks: Networks,
        *,
        tokens: int,
        cells: int,
        batch: int,
        compiled: bool,
    ) -> None:
        self.name, self.config, self.networks, self.batch = name, plan.stage_two, networks, batch
        self.steps = self.returns = 0
        self.told: dict[str, float] = {}
        self.device = next(networks.parameters()).device
        reader = networks.conditioner
        if isinstance(reader, TextConditioner):
            unsaid = reader.tokenizer([""])[0][0, :tokens].tolist()
        else:
            unsaid = [0] * tokens if reader is None else nothing(reader)
        self._unsaid = torch.tensor(unsaid, device=self.device)
        self._pad = unsaid[-1] if isinstance(reader, TextConditioner) else -1
        auxiliary = Auxiliary(plan.stage_two, plan.denoiser, len(all_concepts()) + 1, grounded=reader is not None).to(
            self.device
        )
        losses: dict[str, nn.Module] = {}
        for kind in kinds(plan.stage_two):
            if kind == _APART:
                losses[kind] = InPlacesLoss(networks, networks.unet.grids((cells, cells)))
            else:
                losses[kind] = StageTwoLoss(networks, auxiliary, helped=kind == _HELPED)
        self.optimizer = Optimizer(losses[_ALONE].named_parameters(), plan.stage_two.optimizer, plan.stage_two.ema_decay)
        self._losses = {kind: torch.compile(one, dynamic=False) if compiled else one for kind, one in losses.items()}
        self._shape = (plan.autoencoder.latent_channels, cells, cells)
        self._sums = torch.zeros(6, device=self.device)
        self._helped = torch.zeros((), device=self.device)

    def take(self, lessons: Lessons) -> None:
        """What the steps from now on are made of, on the networks' device."""
        self._lessons = lessons

    def prepare(self, elsewhere: Sequence[Event] = ()) -> None:
        """Compile every kind of step on what was taken, and see whether it can be recorded.

        Args:
            elsewhere: for each kind after the first, set once another process has compiled it, so that it lies in the cache of both.
        """
        latest = passed() + _COMPILED
        for place in range(len(self._losses)):
            if place and elsewhere:
                elsewhere[place - 1].wait(max(0.0, latest - passed()))
            self.compile(place)
        say(f"{self.name} is compiled")
        self.record()
        release()

    def compile(self, place: int) -> None:
        """Compile one kind of step, in the order of `kinds`."""
        step = self._steps[kinds(self.config)[place]]
        for _ in range(2):
            step()

    def record(self) -> None:
        """Record a step on what was taken."""
        pool = torch.cuda.graph_pool_handle() if self.device.type == "cuda" else None
        self._recorded = {kind: recorded(step, self.device, pool=pool) for kind, step in self._steps.items()}
        self.optimizer.restart()
        self._sums.zero_()
        say(f"{self.name} is recorded")

    def train(self, seconds: float, out: Path) -> None:
        """So many seconds of steps. The averaged weights are written now and then."""
        config, ceiling, best = self.config.optimizer, 1.0, float("inf")
        kept, written = self.optimizer.state(), passed()
        for progress in by_the_clock(seconds):
            falling = min(1.0, (1.0 - progress) / config.decay_share)
            self.optimizer.rate.fill_(ceiling * falling * min(1.0, (self.steps + 1) / config.warmup_steps))
            helped = self.config.help_at(progress)
            self._helped.fill_(helped)
            self._recorded[self._kind(self.steps, helped)]()
            self.steps += 1
            if self.steps in _FORGET:
                self.optimizer.forget()
            if self.steps % _LOOK:
                continue
            alone = sum(self._is_apart(step) for step in range(self.steps - _LOOK, self.steps))
            *everywhere, norm, error_apart = self._sums.tolist()
            self._sums.zero_()
            error, *aside = (one / max(1, _LOOK - alone) for one in everywhere)
            norm /= _LOOK
            self.told = {"loss": error, "in_places": error_apart / max(1, alone), **AuxiliaryCosts(*aside)._asdict()}
            if self.steps % (5 * _LOOK) == 0:
                told = ", ".join(f"{name} {value:.4f}" for name, value in self.told.items())
                say(f"{self.name} {self.steps}: {told}, norm {norm:.2f}, progress {progress:.2f}")
            if self.steps <= _SETTLED:
                continue
            if not error < _WORSE * best:
                ceiling, self.returns = 0.6 * ceiling, self.returns + 1
                self.optimizer.load_state(kept)
                self.optimizer.settle()
                say(f"{self.name} astray at {self.steps}: loss {error:.4f} after {best:.4f}; on at {ceiling:.2f} of the rate")
            elif error < best:
                best = error
                kept = self.optimizer.state()
            if passed() - written > _WRITE:
                self.write(out)
                written = passed()
        self.write(out)

    def write(self, out: Path) -> None:
        """The averaged weights."""
        self.optimizer.swap()
        write_parts(out, self.name, self.networks)
        self.optimizer.swap()

    def facts(self) -> dict[str, float]:
        """How it went."""
        return {"steps": self.steps, "batch": self.batch, "returns": self.returns, **self.told}

    @property
    def _steps(self) -> dict[str, Callable[[], None]]:
        told = {kind: partial(self._apart if kind == _APART else self._everywhere, loss) for kind, loss in self._losses.items()}
        return {kind: partial(self._step, one, apart=kind == _APART) for kind, one in told.items()}

    def _kind(self, step: int, helped: float) -> str:
        if self._is_apart(step):
            return _APART
        return _HELPED if helped and _HELPED in self._losses else _ALONE

    def _is_apart(self, step: int) -> bool:
        """Whether words act in their places in this step; such steps are spread evenly."""
        return int((step + 1) * self.config.in_places) > int(step * self.config.in_places)

    def _step(self, told: Callable[[Tensor, Tensor, Tensor, Tensor], Losses], *, apart: bool) -> None:
        batch, device, times = self.batch, self.device, self.config.times
        latents = self._lessons.latents
        chosen = torch.randint(len(latents), (batch,), device=device)
        t = torch.sigmoid(times.location + times.deviation * torch.randn(batch, device=device)).clamp(1e-5, 1.0 - 1e-5)
        noise = torch.randn(batch, *self._shape, device=device)
        found = told(chosen, latents[chosen].float(), t, noise)
        whole = found.weighted(self.config, self._helped)
        # what names is no part of the losses that do without
        gradients = torch.autograd.grad(whole, self.optimizer.parameters, materialize_grads=True)
        norm = self.optimizer.step(gradients)
        error, none = found.denoising.detach(), torch.zeros((), device=device)
        beside = (one.detach() for one in found.beside)
        self._sums.add_(torch.stack([none if apart else error, *beside, norm, error if apart else none]))

    def _everywhere(self, loss: Callable[..., Losses], chosen: Tensor, latents: Tensor, t: Tensor, noise: Tensor) -> Losses:
        """Every place reads all that is told."""
        scenes, length = self._lessons, len(self._unsaid)
        wording = torch.randint(scenes.tokens.shape[1], (self.batch,), device=self.device)
        tokens, named = (told[chosen, wording, :length].long() for told in (scenes.tokens, scenes.named))
        dropped = self._dropped(self.config.dropout)[:, None]
        tokens, named = torch.where(dropped, self._unsaid, tokens), named.masked_fill(dropped, NOTHING)
        features, hint = scenes.features[chosen], self.networks.hint
        if hint is not None and hint.config.dropout:
            features = torch.where(self._dropped(hint.config.dropout)[:, None, None, None], hint.nothing(features), features)
        return loss(latents, tokens, named, tokens != self._pad, features, scenes.maps[chosen].long(), t, noise)

    def _apart(self, loss: Callable[..., Losses], chosen: Tensor, latents: Tensor, t: Tensor, noise: Tensor) -> Losses:
        """Each text is read in its own area."""
        spoken, areas = self._lessons.spoken, self._lessons.areas
        assert spoken is not None and areas is not None
        spoken = spoken[chosen, :, : len(self._unsaid)].long()
        spoken = torch.where(self._dropped(self.config.dropout)[:, None, None], self._unsaid, spoken)
        return loss(latents, spoken, spoken != self._pad, areas[chosen], t, noise)

    def _dropped(self, rate: float) -> Tensor:
        return torch.rand(self.batch, device=self.device) < rate
