"""`ildm studio` starts where it is safe, or says in one sentence why it does not."""

import json
import socket

import pytest

LONG = "a-token-of-more-than-20-letters"


@pytest.fixture(autouse=True)
def nothing_is_served(monkeypatch, tmp_path):
    """A line that ought to be refused does not hang where it is not."""
    monkeypatch.setenv("ILDM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("ildm.studio.server.StudioServer.run", lambda *_, **__: pytest.fail("it was served"))


def told(ended):
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("ildm: ") and len(ended.err.splitlines()) == 1
    return ended.err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "[::]", "192.0.2.7", "studio.example.org", "", "127.0.0.1.evil.example"])
def test_on_an_address_of_others_it_needs_a_token(run, host):
    said = told(run("studio", "--host", host))
    assert "needs a token" in said and "--tokens FILE" in said and "127.0.0.1" in said


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "[::]", "", "0"])
def test_on_all_addresses_it_needs_a_name_too(run, host, tmp_path):
    (tmp_path / "tokens.json").write_text(json.dumps({"": LONG}))
    said = told(run("studio", "--host", host, "--tokens", tmp_path / "tokens.json"))
    assert "--allow-host" in said


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read"),
        ("not json", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("[]", "holds no tokens"),
        ("{}", "holds no tokens"),
        ('"a long token that stands alone"', "holds no tokens"),
        ('{"anna": 12345678901234567890}', "holds no tokens"),
        ('{"anna": "short"}', "20 characters at least, but that of 'anna' has 5"),
        ('{"": "short"}', "that of the owner has 5"),
        (json.dumps({"anna": LONG, "ben": LONG}), "the same token"),
    ],
)
def test_tokens_that_are_none_are_refused(run, tmp_path, content, why):
    file = tmp_path / "tokens.json"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert why in told(run("studio", "--tokens", file))


def test_a_port_that_is_in_use_is_said(run):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = told(run("studio", "--model", "emoji-scenes", "--port", port))
    assert f"Port {port} is in use" in said and "--port" in said


def test_an_address_that_is_not_there_is_said(run, tmp_path):
    (tmp_path / "tokens.json").write_text(json.dumps({"": LONG}))
    said = told(run("studio", "--host", "192.0.2.7", "--port", "0", "--tokens", tmp_path / "tokens.json"))
    assert "192.0.2.7:0 cannot be listened on" in said


@pytest.mark.parametrize("model", ["emoji-scene", "../../etc/passwd", "https://evil.example/model.safetensors", "", "."])
def test_a_model_that_is_not_known_is_said(run, model):
    assert f"There is no model {model!r}" in told(run("studio", "--model", model))


def test_there_is_no_link_where_no_studio_runs(run):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    said = told(run("studio", "--link", "--port", port))
    assert f"No studio of yours answers at http://127.0.0.1:{port}" in said


def test_what_it_keeps_is_read_by_its_person_alone(tmp_path):
    from ildm.studio.config import own_secret, own_token

    place = tmp_path / "studio"
    assert own_token(place) == own_token(place) and own_secret(place) == own_secret(place)
    assert own_token(place).encode() != own_secret(place)
    for file in place.iterdir():
        assert file.stat().st_mode & 0o077 == 0
