"""A benchmark of several parts: each is run, printed in a line, and written as JSON with what it was measured on."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import ildm
from ildm.model import Model
from interleaved import machine

Figures = dict[str, Any]
Part = Callable[[Model, argparse.Namespace], Figures]


def parts_parser(description: str | None) -> argparse.ArgumentParser:
    """A command line with what every such benchmark is asked."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="emoji-scenes", help="default: emoji-scenes")
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    parser.add_argument("--parts", nargs="*", help="only these")
    return parser


def run_parts(parts: Mapping[str, Part], options: argparse.Namespace) -> None:
    """Run the parts that are asked for, all by default, and tell their figures."""
    model = ildm.load(options.model)
    tell_parts({name: partial(part, model) for name, part in parts.items()}, options)


def tell_parts(parts: Mapping[str, Callable[[argparse.Namespace], Figures]], options: argparse.Namespace) -> None:
    """The same for parts that load what they need."""
    results: dict[str, object] = {"machine": machine(), "model": options.model}
    for name in options.parts or parts:
        figures = parts[name](options)
        results[name] = figures
        print(f"{name}: " + ", ".join(f"{key} {_short(value)}" for key, value in figures.items()), flush=True)
    results["machine after"] = machine()
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=1) + "\n")


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
