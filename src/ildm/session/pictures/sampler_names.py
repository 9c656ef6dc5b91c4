"""Samplers under the names that other programs write into pictures, and under ours."""

from __future__ import annotations

import re

_LABELS = {
    "ddpm": "DDPM",
    "ddim": "DDIM",
    "plms": "PLMS",
    "euler": "Euler",
    "euler-ancestral": "Euler a",
    "heun": "Heun",
    "dpmpp-2m": "DPM++ 2M",
    "dpmpp-2m-sde": "DPM++ 2M SDE",
    "unipc": "UniPC",
    "lcm": "LCM",
}
_SCHEDULES = (
    "Align Your Steps",
    "Automatic",
    "Beta",
    "Exponential",
    "Karras",
    "KL Optimal",
    "Normal",
    "Polyexponential",
    "SGM Uniform",
    "Simple",
    "Uniform",
)
_WITH_SCHEDULE = re.compile(rf"(.+?)[ _]({'|'.join(name.replace(' ', '[ _]') for name in _SCHEDULES)})", re.IGNORECASE)


def sampler_label(sampler: str) -> str:
    """What AUTOMATIC1111's web UI calls a sampler of ours; one that it does not have keeps its name."""
    return _LABELS.get(sampler, sampler)


def find_sampler(label: str) -> str | None:
    """Our name of a sampler, None where we have none such.

    Args:
        label: as that program writes it ("DPM++ 2M"), as others do ("dpmpp_2m", "k_euler_a"), or our own.
    """
    return _SAMPLERS.get(_plain(label).removeprefix("k_").replace("_", ""))


def split_schedule(label: str) -> tuple[str, str | None]:
    """A sampler's label without the schedule that older versions append, and that schedule: ("DPM++ 2M", "Karras").

    Only where what is left is a sampler we have; else the label as it is, and None.
    """
    parts = _WITH_SCHEDULE.fullmatch(label.strip())
    if parts is None or find_sampler(parts[1]) is None:
        return label, None
    return parts[1], next(name for name in _SCHEDULES if _plain(name) == _plain(parts[2]))


def _plain(label: str) -> str:
    """A label in small letters and digits, its other marks made underscores."""
    return re.sub(r"[^a-z0-9]+", "_", label.strip().casefold().replace("++", "pp"))


_SAMPLERS = {_plain(name).replace("_", ""): sampler for sampler, label in _LABELS.items() for name in (sampler, label)}
