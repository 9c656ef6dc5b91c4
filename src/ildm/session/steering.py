"""From settings to tensors: the first state of a run and the one after each step, as functions of (state, settings) alone."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ildm.conditioning.composition import Composition, Plan, fine_grid
from ildm.conditioning.hint import Beside
from ildm.conditioning.places import stands_in
from ildm.core.errors import ConfigError, ShapeError
from ildm.core.masks import Grid, mask_on
from ildm.core.randomness import START_STREAM, sample_noise
from ildm.core.recent import Recent
from ildm.core.types import Conditioning, Latent
from ildm.diffusion.schedule import Schedule, relaid
from ildm.following import follow_plan
from ildm.model import Model
from ildm.sampler.state import Denoise, SamplerState
from ildm.session.blobs import Blobs
from ildm.session.composing import composition_of, wording_of, words_of
from ildm.session.conditions import Conditions
from ildm.session.feedback import acts, references
from ildm.session.holds import HOLD_STREAM, Held, hold, settle
from ildm.session.refusals import NotNow, Unsupported
from ildm.session.settings import Feedback, Hold, Settings
from ildm.session.shown import shown_to
from ildm.session.wire import Mask
from ildm.session.word_masks import find_word, heat_of_word, shown_heat

KEPT_COMPOSITIONS, KEPT_DENOISERS, KEPT_HOLDS, KEPT_MASKS, KEPT_SHOWN = 8, 16, 64, 128, 8


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
        self._compositions = Recent[tuple[object, ...], Composition](KEPT_COMPOSITIONS)
        self._denoisers = Recent[tuple[object, ...], Denoise](KEPT_DENOISERS)
        self._masks = Recent[tuple[str, Grid], Tensor](KEPT_MASKS)
        self._shown = Recent[tuple[object, ...], Beside](KEPT_SHOWN)
        self._held = Recent[tuple[Hold, tuple[int, ...]], Held](KEPT_HOLDS)

    @torch.inference_mode()
    def begin(self, settings: Settings) -> SamplerState:
        """The state that a run starts from: noise, or a known latent noised to the level of its step.

        Raises:
            ConfigError: for an unknown sampler or more steps than the model has.
            ShapeError: for a size that the model cannot draw.
        """
        solver = self.model.sampler(settings.sampler)
        schedule = self._schedule(settings)
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
        laid, asked = state.schedule.num_steps, settings.num_steps
        if laid <= state.step < asked:
            # a published schedule may leave its last step out: it would lead nowhere
            return replace(state, step=state.step + 1)
        if laid != asked and laid != self._schedule(settings).num_steps:
            state = replace(state, schedule=relaid(self.model.path, state.schedule, state.step, asked))
        composition, (height, width) = self._composition(settings), self._shape(settings)[1:]
        state = replace(state, seeds=(settings.seed,), areas=composition.seed_areas(state.step, (height, width)))
        holds = self._holds(settings)
        state = self.model.sampler(settings.sampler).step(hold(state, holds), self._denoise(settings, state))
        self._look_ahead(composition, state, settings)
        return settle(state, holds) if state.done else state

    def check(self, settings: Settings) -> None:
        """Find out whether these settings can be followed, before they act.

        Raises:
            ConfigError, ShapeError: when they cannot, with the reason.
        """
        self._schedule(settings)
        self._shape(settings)
        if settings.initial_noise is not None:
            self._start_noise(settings)
        if settings.regions and settings.region_mode == "attention" and self.model.unet.config.context_width is None:
            raise Unsupported("This model attends to no prompt, so regions cannot act by attention: choose the mode 'latent'.")
        negatives = [settings.negative_prompt, *(one.negative_prompt for one in settings.regions)]
        if any(negatives) and self.model.is_told_guidance:
            raise Unsupported("This model is told how strongly to follow, so there is nothing to move away from: leave it out.")
        if any(not one.liked for one in settings.feedback):
            self.check_dislike(settings)
        self.model.guide.guided(Conditioning(), settings.guidance_scale, rescale=settings.guidance_rescale)
        missing = self.blobs.missing(settings.blobs)
        if missing:
            raise ConfigError(f"The settings refer to data {missing[0][:12]}..., which is not here.")
        self._check_adapters(settings)
        self._beside(settings)
        for words in words_of(settings):
            self.conditions.get(words, settings.size)
        self._composition(settings)

    def check_dislike(self, settings: Settings, area: Mask | None = None) -> None:
        """Find out whether a dislike would do anything: whether, in the steps in which it acts, something is moved away from in its area.

        Raises:
            ConfigError: when nothing is.
        """
        if settings.guidance_scale != 1.0:
            return
        composition, grid, count = self._composition(settings), self._fine_grid(settings), settings.num_steps
        plans = {id(plan): plan for plan in (composition.at(step, count, grid) for step in range(count) if acts(step / count))}
        mask = torch.ones(grid) if area is None else mask_on(torch.from_numpy(area.to_array()), grid)
        if not any(plan.avoids_within(mask) for plan in plans.values()):
            of = "of the picture or a region" if area is None else "of the picture or a region in this area"
            raise ConfigError(
                f"A dislike acts through guidance, which does nothing at scale 1: choose a higher one first, {of}."
            )

    @torch.inference_mode()
    def where(self, word: str, state: SamplerState, settings: Settings) -> Mask:
        """Where a word of a prompt is at a state, by a few evaluations of the network under that prompt. Any thread may ask.

        Raises:
            ConfigError: when the word is not in the prompt, or the model cannot tell where it is.
            NotNow: before the first step.
        """
        return find_word(self.model, word, *self._seen(word, state, settings), settings.size)

    @torch.inference_mode()
    def heat(self, word: str, state: SamplerState, settings: Settings) -> Mask:
        """The same as a soft map of the picture's size, for people to look at: from where the word acts least, 0, to where most, 1.

        Raises:
            Unsupported: when the model attends to no words.
            ConfigError, NotNow: as for `where`.
        """
        if self.model.conditioner is None or self.model.unet.config.context_width is None:
            raise Unsupported(
                "This model attends to no words, so none of them acts anywhere: choose a model that reads prompts."
            )
        found = heat_of_word(self.model, word, *self._seen(word, state, settings), settings.size)
        return shown_heat(found, settings.size)

    def _seen(self, word: str, state: SamplerState, settings: Settings) -> tuple[str, Latent, float]:
        """The prompt in which a word is looked for, and the noised latent at its time."""
        if state.estimate is None:
            raise NotNow("Nothing is anywhere yet: make a few steps first.")
        step = min(state.step, settings.num_steps - 1)
        plan = self._composition(settings).at(step, settings.num_steps, self._fine_grid(settings))
        texts = [part.prompt.text for part in plan.parts]
        text = next((one for one in texts if stands_in(one, word)), texts[0])
        latent, border = state.latent, state.step
        if state.done:
            # a finished picture is seen as it was half-way, where what is where has been settled and details have not
            border = state.schedule.num_steps // 2
            _, alpha, sigma = state.schedule.at(border)
            latent = alpha * latent + sigma * sample_noise([settings.seed], HOLD_STREAM, self._shape(settings)).to(latent)
        return text, latent, state.schedule.at(border)[0]

    def _check_adapters(self, settings: Settings) -> None:
        for region in settings.regions:
            self.model.adapters.check(tuple((one.name, one.strength) for one in region.loras))
            if region.loras and settings.region_mode == "attention":
                raise ConfigError(
                    f"The region {region.id!r} has adapters of its own, which act in the mode 'latent' alone: choose that first."
                )

    def _schedule(self, settings: Settings) -> Schedule:
        """The one that a run with these settings begins with; it may have a step less than they say."""
        return self.model.schedule(settings.num_steps, manner=self.model.sampler(settings.sampler).manner)

    def _start_noise(self, settings: Settings) -> Latent:
        shape = self._shape(settings)
        own = None if settings.start is None else settings.start.seed
        if settings.initial_noise is None or own is not None:
            areas = self._composition(settings).seed_areas(0, (shape[1], shape[2])) if own is None else None
            seed = settings.seed if own is None else own
            return sample_noise([seed], START_STREAM, shape, areas=areas, device=self.model.device)
        given = self.blobs.latent(settings.initial_noise, self.model.device)
        if given.shape != (1, *shape):
            raise ShapeError(f"initial_noise must be {(1, *shape)} for this session, but {tuple(given.shape)} came.")
        if not bool(torch.isfinite(given).all()):
            raise ConfigError("initial_noise has numbers that are not finite: give unit normal noise.")
        return given

    def _composition(self, settings: Settings) -> Composition:
        grid = self._fine_grid(settings)

        def compose() -> Composition:
            masks = {one.mask: self._mask(one.mask, grid) for one in settings.regions if one.mask is not None}
            return composition_of(settings, masks)

        return self._compositions.get((wording_of(settings), grid), compose)

    def _mask(self, name: str, grid: Grid) -> Tensor:
        return self._masks.get((name, grid), lambda: mask_on(torch.from_numpy(self.blobs.mask(name).to_array()), grid))

    def _fine_grid(self, settings: Settings) -> Grid:
        _, height, width = self._shape(settings)
        return fine_grid((height, width))

    def _denoise(self, settings: Settings, state: SamplerState) -> Denoise:
        """What the step from `state` is made with."""
        judged = settings.feedback if acts(state.schedule.share(state.step)) else ()
        plan = self._composition(settings).at(state.step, state.schedule.num_steps, self._fine_grid(settings))
        shown = (settings.shown, settings.hole)
        key = (plan, settings.guidance_rescale, settings.size, shown, judged, judged and settings.seed)
        return self._denoisers.get(key, lambda: self._follow(settings, plan, judged))

    def _follow(self, settings: Settings, plan: Plan, judged: tuple[Feedback, ...] = ()) -> Denoise:
        size = settings.size
        liked, disliked = references(judged, self.blobs, self._shape(settings), settings.seed, self.model.device)
        return follow_plan(
            self.model,
            plan,
            lambda words: self.conditions.get(words, size),
            size,
            beside=self._beside(settings),
            liked=liked,
            disliked=disliked,
            rescale=settings.guidance_rescale,
        )

    def _beside(self, settings: Settings) -> Beside:
        key = (settings.shown, settings.hole, settings.size)
        return self._shown.get(key, lambda: shown_to(self.model, self.blobs, settings))

    def _look_ahead(self, composition: Composition, state: SamplerState, settings: Settings) -> None:
        """Begin to encode what the next step says, where it says something else."""
        if not state.done:
            count = state.schedule.num_steps
            known = set(composition.words_at(state.step - 1, count))
            for words in composition.words_at(state.step, count):
                if words not in known:
                    self.conditions.prepare(words, settings.size)

    def _holds(self, settings: Settings) -> list[Held]:
        grid = self._shape(settings)
        return [self._held.get((one, grid), partial(self._read_hold, one, grid)) for one in settings.holds]

    def _read_hold(self, one: Hold, grid: tuple[int, int, int]) -> Held:
        device = self.model.device
        mask = torch.from_numpy(self.blobs.mask(one.change).to_array())
        # a cell that is locked anywhere is locked whole: however small an area is, it holds
        change = -F.adaptive_max_pool2d(-mask[None], grid[1:])[0] if one.locked else mask_on(mask, grid[1:])
        noise = (
            sample_noise([one.seed or 0], HOLD_STREAM, grid, device=device)
            if one.noise is None
            else self.blobs.latent(one.noise, device)
        )
        return Held(self.blobs.latent(one.source, device), change.float().to(device), noise, one.until)

    def _shape(self, settings: Settings) -> tuple[int, int, int]:
        return self.model.autoencoder.latent_space.grid(*settings.size)


def estimate_of(state: SamplerState) -> Latent | None:
    """The picture behind a state, as far as it is known: the final latent, or the last step's data estimate; None before any step."""
    return state.latent if state.done else state.estimate
