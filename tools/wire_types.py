"""Writes web/src/wire.ts, the messages of the studio's socket for TypeScript, from the forms that the server checks them with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

from ildm.session.wire import adapter
from ildm.studio.messages import EVENT_CREDIT, FRAME_CREDIT, ClientMessage, ServerMessage

TARGET = Path(__file__).resolve().parent.parent / "web" / "src" / "wire.ts"
HEAD = "// Written by tools/wire_types.py from ildm.studio.messages: change that, and run `make docs`.\n"
DEFINITIONS = "#/$defs/"
Schema = dict[str, Any]


def wire_types() -> str:
    """The whole file."""
    parts: dict[str, Schema] = {}
    for name, form in (("ClientMessage", ClientMessage), ("ServerMessage", ServerMessage)):
        schema = adapter(form).json_schema()
        for part, described in (*schema.pop("$defs", {}).items(), (name, schema)):
            if parts.setdefault(part, described) != described:
                raise ValueError(f"Two messages are called {part}: here every name is one interface, so rename one of them.")
    constants = [
        f"export const {name} = {value};" for name, value in (("FRAME_CREDIT", FRAME_CREDIT), ("EVENT_CREDIT", EVENT_CREDIT))
    ]
    return "\n".join([HEAD, *constants, "", *(_declared(name, parts[name]) for name in sorted(parts))])


def _declared(name: str, schema: Schema) -> str:
    comment = _comment(schema.get("description"), "")
    if schema.get("type") == "object" and "properties" in schema:
        return f"{comment}export interface {name} {{\n{_fields(schema)}}}\n"
    return f"{comment}export type {name} = {_type(schema)};\n"


def _fields(schema: Schema) -> str:
    needed = set(schema.get("required", ()))
    lines = list[str]()
    for name, field in cast("dict[str, Schema]", schema["properties"]).items():
        # what has a default may be left out, but for what tells the messages apart
        mark = "" if name in needed or name in ("kind", "type") else "?"
        lines.append(f"  {name}{mark}: {_type(field)};\n")
    return "".join(lines)


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(DEFINITIONS)
    if "const" in schema:
        return _literal(schema["const"])
    if "enum" in schema:
        return " | ".join(map(_literal, schema["enum"]))
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " | ".join(dict.fromkeys(_type(one) for one in schema[key]))
    match schema.get("type"):
        case "integer" | "number":
            return "number"
        case "boolean":
            return "boolean"
        case "null":
            return "null"
        case "string":
            return "Uint8Array" if schema.get("format") in ("binary", "base64", "base64url") else "string"
        case "array" if "prefixItems" in schema:
            return "[" + ", ".join(_type(one) for one in schema["prefixItems"]) + "]"
        case "array":
            item = _type(schema.get("items", {}))
            return f"({item})[]" if " " in item else f"{item}[]"
        case "object":
            more = schema.get("additionalProperties", {})
            return f"Record<string, {_type(more) if isinstance(more, dict) and more else 'unknown'}>"
        case _:
            return "unknown"


def _literal(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def _comment(text: str | None, indent: str) -> str:
    if not text:
        return ""
    lines = [line.rstrip() for line in text.splitlines()]
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    return "".join([f"{indent}/**\n", *(f"{indent} * {line}".rstrip() + "\n" for line in lines), f"{indent} */\n"])


def main() -> None:
    """Write the file."""
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(wire_types(), "utf-8")
    sys.stdout.write(f"Wrote {TARGET.relative_to(TARGET.parent.parent.parent)}\n")


if __name__ == "__main__":
    main()
