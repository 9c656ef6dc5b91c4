"""All that a person can change about a run, as one immutable value. Between two steps it may be exchanged: that is steering.

Masks, pictures and latents are named by their hashes (`BlobId`); the bytes lie beside.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from ildm.conditioning.rules import Mode as RegionMode
from ildm.conditioning.rules import Overlap as Overlap
from ildm.session.wire import BlobId, Count, Guidance, Name, NumSteps, Seed, Share, Side, Strict, Text

MAX_REGIONS, MAX_HOLDS, MAX_FEEDBACK, MAX_LORAS = 64, 64, 16, 8


class Start(Strict):
    """Where a run begins that does not begin with noise: a known latent, noised to the level of a step.

    Args:
        source: the latent, normalised.
        step: how many steps count as done.
        seed: of the noise that the source gets; None = the run's.
    """

    source: BlobId
    step: Count
    seed: Seed | None = None


class Hold(Strict):
    """A known latent that later steps hold on to (differential diffusion, Levin & Fried 2023).

    Before step i of N, where `i / N < 1 - change`, the latent becomes the source, noised to that step's level; once all steps are done,
    the source itself is written wherever `change` is 0. Where N is changed on the way, i / N is the share of the run that is done.

    Args:
        source: the latent held, normalised.
        change: mask, 255 = free to change, 0 = kept to the end.
        seed: of the noise that the source gets at every step, always the same; or
        noise: that noise itself, a latent.
        until: the step before which it still acts, and nothing is written at the end; None = to the end.
        locked: whether a person locked it; then a new start from noise keeps it.
    """

    source: BlobId
    change: BlobId
    seed: Seed | None = None
    noise: BlobId | None = None
    until: Count | None = None
    locked: bool = False


class Feedback(Strict):
    """A picture, or an area of one, that was liked or disliked.

    Args:
        source: its latent, normalised.
        area: mask of where it was, and where it acts; None = everywhere.
        strength: 1 = as strong as the picture's own content.
    """

    liked: bool
    source: BlobId
    area: BlobId | None = None
    strength: float = Field(default=1.0, ge=0.0, le=10.0)


class Lora(Strict):
    """A low-rank adapter at work, by the name under which the model has it at hand; a negative strength acts the other way round."""

    name: Name
    strength: float = Field(default=1.0, ge=-10.0, le=10.0)


class Region(Strict):
    """A painted area with a prompt of its own.

    Args:
        id: its name in messages.
        prompt, negative_prompt: empty ones = the run's.
        mask: soft mask; None = nowhere yet.
        strength: how much of the guidance acts here.
        base_ratio: how much of the base prompt is mixed in.
        guidance_scale, seed: None = the run's. Beside `initial_noise` a seed acts on the noise of steps alone.
        window: steps [start, stop), counted from 0, in which it acts; None = all.
        loras: adapters that act here beside the model's, in the mode "latent".
    """

    id: Name
    name: Text = ""
    prompt: Text = ""
    negative_prompt: Text = ""
    mask: BlobId | None = None
    strength: float = Field(default=1.0, ge=0.0, le=10.0)
    base_ratio: Share = 0.0
    guidance_scale: Guidance | None = None
    seed: Seed | None = None
    window: tuple[Count, Count] | None = None
    loras: tuple[Lora, ...] = Field(default=(), max_length=MAX_LORAS)


class Settings(Strict):
    """How the coming steps are made. Lists are in order: a later hold wins over an earlier one, a later region lies on top.

    Args:
        prompt: of the whole picture; all prompts are in AUTOMATIC1111's syntax, see `ildm.conditioning.prompt`.
        common_prompt: said before the prompt of every region.
        overlap, region_mode: who rules where regions lie on each other, and how they are drawn; see `ildm.conditioning.regions`.
        shown: the picture that the model is shown beside the prompt, a PNG file; None = none.
        hole: mask of where to draw into it; None = everywhere.
        initial_noise: a unit normal latent that takes the place of the start noise of all seeds, those of regions too.
        start: where the run begins when it does not begin with noise.
    """

    prompt: Text = ""
    negative_prompt: Text = ""
    num_steps: NumSteps
    guidance_scale: Guidance
    guidance_rescale: Share = 0.0
    sampler: Name
    seed: Seed
    width: Side
    height: Side
    shown: BlobId | None = None
    hole: BlobId | None = None
    initial_noise: BlobId | None = None
    start: Start | None = None
    holds: tuple[Hold, ...] = Field(default=(), max_length=MAX_HOLDS)
    feedback: tuple[Feedback, ...] = Field(default=(), max_length=MAX_FEEDBACK)
    regions: tuple[Region, ...] = Field(default=(), max_length=MAX_REGIONS)
    common_prompt: Text = ""
    overlap: Overlap = "normalise"
    region_mode: RegionMode = "attention"

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.width, self.height

    @property
    def blobs(self) -> frozenset[str]:
        """The hashes of everything these settings refer to."""
        named = [self.start.source] if self.start else []
        named += [one for one in (self.initial_noise, self.shown, self.hole) if one is not None]
        for hold in self.holds:
            named += [hold.source, hold.change, hold.noise or hold.source]
        for one in self.feedback:
            named += [one.source, one.area or one.source]
        named += [region.mask for region in self.regions if region.mask is not None]
        return frozenset(named)


def named_in(several: Iterable[Settings]) -> set[str]:
    """The hashes of everything that any of these settings refers to."""
    distinct = {id(one): one for one in several}  # a run's states mostly share theirs
    return {name for one in distinct.values() for name in one.blobs}
