"""Lengths of time as a person writes them."""

from __future__ import annotations

import re

from ildm.core.errors import ConfigError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str) -> float:
    """Seconds in "90", "30s", "15m", "2h" or "1h30m".

    Raises:
        ConfigError: for anything else.
    """
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ConfigError(f"A duration reads like 90s, 15m or 1h30m, but {text!r} was given.")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
