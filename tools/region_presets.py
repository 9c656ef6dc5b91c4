"""Writes the presets of regions that come with ildm anew: src/ildm/shipped/regions/*.json."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ildm.session.region_files import write_preset
from ildm.session.region_presets import PresetRegion, RegionPreset
from ildm.session.wire import Mask

FOLDER = Path(__file__).resolve().parent.parent / "src" / "ildm" / "shipped" / "regions"
SIDE = 64
"""Of the masks, pixels."""
SHADES = 16
"""Of soft masks: a small picture shows no more, and its file is small."""

Shape = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
"""From the places (x, y) of pixels, in fractions of the sides, to how much they belong to an area."""


def painted(shape: Shape) -> Mask:
    """The mask of a shape."""
    middles = (np.arange(SIDE) + 0.5) / SIDE
    values = np.clip(shape(middles[None, :], middles[:, None]), 0.0, 1.0)
    return Mask.from_array(np.rint(values * (SHADES - 1)) / (SHADES - 1))


def disc(x: float, y: float, radius: float, softness: float = 0.0) -> Mask:
    """A disc; its border fades over `softness`, in fractions of the sides."""
    return painted(lambda across, down: _fading(radius - np.hypot(across - x, down - y), softness))


def halves() -> RegionPreset:
    """Two prompts side by side."""
    return RegionPreset(
        name="halves",
        description="Left and right, with a little of what is said of the whole picture in both.",
        prompt="a rainbow on a plain yellow background",
        regions=(
            PresetRegion(
                name="left", prompt="a strawberry on a plain red background", box=(0.0, 0.0, 0.5, 1.0), base_ratio=0.2
            ),
            PresetRegion(name="right", prompt="a dolphin on a plain blue background", box=(0.5, 0.0, 1.0, 1.0), base_ratio=0.2),
        ),
    )


def thirds() -> RegionPreset:
    """Three stripes that have half of their prompts in common."""
    prompts = (
        "a red apple on a plain white background",
        "a lemon on a plain purple background",
        "a frog on a plain orange background",
    )
    return RegionPreset(
        name="thirds",
        description="Three columns, the middle one twice as wide, that have the style in common.",
        prompt="a plain grey background",
        common_prompt="flat style",
        regions=tuple(
            PresetRegion(name=name, prompt=prompt, box=(left, 0.0, right, 1.0))
            for name, prompt, left, right in zip(
                ("left", "middle", "right"), prompts, (0.0, 0.25, 0.75), (0.25, 0.75, 1.0), strict=True
            )
        ),
    )


def ring() -> RegionPreset:
    """A disc that lies on another one."""
    return RegionPreset(
        name="ring",
        description="A disc in the middle lies on a larger one, of which a ring is left (overlap z-order, mode latent).",
        prompt="a plain black background",
        overlap="z-order",
        mode="latent",
        regions=(
            PresetRegion(name="ring", prompt="a sunflower on a plain green background", mask=disc(0.5, 0.5, 0.46)),
            PresetRegion(name="middle", prompt="a balloon on a plain red background", mask=disc(0.5, 0.5, 0.26)),
        ),
    )


def diagonal() -> RegionPreset:
    """Two prompts that fade into each other from corner to corner."""
    return RegionPreset(
        name="diagonal",
        description="Night above the diagonal, day below it, with a soft border between them.",
        prompt="a plain grey background",
        regions=(
            PresetRegion(
                name="night",
                prompt="a crescent moon on a plain blue background",
                mask=painted(lambda across, down: _fading((across - down) / np.sqrt(2.0), 0.2)),
            ),
            PresetRegion(
                name="day",
                prompt="a sun on a plain yellow background",
                mask=painted(lambda across, down: 1.0 - _fading((across - down) / np.sqrt(2.0), 0.2)),
            ),
        ),
    )


def quarters() -> RegionPreset:
    """Four prompts in a grid."""
    things = {
        "upper left": ("a cactus on a plain green background", (0.0, 0.0, 0.5, 0.5)),
        "upper right": ("a heart suit on a plain pink background", (0.5, 0.0, 1.0, 0.5)),
        "lower left": ("a castle on a plain brown background", (0.0, 0.5, 0.5, 1.0)),
        "lower right": ("a spouting whale on a plain teal background", (0.5, 0.5, 1.0, 1.0)),
    }
    return RegionPreset(
        name="quarters",
        description="Four pictures in one.",
        prompt="a plain white background",
        regions=tuple(PresetRegion(name=name, prompt=prompt, box=box) for name, (prompt, box) in things.items()),
    )


def blobs() -> RegionPreset:
    """Soft areas on a ground, followed more strongly than it is."""
    return RegionPreset(
        name="blobs",
        description="Three soft areas on a white ground, in the mode latent; the lowest acts in the first 18 steps alone.",
        prompt="a plain white background",
        mode="latent",
        regions=(
            PresetRegion(
                name="flower", prompt="a rose on a plain red background", mask=disc(0.28, 0.3, 0.25, 0.1), strength=1.5
            ),
            PresetRegion(
                name="fruit", prompt="a kiwi fruit on a plain green background", mask=disc(0.74, 0.4, 0.21, 0.1), strength=1.5
            ),
            PresetRegion(
                name="sea",
                prompt="a dolphin on a plain blue background",
                mask=disc(0.4, 0.76, 0.21, 0.1),
                strength=1.5,
                window=(0, 18),
            ),
        ),
    )


PRESETS = (blobs, diagonal, halves, quarters, ring, thirds)


def _fading(inside: NDArray[np.float64], softness: float) -> NDArray[np.float64]:
    """From how far inside of an area places lie to how much they belong to it."""
    return np.clip(0.5 + inside / softness, 0.0, 1.0) if softness else (inside > 0).astype(np.float64)


def main() -> None:
    """Write the files."""
    for make in PRESETS:
        preset = make()
        path = FOLDER / f"{preset.name}.json"
        write_preset(preset, path)
        print(f"Wrote {path.name}, {path.stat().st_size} bytes.")


if __name__ == "__main__":
    main()
