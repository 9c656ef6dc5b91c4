"""Text as every part of the program can hold it."""

from __future__ import annotations


def is_text(value: str) -> bool:
    """Whether UTF-8 can hold a string: one with halves of characters (lone surrogates) comes from bytes that were never text."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
