"""What a person can ask of an area of the picture: keep it, make it anew, more or less of its kind."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ildm.session.wire import Mask, Message, Seed


class LockArea(Message):
    """Keep an area as it is now, bit for bit to the end. Over a finished picture: in all that is made of it from here on."""

    kind: Literal["lock-area"] = "lock-area"
    area: Mask


class ReleaseArea(Message):
    """Let an area go again; None = all that is held, whether it was locked, redone beside or started from."""

    kind: Literal["release-area"] = "release-area"
    area: Mask | None = None


class RedoArea(Message):
    """Make an area anew, on a branch of its own.

    Args:
        strength: how far back in the run the area goes: 1 = to noise.
        seed: of the new content; None = the former one plus one.
    """

    kind: Literal["redo-area"] = "redo-area"
    area: Mask
    strength: Annotated[float, Field(gt=0.0, le=1.0)] = 0.7
    seed: Seed | None = None


class LikeArea(Message):
    """More like this; None = the whole picture."""

    kind: Literal["like-area"] = "like-area"
    area: Mask | None = None
    strength: Annotated[float, Field(gt=0.0, le=10.0)] = 1.0


class DislikeArea(Message):
    """Something else: an area is made anew from the first third of the steps on; the whole picture (None) goes back to there."""

    kind: Literal["dislike-area"] = "dislike-area"
    area: Mask | None = None
    strength: Annotated[float, Field(gt=0.0, le=10.0)] = 1.0


class ForgetFeedback(Message):
    """Take all likes and dislikes back."""

    kind: Literal["forget-feedback"] = "forget-feedback"
