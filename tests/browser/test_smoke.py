"""The page opens, as it was built and under its policy; a browser that is not known learns how to get in."""

import re

from playwright.sync_api import expect


def see(page):
    """Wait until the studio is there."""
    expect(page.get_by_role("textbox").first).to_be_visible(timeout=20_000)


def test_the_page_opens_under_its_policy(visit):
    page = visit().page
    see(page)
    expect(page).to_have_url(re.compile(r"^http://127\.0\.0\.1:\d+/(#.*)?$"))
    answers = []
    page.on("response", lambda answer: answers.append(answer))
    reloaded = page.reload()
    see(page)
    policy = reloaded.headers["content-security-policy"]
    (nonce,) = re.findall(r"'nonce-([^']+)'", policy)
    assert policy.startswith("default-src 'none'; script-src 'self';") and "unsafe" not in policy
    assert reloaded.headers["cache-control"] == "no-store"
    # every style that the page makes carries the nonce of this visit
    assert set(page.evaluate("[...document.querySelectorAll('style')].map(one => one.nonce)")) <= {nonce}
    assets = [one for one in answers if "/assets/" in one.url]
    assert {one.url.rpartition(".")[2] for one in assets} >= {"js"}
    for one in assets:
        assert one.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_a_browser_that_is_not_known_learns_how_to_get_in(chromium, studio):
    for scheme in ("light", "dark"):
        context = chromium.new_context(color_scheme=scheme)
        page = context.new_page()
        assert page.goto(studio.url).status == 401
        expect(page.get_by_role("heading", name="This browser needs a new address")).to_be_visible()
        expect(page.get_by_text(f"ildm studio --link --port {studio.port}", exact=True)).to_be_visible()
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")  # its style was let through
        assert ground == {"light": "rgb(246, 247, 249)", "dark": "rgb(20, 23, 27)"}[scheme]
        context.close()


def test_a_link_lets_a_browser_in_once(chromium, studio):
    with studio.client() as program:
        link = studio.url + program.post("/api/launch", json={}).json()["path"]
    first, second = chromium.new_context(), chromium.new_context()
    page = first.new_page()
    page.goto(link)
    see(page)
    assert "token" not in page.url
    page.goto(link)  # as a browser does that opens its pages anew
    see(page)
    other = second.new_page()
    assert other.goto(link).status == 401
    expect(other.get_by_text("has been used already")).to_be_visible()
    # and from a page of another site, whose clicks show no strict cookie
    with studio.client() as program:
        link = studio.url + program.post("/api/launch", json={}).json()["path"]
    other.route(
        "http://elsewhere.example/", lambda route: route.fulfill(body=f'<a href="{link}">in</a>', content_type="text/html")
    )
    other.goto("http://elsewhere.example/")
    other.get_by_role("link", name="in").click()
    see(other)
    first.close()
    second.close()
