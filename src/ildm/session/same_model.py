"""Whether a session goes on with the model that it was made with: with another one it would become another picture."""

from __future__ import annotations

from ildm.core.errors import CheckpointError
from ildm.model import Model
from ildm.session.events import SessionOpened


def is_same_model(model: Model, opened: SessionOpened) -> bool:
    """Whether a model's weights are those that a session began with."""
    return model.hash == opened.model_hash


def check_same_model(model: Model, opened: SessionOpened, *, session: str, otherwise: str) -> None:
    """Check that a model's weights are those that a session began with.

    Args:
        session: what the session is called in the sentence.
        otherwise: what to do when they are not.

    Raises:
        CheckpointError: when they are not.
    """
    if is_same_model(model, opened):
        return
    name = model.manifest.name
    made_with = f"another {name!r} than the one here" if name == opened.model else f"{opened.model!r}, but here is {name!r}"
    raise CheckpointError(f"{session} was made with {made_with}: {otherwise}.")
