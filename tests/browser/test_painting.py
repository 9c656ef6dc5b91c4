"""Masks that are painted on the stage: where they come to lie in the session, and what the engine makes of them."""

import numpy as np
import pytest
from playwright.sync_api import expect
from session_data import commands_in, edit, look, mask_of, picture_at, settings_of, wait_for, wait_for_mask
from steering_page import (
    drag,
    go_on,
    open_long,
    open_still,
    pause,
    place,
    press_until_step,
    session_of,
    stage,
    wait_for_step,
)

WIDE = 32
"""The brush's width as it comes, in pixels of the picture."""


def away(line):
    """How far the middle of each pixel lies from a line between two places, (256, 256)."""
    (x1, y1), (x2, y2) = line
    y, x = np.mgrid[:256, :256] + 0.5
    share = np.clip(((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / ((x2 - x1) ** 2 + (y2 - y1) ** 2), 0.0, 1.0)
    return np.hypot(x - x1 - share * (x2 - x1), y - y1 - share * (y2 - y1))


def is_stroke(mask, line):
    """Whether a stroke of the brush, and nothing else, lies along a line."""
    far = away(line)
    return (mask[far < WIDE / 2 - 6] == 255).all() and (mask[far > WIDE / 2 + 2] == 0).all()


def say_in_region(page, client, session, words):
    """Give the first region its words."""
    page.get_by_label("What is in region 1?").fill(words)
    page.get_by_label("What is in region 1?").press("Enter")
    wait_for(lambda: settings_of(client, session)["regions"][0]["prompt"] == words)


def leave_words(page):
    """A region that has its first shape wants its words next: Escape goes on painting."""
    expect(page.get_by_label("What is in region 1?")).to_be_focused()
    page.keyboard.press("Escape")


def test_a_stroke_lies_where_it_was_painted(page, studio):
    session = open_still(page, studio)
    line, other = ((40, 60), (200, 60)), ((200, 60), (40, 200))
    page.keyboard.press("b")
    drag(page, *line)
    with studio.client() as client:
        mask = wait_for_mask(client, session, lambda mask: is_stroke(mask, line))
        assert not is_stroke(mask, other)
        # a region has come into being for it, and its words are those of its row
        say_in_region(page, client, session, "a lion")
        # the next region has a mask of its own
        page.get_by_role("button", name="Add a region").click()
        expect(page.get_by_label("What is in region 2?")).to_be_visible()
        drag(page, *other)
        wait_for_mask(client, session, lambda mask: is_stroke(mask, other), 1)
        assert np.array_equal(mask_of(client, session), mask)


def test_a_region_painted_in_mid_run_acts_at_the_next_step(page, studio):
    """The engine's own pictures say so: up to the stroke they are those of a run without it, and no longer from the step after it."""
    session = open_long(page, studio)
    with studio.client() as client:
        page.get_by_role("button", name="Add a region").click()
        say_in_region(page, client, session, "a blue key")
        stage(page).focus()
        page.keyboard.press("r")
        go_on(page)
        wait_for_step(page, 3)
        drag(page, (20, 20), (236, 236))
        painted = wait_for(lambda: commands_in(client, session, "paint-region"))[0]
        step = painted["applied_step"]
        assert 3 <= step < 250
        wait_for_step(page, step + 1)
        pause(page)
        mask = wait_for_mask(client, session, lambda mask: mask.any())
        assert (mask[24:232, 24:232] == 255).all() and not mask[:16].any() and not mask[:, 240:].any()
        fields = {"prompt": "a fox", "num_steps": 250, "seed": 3, "width": 256, "height": 256}
        plain = client.post("/api/sessions", json=fields).json()["id"]
        wait_for(lambda: look(client, plain)["place"]["step"] > step)
        edit(client, plain, kind="cancel")
        pairs = [[picture_at(client, one, at) for one in (session, plain)] for at in (1, step, step + 1)]
    assert [np.array_equal(*pair) for pair in pairs] == [True, True, False]


def test_less_pressure_makes_a_thinner_line(page, studio):
    session = open_still(page, studio)
    page.keyboard.press("b")
    pen = page.context.new_cdp_session(page)

    def line(y, force):
        for kind, x in (("mousePressed", 30), *(("mouseMoved", x) for x in range(50, 231, 20)), ("mouseReleased", 230)):
            left, top = place(page, x, y)
            pen.send(
                "Input.dispatchMouseEvent",
                {"type": kind, "x": left, "y": top, "pointerType": "pen", "force": force, "button": "left", "buttons": 1},
            )

    forces = {40: 1.0, 100: 0.5, 160: 0.25, 220: 0.5}
    for y, force in forces.items():
        line(y, force)
    with studio.client() as client:
        mask = wait_for_mask(client, session, lambda mask: mask[220, 200] == 255)
    hard, middle, soft, again = [int((mask[y - 30 : y + 30, 130] > 127).sum()) for y in forces]
    assert hard > middle + 4 > soft + 8
    assert again == middle
    assert abs(hard - WIDE) <= 4


def test_fifty_strokes_are_taken_back_exactly(page, studio):
    session = open_still(page, studio)
    page.keyboard.press("b")
    drag(page, (30, 128), (220, 140))
    expect(stage(page)).to_have_attribute("data-strokes", "1")
    with studio.client() as client:
        first = wait_for_mask(client, session, lambda mask: is_stroke(mask, ((30, 128), (220, 140))))
        for number in range(49):
            if number == 30:
                page.keyboard.press("e")  # where something has been painted: what changes nothing is no stroke
            x, y = 20 + 31 * (number % 30 % 8), 20 + 36 * (number % 30 // 8)
            drag(page, (x, y), (x + 17, y + 11), steps=2)
        page.keyboard.press("b")
        page.mouse.click(*place(page, 240, 245))
        expect(stage(page)).to_have_attribute("data-strokes", "51")
        # patches leave in order: with the last one all are there
        painted = wait_for_mask(client, session, lambda mask: mask[245, 240] == 255)
        assert (painted > first).any() and (painted < first).any()
        for _ in range(50):
            page.keyboard.press("Control+z")
        wait_for_mask(client, session, lambda mask: np.array_equal(mask, first))
        for _ in range(50):
            page.keyboard.press("Control+Shift+z")
        wait_for_mask(client, session, lambda mask: np.array_equal(mask, painted))
        # nothing was painted to take a stroke back
        assert [len(commands_in(client, session, kind)) for kind in ("undo", "redo")] == [50, 50]
        assert len(settings_of(client, session)["regions"]) == 1


def test_a_shape_after_the_eraser_paints(page, studio):
    session = open_still(page, studio)
    page.keyboard.press("e")
    page.keyboard.press("r")
    drag(page, (40, 40), (200, 200))
    with studio.client() as client:
        wait_for_mask(client, session, lambda mask: mask[120, 120] == 255)
        leave_words(page)
        page.keyboard.press("e")
        drag(page, (40, 120), (200, 120))
        wait_for_mask(client, session, lambda mask: mask[120, 120] == 0)


def test_a_long_stroke_is_one_change_of_the_session(page, studio):
    """Where something else was changed since, the session's undo takes it back, and as a whole."""
    session = open_still(page, studio)
    page.keyboard.press("b")
    page.mouse.move(*place(page, 20, 40))
    page.mouse.down()
    for x in range(30, 231, 10):
        page.mouse.move(*place(page, x, 40))
        page.wait_for_timeout(30)
    page.mouse.up()
    with studio.client() as client:
        wait_for_mask(client, session, lambda mask: is_stroke(mask, ((20, 40), (230, 40))))
        patches = commands_in(client, session, "paint-region")
        assert len(patches) > 3 and len({one["command"]["stroke"] for one in patches}) == 1
        edit(client, session, kind="set-prompt", text="a lion")
        for _ in range(2):
            edit(client, session, kind="undo")
        # an edit is answered before its turn is over
        wait_for(lambda: (mask := mask_of(client, session)) is not None and not mask.any())
        assert settings_of(client, session)["prompt"] == "a fox"


def test_the_eraser_takes_away(page, studio):
    session = open_still(page, studio)
    page.keyboard.press("r")
    drag(page, (40, 40), (216, 216))
    with studio.client() as client:
        whole = wait_for_mask(client, session, lambda mask: mask[200, 200] == 255)
        leave_words(page)
        page.keyboard.press("e")
        drag(page, (20, 128), (236, 128))
        mask = wait_for_mask(client, session, lambda mask: mask[128, 205] == 0)
    far = away(((20, 128), (236, 128)))
    assert not mask[far < WIDE / 2 - 6].any()
    assert np.array_equal(mask[far > WIDE / 2 + 2], whole[far > WIDE / 2 + 2])
    assert whole[128, 128] == 255


def test_shapes_are_filled(page, studio):
    session = open_still(page, studio)
    page.keyboard.press("r")
    drag(page, (32, 48), (160, 96))
    rectangle = np.zeros((256, 256), np.uint8)
    rectangle[48:96, 32:160] = 255
    with studio.client() as client:
        wait_for_mask(client, session, lambda mask: np.array_equal(mask, rectangle))
        leave_words(page)
        page.keyboard.press("l")
        corners = [(60, 140), (200, 140), (60, 240)]
        drag(page, *corners)
        mask = wait_for_mask(client, session, lambda mask: mask[150, 70] == 255)
        assert np.array_equal(mask[:130], rectangle[:130])
        y, x = np.mgrid[:256, :256] + 0.5
        inside = np.minimum.reduce([x - 60, y - 140, (14000 - 100 * (x - 60) - 140 * (y - 140)) / np.hypot(100, 140)])
        assert (mask[(inside > 2) & (y > 130)] == 255).all() and not mask[(inside < -2) & (y > 130)].any()
        # what is connected, and no more
        page.keyboard.press("g")
        page.keyboard.press("x")
        page.mouse.click(*place(page, 80, 160))
        wait_for_mask(
            client, session, lambda mask: np.array_equal(mask[:130], rectangle[:130]) and not (mask[130:] > 200).any()
        )


@pytest.mark.parametrize("where", ["tools", "row"])
def test_inverting_swaps_inside_and_outside(page, studio, where):
    session = open_still(page, studio)
    page.keyboard.press("b")
    drag(page, (30, 30), (150, 180))
    with studio.client() as client:
        before = wait_for_mask(client, session, lambda mask: is_stroke(mask, ((30, 30), (150, 180))))
        if where == "tools":
            page.get_by_role("button", name="The whole mask").click()
        else:
            page.get_by_role("button", name="More for region 1").click()
        page.get_by_role("menuitem", name="Invert").click()
        wait_for_mask(client, session, lambda mask: np.array_equal(mask, 255 - before))
        page.keyboard.press("Escape")
        stage(page).focus()
        page.keyboard.press("Control+z")
        wait_for_mask(client, session, lambda mask: np.array_equal(mask, before))


def test_as_many_redos_as_undos_lose_nothing(page, studio):
    """Strokes, the region that they lie on and an area that only the page has are one row of changes, at whatever speed."""
    session = open_still(page, studio)
    press_until_step(page, 1)
    page.get_by_role("button", name="Add a region").click()
    stage(page).focus()
    page.keyboard.press("b")
    with studio.client() as client:
        for y in (40, 100, 160):
            drag(page, (40, y), (200, y))
        wait_for_mask(client, session, lambda mask: mask[160, 190] == 255)
        page.get_by_role("button", name="Mark an area").click()
        page.keyboard.press("r")
        drag(page, (20, 20), (120, 120))
        clear = page.get_by_role("button", name="Clear the area")
        expect(clear).to_be_enabled()
        expect(stage(page)).to_have_attribute("data-strokes", "4")
        # a change of the session after it, and what is there is looked at after each undo
        say_in_region(page, client, session, "a lion")
        painted = mask_of(client, session)
        stage(page).focus()
        for _ in range(2):
            page.keyboard.press("Control+z")
        expect(clear).to_be_disabled()
        assert settings_of(client, session)["regions"][0]["prompt"] == ""
        assert np.array_equal(mask_of(client, session), painted)
        page.keyboard.press("Control+z")
        wait_for_mask(client, session, lambda mask: mask[100, 190] == 255 and not mask[160, 190])
        for _ in range(6):
            page.keyboard.press("Control+z")
        wait_for(lambda: not settings_of(client, session)["regions"])
        expect(page.get_by_role("button", name="Undo", exact=True)).to_be_disabled()
        for _ in range(9):
            page.keyboard.press("Control+Shift+z")
        wait_for(
            lambda: (
                settings_of(client, session)["regions"][0:1]
                and settings_of(client, session)["regions"][0]["prompt"] == "a lion"
            )
        )
        assert np.array_equal(mask_of(client, session), painted)
        expect(clear).to_be_enabled()
        expect(page.get_by_role("button", name="Redo", exact=True)).to_be_disabled()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_what_the_eraser_does_not_touch_is_no_change(page, studio):
    session = open_still(page, studio)
    page.keyboard.press("b")
    drag(page, (40, 60), (200, 60))
    with studio.client() as client:
        wait_for_mask(client, session, lambda mask: mask[60, 190] == 255)
        leave_words(page)
        page.keyboard.press("e")
        drag(page, (40, 200), (200, 200))
        page.wait_for_timeout(300)
        page.keyboard.press("Control+z")
        wait_for_mask(client, session, lambda mask: not mask.any())


@pytest.mark.parametrize("begin_by", ["a button", "a key"])
def test_words_typed_after_the_first_shape_are_those_of_the_region(page, studio, begin_by):
    """Many of the letters are keys of the page, and N would close the picture."""
    session = open_still(page, studio)
    if begin_by == "a button":
        page.get_by_role("button", name="Add a region").click()
        stage(page).focus()
    page.keyboard.press("r")
    drag(page, (40, 40), (120, 120))
    words = page.get_by_label("What is in region 1?")
    expect(words).to_be_focused()
    # as long as nothing is written, what no word begins with is the brush's, and what was painted can be taken back
    size = page.evaluate("JSON.parse(localStorage['ildm-canvas']).state.brush.size")
    page.keyboard.press("]")
    assert page.evaluate("JSON.parse(localStorage['ildm-canvas']).state.brush.size") > size
    page.keyboard.type("nine blue owls", delay=10)
    page.keyboard.press("Enter")
    with studio.client() as client:
        wait_for(lambda: settings_of(client, session)["regions"][0]["prompt"] == "nine blue owls")
        # whoever paints on has the keys again
        drag(page, (140, 140), (200, 200))
        page.keyboard.press("Control+z")
        wait_for_mask(client, session, lambda mask: mask[60, 60] == 255 and not mask[170, 170])
    assert session_of(page) == session
