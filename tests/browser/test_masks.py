"""What is done with the whole of a mask, and what fingers do on the stage."""

import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from session_data import commands_in, mask_of, wait_for, wait_for_mask
from steering_page import drag, open_still, place, stage

EDGE = 128
"""The left half of the picture is painted: the mask's edge runs down its middle."""


@pytest.fixture
def halved(page, studio):
    """A session whose left half is painted. It, a client and the mask."""
    session = open_still(page, studio)
    page.keyboard.press("r")
    drag(page, (-4, -4), (EDGE, 260))
    half = np.zeros((256, 256), np.uint8)
    half[:, :EDGE] = 255
    with studio.client() as client:
        wait_for_mask(client, session, lambda mask: np.array_equal(mask, half))
        yield session, client, half


def choose_for_all(page, name):
    """From the menu of what is done with the whole mask."""
    page.get_by_role("button", name="The whole mask").click()
    page.get_by_role("menuitem", name=name).click()


def choose_file(page, name, data, file="mask.png"):
    """Bring a file in by the same menu."""
    with page.expect_file_chooser() as asked:
        choose_for_all(page, name)
    asked.value.set_files({"name": file, "mimeType": "image/png", "buffer": data})


def png(values, mode="L"):
    file = io.BytesIO()
    Image.fromarray(values, mode).save(file, "PNG")
    return file.getvalue()


def test_edges_are_softened_by_so_many_pixels(page, halved):
    session, client, half = halved
    page.get_by_role("button", name="Brush settings").click()
    page.get_by_role("dialog", name="Brush settings").get_by_role("textbox", name="Softening of edges").fill("12")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    choose_for_all(page, "Soften by 12 px")
    soft = wait_for_mask(client, session, lambda mask: 0 < mask[128, EDGE - 3] < 255)
    profile = soft[128].astype(int)
    # it falls through the half at the edge, and as far to both sides as was asked
    assert (np.diff(profile) <= 0).all()
    assert abs(profile[EDGE - 1 : EDGE + 1].mean() - 127.5) < 3
    assert profile[EDGE - 1 - 24] > 250 and profile[EDGE + 24] < 5
    assert 30 < profile[EDGE + 6] < 100 and profile[EDGE + 6] + profile[EDGE - 7] == pytest.approx(255, abs=6)
    page.keyboard.press("Escape")
    stage(page).focus()
    page.keyboard.press("Control+z")
    wait_for_mask(client, session, lambda mask: np.array_equal(mask, half))


def test_a_mask_leaves_as_a_picture_and_comes_back(page, halved):
    session, client, half = halved
    choose_for_all(page, "Soften")
    soft = wait_for_mask(client, session, lambda mask: (mask != half).any())
    page.keyboard.press("Escape")
    with page.expect_download() as download:
        choose_for_all(page, "Export as PNG")
    saved = download.value.path().read_bytes()
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(saved)).convert("L")), soft)
    choose_for_all(page, "Clear")
    wait_for_mask(client, session, lambda mask: not mask.any())
    choose_file(page, "Import a PNG", saved)
    wait_for_mask(client, session, lambda mask: np.array_equal(mask, soft))


def test_a_picture_of_another_size_is_fitted(page, halved):
    session, client, _ = halved
    quarter = np.zeros((64, 64), np.uint8)
    quarter[:32, 32:] = 255
    choose_file(page, "Import a PNG", png(quarter))
    mask = wait_for_mask(client, session, lambda mask: mask[20, 200] == 255)
    assert (mask[:124, 132:] == 255).all() and not mask[:, :124].any() and not mask[132:].any()


def test_where_a_picture_is_transparent_nothing_is_painted(page, halved):
    session, client, _ = halved
    layers = np.zeros((256, 256, 4), np.uint8)
    layers[100:200, 50:150, 3] = 255
    choose_file(page, "Import a PNG", png(layers, "RGBA"))
    mask = wait_for_mask(client, session, lambda mask: not mask[0, 0] and mask[150, 140])
    assert (mask[100:200, 50:150] == 255).all() and mask.sum() == 255 * 100 * 100


def test_what_is_no_picture_is_no_mask(page, halved):
    session, client, half = halved
    painted = len(commands_in(client, session, "paint-region"))
    choose_file(page, "Import a PNG", b"hello")
    expect(page.get_by_text("This file could not be read as a picture")).to_be_visible()
    assert np.array_equal(mask_of(client, session), half)
    assert len(commands_in(client, session, "paint-region")) == painted


# --- fingers -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def fingers(visit, studio):
    """A page on a screen that is touched, with a session on it. `touch(kind, *places)`, the page and the session."""
    page = visit(has_touch=True).page
    session = open_still(page, studio)
    page.keyboard.press("b")
    screen = page.context.new_cdp_session(page)

    def touch(kind, *places):
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        screen.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    return touch, page, session


def zoom(page):
    return float(stage(page).get_attribute("data-zoom"))


def test_one_finger_paints(fingers, studio):
    touch, page, session = fingers
    before = zoom(page)
    touch("touchStart", place(page, 40, 60))
    for x in range(60, 201, 20):
        touch("touchMove", place(page, x, 60))
    touch("touchEnd")
    expect(stage(page)).to_have_attribute("data-strokes", "1")
    with studio.client() as client:
        mask = wait_for_mask(client, session, lambda mask: mask[60, 206] == 255)
    assert (mask[52:68, 40:200] == 255).all() and not mask[100:].any()
    assert zoom(page) == before


def test_two_fingers_bring_the_picture_nearer_and_paint_nothing(fingers, studio):
    touch, page, session = fingers
    before = zoom(page)
    x, y = place(page, 128, 128)
    # the second comes a moment after the first, as a hand's fingers do
    touch("touchStart", (x - 40, y))
    touch("touchStart", (x - 40, y), (x + 40, y))
    for apart in range(40, 81, 8):
        touch("touchMove", (x - apart, y), (x + apart, y))
    touch("touchEnd")
    wait_for(lambda: page.wait_for_timeout(20) or zoom(page) == pytest.approx(2 * before, rel=0.02))
    # what was between them stays there
    assert place(page, 128, 128) == pytest.approx((x, y), abs=1.5)
    expect(stage(page)).to_have_attribute("data-strokes", "0")
    with studio.client() as client:
        assert commands_in(client, session, "paint-region") == []


def test_two_fingers_move_the_picture(fingers):
    touch, page, _ = fingers
    before, (x, y) = zoom(page), place(page, 128, 128)
    touch("touchStart", (x - 40, y), (x + 40, y))
    for far in range(0, 61, 12):
        touch("touchMove", (x - 40 + far, y + far / 2), (x + 40 + far, y + far / 2))
    touch("touchEnd")
    wait_for(lambda: page.wait_for_timeout(20) or place(page, 128, 128) == pytest.approx((x + 60, y + 30), abs=1.5))
    assert zoom(page) == pytest.approx(before, rel=0.01)
