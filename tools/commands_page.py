"""Writes docs/commands.md from the command line itself, so that the page cannot drift from the program."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from ildm.cli.main import app

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
HEAD = """# Commands

Written by `make docs` from the program itself. `ildm COMMAND --help` shows the same in the terminal. Every command ends with
exit code 0 on success, with 2 on bad input, with one line that says what was given, what was expected and what to do, and with
130 when it was interrupted. `--debug`, anywhere in a command, shows a traceback in place of that line; `ildm --version` tells the
version.
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print(f"Wrote {PAGE.relative_to(PAGE.parent.parent)}")


def page() -> str:
    """The whole page as Markdown."""
    return "\n".join([HEAD, *(section(name, command) for name, command in commands())])


def commands(group: Any = None, prefix: str = "ildm") -> Iterator[tuple[str, Any]]:
    """Every command with its full name, in the order of `ildm --help`."""
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():
        if command.hidden:
            continue
        is_group = hasattr(command, "commands")
        if not is_group or command.invoke_without_command:
            yield f"{prefix} {name}", command
        if is_group:
            yield from commands(command, f"{prefix} {name}")


def section(name: str, command: Any) -> str:
    """One command: what it does, then a table of what it takes."""
    lines = [f"## {name}", "", inspect.cleandoc(command.help or "").replace("\b\n", ""), ""]
    rows = [row(parameter) for parameter in command.params if not getattr(parameter, "hidden", False)]
    if rows:
        lines += ["| takes | meaning | default |", "|---|---|---|", *rows, ""]
    if command.epilog:
        lines += [inspect.cleandoc(command.epilog), ""]
    return "\n".join(lines)


def row(parameter: Any) -> str:
    """One argument or option as a line of the table."""
    is_option = parameter.opts[0].startswith("-")
    names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
    taken = names if is_option else f"`{parameter.metavar or parameter.name.upper()}`"
    meaning = (parameter.help or "").replace("|", "\\|")
    return f"| {taken} | {meaning} | {shown_default(parameter)} |"


def shown_default(parameter: Any) -> str:
    """What holds when nothing is given, as `--help` says it."""
    if parameter.required:
        return "required"
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    default = getattr(parameter, "default", None)
    nothing = default is None or default is False or default in ("", [], ())
    return "" if nothing else f"`{default}`"


if __name__ == "__main__":
    main()
