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


def say_duration(seconds: float) -> str:
    """Seconds as a person writes them: "45s", "15m", "2h" or "1h30m", to the minute from one minute on."""
    if seconds < 60:
        return f"{seconds:.0f}s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{minutes}m" if hours == 0 else f"{hours}h" if rest == 0 else f"{hours}h{rest}m"
