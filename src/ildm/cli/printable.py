"""Texts that may come from a file of someone else, on a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """A text whose letters cannot steer a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
