"""From settings to tensors: the first state of a run and the one after each step, as functions of (state, settings) alone."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TypeVar

import torch
import torch.nn.functional as F

from ildm.core.errors import ConfigError, ShapeError
from ildm.core.randomness import START_STREAM, sample_noise
from ildm.core.types import Conditioning, Latent
from ildm.denoiser.attention import area_average
from ildm.denoiser.guidance import GuidedUnder
from ildm.diffusion.schedule import relaid
from ildm.model import Model
from ildm.sampler.state import SamplerState
from ildm.session.blobs import Blobs
from ildm.session.conditions import Conditions
from ildm.session.feedback import acts, references
from ildm.session.holds import HOLD_STREAM, Held, hold, settle
from ildm.session.refusals import Unsupported
from ildm.session.settings import Hold, Settings

KEPT_DENOISERS, KEPT_HOLDS = 16, 64
Key = TypeVar("Key")
Value = TypeVar("Value")


class Steering:
    """A model under changing settings. It remembers what is dear to make (encoded prompts, masks on the grid), and no state.

    Args:
        blobs: where the settings' masks and latents are.
        conditions: shared by all who use the same model.
    """

    def __init__(self, model: Model, blobs: Blobs, conditions: Conditions) -> None:
        self.model = model
        self.blobs = blobs
        self.conditions = conditions
        self._denoisers: OrderedDict[tuple[object, ...], GuidedUnder] = OrderedDict()
        self._held: OrderedDict[tuple[Hold, tuple[int, ...]], Held] = OrderedDict()

    @torch.inference_mode()
    def begin(self, settings: Settings) -> SamplerState:
        """The state that a run starts from: noise, or a known latent noised to the level of its step.

        Raises:
            ConfigError: for an unknown sampler or more steps than the model has.
            ShapeError: for a size that the model cannot draw.
        """
        solver = self.model.sampler(settings.sampler)
        schedule = self.model.schedule(settings.num_steps, manner=solver.manner)
        noise = self._start_noise(settings)
        if settings.start is None:
            return solver.init(noise, schedule, [settings.seed])
        source = self.blobs.latent(settings.start.source, self.model.device)
        if settings.start.step >= settings.num_steps:
            return SamplerState(source, settings.num_steps, schedule, (settings.seed,), estimate=source)
        _, alpha, sigma = schedule.at(settings.start.step)
        state = SamplerState(alpha * source + sigma * noise, settings.start.step, schedule, (settings.seed,), estimate=source)
        return hold(state, self._holds(settings))

    @torch.inference_mode()
    def step(self, state: SamplerState, settings: Settings) -> SamplerState:
        """The state one step later; the given one stays as it is.

        Raises:
            ConfigError: when the run is over, or the settings cannot be followed.
        """
        if state.step == 0:
            # nothing has been made yet: these settings are as good as those it began with
            state = self.begin(settings)
        if state.schedule.num_steps != settings.num_steps:
            state = replace(state, schedule=relaid(self.model.path, state.schedule, state.step, settings.num_steps))
        if state.seeds != (settings.seed,):
            state = replace(state, seeds=(settings.seed,))
        holds = self._holds(settings)
        state = self.model.sampler(settings.sampler).step(
            hold(state, holds), self._denoise(settings, state.schedule.share(state.step))
        )
        return settle(state, holds) if state.done else state

    def check(self, settings: Settings) -> None:
        """Find out whether these settings can be followed, before they act.

        Raises:
            ConfigError, ShapeError: when they cannot, with the reason.
        """
        solver = self.model.sampler(settings.sampler)
        self.model.schedule(settings.num_steps, manner=solver.manner)
        self._start_noise(settings)
        if settings.regions:
            raise Unsupported("Regions are not drawn by this version yet: leave them out.")
        if settings.negative_prompt and self.model.is_told_guidance:
            raise Unsupported("This model is told how strongly to follow, so there is nothing to move away from: leave it out.")
        if settings.guidance_scale == 1.0 and any(not one.liked for one in settings.feedback):
            raise ConfigError("A dislike acts through guidance, which does nothing at scale 1: choose a higher one first.")
        self.model.guided(Conditioning(), settings.guidance_scale, rescale=settings.guidance_rescale)
        missing = self.blobs.missing(settings.blobs)
        if missing:
            raise ConfigError(f"The settings refer to data {missing[0][:12]}..., which is not here.")
        for prompt in prompts(self.model, settings):
            self.conditions.get(prompt, settings.size)

    def _start_noise(self, settings: Settings) -> Latent:
        shape = self._shape(settings)
        own = None if settings.start is None else settings.start.seed
        if settings.initial_noise is None or own is not None:
            return sample_noise([settings.seed if own is None else own], START_STREAM, shape, device=self.model.device)
        given = self.blobs.latent(settings.initial_noise, self.model.device)
        if given.shape != (1, *shape):
            raise ShapeError(f"initial_noise must be {(1, *shape)} for this session, but {tuple(given.shape)} came.")
        if not bool(torch.isfinite(given).all()):
            raise ConfigError("initial_noise has numbers that are not finite: give unit normal noise.")
        return given

    def _denoise(self, settings: Settings, share: float) -> GuidedUnder:
        judged = settings.feedback if acts(share) else ()
        size = settings.size
        key = (
            *prompts(self.model, settings),
            settings.guidance_scale,
            settings.guidance_rescale,
            size,
            judged,
            judged and settings.seed,
        )
        if key not in self._denoisers:
            positive, negative = (self.conditions.get(prompt, size) for prompt in prompts(self.model, settings))
            beside = self.model.beside(None, None, size, 1)
            liked, disliked = references(judged, self.blobs, self._shape(settings), settings.seed, self.model.device)
            guided = self.model.guided(
                replace(negative, concat=beside, references=disliked),
                settings.guidance_scale,
                rescale=settings.guidance_rescale,
            )
            self._denoisers[key] = guided.under(replace(positive, concat=beside, references=liked))
        return _recent(self._denoisers, key, KEPT_DENOISERS)

    def _holds(self, settings: Settings) -> list[Held]:
        grid = self._shape(settings)
        for one in settings.holds:
            if (one, grid) not in self._held:
                self._held[one, grid] = self._read_hold(one, grid)
        return [_recent(self._held, (one, grid), KEPT_HOLDS) for one in settings.holds]

    def _read_hold(self, one: Hold, grid: tuple[int, int, int]) -> Held:
        device = self.model.device
        mask = torch.from_numpy(self.blobs.mask(one.change).to_array()).double()
        # a cell that is locked anywhere is locked whole: however small an area is, it holds
        change = -F.adaptive_max_pool2d(-mask[None], grid[1:])[0] if one.locked else area_average(mask, grid[1:])
        noise = (
            sample_noise([one.seed or 0], HOLD_STREAM, grid, device=device)
            if one.noise is None
            else self.blobs.latent(one.noise, device)
        )
        # sums of many small parts come out a little beside the whole numbers that mean "kept" and "free"
        change = torch.where(change < 1e-6, 0.0, torch.where(change > 1.0 - 1e-6, 1.0, change)).float()
        return Held(self.blobs.latent(one.source, device), change.to(device), noise, one.until)

    def _shape(self, settings: Settings) -> tuple[int, int, int]:
        return self.model.autoencoder.latent_space.grid(*settings.size)


def prompts(model: Model, settings: Settings) -> tuple[str, str]:
    """What is followed, and what is moved away from: they must be encoded before these settings can act."""
    if settings.guidance_scale == 1.0 or model.is_told_guidance:
        # nothing is moved away from, and some models know no unconditional
        return settings.prompt, settings.prompt
    return settings.prompt, settings.negative_prompt


def estimate_of(state: SamplerState) -> Latent | None:
    """The picture behind a state, as far as it is known: the final latent, or the last step's data estimate; None before any step."""
    return state.latent if state.done else state.estimate


def _recent(kept: OrderedDict[Key, Value], key: Key, limit: int) -> Value:
    kept.move_to_end(key)
    while len(kept) > limit:
        kept.popitem(last=False)
    return kept[key]
