"""The regions of a session, as a Python program meets them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ildm.session import region_commands as ask
from ildm.session.area import Area, as_mask
from ildm.session.region_editing import at_size, region_named
from ildm.session.region_library import find_preset
from ildm.session.region_presets import RegionPreset, preset_of
from ildm.session.settings import Overlap, Region, RegionMode, Settings
from ildm.session.wire import Mask, checked


class Regions(Sequence[Region]):
    """Painted areas with prompts of their own, the uppermost last. What changes here acts from the next step on.

    Args:
        settings: those in force.
        apply: lets a command act.
        mask_of: the mask of a hash.
    """

    def __init__(
        self, settings: Callable[[], Settings], apply: Callable[[Any], object], mask_of: Callable[[str], Mask]
    ) -> None:
        self._settings, self._apply, self._mask_of = settings, apply, mask_of

    def add(self, prompt: str, area: Area | None = None, *, id: str | None = None, **fields: Any) -> str:
        """Bind a prompt to an area.

        Args:
            area: a box in fractions, a greyscale picture, an array or a mask; None = nowhere yet, to be painted.
            id: the region's name in everything that changes it; None = the next free number.
            fields: further ones of `Region`: negative_prompt, strength, base_ratio, guidance_scale, seed, window, loras, name.

        Returns:
            the id.

        Raises:
            ConfigError: for a value that a region cannot have.
        """
        name = self._free() if id is None else id
        region = checked(Region, {"id": name, "prompt": prompt, **fields})
        self._apply(checked(ask.AddRegion, {"region": region, "mask": None if area is None else self._mask(area)}))
        return name

    def add_from_word(self, word: str, prompt: str = "", *, id: str | None = None, **fields: Any) -> str:
        """Bind a prompt to where a word is, as the network sees it now. It takes three evaluations, and the mask can be painted on.

        Args:
            word: one of the picture's prompt, or a few that stand together in it.
            prompt: of the region; "" = the word.
            id, fields: as for `add`.

        Returns:
            the id.

        Raises:
            ConfigError: when the word is not in the prompt, or nothing has been drawn yet.
        """
        name = self._free() if id is None else id
        region = checked(Region, {"id": name, "prompt": prompt, **fields})
        self._apply(checked(ask.AddRegionFromWord, {"word": word, "region": region}))
        return name

    def change(self, id: str, **fields: Any) -> None:
        """Give a region other values than it has, such as `prompt=...` or `strength=0.5`.

        Raises:
            ConfigError: when there is no such region, or a value is out of range.
        """
        former = self[id]
        self._apply(ask.ChangeRegion(region=checked(Region, {**dict(former), **fields})))

    def remove(self, id: str) -> None:
        """Let a region go."""
        self._apply(checked(ask.RemoveRegion, {"id": id}))

    def reorder(self, ids: Sequence[str]) -> None:
        """Bring all regions into another order, the uppermost last."""
        self._apply(checked(ask.ReorderRegions, {"ids": tuple(ids)}))

    def paint(self, id: str, area: Area, *, erase: bool = False) -> None:
        """Paint an area into a region's mask, or erase it. It is brought to the picture's size, whatever its own."""
        self._apply(
            checked(ask.PaintRegion, {"id": id, "patch": at_size(self._mask(area), *self._settings().size), "erase": erase})
        )

    def rules(
        self, *, mode: RegionMode | None = None, overlap: Overlap | None = None, common_prompt: str | None = None
    ) -> None:
        """Say how all regions act together; None = as it is.

        Args:
            mode: "attention" = in one pass; "latent" = an estimate for each, mixed.
            overlap: "normalise", "add" or "z-order".
            common_prompt: said before each of their prompts.
        """
        self._apply(checked(ask.SetRegionRules, {"mode": mode, "overlap": overlap, "common_prompt": common_prompt}))

    def use(self, preset: RegionPreset | str | Path) -> None:
        """Put a preset's regions, and what it says of the whole picture, in the place of what is there.

        Args:
            preset: itself, its name, or a file, see `region_library.find_preset`.

        Raises:
            ConfigError: for an unknown name, or what the model cannot follow.
            DataError, ProtocolError, StorageError: for a file that cannot be used.
        """
        found = preset if isinstance(preset, RegionPreset) else find_preset(preset)
        self._apply(found.command(*self._settings().size))

    def preset(self, name: str) -> RegionPreset:
        """These regions, and the prompts of the whole picture, as a preset of that name."""
        return preset_of(self._settings(), self._mask_of, name)

    def mask(self, id: str) -> Mask | None:
        """Where a region is; None = nowhere yet."""
        name = self[id].mask
        return None if name is None else self._mask_of(name)

    def __getitem__(self, key: Any) -> Any:
        """A region by its id, or by its place."""
        return region_named(self._settings(), key) if isinstance(key, str) else self._settings().regions[key]

    def __len__(self) -> int:
        return len(self._settings().regions)

    def __iter__(self) -> Iterator[Region]:
        return iter(self._settings().regions)

    def __repr__(self) -> str:
        return f"<Regions {', '.join(f'{one.id}: {one.prompt!r}' for one in self) or 'none'}>"

    def _free(self) -> str:
        taken = {one.id for one in self}
        return next(name for number in range(1, len(taken) + 2) if (name := str(number)) not in taken)

    def _mask(self, area: Area) -> Mask:
        return as_mask(area, *self._settings().size)
