"""The page for people: served as it was built, to those who came by an address; everybody else is told how to get one."""

import re

import pytest
from raw_http import send_raw
from studios import OWNER_TOKEN, serving

from ildm.studio.page import Page

HTML = '<!doctype html><meta name="csp-nonce" content="{{nonce}}"><div id="root"></div><script src="/assets/index-Ab_1-x.js"></script>'
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page") / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(HTML)
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / "assets" / "index-Ab_1-x.js").write_text("export {}")
    (folder / "assets" / "index-Cd.css").write_text("b{}")
    (folder / "assets" / "font-Ef.woff2").write_bytes(b"wOF2")
    (folder / "assets" / "notes.txt").write_text("not of a page")
    (folder.parent / "secret.js").write_text("kept to itself")
    (folder / "assets" / "link.js").symlink_to(folder.parent / "secret.js")
    return folder


@pytest.fixture(scope="module")
def studio(built, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("studio"), page=Page(built)) as studio:
        yield studio


@pytest.fixture
def stranger(studio):
    with studio.client(None, **BROWSER) as client:
        yield client


@pytest.fixture
def browser(studio):
    access = studio.app.state.context.access
    with studio.client(None, cookie=f"{access.cookie}={access.redeem(access.new_launch())}", **BROWSER) as client:
        yield client


def test_the_page_carries_the_nonce_of_its_policy(browser):
    seen = set()
    for _ in range(2):
        answer = browser.get("/")
        assert answer.status_code == 200 and answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        (nonce,) = re.findall(r'content="([^"]+)"', answer.text)
        assert f"'nonce-{nonce}'" in answer.headers["content-security-policy"] and "{{" not in answer.text
        seen.add(nonce)
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("index-Ab_1-x.js", "text/javascript; charset=utf-8"),
        ("index-Cd.css", "text/css; charset=utf-8"),
        ("font-Ef.woff2", "font/woff2"),
    ],
)
def test_files_are_kept_for_ever(stranger, built, name, kind):
    answer = stranger.get(f"/assets/{name}")
    assert answer.status_code == 200 and answer.content == (built / "assets" / name).read_bytes()
    assert answer.headers["content-type"] == kind and answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_the_icon_is_there_for_everybody(stranger):
    answer = stranger.get("/favicon.svg")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("image/svg+xml")
    assert "immutable" not in answer.headers["cache-control"]


@pytest.mark.parametrize(
    "path",
    [
        "/assets/none.js",
        "/assets/notes.txt",
        "/assets/link.js",
        "/assets/",
        "/assets/.",
        "/assets/..",
        "/assets/../favicon.svg",
        "/assets/../../secret.js",
        "/assets/..%2f..%2fsecret.js",
        "/assets/%2e%2e/%2e%2e/secret.js",
        "/assets/..%5c..%5csecret.js",
        "/assets/%2fetc%2fpasswd",
        "/assets/index-Ab_1-x.js%00.css",
        "/assets//index-Cd.css",
        "/assets/..%2findex.html",
        "/assets/..%2f..%2fapi%2fserver",
        "/assets/" + "a" * 5000 + ".js",
    ],
)
def test_nothing_else_is_among_them(studio, path):
    status, answer = send_raw(studio.port, f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{studio.port}")
    assert status == 404 and b"kept to itself" not in answer and b"immutable" not in answer


def test_a_browser_without_its_cookie_learns_how_to_get_in(studio, stranger):
    for cookie in ("", f"ildm-{studio.port}=made.up", "other=1"):
        answer = stranger.get("/", headers={"cookie": cookie})
        assert answer.status_code == 401 and answer.headers["content-type"].startswith("text/html")
        assert f"ildm studio --link --port {studio.port}" in answer.text and answer.headers["cache-control"] == "no-store"
        (nonce,) = re.findall(r'<style nonce="([^"]+)">', answer.text)
        assert f"'nonce-{nonce}'" in answer.headers["content-security-policy"]
        assert "prefers-color-scheme: dark" in answer.text and "<script" not in answer.text and " style=" not in answer.text


def test_a_link_that_is_used_up_says_so(stranger):
    answer = stranger.get("/launch?token=used")
    assert answer.status_code == 401 and "used already" in answer.text and "ildm studio --link" in answer.text


def test_a_link_that_is_used_up_does_no_harm_to_who_is_in(browser):
    answer = browser.get("/launch?token=used")
    assert answer.status_code == 303 and answer.headers["location"] == "/" and "set-cookie" not in answer.headers


def test_a_link_from_another_site_leads_in_as_well(studio, stranger):
    # a cookie that is strict is not shown to where a browser is only sent on
    access = studio.app.state.context.access
    came = stranger.get(f"/launch?token={access.new_launch()}", headers={"sec-fetch-site": "cross-site"})
    assert (
        came.status_code == 200
        and "set-cookie" in came.headers
        and '<meta http-equiv="refresh" content="0; url=/">' in came.text
    )
    with studio.client(None, **BROWSER) as other:
        again = other.get("/", headers={"sec-fetch-site": "cross-site"})
        assert again.status_code == 200 and 'http-equiv="refresh"' in again.text
        assert other.get("/", headers={"sec-fetch-site": "same-origin"}).status_code == 401


def test_programs_are_told_in_json(studio, browser):
    with studio.client(None) as program:
        for path in ("/", "/launch?token=used", "/api/server"):
            answer = program.get(path)
            assert answer.status_code == 401 and answer.json()["error"]["code"] == "no-access"
    with studio.client(None, **BROWSER) as stranger:
        assert stranger.get("/api/server").json()["error"]["code"] == "no-access"
    with studio.client(OWNER_TOKEN) as program:
        assert program.get("/").status_code == 200


def test_where_the_page_is_not_built_it_says_how(tmp_path):
    with serving(tmp_path, page=Page(tmp_path / "nothing")) as studio, studio.client() as owner:
        answer = owner.get("/")
        assert answer.status_code == 503 and "npm run build" in answer.text and "make studio" in answer.text
        assert owner.get("/favicon.svg").status_code == 404 and owner.get("/api/server").status_code == 200
