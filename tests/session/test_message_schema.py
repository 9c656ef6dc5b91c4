"""The exported schema: complete, current, and what the messages really follow."""

import json
import typing

import pytest

from ildm.session import commands, events
from ildm.session.message_schema import message_schema


def kinds(union):
    [choices, *_] = typing.get_args(union)
    return {member.__name__: member for member in typing.get_args(choices)}


@pytest.fixture(scope="module")
def schema():
    return message_schema()


@pytest.mark.parametrize(("name", "union"), [("Command", commands.Command), ("Event", events.AnyEvent)])
def test_every_message_is_in_it(schema, name, union):
    listed = {entry["$ref"].rsplit("/", 1)[1] for entry in schema["$defs"][name]["oneOf"]}
    assert listed == set(kinds(union)) and listed <= schema["$defs"].keys()
    for kind, form in kinds(union).items():
        assert schema["$defs"][kind]["properties"]["kind"]["const"] == form.model_fields["kind"].default


def test_every_reference_leads_somewhere(schema):
    def follow(part):
        if isinstance(part, dict):
            if "$ref" in part:
                assert part["$ref"].removeprefix("#/$defs/") in schema["$defs"]
            for inner in part.values():
                follow(inner)
        elif isinstance(part, list):
            for inner in part:
                follow(inner)

    follow(schema)


def test_the_page_is_current(repository, load_script):
    """`python tools/message_schema.py` writes it anew."""
    script = load_script(repository / "tools" / "message_schema.py")
    assert script.PAGE.read_text(encoding="utf-8") == script.text()
    json.loads(script.text())
