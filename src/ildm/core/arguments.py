"""What a person hands to the Python interface, looked at before anything is made of it: values of another kind in one sentence."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Callable, Collection
from numbers import Integral, Real
from typing import Any, cast

import torch
from PIL import Image as PILImage

from ildm.core.errors import ConfigError
from ildm.core.text import is_text

_Is = Callable[[Any], bool]


def check_arguments(**given: Any) -> None:
    """See that arguments are of the kind that their names stand for; None is the default of each, and passes.

    Whether a value is one that the model can follow is not asked here.

    Raises:
        ConfigError: for the first that is not.
    """
    for name, value in given.items():
        fits, expected = _KINDS[name]
        if value is not None and not fits(value):
            raise ConfigError(f"{name} takes {expected}, but {reprlib.repr(value)} ({type(value).__name__}) was given.")


def _is_a(*kinds: type[Any]) -> _Is:
    return lambda value: isinstance(value, kinds) and not isinstance(value, bool)


def _or_several(one: _Is) -> _Is:
    def fits(value: Any) -> bool:
        if isinstance(value, str | bytes) or not isinstance(value, Collection):
            return one(value)
        return all(map(one, cast("Collection[Any]", value)))

    return fits


def _is_typed(value: Any) -> bool:
    return isinstance(value, str) and is_text(value)


def _is_picture(value: Any) -> bool:
    return value is None or isinstance(value, PILImage.Image)


_TEXTS = (_or_several(_is_typed), "a text that UTF-8 can hold, or a list of some")
_WHOLE, _NUMBER, _NAME = (_is_a(Integral), "a whole number"), (_is_a(Real), "a number"), (_is_a(str), "a name")
_PICTURES = (_or_several(_is_picture), "a PIL image, or a list of some: open the file first")
_PLACE = (_is_a(str, os.PathLike), "a name or a path")
_KINDS: dict[str, tuple[_Is, str]] = {
    "prompt": _TEXTS,
    "negative_prompt": _TEXTS,
    "num_steps": _WHOLE,
    "guidance_scale": _NUMBER,
    "guidance_rescale": _NUMBER,
    "sampler": _NAME,
    "seed": (_or_several(_is_a(Integral)), "a whole number, or a list of some"),
    "initial_noise": (_is_a(torch.Tensor), "a tensor of unit normal noise"),
    "width": _WHOLE,
    "height": _WHOLE,
    "image": _PICTURES,
    "mask": _PICTURES,
    "source": _PLACE,
    "unet": _PLACE,
    "vae": _PLACE,
    "device": (_is_a(str, torch.device), "a name such as 'cpu' or 'cuda'"),
    "dtype": (_is_a(str), "a name such as 'float32'"),
}
