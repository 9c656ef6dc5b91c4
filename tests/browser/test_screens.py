"""The page on large and small screens, and enlarged: nothing is cut off, and everything can be brought into sight."""

import pytest
from playwright.sync_api import expect
from steering_page import begin, drag, stage, timeline, wait_for_model

SCREENS = {
    "720p": {"viewport": {"width": 1280, "height": 720}},
    # what is left of it at 200 % zoom, which is how a browser enlarges a page
    "720p at 200 %": {"viewport": {"width": 640, "height": 360}, "device_scale_factor": 2},
    "a tablet upright": {"viewport": {"width": 820, "height": 1180}, "has_touch": True},
    "a tablet across": {"viewport": {"width": 1180, "height": 820}, "has_touch": True},
    "4K": {"viewport": {"width": 3840, "height": 2160}},
}

CUT = """() => {
  // text that does not fit into what shows it, unless it says by dots that there is more or can be scrolled
  const cut = [];
  for (const one of document.querySelectorAll("button, label, h1, h2, [role=tab], [role=menuitem]")) {
    const look = getComputedStyle(one);
    if (!one.checkVisibility() || one.closest("[class*=VisuallyHidden]") || look.textOverflow === "ellipsis") continue;
    if (look.overflowX === "hidden" && one.scrollWidth > one.clientWidth + 1) cut.push(one.textContent || one.ariaLabel);
  }
  return cut;
}"""

OUT_OF_SIGHT = """() => {
  // what cannot be scrolled into the window
  const found = [];
  const name = (one) => one.ariaLabel || one.labels?.[0]?.textContent || one.textContent || one.outerHTML.slice(0, 80);
  for (const one of document.querySelectorAll("button, input, textarea, select, [role=slider], [role=tab]")) {
    const before = one.getBoundingClientRect();
    const isHidden = one.closest("[class*=VisuallyHidden], [aria-hidden=true]") || !one.checkVisibility();
    if (isHidden || before.width * before.height === 0) continue;
    one.scrollIntoView({ block: "center", inline: "center" });
    const box = one.getBoundingClientRect();
    const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
    const isInside = x >= 0 && y >= 0 && x <= innerWidth && y <= innerHeight;
    const top = isInside ? document.elementFromPoint(x, y) : null;
    const isSeen = top && (one.contains(top) || top.contains(one) || [...(one.labels ?? [])].some((label) => label.contains(top)));
    if (!isSeen) found.push(name(one));
  }
  return found;
}"""


@pytest.mark.parametrize("screen", SCREENS)
def test_everything_can_be_brought_into_sight(visit, studio, screen):
    page = visit(**SCREENS[screen]).page
    begin(page, "a fox", steps=4)
    expect(timeline(page)).to_have_attribute("data-status", "finished")
    stage(page).scroll_into_view_if_needed()
    box = stage(page).bounding_box()
    assert min(box["width"], box["height"]) >= 180
    page.keyboard.press("Escape")
    stage(page).focus()
    page.keyboard.press("r")
    drag(page, (20, 20), (100, 100))
    expect(page.get_by_label("What is in region 1?")).to_have_count(1)
    assert page.evaluate(CUT) == []
    assert page.evaluate(OUT_OF_SIGHT) == []
    # nothing lies beside the page
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


def test_on_a_phone_words_come_first_and_painting_shows_the_picture(visit, studio):
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True).page
    wait_for_model(page)
    prompt, example = page.get_by_label("What should it show?"), page.locator("[data-example=draw]")
    assert prompt.bounding_box()["y"] < example.bounding_box()["y"]
    assert prompt.bounding_box()["y"] < 844
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    begin(page, "a fox", steps=4)
    expect(timeline(page)).to_have_attribute("data-status", "finished")
    for name in ("Paint a region", "Mark an area", "Mark what may change"):
        button = page.get_by_role("button", name=name)
        button.scroll_into_view_if_needed()
        assert stage(page).bounding_box()["y"] < 0
        button.click()
        expect(stage(page)).to_be_in_viewport(ratio=0.9)
