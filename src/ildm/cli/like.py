"""`--like FILE`: a picture lends its settings to a call that leaves them out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ildm.checkpoint.named import find_named
from ildm.cli.options import MAX_GUIDANCE, MAX_SIDE, MAX_STEPS
from ildm.core import extensions
from ildm.core.config import from_json, to_json
from ildm.core.errors import ConfigError, DataError
from ildm.core.seeds import MAX_SEED
from ildm.diffusion.prediction import Prediction
from ildm.session.pictures.file import read_settings

if TYPE_CHECKING:
    from ildm.core.manifest import Manifest

_BOUNDS = {
    "num_steps": (1, MAX_STEPS),
    "guidance_scale": (0, MAX_GUIDANCE),
    "guidance_rescale": (0, 1),
    "width": (1, MAX_SIDE),
    "height": (1, MAX_SIDE),
}

_FILES = ("lora", "unet", "vae")


@dataclass(frozen=True, kw_only=True)
class _Said:
    """What a picture may say, by the names of a call; None = nothing."""

    prompt: str | None = None
    negative_prompt: str | None = None
    num_steps: int | None = None
    guidance_scale: float | None = None
    guidance_rescale: float | None = None
    apg: bool | None = None
    sampler: str | None = None
    seed: int | None = None
    width: int | None = None
    height: int | None = None
    model: str | None = None
    lora: tuple[str, ...] = ()
    prediction: Prediction | None = None
    unet: str | None = None
    vae: str | None = None


@dataclass(frozen=True)
class Likeness:
    """The settings that a picture lends.

    Args:
        path: the picture's.
        settings: by the names of a call; what was not said is not there.
        refused: what it says but cannot lend: a sampler or a model that is not known here, a seed beyond ours, files
            of adapters and networks.
        model_files: the checksums of the model that drew it; empty where unknown.
        of_session: whether it was made in a live session, where more may have happened than settings say.
    """

    path: Path
    settings: Mapping[str, Any]
    refused: Mapping[str, Any]
    model_files: Mapping[str, str]
    of_session: bool = False

    def notes(self, manifest: Manifest) -> list[str]:
        """What a person should know of a picture that is drawn in another way than this one was.

        Args:
            manifest: of the model that draws.
        """
        path, notes = self.path, []
        if self.of_session:
            notes.append(
                f"{path} was made in a live session: its settings are taken, but not what was done on the way, regions among it. "
                f"`ildm replay {path}` makes it again."
            )
        if "model" in self.refused:
            notes.append(
                f"{path} names the model {self.refused['model']!r}, which is not taken from it: {manifest.name} draws."
            )
        elif self.model_files and "model" in self.settings and self.model_files != manifest.files:
            notes.append(f"{path} was drawn by another {manifest.name!r} than the one here: its weights differ.")
        if "sampler" in self.refused:
            notes.append(
                f"{path} was drawn with the sampler {self.refused['sampler']!r}, which is not known here: the model's own, "
                f"{manifest.defaults.sampler}, is used instead."
            )
        if "seed" in self.refused:
            notes.append(f"{path} has the seed {self.refused['seed']}, but ours go from 0 to {MAX_SEED}: another one is drawn.")
        for name, drawn_with in ((name, self.refused[name]) for name in _FILES if name in self.refused):
            listed = drawn_with if isinstance(drawn_with, str) else ", ".join(drawn_with)
            notes.append(f"{path} was drawn with {listed}, not taken from it: give it with --{name}.")
        return notes


NO_LIKENESS = Likeness(Path(), {}, {}, {})


def read_likeness(path: Path, given: Collection[str]) -> Likeness:
    """What a picture, ours or another program's, lends to a call.

    Args:
        given: names of settings that the call itself says; the picture's are not looked at.

    Raises:
        DataError: when the file is no image, carries no settings, or damaged ones.
        ConfigError: when one of its settings is out of bounds.
    """
    carried, ours = read_settings(path)
    if not ours:
        carried = {"sampler": carried.get("other", {}).get("Sampler"), **carried}
    known = {field.name for field in fields(_Said)} - set(given)
    try:
        said = from_json(_Said, {name: carried[name] for name in known & carried.keys()}, where="call")
    except ConfigError as error:
        raise DataError(f"{path} carries settings that are damaged: {error}") from error
    settings = {name: value for name, value in to_json(said).items() if value not in (None, [])}
    can_lend: dict[str, Callable[[Any], bool]] = {
        "sampler": lambda name: name in extensions.names("ildm.samplers"),
        "model": lambda name: ours and find_named(name) is not None,
        "seed": lambda seed: 0 <= seed <= MAX_SEED,
        "prediction": lambda _: ours and ("model" in given or find_named(carried.get("model", "")) is not None),
        **dict.fromkeys(_FILES, lambda _: False),  # a picture shall not name files to read
    }
    refused = {name: settings.pop(name) for name, can in can_lend.items() if name in settings and not can(settings[name])}
    for name, (low, high) in _BOUNDS.items():
        if not low <= settings.get(name, low) <= high:
            option = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{path} has {name} {settings[name]:g}, but {low} to {high:g} is possible: say it with {option}.")
    return Likeness(path, settings, refused, carried.get("model_files", {}), "log_hash" in carried)
