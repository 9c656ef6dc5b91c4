"""Who may come in: the server's names, its own pages, and those it knows. The other lines of the list are in the files beside this one."""

import time
from dataclasses import replace

import pytest
from raw_http import open_socket, send_raw
from studios import ANNA_TOKEN, OWNER_TOKEN

from ildm.studio.access import COOKIE_DAYS, MOST_LAUNCHES, Access
from ildm.studio.config import StudioConfig
from ildm.studio.refusals import Refused

BEARER = f"Authorization: Bearer {OWNER_TOKEN}"
OPENING = {"prompt": "a red rose", "paused": True}


@pytest.fixture(scope="module")
def cookie(studio):
    """What a browser has that has come in: its Cookie header."""
    return f"{studio.app.state.context.access.cookie}={sign_in(studio)}"


@pytest.fixture
def browser(studio, cookie):
    """A client that says what a browser on the server's own page says."""
    with studio.client(None, cookie=cookie, origin=studio.url) as client:
        yield client


def sign_in(studio):
    access = studio.app.state.context.access
    return access.redeem(access.new_launch())


# --- names -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}", "LocalHost:{port}"])
def test_it_answers_to_its_own_names(studio, host):
    host = host.format(port=studio.port)
    with studio.client(host=host) as client:
        assert client.get("/api/server").status_code == 200
    assert open_socket(studio.port, BEARER, host=host) == 101


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",  # a name that was made to point here
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.1:{port}0",
        "127.0.0.1.evil.example:{port}",
        "localhost.:{port}",
        "localhost:{port}.evil.example",
        "evil@localhost:{port}",
        "0.0.0.0:{port}",
        "2130706433:{port}",
        "[::ffff:127.0.0.1]:{port}",
        "localhost:{port}, evil.example",
        "",
    ],
)
def test_it_answers_to_no_other_name(studio, host):
    host = host.format(port=studio.port)
    for path in ("/api/server", "/healthz", "/launch?token=x", "/"):
        status, answer = send_raw(studio.port, f"GET {path} HTTP/1.1", f"Host: {host}", BEARER)
        assert status == 403 and b'"code":"forbidden"' in answer
    # that the page's own name is in both says nothing
    assert open_socket(studio.port, BEARER, f"Origin: http://{host}", host=host or " ") == 403


def test_a_request_has_one_name(studio):
    own = f"Host: 127.0.0.1:{studio.port}"
    assert send_raw(studio.port, "GET /healthz HTTP/1.1", own)[0] == 200
    assert send_raw(studio.port, "GET /healthz HTTP/1.0")[0] == 403
    for other in ("Host: evil.example", own):
        assert send_raw(studio.port, "GET /healthz HTTP/1.1", own, other)[0] in (400, 403)
        assert open_socket(studio.port, BEARER, other) in (400, 403)
    own_name = own.removeprefix("Host: ")
    forwarded = (f"X-Forwarded-Host: {own_name}", f"Forwarded: host={own_name}")
    assert send_raw(studio.port, "GET /healthz HTTP/1.1", "Host: evil.example", *forwarded)[0] == 403


# --- pages -----------------------------------------------------------------------------------------------------------------

LOOK_ALIKES = [
    "null",
    "",
    "http://127.0.0.1",
    "http://127.0.0.1:1",
    "https://127.0.0.1:{port}",
    "ws://127.0.0.1:{port}",
    "//127.0.0.1:{port}",
    "127.0.0.1:{port}",
    "http://127.0.0.1.evil.com:{port}",
    "http://127.0.0.1:{port}.evil.com",
    "http://127.0.0.1:{port}@evil.com",
    "http://evil.com@127.0.0.1:{port}",
    "http://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}/path",
    "http://127.0.0.1:{port}?",
    "http://127.0.0.1:{port}#",
    "http://127.0.0.1:{port}\thttp://evil.com",
    "http://127.0.0\t.1:{port}",
    "http://127.0.0.1:{port} http://evil.com",
    "http://[::1:{port}",
    "http://127.0.0.1:99999",
    "http://localhost\\.evil.com:{port}",
    "http://l\u043ecalhost:{port}".encode().decode("latin-1"),  # a Cyrillic letter
]


@pytest.mark.parametrize("origin", LOOK_ALIKES)
def test_another_page_changes_nothing_and_follows_nothing(studio, cookie, origin):
    origin = origin.format(port=studio.port)
    line = f"Origin: {origin}"
    for who in (f"Cookie: {cookie}", BEARER):
        assert open_socket(studio.port, who, line) == 403
        change = ("POST /api/sessions HTTP/1.1", "Content-Type: application/json", "Content-Length: 2")
        assert send_raw(studio.port, *change, f"Host: 127.0.0.1:{studio.port}", who, line, body=b"{}")[0] == 403
        # and reads nothing
        assert send_raw(studio.port, "GET /api/server HTTP/1.1", f"Host: 127.0.0.1:{studio.port}", who, line)[0] == 403


def test_its_own_page_and_programs_may_change_and_follow(studio, cookie, browser):
    for name in ("127.0.0.1", "localhost", "LOCALHOST"):
        own = f"http://{name}:{studio.port}"
        assert browser.post("/api/sessions", json=OPENING, headers={"origin": own}).status_code == 201
        assert open_socket(studio.port, f"Cookie: {cookie}", f"Origin: {own}") == 101
    with studio.client() as program:
        assert program.post("/api/sessions", json=OPENING).status_code == 201
    assert open_socket(studio.port, BEARER) == 101


def test_a_browser_that_does_not_say_which_page_it_shows_changes_nothing(studio, cookie, browser):
    del browser.headers["origin"]
    assert browser.get("/api/server").status_code == 200
    assert browser.get("/api/server", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    for method, path in (("POST", "/api/sessions"), ("PATCH", "/api/sessions/a"), ("PUT", "/api/presets/settings/a")):
        assert browser.request(method, path, json={}).status_code == 403
    assert browser.delete("/api/sessions/a").status_code == 403
    assert open_socket(studio.port, f"Cookie: {cookie}") == 403
    assert open_socket(studio.port, f"Cookie: {cookie}", *[f"Origin: {studio.url}"] * 2) in (400, 403)


# --- people ----------------------------------------------------------------------------------------------------------------


def test_a_launch_token_is_good_once(studio):
    with studio.client() as program:
        path = program.post("/api/launch", json={}).json()["path"]
    with studio.client(None) as stranger:
        came = stranger.get(path)
        assert came.status_code == 303 and came.headers["location"] == "/"
        told = came.headers["set-cookie"].lower()
        assert told.startswith(f"ildm-{studio.port}=") and "httponly" in told and "samesite=strict" in told
        assert stranger.get("/api/server").json()["user"] == ""
    with studio.client(None) as late:
        assert late.get(path).status_code == 401 and late.get("/api/server").status_code == 401
        for token in ("", "x", "%00", "%ff", "a" * 5000):
            assert late.get(f"/launch?token={token}").status_code == 401
        assert late.get("/launch").status_code == 401


def test_a_launch_lets_in_whoever_asked_for_it(studio):
    with studio.client(ANNA_TOKEN) as anna, studio.client(None) as browser:
        browser.get(anna.post("/api/launch", json={}).json()["path"])
        assert browser.get("/api/server").json()["user"] == "anna"


def test_launch_tokens_grow_old_and_few(monkeypatch):
    access = _access()
    old, first = access.new_launch(), None
    for number in range(MOST_LAUNCHES):
        first = first or access.new_launch()
        if number:
            access.new_launch()
    with pytest.raises(Refused):
        access.redeem(old)
    assert access.redeem(first)
    late, now = access.new_launch(), time.time()
    monkeypatch.setattr(time, "time", lambda: now + 25 * 3600)
    with pytest.raises(Refused):
        access.redeem(late)


def test_a_cookie_is_good_for_its_time_and_its_server_alone(monkeypatch):
    access = _access()
    value, now = access.redeem(access.new_launch("anna")), time.time()
    assert access.visitor(None, {"ildm-1": value}).user == "anna"
    strangers = ({"ildm-2": value}, {"ildm-1": value[:-1]}, {"ildm-1": value.replace(".", ".1", 1)}, {})
    for cookies in strangers:
        with pytest.raises(Refused):
            access.visitor(None, cookies)
    with pytest.raises(Refused):
        _access(secret=b"t" * 32).visitor(None, {"ildm-1": value})
    # whose token has been changed, or taken away
    for tokens in ({"": OWNER_TOKEN, "anna": "another-token-than-it-was-before"}, {"": OWNER_TOKEN}):
        with pytest.raises(Refused):
            _access(tokens=tokens).visitor(None, {"ildm-1": value})
    monkeypatch.setattr(time, "time", lambda: now + COOKIE_DAYS * 86400 + 1)
    with pytest.raises(Refused):
        access.visitor(None, {"ildm-1": value})


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "...",
        "a.b.c.d",
        "zz.1.1.{sign}",
        ".9999999999.00.{sign}",
        "\xff\xfe",
        '"a',
        "{",
        "a" * 7000,
        ";;;=;",
        "%00.1.2.3",
    ],
)
def test_a_forged_cookie_lets_nobody_in(studio, value):
    value = value.replace("{sign}", "0" * 64)
    line = f"Cookie: ildm-{studio.port}={value}"
    assert send_raw(studio.port, "GET /api/server HTTP/1.1", f"Host: 127.0.0.1:{studio.port}", line)[0] == 401
    assert open_socket(studio.port, line, f"Origin: {studio.url}") == 403


def test_another_server_s_odd_cookie_shuts_nobody_out(studio, cookie):
    with studio.client(None, cookie=f'theirs={{"a": [1, 2]}}; b@d; {cookie}; x="') as client:
        assert client.get("/api/server").status_code == 200


@pytest.mark.parametrize(
    "said", ["", "Bearer", "Bearer ", "Bearer x", "Basic {token}", "{token}", "Bearer {token}x", "Bearer \xff"]
)
def test_a_wrong_token_lets_nobody_in(studio, cookie, said):
    line = f"Authorization: {said.format(token=OWNER_TOKEN)}"
    host = f"Host: 127.0.0.1:{studio.port}"
    # not even beside a good cookie
    for more in ((), (f"Cookie: {cookie}",)):
        assert send_raw(studio.port, "GET /api/server HTTP/1.1", host, line, *more)[0] == 401
        assert open_socket(studio.port, line, f"Origin: {studio.url}", *more) == 403


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "multipart/form-data", "application/x-www-form-urlencoded", "text/json", ""]
)
def test_a_form_changes_nothing(studio, browser, kind):
    headers = {} if kind is None else {"content-type": kind}
    for method, path in (
        ("POST", "/api/sessions"),
        ("POST", "/api/launch"),
        ("POST", "/api/uploads"),
        ("PUT", "/api/presets/settings/a"),
    ):
        assert browser.request(method, path, content=b"{}", headers=headers).status_code == 415
    if kind:
        assert browser.request("DELETE", "/api/sessions/a", headers=headers).status_code == 415


def test_a_stranger_sees_that_it_lives_and_nothing_else(studio):
    with studio.client(None) as stranger:
        assert stranger.get("/healthz").json() == {"status": "ok"} and stranger.get("/readyz").status_code == 200
        for path in (
            "/",
            "/metrics",
            "/api/server",
            "/api/openapi.json",
            "/api/sessions",
            "/api/nothing",
            "/healthz/",
            "//healthz",
        ):
            assert stranger.get(path).status_code == 401
    assert open_socket(studio.port) == 403


# --- what it says to everybody ------------------------------------------------------------------------------------------------


def test_every_answer_is_told_how_to_be_read(studio, browser):
    nonces = set()
    with studio.client(None) as stranger, studio.client() as program:
        answers = [
            browser.get("/"),
            browser.get("/api/nothing"),
            browser.get("/api/sessions?limit=x"),
            browser.post("/api/sessions", json={"sides": 3}),
            browser.post("/api/uploads", content=b"", headers={"content-type": "text/plain"}),
            browser.options("/api/sessions", headers={"access-control-request-method": "POST"}),
            browser.get("/api/server", headers={"origin": "http://evil.example"}),
            program.get("/metrics"),
            program.get("/api/openapi.json"),
            stranger.get("/healthz", headers={"host": "evil.example"}),
            stranger.get("/api/server"),
        ]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';") and "unsafe" not in policy
        nonces.add(policy.partition("'nonce-")[2].partition("'")[0])
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "server" not in answer.headers or answer.headers["server"] == "uvicorn"  # not so as it is started for people
    assert len(nonces) == len(answers) and all(len(nonce) > 20 for nonce in nonces)


def test_a_failure_of_the_server_s_own_is_told_like_any_other(studio, monkeypatch, caplog):
    def fail(*_, **__):
        raise RuntimeError("something nobody thought of")

    monkeypatch.setattr(studio.app.state.context.store, "sessions", fail)
    with studio.client() as client:
        answer = client.get("/api/sessions")
        assert answer.status_code == 500 and answer.json()["error"]["code"] == "failed"
        assert answer.headers["x-content-type-options"] == "nosniff" and "nonce-" in answer.headers["content-security-policy"]
        assert client.get("/healthz").status_code == 200
    assert any("A request failed: GET /api/sessions" in record.message for record in caplog.records)


@pytest.mark.parametrize(
    "path",
    [
        "/docs",
        "/redoc",
        "/openapi.json",
        "/docs/oauth2-redirect",
        "/static/../../../etc/passwd",
        "/static/%2e%2e/app.py",
        "/..%2f..%2fetc/passwd",
        "/assets/..\\..\\x",
        "/@vite/client",
        "/node_modules/.vite",
        "/__debug__",
        "/dashboard",
        "/.env",
        "/.git/config",
        "/%00",
    ],
)
def test_no_tool_of_developers_is_served(studio, path):
    status, _ = send_raw(studio.port, f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{studio.port}", BEARER)
    assert status == 404


def test_a_server_is_known_without_the_port_that_goes_without_saying():
    access = Access(hosts=["Studio.Example.org:443", "127.0.0.1:80"], origins=[], tokens={}, secret=b"s" * 32, port=80)
    for good in ("studio.example.org", "studio.example.org:443", "127.0.0.1", "127.0.0.1:80"):
        access.check_host([good])
    for bad in ("studio.example.org:80.", "studio.example.org:444", "example.org", "127.0.0.1:443", ":443", ""):
        with pytest.raises(Refused):
            access.check_host([bad])


def test_a_server_for_every_address_has_the_names_that_it_is_given_and_no_others():
    config = StudioConfig(host="0.0.0.0", tokens={"": OWNER_TOKEN}, allowed_hosts=("studio.example.org:443",))
    assert config.hosts(7877) == ("studio.example.org:443",)
    assert config.url(7877) == "http://studio.example.org:443"
    behind = replace(config, allowed_origins=("https://studio.example.org",))
    assert behind.url(7877) == "https://studio.example.org"


def _access(secret=b"s" * 32, tokens={"": OWNER_TOKEN, "anna": ANNA_TOKEN}):  # noqa: B006 - not changed
    return Access(hosts=["127.0.0.1:1"], origins=["http://127.0.0.1:1"], tokens=tokens, secret=secret, port=1)
