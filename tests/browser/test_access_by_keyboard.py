"""The studio without a mouse, and for those who do not see it: every control is reached, labelled and readable."""

import pytest
from accessibility import violations
from playwright.sync_api import expect
from session_data import look, mask_of, settings_of, wait_for, wait_for_status
from steering_page import begin, drag, open_long, stage, timeline, wait_for_model, wait_for_session

FOCUSED = """() => {
  const one = document.activeElement;
  const box = one.getBoundingClientRect();
  const part = one.closest("header, aside, main, footer");
  return {
    tag: one.tagName,
    place: [...document.querySelectorAll("*")].indexOf(one),
    name: one.getAttribute("aria-label") || one.labels?.[0]?.textContent || one.textContent || one.title,
    part: part?.getAttribute("aria-label") ?? part?.tagName,
    isSeen: box.width * box.height > 0 && box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth,
  };
}"""


FROM_THE_TOP = "() => { const { body } = document; body.tabIndex = -1; body.focus(); body.removeAttribute('tabindex'); }"


def walk(page, key="Tab", most=150):
    """What the focus goes through from the top of the page, until it is there again; each is handed out while it has the focus."""
    page.evaluate(FROM_THE_TOP)
    first = None
    for number in range(most):
        page.keyboard.press(key)
        one = page.evaluate(FOCUSED)
        if one["tag"] == "BODY" and number == 0:
            continue
        if one["tag"] == "BODY" or one["place"] == first:
            return
        first = first or one["place"]
        yield one
    raise AssertionError("The focus never came back.")


def finished(page, **settings):
    begin(page, "a fox", steps=4, **settings)
    expect(timeline(page)).to_have_attribute("data-status", "finished")
    expect(stage(page)).to_have_attribute("data-exact", "true")


def test_the_focus_goes_through_the_whole_page_and_back(page, studio):
    finished(page)
    forth = list(walk(page))
    parts = [one["part"] for one in forth]
    # in the order in which the page is read: each part once, and as a whole
    order = [part for index, part in enumerate(parts) if index == 0 or parts[index - 1] != part]
    assert order == ["HEADER", "Prompt, regions and settings", "The picture", "FOOTER", "Areas, events, history and presets"]
    assert all(one["isSeen"] for one in forth)
    assert all((one["name"] or "").strip() for one in forth)
    names = {one["name"] for one in forth}
    assert {"New picture", "Picture", "Brush", "Eraser", "See it form once more", "Step that is looked at"} <= names
    back = list(walk(page, "Shift+Tab"))
    assert [one["place"] for one in back] == [one["place"] for one in reversed(forth)]


def test_the_focus_can_be_seen(visit):
    """Every control looks otherwise when the keyboard has come to it."""
    page = visit().page
    finished(page)
    page.evaluate(AT_ONCE)
    same = []
    for one in walk(page):
        focused = page.evaluate_handle("document.activeElement")
        with_focus = focused.evaluate(LOOK)
        focused.evaluate("one => one.blur()")
        if focused.evaluate(LOOK) == with_focus:
            same.append(one["name"])
        focused.evaluate("one => one.focus()")
    assert same == []


AT_ONCE = """() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync("* { transition: none !important }");
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}"""
LOOK = """one => [one, one.parentElement, one.firstElementChild ?? one].flatMap((each) => {
  const { outlineStyle, outlineWidth, boxShadow, borderTopColor } = getComputedStyle(each);
  return [outlineStyle, outlineWidth, boxShadow, borderTopColor, getComputedStyle(each, "::after").content];
}).join(";")"""


def test_a_picture_is_directed_by_keys_alone(page, studio):
    wait_for_model(page)
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("a red rose")
    page.keyboard.press("Enter")
    session = wait_for_session(page)
    with studio.client() as client:
        wait_for_status(client, session, "finished")
        expect(timeline(page)).to_have_attribute("data-status", "finished")
        page.keyboard.press("Escape")
        # back to step 2, other words, and on
        page.keyboard.press("Home")
        wait_for(lambda: look(client, session)["place"]["step"] == 0)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        wait_for(lambda: look(client, session)["place"]["step"] == 2)
        page.keyboard.press("/")
        page.keyboard.press("Control+a")
        page.keyboard.type("a blue key")
        page.keyboard.press("Enter")
        wait_for(lambda: settings_of(client, session)["prompt"] == "a blue key")
        page.keyboard.press("Escape")
        page.keyboard.press(".")
        wait_for(lambda: look(client, session)["place"]["step"] == 3)
        page.keyboard.press("p")
        wait_for_status(client, session, "finished")
        assert len(look(client, session)["tree"]["branches"]) == 2
        # the help, which keeps the focus while it is open and gives it back
        page.keyboard.press("h")
        expect(page.get_by_role("dialog", name="How this works")).to_be_visible()
        for _ in range(6):
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.closest('[role=dialog]') !== null")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.keyboard.press("n")
        expect(page.get_by_role("region", name="Welcome")).to_be_visible()


def test_the_keyboard_map_lists_what_is_bound(page, studio):
    finished(page)
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard")
    expect(dialog).to_be_visible()
    for label in ("Brush", "Eraser", "Smaller brush", "Undo", "Pause, or go on", "One step", "Go to the words", "This map"):
        expect(dialog.get_by_role("definition").filter(has_text=label).first).to_be_visible()
    # its keys are quiet meanwhile
    page.keyboard.press("b")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(stage(page)).to_have_attribute("data-tool", "hand")
    page.keyboard.press("b")
    expect(stage(page)).to_have_attribute("data-tool", "brush")


# --- axe ------------------------------------------------------------------------------------------------------------------------


def states(page, studio):
    """Bring a page into one state after the other, and name it."""
    expect(page.locator("[data-example=draw]")).to_be_enabled()
    yield "empty"
    for button, title in (("Help (H)", "How this works"), ("Keyboard (?)", "Keyboard"), ("About the models", "Models")):
        page.get_by_role("button", name=button).click()
        expect(page.get_by_role("dialog", name=title)).to_be_visible()
        yield title
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
    finished(page)
    yield "finished"
    page.get_by_role("button", name="Mark an area").click()
    drag(page, (10, 10), (40, 40))
    page.get_by_role("button", name="Keep it as it is").click()
    expect(page.get_by_role("button", name="Kept as it is")).to_be_visible()
    page.get_by_role("button", name="Mark what may change").click()
    yield "area"
    page.get_by_role("tab", name="Events").click()
    yield "events"
    page.get_by_role("tab", name="History").click()
    expect(page.get_by_role("list", name="Pictures made here").get_by_role("listitem").first).to_be_visible()
    yield "history"
    page.get_by_role("tab", name="Presets").click()
    page.get_by_role("button", name="Keep these settings").click()
    yield "presets"
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_role("menuitem", name="Try several settings ...").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    yield "several settings"
    session = open_long(page, studio, num_steps=4)
    page.keyboard.press("b")
    drag(page, (40, 40), (200, 200))
    with studio.client() as client:
        wait_for(lambda: (mask := mask_of(client, session)) is not None and mask.any())
    page.get_by_role("button", name="Add a region").click()
    expect(page.get_by_label("What is in region 2?")).to_be_visible()
    page.get_by_role("button", name="Settings of this region").click()
    yield "regions"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out(visit, studio, axe, scheme):
    page = visit(color_scheme=scheme, reduced_motion="reduce").page
    found = {}
    for state in states(page, studio):
        page.wait_for_timeout(300)  # what fades in is as faint as it looks
        if kept := violations(page, axe):
            found[state] = kept
    assert found == {}


def test_axe_finds_what_is_wrong(page, axe):
    """The control of the tests above."""
    wait_for_model(page)
    page.evaluate("document.querySelector('#prompt').labels[0].remove(); document.querySelector('#prompt').placeholder = ''")
    assert "label" in [one[0] for one in violations(page, axe)]
