"""What a person is told of a run that cannot go on."""

from __future__ import annotations

from ildm.core.errors import IldmError


def is_expected(error: BaseException) -> bool:
    """Whether the error says all there is to say: it is no fault of the program's."""
    return isinstance(error, IldmError) or _is_out_of_memory(error)


def in_a_sentence(error: BaseException) -> str:
    """Why the run cannot go on, and what to do where that is known."""
    if _is_out_of_memory(error):
        return "There is not enough memory for this step: choose a smaller size, or close other sessions."
    text = str(error) or type(error).__name__
    return text if isinstance(error, IldmError) else f"This run cannot go on ({text})."


def _is_out_of_memory(error: BaseException) -> bool:
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text
