"""The list of regions and what makes many of them at once; the session's own settings say what came of it."""

import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from session_data import commands_in, mask_of, settings_of, wait_for, wait_for_mask
from steering_page import drag, open_still, place, press_until_step, stage

SIDE = 64
THIRDS = {"1": slice(0, 20), "2": slice(20, 40), "3": slice(40, 64)}
"""The columns of each region, by its id: the first lies lowest, and is the last of the list."""


@pytest.fixture
def three(page, studio):
    """A session that makes no step, with three regions beside each other. It, and a client."""
    with studio.client() as client:
        regions = [
            {"region": {"id": id, "prompt": f"key {id}", "strength": 0.5 * int(id)}, "mask": uploaded(client, columns)}
            for id, columns in THIRDS.items()
        ]
        opening = {"width": SIDE, "height": SIDE, "regions": {"kind": "replace-regions", "regions": regions}}
        session = open_still(page, studio, **opening)
        expect(rows(page)).to_have_count(3)
        yield session, client


def uploaded(client, columns):
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[:, columns] = 255
    return {"upload": client.post("/api/uploads", content=png(mask), headers={"content-type": "image/png"}).json()["id"]}


def png(values):
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def rows(page):
    return page.locator("li[data-region]")


def ids(client, session):
    """The regions as they lie on each other, the lowest first."""
    return [region["id"] for region in settings_of(client, session)["regions"]]


def menu(page, number, name):
    """From what can be done with a region."""
    page.get_by_role("button", name=f"More for key {number}").click()
    page.get_by_role("menuitem", name=name).click()


def colour_at(page, x, y):
    """The colour that the page shows at a place of the picture."""
    left, top = place(page, x, y)
    shot = page.screenshot(clip={"x": left - 4, "y": top - 4, "width": 8, "height": 8})
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), float).mean((0, 1))


def test_a_row_is_dragged_to_another_place(page, three):
    session, client = three
    handle = page.get_by_role("button", name="Move key 3").bounding_box()
    lowest = rows(page).nth(2).bounding_box()
    page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
    page.mouse.down()
    page.mouse.move(handle["x"] + 4, lowest["y"] + lowest["height"] - 3, steps=6)
    # where it would come to lie is shown
    expect(rows(page).nth(2)).to_have_attribute("data-drop", "after")
    page.mouse.up()
    wait_for(lambda: ids(client, session) == ["3", "1", "2"])
    expect(rows(page).nth(2)).to_have_attribute("data-region", "3")
    # each keeps what it has
    assert [region["prompt"] for region in settings_of(client, session)["regions"]] == ["key 3", "key 1", "key 2"]
    assert mask_of(client, session)[:, 45:].all() and not mask_of(client, session)[:, :39].any()


def test_a_row_is_moved_by_keys(page, three):
    session, client = three
    page.get_by_role("button", name="Move key 1").focus()
    page.keyboard.press("Alt+ArrowUp")
    wait_for(lambda: ids(client, session) == ["2", "1", "3"])
    # faster than anything acts
    page.keyboard.press("Alt+ArrowUp")
    page.keyboard.press("Alt+ArrowDown")
    page.keyboard.press("Alt+ArrowDown")
    wait_for(lambda: ids(client, session) == ["1", "2", "3"])
    assert len(commands_in(client, session, "reorder-regions")) == 4


def test_a_muted_region_does_nothing_and_then_what_it_did_before(page, three):
    session, client = three

    def strengths():
        return [region["strength"] for region in settings_of(client, session)["regions"]]

    page.get_by_role("button", name="Mute key 3").click()
    wait_for(lambda: strengths() == [0.5, 1.0, 0.0])
    expect(rows(page).nth(0)).to_have_attribute("data-muted", "true")
    page.get_by_role("button", name="Let key 3 act again").click()
    wait_for(lambda: strengths() == [0.5, 1.0, 1.5])


def test_one_region_alone_is_shown(page, three):
    _, _ = three
    stage(page).focus()
    page.mouse.move(2, 2)
    tinted = [colour_at(page, x, 32) for x in (10, 30, 52)]
    page.keyboard.press("o")
    bare = [colour_at(page, x, 32) for x in (10, 30, 52)]
    assert all(np.abs(one - other).max() > 12 for one, other in zip(tinted, bare, strict=True))
    page.keyboard.press("o")
    menu(page, 2, "Show only this one")
    page.mouse.move(2, 2)
    wait_for(lambda: page.wait_for_timeout(20) or np.abs(colour_at(page, 10, 32) - bare[0]).max() < 3)
    assert np.abs(colour_at(page, 52, 32) - bare[2]).max() < 3
    assert np.abs(colour_at(page, 30, 32) - bare[1]).max() > 12
    menu(page, 2, "Show all regions")
    wait_for(lambda: page.wait_for_timeout(20) or np.abs(colour_at(page, 10, 32) - bare[0]).max() > 12)


def test_nothing_is_painted_on_a_locked_region(page, three):
    session, client = three
    menu(page, 3, "Lock against painting")
    page.keyboard.press("b")
    drag(page, (5, 5), (30, 50))
    expect(page.get_by_text("This region is locked.")).to_be_visible()
    expect(stage(page)).to_have_attribute("data-strokes", "0")
    assert commands_in(client, session, "paint-region") == []
    page.get_by_role("button", name="Unlock key 3").click()
    drag(page, (5, 5), (30, 50))
    wait_for_mask(client, session, lambda mask: mask[:, :20].any(), 2)


def test_what_was_muted_locked_or_alone_is_so_after_a_reload(page, three):
    session, client = three
    page.get_by_role("button", name="Mute key 3").click()
    menu(page, 1, "Lock against painting")
    menu(page, 2, "Show only this one")
    wait_for(lambda: settings_of(client, session)["regions"][2]["strength"] == 0.0)
    page.reload()
    expect(page.get_by_role("button", name="Unlock key 1")).to_be_visible()
    page.get_by_role("button", name="More for key 2").click()
    expect(page.get_by_role("menuitem", name="Show all regions")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Let key 3 act again").click()
    wait_for(lambda: settings_of(client, session)["regions"][2]["strength"] == 1.5)


def test_a_deleted_region_is_brought_back_where_it_was(page, three):
    session, client = three

    def regions():
        return [region | {"mask": None} for region in settings_of(client, session)["regions"]]

    before, mask = regions(), mask_of(client, session, 1)
    menu(page, 2, "Delete")
    wait_for(lambda: ids(client, session) == ["1", "3"])
    page.get_by_role("button", name="Bring it back").click()
    wait_for(lambda: ids(client, session) == ["1", "2", "3"])
    assert regions() == before
    wait_for_mask(client, session, lambda back: np.array_equal(back, mask), 1)
    # without a step back of the session
    assert not commands_in(client, session, "undo")


def test_the_picture_is_divided_into_columns_and_rows(page, studio):
    session = open_still(page, studio)
    page.get_by_role("button", name="Divide the picture").click()
    page.get_by_role("textbox", name="Rows").fill("2")
    page.get_by_role("button", name="Divide", exact=True).click()
    with studio.client() as client:
        wait_for(lambda: len(ids(client, session)) == 4)
        masks = [wait_for_mask(client, session, lambda mask: mask.any(), number) for number in range(4)]
        corners = [(row, column) for row in (slice(0, 128), slice(128, 256)) for column in (slice(0, 128), slice(128, 256))]
        for mask, corner in zip(masks, corners, strict=True):
            assert (mask[corner] == 255).all() and mask.sum() == 255 * 128 * 128
        # from here on numbers act at once
        page.get_by_role("textbox", name="Columns").fill("3")
        wait_for(lambda: len(ids(client, session)) == 6)
        wait_for_mask(client, session, lambda mask: not mask[:, 90:].any() and mask[:128, :85].all())


def test_each_colour_of_a_picture_becomes_a_region(page, studio):
    session = open_still(page, studio)
    flat = np.full((64, 64, 3), 255, np.uint8)
    flat[8:24, 8:56], flat[40:56, 8:24], flat[40:56, 32:56] = (220, 30, 30), (30, 30, 220), (30, 200, 30)
    with page.expect_file_chooser() as asked:
        page.get_by_role("button", name="Import a picture of flat colours").click()
    asked.value.set_files({"name": "map.png", "mimeType": "image/png", "buffer": png(flat)})
    with studio.client() as client:
        wait_for(lambda: len(ids(client, session)) == 3)
        masks = [wait_for_mask(client, session, lambda mask: mask.any(), number) for number in range(3)]
    for mask, colour in zip(masks, ((220, 30, 30), (30, 200, 30), (30, 30, 220)), strict=True):
        meant = (flat == colour).all(-1).repeat(4, 0).repeat(4, 1)
        assert ((mask > 127) == meant).mean() > 0.97


def unfold_words(page):
    page.get_by_role("button", name="Words in the picture").click()


def test_a_word_is_found_and_becomes_a_region(page, studio):
    session = open_still(page, studio, width=SIDE, height=SIDE)
    unfold_words(page)
    expect(page.get_by_text("After the first step you can see here")).to_be_visible()
    press_until_step(page, 3)
    page.get_by_label("Find the ...").fill("fox")
    page.get_by_label("Find the ...").press("Enter")
    with studio.client() as client:
        mask = wait_for_mask(client, session, lambda mask: mask.any())
        [region] = settings_of(client, session)["regions"]
        assert (region["name"], region["prompt"]) == ("fox", "fox")
        assert 0 < (mask > 127).mean() < 1
        # what the prompt does not say is nowhere, and the page says so
        page.get_by_label("Find the ...").fill("castle")
        page.get_by_label("Find the ...").press("Enter")
        expect(page.get_by_text("castle").and_(page.locator("[class*=Notification] *")).first).to_be_visible()
        assert len(settings_of(client, session)["regions"]) == 1


def test_where_a_word_acts_is_laid_over_the_picture(page, studio):
    open_still(page, studio, width=SIDE, height=SIDE)
    press_until_step(page, 3)
    expect(stage(page)).to_have_attribute("data-step", "3")
    expect(stage(page)).to_have_attribute("data-exact", "true")
    unfold_words(page)
    page.mouse.move(2, 2)

    def shown():
        left, top = place(page, 0, 0)
        right, bottom = place(page, SIDE, SIDE)
        shot = page.screenshot(clip={"x": left, "y": top, "width": right - left, "height": bottom - top})
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), float)

    before = shown()
    word = page.get_by_role("button", name="fox", exact=True)
    word.click()
    expect(word).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name='Make a region of "fox"')).to_be_visible()
    page.mouse.move(2, 2)
    wait_for(lambda: page.wait_for_timeout(20) or np.abs(shown() - before).mean() > 4)
    change = np.abs(shown() - before).max(-1)
    # it says where: not the same everywhere
    assert change.max() > 3 * change.min() + 8
    word.click()
    page.mouse.move(2, 2)
    wait_for(lambda: page.wait_for_timeout(20) or np.abs(shown() - before).mean() < 0.5)
    # what is painted is seen, and the word no longer
    word.click()
    expect(word).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("b")
    drag(page, (10, 10), (50, 50))
    expect(word).to_have_attribute("aria-pressed", "false")
    # it goes with its panel
    word.click()
    expect(word).to_have_attribute("aria-pressed", "true")
    unfold_words(page)
    unfold_words(page)
    expect(word).to_have_attribute("aria-pressed", "false")
