"""`ildm generate --regions` and `--split`: pictures of several prompts, each drawn as a session that its PNG brings along."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from ildm.cli.options import check_choice
from ildm.core.errors import ConfigError, nearest
from ildm.core.progress import Progress

if TYPE_CHECKING:
    from ildm.model import Model
    from ildm.session.region_presets import RegionPreset

_SPLITS = '"columns 1,2,1", "rows 1,1" or "1,2,1,1;2,4,6"'

Regions = Annotated[
    str | None,
    typer.Option(
        help="Areas with prompts of their own: a preset of `ildm regions`, its .json file, or a picture that carries some.",
        show_default=False,
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        "--split",
        help=f"Divide each image among the texts between BREAK: {_SPLITS}.",
        show_default=False,
    ),
]
BaseRatio = Annotated[
    str | None,
    typer.Option(
        help="With --split: the share of the text before ADDBASE in each region, or in all.",
        show_default="0.2 where there is one",
    ),
]
RegionMode = Annotated[
    str | None,
    typer.Option(
        help="attention: all regions in one pass; latent: a pass for each.", show_default="the preset's, or attention"
    ),
]
OverlapRule = Annotated[
    str | None,
    typer.Option(
        "--overlap", help="Where regions overlap: normalise, add, z-order.", show_default="the preset's, or normalise"
    ),
]
_DIRECTIONS = ("columns", "rows")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How pictures are divided into regions.

    Args:
        regions: None = the prompt says what is where, and `split` how large that is.
        split: "columns" or "rows", and the ratios.
        base_ratios: as they are typed; None = the usual ones.
        rules: values of the preset that take the place of its own.
    """

    regions: RegionPreset | None
    split: tuple[str, str]
    base_ratios: str | None
    rules: Mapping[str, str]

    @property
    def prompts(self) -> dict[str, str]:
        """What is said of the whole picture where a call does not."""
        if self.regions is None:
            return {}
        return {"prompt": self.regions.prompt or "", "negative_prompt": self.regions.negative_prompt or ""}

    def title(self, prompt: str) -> str:
        """What a picture's file is called after."""
        if self.regions is None:
            return prompt
        return self.regions.name if prompt == self.regions.prompt else f"{self.regions.name} {prompt}"

    def preset(self, prompt: str, negative_prompt: str) -> RegionPreset:
        """The regions of one picture.

        Args:
            prompt, negative_prompt: of the whole picture, or to be divided.

        Raises:
            ConfigError: when they cannot be divided.
        """
        from ildm.conditioning.regional_prompter import read_division
        from ildm.session.region_presets import preset_from_division

        if self.regions is not None:
            return self.regions.model_copy(update={"prompt": prompt, "negative_prompt": negative_prompt, **self.rules})
        direction, ratios = self.split
        mode = "rows" if direction == "rows" else "columns"
        given: dict[str, Any] = {} if self.base_ratios is None else {"base_ratios": self.base_ratios}
        division = read_division(prompt, negative_prompt, ratios=ratios, mode=mode, **given)
        if given and not division.base_prompt:
            raise ConfigError(
                "--base-ratio is the share of the text before ADDBASE, but the prompt has none: write it, or leave it out."
            )
        return preset_from_division(division, "split").model_copy(update=self.rules)


def read_layout(
    regions: str | None, split: str | None, *, base_ratio: str | None, mode: str | None, overlap: str | None
) -> Layout | None:
    """What the options say, checked; None where they ask for no regions.

    Raises:
        ConfigError: when they do not go together, or one cannot be.
        DataError, ProtocolError, StorageError: when a preset cannot be read.
    """
    if regions is None and split is None:
        beside = {"--base-ratio": base_ratio, "--region-mode": mode, "--overlap": overlap}
        lone = next((option for option, value in beside.items() if value is not None), None)
        if lone is not None:
            raise ConfigError(f"{lone} says how regions act, but there are none: give --regions or --split too.")
        return None
    from ildm.session import region_library
    from ildm.session.settings import Overlap
    from ildm.session.settings import RegionMode as Mode

    if regions is not None and split is not None:
        raise ConfigError("--regions and --split both say what is where: give one of them.")
    if base_ratio is not None and split is None:
        raise ConfigError("--base-ratio goes with --split; the regions of a preset have their own: leave it out.")
    if split is not None and not split.strip():
        raise ConfigError(f"--split takes {_SPLITS}, but nothing was given: say how to divide, or leave it out.")
    if mode is not None:
        check_choice("--region-mode", mode, get_args(Mode))
    if overlap is not None:
        check_choice("--overlap", overlap, get_args(Overlap))
    return Layout(
        regions=None if regions is None else region_library.find_preset(regions),
        split=_read_split(split or ""),
        base_ratios=base_ratio,
        rules={name: value for name, value in (("mode", mode), ("overlap", overlap)) if value is not None},
    )


def refuse_beside_regions(given: Mapping[str, Any]) -> None:
    """Refuse what cannot go with regions.

    Args:
        given: values by their options.

    Raises:
        ConfigError: naming the first that was given.
    """
    option = next((option for option, value in given.items() if value), None)
    if option is not None:
        raise ConfigError(f"{option} cannot go with --regions and --split: leave one of them out.")


def texts_of(presets: Sequence[RegionPreset]) -> list[str]:
    """All that is read for pictures; an empty text only where there is nothing else."""
    from ildm.conditioning.prompt import plain_text

    texts = [
        ", ".join(part for part in parts if part.strip())
        for preset in presets
        for parts in [(preset.prompt or "",), *((preset.common_prompt, one.prompt) for one in preset.regions)]
    ]
    return [text for text in texts if plain_text(text).strip()] or texts[:1]


def put_in_loras(model: Model, given: Sequence[str], presets: Sequence[RegionPreset]) -> list[str]:
    """Put adapters into a model, see `ildm.cli.adapters`.

    Returns:
        what a person should know of it.
    """
    from ildm.cli.adapters import put_in

    put_in(model, given, {lora.name for preset in presets for region in preset.regions for lora in region.loras})
    if presets and given:
        return ["The pictures do not carry the LoRA files: give them to `ildm replay`, too."]
    return []


def draw_regional(
    model: Model,
    presets: Sequence[RegionPreset],
    seeds: Sequence[int],
    paths: Sequence[Path],
    *,
    size: tuple[int, int],
    progress: Progress,
    guidance_rescale: float,
    **settings: Any,
) -> Iterator[None]:
    """Draw and save pictures one by one, each with its own preset, seed and path; yields after each.

    Args:
        size: (width, height), pixels.
        progress: called after each step with (done, all), counted over all pictures.
        settings: num_steps, guidance_scale and sampler.

    Raises:
        ConfigError, ShapeError: for what the model cannot follow.
        StorageError: when a picture cannot be written.
    """
    from ildm.session.session import Session

    width, height = size
    for number, (preset, seed, path) in enumerate(zip(presets, seeds, paths, strict=True)):
        session = Session(model, preset.prompt or "", seed=seed, width=width, height=height, **settings)
        if guidance_rescale != session.settings.guidance_rescale:
            session.set_guidance(session.settings.guidance_scale, rescale=guidance_rescale)
        session.apply(preset.command(width, height))
        session.run(lambda done, total, number=number: progress(number * total + done, len(paths) * total))
        session.save(path)
        yield


def _read_split(text: str) -> tuple[str, str]:
    """Direction and ratios of "columns 1,2,1"; columns where no direction is said."""
    first, _, rest = text.strip().partition(" ")
    if first.lower() in _DIRECTIONS:
        return first.lower(), rest
    if first[:1].isalpha():
        raise ConfigError(f"--split takes {_SPLITS}, but {text!r} was given: {nearest(first, _DIRECTIONS)}")
    return "columns", text
