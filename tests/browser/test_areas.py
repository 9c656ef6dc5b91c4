"""Areas that are kept, or judged: the latents that the engine ends with say what has become of them."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect
from session_data import commands_in, differ, latents_of, look, settings_of, wait_for, wait_for_status
from steering_page import drag, go_on, open_long, press_until_step, say, stage

WHERE = (slice(0, 4), slice(0, 4))
"""The upper left quarter, in places of the latent."""
NEW = "a blue key on a plain green background"


def open_begun(page, studio, step):
    """A small session of 12 steps, paused after some. Its id."""
    session = open_long(page, studio, width=64, height=64, num_steps=12)
    press_until_step(page, step)
    return session


def mark(page):
    """Mark the upper left quarter of the picture, and nothing else."""
    page.get_by_role("button", name="Mark an area").click()
    page.keyboard.press("r")
    drag(page, (-2, -2), (32, 32))
    expect(page.get_by_role("button", name="Clear the area")).to_be_enabled()


def finish(page, client, session):
    """Let it run to the end. The node of its last state."""
    go_on(page)
    return wait_for_status(client, session, "finished")["place"]["node"]


def go_back(page, client, session, step):
    """Along the strip, by keys."""
    slider = page.get_by_role("slider", name="Step that is looked at")
    slider.focus()
    for _ in range(look(client, session)["place"]["step"] - step):
        slider.press("ArrowLeft")
    wait_for(lambda: look(client, session)["place"]["step"] == step)


def two_ends(page, studio, client, session, keep):
    """The last latents of two futures from step 5 on, under other words each; `keep` is done before both."""
    keep()
    one = finish(page, client, session)
    go_back(page, client, session, 5)
    say(page, NEW)
    wait_for(lambda: settings_of(client, session)["prompt"] == NEW)
    other = finish(page, client, session)
    assert other != one
    return latents_of(studio, session, [one, other])


@pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "free"])
def test_a_kept_area_stays_bit_for_bit(page, studio, is_kept):
    session = open_begun(page, studio, 5)
    with studio.client() as client:

        def keep():
            mark(page)
            if is_kept:
                page.get_by_role("button", name="Keep it as it is").click()
                wait_for(lambda: settings_of(client, session)["holds"])

        one, other = two_ends(page, studio, client, session, keep)
    assert torch.equal(one[..., *WHERE], other[..., *WHERE]) is is_kept
    assert differ(one, other)[4:, 4:].min() > 0.0


def test_what_is_let_go_is_free_again(page, studio):
    session = open_begun(page, studio, 5)
    with studio.client() as client:
        mark(page)
        page.get_by_role("button", name="Keep it as it is").click()
        wait_for(lambda: settings_of(client, session)["holds"])
        expect(page.get_by_role("button", name="Kept as it is")).to_be_visible()
        kept = finish(page, client, session)
        go_back(page, client, session, 5)
        page.get_by_role("button", name="Let it go again").click()
        wait_for(lambda: not settings_of(client, session)["holds"])
        expect(page.get_by_role("button", name="Kept as it is")).to_have_count(0)
        free = finish(page, client, session)
        one, other = latents_of(studio, session, [kept, free])
    assert differ(one, other)[WHERE].min() > 0.0


def test_something_else_comes_where_an_area_is_disliked(page, studio):
    session = open_begun(page, studio, 11)
    with studio.client() as client:
        before = finish(page, client, session)
        expect(stage(page)).to_have_attribute("data-exact", "true")
        mark(page)
        page.get_by_role("button", name="Something else here").click()
        wait_for(lambda: commands_in(client, session, "dislike-area"))
        # it goes on by itself
        after = wait_for(
            lambda: (
                (place := look(client, session)["place"])["status"] == "finished" and place["node"] != before and place["node"]
            )
        )
        assert [one["liked"] for one in settings_of(client, session)["feedback"]] == [False]
        change = differ(*latents_of(studio, session, [before, after]))
    inside = change[WHERE].mean()
    change[WHERE] = 0.0
    assert inside > 0.05
    assert change.max() < 0.1 * inside


def test_an_area_is_made_anew_and_the_rest_stays(page, studio):
    session = open_begun(page, studio, 11)
    with studio.client() as client:
        before = finish(page, client, session)
        mark(page)
        page.get_by_role("textbox", name="Seed of the new content").fill("77")
        page.get_by_role("button", name="Make it anew").click()
        [asked] = wait_for(lambda: commands_in(client, session, "redo-area"))
        assert asked["command"]["seed"] == 77
        after = wait_for(
            lambda: (
                (place := look(client, session)["place"])["status"] == "finished" and place["node"] != before and place["node"]
            )
        )
        change = differ(*latents_of(studio, session, [before, after]))
    assert change[WHERE].min() > 0.0
    change[WHERE] = 0.0
    assert not change.any()


@pytest.mark.parametrize("is_marked", [True, False], ids=["area", "whole"])
def test_more_comes_of_what_is_liked(page, studio, is_marked):
    session = open_begun(page, studio, 5)
    with studio.client() as client:
        plain = finish(page, client, session)
        go_back(page, client, session, 5)
        if is_marked:
            mark(page)
            page.get_by_role("button", name="More like this", exact=True).click()
        else:
            page.get_by_role("button", name="More like this picture").click()
        [judged] = wait_for(lambda: settings_of(client, session)["feedback"])
        assert judged["liked"] is True and (judged["area"] is not None) is is_marked
        expect(page.get_by_text("In force now")).to_be_visible()
        liked = finish(page, client, session)
        # and without it the run is what it was
        go_back(page, client, session, 5)
        page.get_by_role("button", name="Forget likes and dislikes").click()
        wait_for(lambda: not settings_of(client, session)["feedback"])
        expect(page.get_by_text("In force now")).to_have_count(0)
        again = finish(page, client, session)
        plain, liked, again = latents_of(studio, session, [plain, liked, again])
    assert differ(plain, liked).max() > 0.0
    assert torch.equal(plain, again)


def after_another_start(page, client, session, press):
    """The end of the future that begins with a press, strength as it is."""
    before = look(client, session)["place"]["node"]
    press()
    return wait_for(
        lambda: (place := look(client, session)["place"])["status"] == "finished" and place["node"] != before and place["node"]
    )


def set_dial(page, name, value):
    box = page.get_by_role("textbox", name=name)
    box.fill(str(value))
    box.press("Enter")


def test_only_what_may_change_changes(page, studio):
    """A change map in two strengths. What it leaves out is what a start with no strength makes of the picture: its control."""
    session = open_begun(page, studio, 11)
    start = page.get_by_role("button", name="Start from this picture")
    with studio.client() as client:
        finished = finish(page, client, session)
        set_dial(page, "How much is made anew", 0)
        kept = after_another_start(page, client, session, start.click)
        row = page.locator("[aria-label=Branches] > [data-branch='0']")
        row.locator("button[title]").click()
        wait_for(lambda: look(client, session)["place"]["node"] == finished)

        page.get_by_role("button", name="Mark what may change").click()
        page.keyboard.press("r")
        drag(page, (-2, -2), (32, 32))
        set_dial(page, "How much is made anew", 0.9)
        changed = after_another_start(page, client, session, start.click)
        [first, second] = commands_in(client, session, "start-from-image")
        assert first["command"]["change_map"] is None and first["command"]["strength"] == 0.0
        assert second["command"]["change_map"] is not None and second["command"]["strength"] == 0.9
        kept, changed = latents_of(studio, session, [kept, changed])
    change = differ(kept, changed)
    assert change[WHERE].min() > 0.0
    change[WHERE] = 0.0
    assert change.max() < 1e-5


def test_a_run_begins_anew_from_a_file(page, studio):
    """With no strength the picture is what was brought and nothing else: the same file is the same latent, another one another."""
    session = open_begun(page, studio, 11)
    with studio.client() as client:
        finish(page, client, session)
        set_dial(page, "How much is made anew", 0)

        def start_from(colour):
            return after_another_start(page, client, session, bring(page, np.full((64, 64, 3), colour, np.uint8)))

        ends = [start_from(colour) for colour in ((200, 30, 30), (30, 30, 200), (200, 30, 30))]
        assert [one["command"]["strength"] for one in commands_in(client, session, "start-from-image")] == [0.0] * 3
        red, blue, again = latents_of(studio, session, ends)
    assert torch.equal(red, again)
    assert differ(red, blue).min() > 0.0


def test_a_file_that_is_wider_is_cut_and_not_squashed(page, studio):
    """What it begins from is what the middle of the file alone would be."""
    session = open_begun(page, studio, 11)
    wide = np.full((64, 192, 3), (30, 30, 200), np.uint8)
    wide[:, 64:128] = (200, 30, 30)
    with studio.client() as client:
        finish(page, client, session)
        set_dial(page, "How much is made anew", 0)
        ends = [after_another_start(page, client, session, bring(page, one)) for one in (wide, wide[:, 64:128])]
        middle, alone = latents_of(studio, session, ends)
    assert torch.equal(middle, alone)


def bring(page, pixels):
    """What starts from a file of these."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")

    def press():
        with page.expect_file_chooser() as asked:
            page.get_by_role("button", name="Start from a file").click()
        asked.value.set_files({"name": "picture.png", "mimeType": "image/png", "buffer": file.getvalue()})

    return press
