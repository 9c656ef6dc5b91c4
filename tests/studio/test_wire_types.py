"""The front end's types are those of the server."""

from typing import get_args

import pytest

from ildm.session.wire import Strict
from ildm.studio.messages import ClientMessage, ServerMessage, Welcome


def test_the_types_are_as_the_forms_say(repository, load_script):
    """`python tools/wire_types.py` writes them anew."""
    script = load_script(repository / "tools" / "wire_types.py")
    assert (repository / "web" / "src" / "wire.ts").read_text("utf-8") == script.wire_types()


def test_every_message_is_among_them(repository):
    text = (repository / "web" / "src" / "wire.ts").read_text("utf-8")
    for union in (ClientMessage, ServerMessage):
        for form in get_args(get_args(union)[0]):
            assert f"export interface {form.__name__} {{" in text
    assert "unknown" not in text


def test_a_name_that_two_messages_share_is_refused(repository, load_script, monkeypatch):
    """It would stand for one of them only, and the compiler would check the other against it."""
    script = load_script(repository / "tools" / "wire_types.py")

    class Ack(Strict):
        other: int

    monkeypatch.setattr(script, "ServerMessage", Ack | Welcome)
    with pytest.raises(ValueError, match="called Ack"):
        script.wire_types()
