"""How large what is asked for may be."""

from __future__ import annotations

MAX_SIDE = 4096
"""Pixels on a side of what is drawn."""
