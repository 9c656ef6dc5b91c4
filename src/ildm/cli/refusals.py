"""Command lines that cannot be read, told in the form of every other error: what was given, what is expected, what to do."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import typer

from ildm.core.errors import nearest

UsageError: Any = typer.BadParameter.__mro__[1]
"""The base of all that typer raises for a command line it cannot read; it has no public name."""


def refusal(error: Any, arguments: Sequence[str]) -> str:
    """One sentence for a `UsageError`.

    Args:
        error: as typer raised it.
        arguments: the command line, without the program's name.
    """
    context: Any = error.ctx
    name = getattr(context, "command_path", "ildm")
    match type(error).__name__:
        case "NoSuchOption":
            known = [option for parameter in context.command.params for option in parameter.opts if option.startswith("--")]
            return f"{name} has no option {error.option_name}: {nearest(error.option_name, [*known, '--help'])}"
        case "MissingParameter":
            return f"{name} needs {_named(error.param)} ({_meaning(error.param)}), but it was not given: {_help(name)}"
        case "BadParameter":
            return _bad_value(error, name, arguments)
        case "BadOptionUsage" if "requires" in error.message:
            return f"The option {error.option_name} needs a value, but none was given: {_help(_command(arguments))}"
        case "BadOptionUsage":
            return f"The option {error.option_name} takes no value, but one was given: {_help(_command(arguments))}"
    unknown = _unknown_command(context, arguments)
    if unknown is not None:
        return f"{name} has no command {unknown!r}: {nearest(unknown, context.command.commands)}"
    surplus = re.search(r"unexpected extra arguments?(?:\(s\))? \((.*)\)", error.message)
    if surplus is not None:
        return f"{name} takes no more words, but {surplus[1]!r} was given: {_help(name)}"
    return f"{error.format_message().rstrip('.')}: {_help(name)}"


def _bad_value(error: Any, name: str, arguments: Sequence[str]) -> str:
    parameter: Any = error.param
    expected = _expected(parameter)
    if expected is None:
        return f"{error.format_message().rstrip('.')}: {_help(name)}"
    values = list(_values(parameter.opts, arguments))
    # of several, the last of which counts but in a list, the error does not say which one it is
    several = reversed(values) if "list" in _annotation(parameter) else values[:1]
    given = next((one for one in several if not _is_taken(one, parameter)), values[0] if values else None)
    received = "something else" if given is None else repr(given)
    return f"{_named(parameter)} ({_meaning(parameter)}) takes {expected}, but {received} was given: {_help(name)}"


def _expected(parameter: Any) -> str | None:
    """What a numeric parameter takes, bounds included; None for other kinds."""
    kind = _annotation(parameter)
    if "int" not in kind and "float" not in kind:
        return None
    noun = "a number" if "float" in kind else "a whole number"
    low, high = parameter.min, parameter.max
    if low is not None and high is not None:
        return f"{noun} from {low:.12g} to {high:.12g}"
    return noun if low is None else f"{noun} of {low:.12g} or more"


def _is_taken(text: str, parameter: Any) -> bool:
    try:
        value = float(text) if "float" in _annotation(parameter) else int(text)
    except ValueError:
        return False
    low, high = parameter.min, parameter.max
    return math.isfinite(value) and (low is None or low <= value) and (high is None or value <= high)


def _annotation(parameter: Any) -> str:
    return str(getattr(getattr(parameter, "type_descriptor", None), "annotation", ""))


def _values(names: Sequence[str], arguments: Sequence[str]) -> Iterator[str]:
    """What the command line gives to an option, last first, as `--name value` or `--name=value`."""
    for place in reversed(range(len(arguments))):
        option, equals, value = arguments[place].partition("=")
        if option in names and equals:
            yield value
        elif option in names and place + 1 < len(arguments):
            yield arguments[place + 1]


def _unknown_command(context: Any, arguments: Sequence[str]) -> str | None:
    """The first word where a command's name stands, when the group knows none of that name."""
    commands = getattr(getattr(context, "command", None), "commands", None)
    if commands is None:
        return None
    depth = len(context.command_path.split()) - 1
    words = [argument for argument in arguments if not argument.startswith("-")]
    return words[depth] if len(words) > depth and words[depth] not in commands else None


def _named(parameter: Any) -> str:
    first = parameter.opts[0]
    return first if first.startswith("-") else first.upper()


def _meaning(parameter: Any) -> str:
    text = (parameter.help or "a value").rstrip(".")
    return text[0].lower() + text[1:]


def _help(name: str) -> str:
    return f"`{name} --help` shows an example."


def _command(arguments: Sequence[str]) -> str:
    words = [argument for argument in arguments[:1] if not argument.startswith("-")]
    return " ".join(["ildm", *words])
