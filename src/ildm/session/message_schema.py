"""The schema of all messages, for front ends written in other languages."""

from __future__ import annotations

from typing import Any

from ildm.session.commands import Command
from ildm.session.events import AnyEvent
from ildm.session.settings import Settings
from ildm.session.wire import VERSION, adapter


def message_schema() -> dict[str, Any]:
    """One JSON Schema (2020-12) whose definitions `Command`, `Event` and `Settings` are what is sent, received and steered.

    In JSON, bytes are base64 with the letters that are safe in addresses; in msgpack they are bytes.
    """
    parts = {"Command": adapter(Command), "Event": adapter(AnyEvent), "Settings": adapter(Settings)}
    definitions: dict[str, Any] = {}
    for name, part in parts.items():
        schema = part.json_schema(ref_template="#/$defs/{model}")
        definitions |= schema.pop("$defs", {})
        definitions.setdefault(name, schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Messages of ildm, version {VERSION}",
        "$defs": dict(sorted(definitions.items())),
    }
