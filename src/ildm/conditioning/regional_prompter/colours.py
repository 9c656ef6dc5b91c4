"""Masks in one picture: region after region in colours HSV(degree, 50 %, 50 %), far apart from those before.

The order of hues is that of Regional Prompter's README, "Mask regions", and of the pictures that it writes.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image as PILImage
from PIL import ImageFilter

from ildm.conditioning.regional_prompter.division import kept_mask
from ildm.core.errors import ConfigError, DataError

MOST_REGIONS = 128
"""Beyond, two colours would be less than two steps of a byte apart."""

_TOLD_APART = 16  # regions, where the colours are not exact: 22.5 degrees, or 24 levels of a byte
_OFF = 8  # levels, by which a channel may then differ
_PATCH = 5  # pixels
_NONE = -1


def degrees(count: int) -> list[float]:
    """The hues of the first regions: 0, 180, 90, 270, 45, 135, 225, 315, 22.5, ..., each far from all before it.

    Args:
        count: >= 0.
    """
    hues = [0.0] if count else []
    step = 360.0
    while len(hues) < count:
        hues += [step / 2 + turn * step for turn in range(round(360 / step))]
        step /= 2
    return hues[:count]


def read_colours(image: PILImage.Image, count: int = 0) -> list[Float[np.ndarray, "height width"]]:
    """The regions of a picture whose colours are as `write_colours` has them, or near: saved as JPEG, resized, drawn by hand.

    Where all colours are exact, a region is there when one pixel has its colour. Otherwise one of the first 16 is there when it
    fills a patch of 5 x 5 pixels, as the blurred border between two regions may have the colour of a third. Each coloured pixel then
    belongs to the region with the nearest hue. What is white, black, grey, transparent, or far paler, darker, brighter or more vivid
    than half, belongs to none.

    Args:
        image: of any mode and size.
        count: as many regions are expected, and need no patch while others do; one that is nowhere has an empty mask. 0 = unknown.

    Returns:
        one mask for each region up to the last one there is, 1 inside and 0 outside. They do not overlap.

    Raises:
        ConfigError: for an image without pixels, or when more than 128 regions are expected.
        DataError: for an image whose file is damaged.
    """
    if not 0 <= count <= MOST_REGIONS:
        raise ConfigError(f"A colour mask has at most {MOST_REGIONS} regions, but {count} were asked for.")
    picture, opaque = _read_pixels(image)
    colours, places = _colours(picture)
    hue, saturation, value = _hsv(colours)
    present = set(range(count)) | _present(colours, hue, places, opaque, may_be_thin=not count)
    region = np.full(len(colours), _NONE)
    if present:
        coloured = (abs(saturation - 0.5) <= 0.2) & (abs(value - 0.5) <= 0.15)
        region[coloured] = _nearest(hue[coloured], sorted(present))
    regions = np.where(opaque, region[places], _NONE)
    return [kept_mask(regions == number) for number in range(max(present, default=_NONE) + 1)]


def write_colours(masks: Sequence[np.ndarray]) -> PILImage.Image:
    """A picture of masks on white, which `read_colours` gives back where each pixel is in one mask or in none.

    Args:
        masks: (height, width) in [0, 1], of one size. A pixel goes to the mask with the largest value of at least 0.5 there, among
            equal ones to the last.

    Raises:
        ConfigError: for no mask, more than 128, or one that is none.
    """
    if not 1 <= len(masks) <= MOST_REGIONS:
        raise ConfigError(f"A colour mask has at least one region and at most {MOST_REGIONS}, but {len(masks)} were given.")
    kept = [kept_mask(mask) for mask in masks]
    if any(mask.shape != kept[0].shape for mask in kept):
        shapes = ", ".join(map(str, dict.fromkeys(mask.shape for mask in kept)))
        raise ConfigError(f"The masks in one picture have one size, but {shapes} were given: resize them.")
    largest, region = np.full(kept[0].shape, 0.5, dtype=np.float32), np.full(kept[0].shape, len(kept))
    for number, mask in enumerate(kept):
        region[mask >= largest] = number
        largest = np.maximum(largest, mask)
    white = np.full((1, 3), 255, dtype=np.uint8)
    return PILImage.fromarray(np.concatenate([_palette(len(kept)), white])[region])


def describe_colour(region: int) -> str:
    """The colour of a region, counted from 0, for a person who draws it."""
    red, green, blue = _palette(region + 1)[region].tolist()
    return f"RGB({red}, {green}, {blue}), which is HSV({degrees(region + 1)[region]:g}, 50 %, 50 %)"


def _read_pixels(image: PILImage.Image) -> tuple[PILImage.Image, Bool[np.ndarray, "height width"]]:
    """An image as RGB, and where it is not transparent."""
    if not image.width or not image.height:
        raise ConfigError(f"A colour mask has pixels, but an image of {image.width} x {image.height} was given.")
    try:
        opaque = np.ones((image.height, image.width), dtype=bool)
        if image.has_transparency_data:
            opaque = np.asarray(image.convert("RGBA").getchannel("A")) >= 128
        return image.convert("RGB"), opaque
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"The colour mask cannot be read, its file is damaged ({error}): save it again.") from error


def _colours(picture: PILImage.Image) -> tuple[UInt8[np.ndarray, "colours 3"], Int[np.ndarray, "height width"]]:
    """The colours of an RGB picture, and which of them each pixel has."""
    pixels = np.asarray(picture).astype(np.uint32)
    colours, places = np.unique(pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2], return_inverse=True)
    rgb = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=-1).astype(np.uint8)
    return rgb, places.reshape(pixels.shape[:2])


def _present(
    colours: UInt8[np.ndarray, "colours 3"],
    hue: Float[np.ndarray, " colours"],
    places: Int[np.ndarray, "height width"],
    opaque: Bool[np.ndarray, "height width"],
    *,
    may_be_thin: bool,
) -> set[int]:
    """The regions that are in a picture: those that fill a patch, or all when its colours are exact and regions may be thin."""
    palette = _halves(MOST_REGIONS) * 255
    exact = {
        tuple(colour): region
        for rounded in (palette, palette + 0.5)  # Regional Prompter's own pictures are cut off to bytes
        for region, colour in enumerate(rounded.astype(int).tolist())
    }
    used = np.unique(places[opaque])
    foreign = used[np.ptp(colours[used], axis=-1) > 4]
    known = [exact.get(tuple(colour), _NONE) for colour in colours[foreign[: len(exact) + 1]].tolist()]
    if len(foreign) <= len(exact) and _NONE not in known:
        meant = np.full(len(colours), _NONE)
        meant[foreign] = known
        return set(known) if may_be_thin else _solid(np.where(opaque, meant[places], _NONE))
    near = _nearest(hue, range(_TOLD_APART))
    off = abs(colours.astype(int) - _palette(_TOLD_APART)[near].astype(int)).max(axis=-1)
    return _solid(np.where(opaque & (off <= _OFF)[places], near[places], _NONE))


def _palette(count: int) -> UInt8[np.ndarray, "regions 3"]:
    return (_halves(count) * 255 + 0.5).astype(np.uint8)


def _halves(count: int) -> Float[np.ndarray, "regions 3"]:
    """Red, green and blue in [0, 1] of colours that are half saturated and half bright."""
    return np.array([colorsys.hsv_to_rgb(hue / 360, 0.5, 0.5) for hue in degrees(count)])


def _hsv(
    rgb: UInt8[np.ndarray, "colours 3"],
) -> tuple[Float[np.ndarray, " colours"], Float[np.ndarray, " colours"], Float[np.ndarray, " colours"]]:
    """Hue in degrees, saturation and value in [0, 1]."""
    scaled = rgb.astype(np.float64) / 255
    red, green, blue = scaled.T
    value, chroma = scaled.max(axis=-1), np.ptp(scaled, axis=-1)
    divisor = np.where(chroma > 0, chroma, 1.0)
    hue = np.select(
        [value == red, value == green],
        [(green - blue) / divisor, 2 + (blue - red) / divisor],
        4 + (red - green) / divisor,
    )
    return hue * 60 % 360, chroma / np.where(value > 0, value, 1.0), value


def _solid(regions: Int[np.ndarray, "height width"]) -> set[int]:
    """The regions that fill a patch of 5 x 5 pixels somewhere."""
    picture = PILImage.fromarray(np.where(regions == _NONE, 255, regions).astype(np.uint8))
    lowest, highest = (np.asarray(picture.filter(kind(_PATCH))) for kind in (ImageFilter.MinFilter, ImageFilter.MaxFilter))
    return set(np.unique(lowest[lowest == highest]).tolist()) - {255}


def _nearest(hue: Float[np.ndarray, " colours"], regions: Sequence[int]) -> Int[np.ndarray, " colours"]:
    """Of these regions the one whose hue is nearest around the circle."""
    hues = np.array(degrees(max(regions) + 1))[list(regions)]
    order = np.argsort(hues)
    around = np.concatenate([hues[order], [hues[order[0]] + 360]])
    between = (around[1:] + around[:-1]) / 2  # the last may lie beyond the full circle, where its first part continues
    place = np.searchsorted(between, np.where(hue < between[-1] - 360, hue + 360, hue)) % len(hues)
    return np.array(regions)[order[place]]
