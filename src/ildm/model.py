"""The method on one page: Model = autoencoder + denoiser + conditioner + path; `generate` draws from it.

prompt -> conditioner -> conditioning -+
                                       v
seed -> noise -> sampler.step ( guided denoiser ) x num_steps -> latent -> autoencoder.decode -> image
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from PIL import Image as PILImage
from torch import Tensor

from ildm.calls import compose, pair_up
from ildm.conditioning.hint import UNSHOWN, Beside, Given, complete, show
from ildm.conditioning.regions import Mode, Overlap, Region
from ildm.core import extensions
from ildm.core.arguments import check_arguments
from ildm.core.config import from_json
from ildm.core.errors import ConfigError
from ildm.core.picture import to_pictures
from ildm.core.progress import Progress
from ildm.core.shapes import check_size
from ildm.core.types import Conditioning, Denoiser, Latent, Worn
from ildm.denoiser.guidance import Projection
from ildm.denoiser.guide import Guide
from ildm.denoiser.precondition import Preconditioned
from ildm.denoiser.windows import Windowed
from ildm.diffusion.published import Manner, Published
from ildm.diffusion.schedule import Schedule, make_schedule
from ildm.following import Following
from ildm.parts import ModelParts
from ildm.sampler.base import Sampler


@dataclass
class Model(ModelParts):
    """A latent diffusion model, ready to draw: its `ModelParts`, and what they do together."""

    def size_for(self, image: PILImage.Image | None) -> tuple[int, int]:
        """The (width, height) in pixels that is drawn for what the model is shown when nobody says otherwise."""
        if image is None:
            return self.image_size
        return image.size if self.hint is None else self.hint.size_of(image)

    @property
    def denoiser(self) -> Denoiser:
        """The U-Net as a data estimator, without guidance.

        One that is shown what lies where has learned to draw each place by its surroundings: beyond the size it was trained at, it looks
        through windows of that size.
        """
        whole, side = Preconditioned(self._predict, self.path, self.manifest.prediction), self._window
        return whole if side is None else Windowed(whole, side, side // 4)

    @property
    def _window(self) -> int | None:
        """Rows and columns of a latent that are looked at together; None = all."""
        if self.hint is None or not self.hint.is_local or not self.hint.concat_channels:
            return None
        return max(self.autoencoder.latent_space.grid(*self.image_size)[1:])

    def check_size(self, size: tuple[int, int]) -> None:
        """See that pictures of (width, height) pixels can be drawn.

        Raises:
            ShapeError: when they cannot, with sizes nearby that can.
        """
        stride, window = self.autoencoder.latent_space.stride, self._window
        long = None if window is None else window * stride
        check_size(*size, stride * self.unet.config.multiple, long=long, finer=stride)

    @property
    def is_told_guidance(self) -> bool:
        """Whether the U-Net was distilled with guidance: then it is told the scale, and knows no negative prompt."""
        return self.unet.config.guidance_width is not None

    def condition(self, prompts: Sequence[str], size: tuple[int, int] | None = None, adapters: Worn = ()) -> Conditioning:
        """The conditioning of prompts in prompt syntax, without schedules and `AND`; an unconditional model takes only empty ones.

        Args:
            prompts: one per sample.
            size: (width, height) in pixels of the images to be drawn, for models that are told; None = the native one.
            adapters: those that prompts are read and drawn with beside those that are set.

        Raises:
            ConfigError: for a prompt given to a model without a text encoder.
        """
        if self.conditioner is not None:
            with torch.inference_mode(), self.adapters.wearing(adapters, "conditioner"):
                return replace(self.conditioner.read(prompts, size or self.image_size), adapters=adapters)
        if any(prompts):
            raise ConfigError(f"The model {self.manifest.name!r} has no text encoder, so it takes no prompt: leave it out.")
        return Conditioning(adapters=adapters)

    def schedule(self, num_steps: int | None = None, *, manner: Manner = "ddim") -> Schedule:
        """The noise levels of a run, as the manifest's defaults say.

        Args:
            manner: of the sampler, which published models lay their schedules out by.
        """
        defaults = self.manifest.defaults
        count = defaults.num_steps if num_steps is None else num_steps
        spacing, convention = defaults.spacing, None
        if defaults.published is not None:
            spacing, convention = from_json(Published, defaults.published, where="published").layout(manner)
        return make_schedule(self.path, count, spacing, shift=defaults.shift, convention=convention)

    @property
    def guide(self) -> Guide:
        """What makes a denoise of conditionings, guided as the manifest says where a call does not."""
        defaults = self.manifest.defaults
        return Guide(
            model=self.manifest.name,
            denoiser=self.denoiser,
            path=self.path,
            prediction=self.manifest.prediction,
            scale=defaults.guidance_scale,
            interval=defaults.guidance_interval,
            rescale=defaults.guidance_rescale,
            told=self.is_told_guidance,
        )

    def look(self, word: str, prompt: str, latent: Latent, t: float, size: tuple[int, int]) -> list[Float[Tensor, "_ _"]]:
        """How much each cross-attention looks at a word, at every position: (height, width) of its level, in the network's order.

        Args:
            word: of `prompt`, or a few that stand together in it.
            prompt: words with brackets that weigh them at most.
            latent: (1, channels, height, width), noised to time `t`.
            size: (width, height) in pixels.

        Raises:
            ConfigError: when the word is not in the prompt, or the model attends to no prompt.
        """
        if self.conditioner is None or self.unet.config.context_width is None:
            raise ConfigError(f"The model {self.manifest.name!r} attends to no words, so it cannot tell where one is.")
        tokens = self.conditioner.places(prompt, word)
        conditioning = self.alone(self.condition([prompt], size), size)
        time = self.path.network_time(torch.tensor([t], dtype=torch.float64)).to(latent)
        with self.adapters.resting():
            return self._network.look(latent, time, conditioning, tokens)

    def alone(self, conditioning: Conditioning, size: tuple[int, int]) -> Conditioning:
        """A conditioning with all that the U-Net takes beside words: no picture to paint into, no guidance to be told of."""
        told = torch.ones(conditioning.batch or 1) if self.is_told_guidance else None
        shown = self.unshown(size, conditioning.batch or 1).shown
        return replace(conditioning.beside(shown), guidance=told)

    def sampler(self, name: str | None = None) -> Sampler:
        """The sampler of that name, built in or from an extension; None = the manifest's default with its options."""
        defaults = self.manifest.defaults
        kind: type[Sampler] = extensions.load("ildm.samplers", defaults.sampler if name is None else name)
        options = defaults.sampler_options if name in (None, defaults.sampler) else {}
        return from_json(kind, options, where="sampler_options") if options else kind()

    @torch.inference_mode()
    def generate(
        self,
        prompt: str | Sequence[str] = "",
        *,
        negative_prompt: str | Sequence[str] = "",
        num_steps: int | None = None,
        guidance_scale: float | None = None,
        guidance_rescale: float | None = None,
        guidance_projection: Projection | None = None,
        sampler: str | None = None,
        seed: int | Sequence[int] | None = None,
        initial_noise: Latent | None = None,
        width: int | None = None,
        height: int | None = None,
        regions: Sequence[Region] = (),
        overlap: Overlap = "normalise",
        region_mode: Mode = "attention",
        image: Given = None,
        mask: Given = None,
        progress: Progress | None = None,
    ) -> list[PILImage.Image]:
        """Draw one image per prompt and seed.

        Args:
            prompt: one, or a list; a single prompt serves every seed and the other way round. All prompts are in AUTOMATIC1111's
                syntax, see `ildm.conditioning.prompt`.
            negative_prompt: what to move away from; "" = the unconditional model.
            num_steps, guidance_scale, guidance_rescale, sampler, width, height: None = the default in the model's manifest.
            guidance_projection: adaptive projected guidance; None = plain guidance.
            seed: one, or a list; None = drawn, one per image. Recorded in each image's `info["seed"]`.
            initial_noise: unit normal (batch, channels, height / stride, width / stride) in place of what all seeds begin with, those
                of regions too.
            regions: areas of every image with prompts of their own, the uppermost last.
            overlap: who rules where they lie on each other; region_mode: how they are drawn. See `ildm.conditioning.regions`.
            image: what the model is shown: the picture to draw into, the map to draw by, or the small picture to draw larger.
                One, or a list, one for each picture drawn.
            mask: for inpainting models: white where to draw the image anew, and what is not stays byte for byte; None = everywhere.
                One, or a list.
            progress: called after each step with (done, all).

        Returns:
            RGB images; `info` holds prompt and seed.

        Raises:
            ConfigError: for an unknown sampler, a bad seed, an argument of another kind, or a prompt or guidance the model cannot take.
            ShapeError: for a size that `check_size` refuses, a picture or mask of another size, or lists of different lengths.
        """
        check_arguments(
            prompt=prompt,
            negative_prompt=negative_prompt,
            num_steps=num_steps,
            guidance_scale=guidance_scale,
            guidance_rescale=guidance_rescale,
            sampler=sampler,
            seed=seed,
            initial_noise=initial_noise,
            width=width,
            height=height,
            image=image,
            mask=mask,
        )
        calls = pair_up(prompt, negative_prompt, seed)
        solver = self.sampler(sampler)
        native = self.size_for(image if image is None or isinstance(image, PILImage.Image) else next(iter(image), None))
        size = (native[0] if width is None else width, native[1] if height is None else height)
        self.check_size(size)
        avoided = [*(call.negative_prompt for call in calls), *(region.negative_prompt for region in regions)]
        if self.is_told_guidance and any(avoided):
            raise self.guide.refuse_told("there is nothing to move away from: leave the negative prompt out")
        scale = self.manifest.defaults.guidance_scale if guidance_scale is None else guidance_scale
        following = Following(
            self,
            compose(calls, guidance_scale=scale, regions=regions, overlap=overlap, mode=region_mode),
            size,
            beside=self.beside(image, mask, size, len(calls)),
            rescale=guidance_rescale,
            projection=guidance_projection,
        )
        seeds = [call.seed for call in calls]
        noise = following.noise(seeds, initial_noise)
        state = solver.init(noise, self.schedule(num_steps, manner=solver.manner), seeds)
        while not state.done:
            state = following.step(solver, state)
            if progress is not None:
                progress(state.step, state.schedule.num_steps)
        images = to_pictures(self.decode(state.latent))
        if self.hint is not None:
            images = complete(self.hint, image, mask, images)
        for drawn, call in zip(images, calls, strict=True):
            drawn.info.update(prompt=call.prompt, seed=call.seed)
        return images

    def _predict(self, noised: Tensor, time: Tensor, conditioning: Conditioning) -> Tensor:
        with self.adapters.wearing(conditioning.adapters, "unet"):
            return self._network(noised, time, conditioning)

    @torch.inference_mode()
    def unshown(self, size: tuple[int, int], batch: int) -> Beside:
        """What stands in the place of what the model is shown while it is shown nothing."""
        if self.hint is None:
            return UNSHOWN
        _, rows, columns = self.autoencoder.latent_space.grid(*size)
        made = self.hint(self.hint.unshown(size, self.encode, (rows, columns)).to(self.device))
        return Beside(made, made).expand(batch)

    @torch.inference_mode()
    def beside(self, image: Given, mask: Given, size: tuple[int, int], batch: int) -> Beside:
        """What the model is shown beside words, for so many pictures.

        Args:
            image, mask: see `generate`.
            size: (width, height) in pixels.

        Raises:
            ConfigError: for an image or mask given to a model that has no use for it, or none to one that needs it; for a map of classes
                that it has not learned.
            ShapeError: for one of another size, or lists of other lengths.
        """
        if self.hint is None:
            if image is not None or mask is not None:
                raise ConfigError(f"The model {self.manifest.name!r} is shown no pictures: leave image and mask out.")
            return UNSHOWN
        _, rows, columns = self.autoencoder.latent_space.grid(*size)
        return show(self.hint, image, mask, size, (rows, columns), self.encode, self.device, batch, self.manifest.concepts)
