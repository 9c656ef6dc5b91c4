"""Stage two by the clock: the denoiser with its text encoder, and a way back when it goes astray."""

from __future__ import annotations

from pathlib import Path

import torch
from clock import by_the_clock, passed, recorded, say
from optimizer import Optimizer
from recipe import CELLS, TOKENS
from scenes import WORDINGS, Scenes
from stages import StageTwoLoss
from torch import Tensor

from ildm.conditioning.text import TextConditioner
from ildm.training.alignment import SemanticHead
from ildm.training.recipe import Recipe
from ildm.training.stage_two import Networks
from parts import write_parts

_FORGET = (100, 200, 500, 1000, 2000)  # steps at which the averages begin anew
_LOOK, _WRITE = 200, 90.0  # steps between two looks at the loss, seconds between two writings
_WORSE = 1.08  # times the best loss so far is astray: where it was seen, nothing recovered by itself


class SecondStage:
    """The denoiser's training.

    Args:
        networks: trained in place, from the weights that they have.
        head: of `ildm.training.alignment`.
        batch: latents per step.
        compiled: let the networks be compiled.
    """

    def __init__(self, plan: Recipe, networks: Networks, head: SemanticHead, *, batch: int, compiled: bool) -> None:
        self.config, self.networks, self.batch, self.steps = plan.stage_two, networks, batch, 0
        self.device = next(networks.parameters()).device
        self.returns = 0
        conditioner, text = networks.conditioner, plan.text
        assert isinstance(conditioner, TextConditioner) and text is not None
        self._pad = conditioner.tokenizer([""])[0][0, :TOKENS].to(self.device)  # the empty prompt
        self._loss = StageTwoLoss(networks.unet, conditioner, head)
        self.optimizer = Optimizer(self._loss.named_parameters(), plan.stage_two.optimizer, plan.stage_two.ema_decay)
        self._run = torch.compile(self._loss, dynamic=False) if compiled else self._loss
        self._shape = (plan.autoencoder.latent_channels, CELLS, CELLS)
        self._latents = torch.randn(batch, *self._shape, device=self.device).half()
        self._tokens = torch.randint(3, 200, (batch, WORDINGS, text.max_tokens), device=self.device).short()
        self._maps = torch.zeros(batch, CELLS, CELLS, dtype=torch.int16, device=self.device)
        self._told = torch.zeros(3, device=self.device)

    def prepare(self) -> None:
        """Compile a step on random data."""
        for _ in range(2):
            self._step()
        self.optimizer.restart()
        say("stage two is compiled")

    def take(self, latents: Tensor, scenes: Scenes) -> None:
        """The real data, on which a step is recorded."""
        self._latents = latents
        self._tokens = torch.from_numpy(scenes.tokens).to(self.device)
        self._maps = torch.from_numpy(scenes.maps).to(self.device)
        self._recorded = recorded(self._step, self.device)
        self.optimizer.restart()
        say("stage two is recorded")

    def train(self, seconds: float, out: Path) -> None:
        """So many seconds of steps. What there is by then is written now and then: `raw` and `averaged`."""
        config, ceiling, best = self.config.optimizer, 1.0, float("inf")
        kept, written = self.optimizer.state(), passed()
        for progress in by_the_clock(seconds):
            falling = min(1.0, (1.0 - progress) / config.decay_share)
            self.optimizer.rate.fill_(ceiling * falling * min(1.0, (self.steps + 1) / config.warmup_steps))
            self._recorded()
            self.steps += 1
            if self.steps in _FORGET:
                self.optimizer.forget()
            if self.steps % _LOOK:
                continue
            error, naming, norm = (self._told / _LOOK).tolist()
            self._told.zero_()
            if self.steps % (5 * _LOOK) == 0:
                say(f"stage two {self.steps}: loss {error:.4f}, naming {naming:.3f}, norm {norm:.2f}, progress {progress:.2f}")
            if not error < _WORSE * best:
                ceiling, self.returns = 0.6 * ceiling, self.returns + 1
                self.optimizer.load_state(kept)
                say(f"astray at {self.steps}: loss {error:.4f} after {best:.4f}; back, and on at {ceiling:.2f} of the rate")
            elif error < best:
                best = error
                kept = self.optimizer.state()
            if passed() - written > _WRITE:
                self.write(out)
                written = passed()
        self.write(out)

    def write(self, out: Path) -> None:
        """The weights and their averages."""
        write_parts(out, "raw", self.networks)
        self.optimizer.swap()
        write_parts(out, "averaged", self.networks)
        self.optimizer.swap()

    def _step(self) -> None:
        batch, device, times = self.batch, self.device, self.config.times
        chosen = torch.randint(len(self._latents), (batch,), device=device)
        wording = torch.randint(WORDINGS, (batch,), device=device)
        tokens = self._tokens[chosen, wording, :TOKENS].long()
        dropped = torch.rand(batch, device=device) < self.config.dropout
        tokens = torch.where(dropped[:, None], self._pad, tokens)
        t = torch.sigmoid(times.location + times.deviation * torch.randn(batch, device=device)).clamp(1e-5, 1.0 - 1e-5)
        noise = torch.randn(batch, *self._shape, device=device)
        mask = tokens != self._pad[-1]
        error, naming = self._run(self._latents[chosen].float(), tokens, mask, self._maps[chosen].long(), t, noise)
        gradients = torch.autograd.grad(error + self.config.alignment * naming, self.optimizer.parameters)
        norm = self.optimizer.step(gradients)
        self._told.add_(torch.stack([error.detach(), naming.detach(), norm]))
