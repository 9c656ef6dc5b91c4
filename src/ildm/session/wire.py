"""What every message of a session has in common, and its two forms: JSON for people and browsers, msgpack for sockets and logs."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, TypeVar

import msgpack
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import ErrorDetails

from ildm.core.errors import ConfigError, ProtocolError, ShapeError, nearest
from ildm.core.seeds import MAX_SEED

VERSION = 1
"""Of the messages; it rises when an old reader would misread a new message."""

MAX_PIXELS = 4096 * 4096
MAX_TEXT = 8192
MAX_IMAGE_BYTES = 64 * 2**20
MAX_MESSAGE_BYTES = MAX_IMAGE_BYTES + MAX_PIXELS + 2**20

Text = Annotated[str, Field(max_length=MAX_TEXT)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
NumSteps = Annotated[int, Field(ge=1, le=1000)]
Guidance = Annotated[float, Field(ge=0.0, le=100.0, allow_inf_nan=False)]
Side = Annotated[int, Field(ge=8, le=4096)]
Count = Annotated[int, Field(ge=0, le=MAX_SEED)]
"""Such as every reader can hold, browsers among them."""
NodeId = Count
BranchId = Count
BlobId = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""The SHA-256 of some bytes that are kept beside the messages: a mask, a picture, a latent."""


class Strict(BaseModel):
    """A value that is checked when it comes from outside and never changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_bytes="base64", val_json_bytes="base64")


class Mask(Strict):
    """A soft mask, one byte per pixel, 255 = fully inside. It may have any size; it is fitted to the picture by area averaging.

    Args:
        width, height: in pixels.
        data: the rows from the top, deflated (zlib).
    """

    width: int = Field(ge=1, le=4096)
    height: int = Field(ge=1, le=4096)
    data: bytes = Field(max_length=MAX_PIXELS)

    @model_validator(mode="after")
    def _whole(self) -> Mask:
        expected = self.width * self.height
        inflater = zlib.decompressobj()
        try:
            rows = inflater.decompress(self.data, expected + 1)
        except zlib.error as error:
            raise ValueError(f"a mask's data is deflated bytes, but cannot be inflated ({error})") from error
        if len(rows) != expected or not inflater.eof or inflater.unused_data:
            raise ValueError(
                f"a mask of {self.width}x{self.height} has {expected} bytes, but its data has another number of them"
            )
        return self

    @classmethod
    def from_array(cls, values: NDArray[Any]) -> Mask:
        """A mask of an array (height, width): bytes as they are, booleans, or numbers in [0, 1].

        Raises:
            ShapeError: when it is no picture, or too large, or has something else than numbers.
        """
        if values.ndim != 2 or not values.size > 0 or max(values.shape) > 4096:
            raise ShapeError(f"A mask has 1 to 4096 rows and columns, but an array of shape {values.shape} came.")
        if values.dtype.kind not in "buif" or np.isnan(values).any():
            raise ShapeError(
                f"A mask has bytes, booleans or numbers in [0, 1], but {values.dtype} came, or some that are none."
            )
        if values.dtype != np.uint8:
            values = np.rint(np.clip(values.astype(np.float64), 0.0, 1.0) * 255.0).astype(np.uint8)
        height, width = values.shape
        return cls(width=width, height=height, data=zlib.compress(np.ascontiguousarray(values).tobytes(), 6))

    @classmethod
    def rectangle(cls, width: int, height: int, box: tuple[float, float, float, float]) -> Mask:
        """A mask that is 255 inside `box`, (left, top, right, bottom) in fractions of the sides, and 0 elsewhere.

        It has a row and a column at least, however thin the box is.
        """
        left, right = (round(share * width) for share in (box[0], box[2]))
        top, bottom = (round(share * height) for share in (box[1], box[3]))
        left, top = min(left, width - 1), min(top, height - 1)
        values = np.zeros((height, width), np.uint8)
        values[top : max(bottom, top + 1), left : max(right, left + 1)] = 255
        return cls.from_array(values)

    def to_array(self) -> NDArray[np.float32]:
        """(height, width) in [0, 1]."""
        rows = np.frombuffer(zlib.decompress(self.data), np.uint8).reshape(self.height, self.width)
        return rows.astype(np.float32) / 255.0


class Message(Strict):
    """The root of commands and events. `kind` names which one it is, `version` how it is to be read."""

    version: Literal[1] = VERSION


Form = TypeVar("Form")


Value = TypeVar("Value", bound=BaseModel)


def checked(form: type[Value], fields: Mapping[str, Any]) -> Value:
    """A value made of fields that a person gave.

    Raises:
        ConfigError: when one is out of range or of the wrong kind.
    """
    try:
        return form.model_validate(fields)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or form.__name__
        raise ConfigError(f"{where} cannot be {_cut(repr(problem['input']), 80)}: {problem['msg'].lower()}.") from error


def to_json(message: BaseModel) -> str:
    """A message as JSON; bytes are base64 with the letters that are safe in addresses (RFC 4648, section 5)."""
    return message.model_dump_json()


def to_msgpack(message: BaseModel) -> bytes:
    """A message as msgpack; bytes are bytes."""
    packed: bytes = msgpack.packb(message.model_dump(), use_bin_type=True)  # pyright: ignore[reportAssignmentType]
    return packed


def from_json(form: type[Form] | Any, text: str | bytes) -> Form:
    """Read a message, or one of a union of them.

    Raises:
        ProtocolError: when it is none, with the first thing that is wrong.
    """
    try:
        return adapter(form).validate_json(text)
    except ValidationError as error:
        raise ProtocolError(first_problem(error)) from error


def from_msgpack(form: type[Form] | Any, data: bytes) -> Form:
    """Read a message, or one of a union of them.

    Raises:
        ProtocolError: when it is none, with the first thing that is wrong.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"A message has at most {MAX_MESSAGE_BYTES} bytes, but one of {len(data)} came.")
    try:
        fields = msgpack.unpackb(data, raw=False, strict_map_key=True)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise ProtocolError(f"These {len(data)} bytes are no msgpack message ({error or type(error).__name__}).") from error
    try:
        return adapter(form).validate_python(fields)
    except ValidationError as error:
        raise ProtocolError(first_problem(error)) from error


@cache
def adapter(form: Any) -> Any:
    """The checker of a form, a pydantic `TypeAdapter`, made once."""
    return TypeAdapter(form)


def first_problem(error: ValidationError) -> str:
    """What is wrong with a message, as a sentence: the first of it."""
    problem = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    where = f" at {place[:200]}" if place else ""
    more = f", and {error.error_count() - 1} more" if error.error_count() > 1 else ""
    return f"A message does not follow its form{where}: {_cut(_what_is_wrong(problem), 300)}{more}."


def _what_is_wrong(problem: ErrorDetails) -> str:
    context = problem.get("ctx", {})
    match problem["type"]:
        case "extra_forbidden":
            return "there is no field of that name"
        case "union_tag_not_found":
            return f"it needs a {context['discriminator']}"
        case "union_tag_invalid":
            tag, known = str(context["tag"])[:60], re.findall(r"'([^']*)'", context["expected_tags"])
            return f"there is no {context['discriminator']} {tag!r}: {nearest(tag, known).rstrip('.?')}"
        case _:
            return problem["msg"]


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}..."
