"""Going back, other futures, and several of them at once: the session's own tree says what has come of it."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from session_data import commands_in, look, picture, settings_of, wait_for, wait_for_status
from steering_page import begin, go_on, open_long, press_until_step, say, session_of, stage, timeline

NEW = "a blue key on a plain green background"


def open_finished(page, studio):
    """A small session of 12 steps that has made them all. Its id."""
    session = open_long(page, studio, width=64, height=64, num_steps=12, paused=False)
    expect(timeline(page)).to_have_attribute("data-status", "finished")
    return session


def strip(page):
    return page.get_by_role("slider", name="Step that is looked at")


def tips(client, session):
    """The last state of each branch."""
    return {branch["id"]: branch["tip"] for branch in look(client, session)["tree"]["branches"]}


def wait_for_place(client, session, **fields):
    """Until it stands so."""
    return wait_for(
        lambda: fields.items() <= (place := look(client, session)["place"]).items() and place, f"The place {fields}"
    )


def go_back_by_keys(page, step):
    """From the last step of 12."""
    strip(page).focus()
    for _ in range(12 - step):
        strip(page).press("ArrowLeft")


def go_back_by_dragging(page, step):
    box = strip(page).bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 12.5 / 13, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * (step + 0.5) / 13, y, steps=8)
    expect(timeline(page)).to_have_attribute("data-held", str(step))
    page.mouse.up()


@pytest.mark.parametrize("go_back", [go_back_by_keys, go_back_by_dragging])
def test_another_future_is_made_from_where_one_goes_back_to(page, studio, go_back):
    session = open_finished(page, studio)
    with studio.client() as client:
        [end] = tips(client, session).values()
        before = picture(client, session, end)
        go_back(page, 5)
        wait_for_place(client, session, step=5)
        expect(stage(page)).to_have_attribute("data-step", "5")
        assert len(tips(client, session)) == 1
        say(page, NEW)
        wait_for(lambda: settings_of(client, session)["prompt"] == NEW)
        go_on(page)
        wait_for_status(client, session, "finished")
        view = look(client, session)
        nodes = {node["id"]: node for node in view["tree"]["nodes"]}
        (old, tip), (new, other) = sorted(tips(client, session).items())
        assert tip == end and view["place"]["branch"] == new

        # both go through the same states up to step 5, and through others from there
        ways = [[node := other], [node := end]]
        for way in ways:
            while (node := nodes[way[-1]]["parent"]) is not None:
                way.append(node)
        shared = set(ways[0]) & set(ways[1])
        assert max(nodes[node]["step"] for node in shared) == 5 and len(shared) == 6
        assert (picture(client, session, other) != before).any()
        assert (picture(client, session, end) == before).all()

        # each can be opened, and is what it was
        rows = page.get_by_role("list", name="Branches").get_by_role("listitem")
        expect(rows).to_have_count(2)
        for branch, node, prompt in ((old, end, "a fox"), (new, other, NEW)):
            row = page.locator(f"[aria-label=Branches] > [data-branch='{branch}']")
            row.locator("button[title]").click()
            wait_for_place(client, session, branch=branch, node=node)
            assert settings_of(client, session)["prompt"] == prompt
            expect(stage(page)).to_have_attribute("data-node", str(node))
            expect(page.get_by_label("What should it show?")).to_have_value(prompt)


def test_without_a_change_there_is_one_future(page, studio):
    """The control of the test above: gone back and on again, the run repeats itself."""
    session = open_finished(page, studio)
    with studio.client() as client:
        before = tips(client, session)
        go_back_by_keys(page, 5)
        wait_for_place(client, session, step=5)
        go_on(page)
        wait_for_place(client, session, step=12, status="finished")
        assert tips(client, session) == before


def test_a_branch_is_named_and_deleted(page, studio):
    session = open_finished(page, studio)
    with studio.client() as client:
        go_back_by_keys(page, 8)
        wait_for_place(client, session, step=8)
        page.get_by_role("button", name="Begin a branch here").click()
        wait_for(lambda: len(tips(client, session)) == 2)
        say(page, NEW)
        go_on(page)
        new = wait_for_place(client, session, step=12, status="finished")["branch"]
        row = page.locator(f"[aria-label=Branches] > [data-branch='{new}']")

        row.locator("[data-menu]").click()
        page.get_by_role("menuitem", name="Give it a name").click()
        page.get_by_role("textbox", name="Name", exact=True).fill("the key")
        page.keyboard.press("Enter")
        wait_for(lambda: {one["id"]: one["name"] for one in look(client, session)["tree"]["branches"]}[new] == "the key")
        expect(row).to_contain_text("the key")

        # the one that is open cannot be deleted
        row.locator("[data-menu]").click()
        expect(page.get_by_role("menuitem", name="Open another to delete this")).to_be_disabled()
        page.keyboard.press("Escape")
        [old] = tips(client, session).keys() - {new}
        page.locator(f"[aria-label=Branches] > [data-branch='{old}'] button[title]").click()
        wait_for_place(client, session, branch=old)
        states = len(look(client, session)["tree"]["nodes"])
        row.locator("[data-menu]").click()
        page.get_by_role("menuitem", name="Delete").click()
        expect(page.get_by_role("dialog")).to_contain_text("4 states go with it")
        page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
        wait_for(lambda: tips(client, session).keys() == {old})
        assert len(look(client, session)["tree"]["nodes"]) == states - 4
        expect(row).to_have_count(0)


def test_several_settings_are_tried_from_a_step(page, studio):
    session = open_finished(page, studio)
    with studio.client() as client:
        before = tips(client, session)
        page.get_by_role("button", name="Compare", exact=True).click()
        page.get_by_role("menuitem", name="Try several settings ...").click()
        page.get_by_role("textbox", name="From step").fill("9")
        page.get_by_role("textbox", name="numbers with commas between").fill("1, 4, 9")
        expect(page.get_by_role("dialog")).to_contain_text("3 pictures")
        page.get_by_role("button", name="Make them").click()
        expect(page.locator("[data-comparing=several]")).to_have_attribute("data-done", "3")
        [asked] = commands_in(client, session, "compare")
        assert [choice["guidance_scale"] for choice in asked["command"]["choices"]] == [1.0, 4.0, 9.0]
        wait_for_status(client, session, "finished")
        nodes = {node["id"]: node for node in look(client, session)["tree"]["nodes"]}
        made = {branch: tip for branch, tip in tips(client, session).items() if branch not in before}
        assert len(made) == 3 and all(nodes[tip]["step"] == 12 for tip in made.values())
        begun = {nodes[nodes[nodes[tip]["parent"]]["parent"]]["parent"] for tip in made.values()}
        assert [nodes[node]["step"] for node in begun] == [9]
        pictures = [picture(client, session, tip).tobytes() for tip in (*made.values(), *before.values())]
        assert len(set(pictures)) == 4
        # a click opens the one that is meant
        page.locator("[data-comparing=several] [data-branch]").nth(1).click()
        place = wait_for_place(client, session, branch=sorted(made)[1])
        assert place["settings"]["guidance_scale"] == 4.0


def test_takes_of_other_seeds_begin_anew(page, studio):
    session = open_finished(page, studio)
    with studio.client() as client:
        before = tips(client, session)
        compare(page, "Try several settings ...")
        page.get_by_role("combobox", name="What to vary").click()
        page.get_by_role("option", name="Seed").click()
        expect(page.get_by_role("textbox", name="From step")).to_have_count(0)
        expect(page.get_by_role("dialog")).to_contain_text("4 pictures")
        page.get_by_role("button", name="Make them").click()
        expect(page.locator("[data-comparing=several]")).to_have_attribute("data-done", "4")
        wait_for_status(client, session, "finished")
        [asked] = commands_in(client, session, "compare")
        seeds = [choice["seed"] for choice in asked["command"]["choices"]]
        made = {branch: tip for branch, tip in tips(client, session).items() if branch not in before}
        pictures = [picture(client, session, tip).tobytes() for tip in (*made.values(), *before.values())]
        assert len(made) == 4 and len(set(pictures)) == 5
        page.locator("[data-comparing=several] [data-branch]").nth(2).click()
        place = wait_for_place(client, session, branch=sorted(made)[2])
        assert place["settings"]["seed"] == seeds[2]


def make_another_future(page, client, session):
    """From step 5 on, with other words. The last states of both."""
    [old] = tips(client, session).values()
    go_back_by_keys(page, 5)
    wait_for_place(client, session, step=5)
    say(page, NEW)
    go_on(page)
    return old, wait_for_place(client, session, step=12, status="finished")["node"]


def compare(page, name):
    """The page on which states are compared."""
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_role("menuitem", name=name).click()
    return page.get_by_role("dialog")


def test_all_futures_are_seen_at_once(page, studio):
    session = open_finished(page, studio)
    with studio.client() as client:
        make_another_future(page, client, session)
    dialog = compare(page, "All branches")
    expect(dialog.locator("[data-branch]")).to_have_count(2)
    expect(dialog.locator("[data-branch] img").nth(1)).to_have_js_property("complete", True)
    assert dialog.locator("[data-branch] img").nth(1).evaluate("image => image.naturalWidth") == 64


def test_one_future_is_wiped_over_another(page, studio):
    session = open_finished(page, studio)
    with studio.client() as client:
        old, new = make_another_future(page, client, session)
        left, right = (picture(client, session, node).astype(float) for node in (old, new))
    middle, half = (left + right) / 2, (left - right) / 2
    dialog = compare(page, "Two states side by side")
    slider = dialog.get_by_role("slider", name="How much of the left picture is shown")
    for key, is_left in (("Home", False), ("End", True)):
        slider.focus()
        page.keyboard.press(key)
        page.mouse.move(2, 2)
        shot = Image.open(io.BytesIO(dialog.locator("[class*=wipe]").screenshot())).convert("RGB")
        shot = shot.resize((64, 64), Image.Resampling.BOX)
        # where between them it lies: 1 is the left one, -1 the right one
        lies = ((np.asarray(shot, float) - middle) * half).sum() / (half**2).sum()
        assert lies == pytest.approx(1.0 if is_left else -1.0, abs=0.5)


def test_what_differs_between_two_states_is_shown(page, studio):
    session = open_finished(page, studio)
    with studio.client() as client:
        old, new = make_another_future(page, client, session)
        left, right = (picture(client, session, node).astype(int) for node in (old, new))
    share = (np.abs(left - right).max(-1) >= 8).mean()
    dialog = compare(page, "Two states side by side")
    dialog.get_by_text("Difference", exact=True).click()
    expect(dialog.locator("[data-difference]")).to_contain_text(f"They differ in {100 * share:.0f} % of the picture")
    shown = "canvas => [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data]"
    pixels = np.array(dialog.locator("canvas").evaluate(shown)).reshape(64, 64, 4)[..., :3]
    assert np.array_equal(pixels, np.minimum(4 * np.abs(left - right), 255))
    # a state and itself
    dialog.get_by_role("combobox", name="The left picture").click()
    page.get_by_role("option").nth(1).click()
    dialog.get_by_role("combobox", name="The right picture").click()
    page.get_by_role("option").nth(1).click()
    expect(dialog.locator("[data-difference]")).to_have_text("They are the same, to the last bit.")


def test_a_change_is_taken_back_and_made_again(page, studio):
    session = open_long(page, studio, width=64, height=64, num_steps=12)
    press_until_step(page, 4)
    with studio.client() as client:
        say(page, NEW)
        wait_for(lambda: settings_of(client, session)["prompt"] == NEW)
        press_until_step(page, 5)
        page.get_by_role("button", name="Undo the last change").click()
        wait_for(lambda: settings_of(client, session)["prompt"] == "a fox")
        wait_for_place(client, session, step=4)
        expect(page.get_by_label("What should it show?")).to_have_value("a fox")
        page.get_by_role("button", name="Redo the change").click()
        wait_for(lambda: settings_of(client, session)["prompt"] == NEW)
        expect(page.get_by_label("What should it show?")).to_have_value(NEW)
        # Ctrl-Z does the same where nothing was painted
        stage(page).focus()
        page.keyboard.press("Control+z")
        wait_for(lambda: settings_of(client, session)["prompt"] == "a fox")


def test_every_change_has_a_mark_where_it_took_effect(page, studio):
    begin(page, "a fox", steps=10)
    expect(timeline(page)).to_have_attribute("data-status", "finished")
    session = session_of(page)
    with studio.client() as client:
        page.keyboard.press("Escape")
        strip(page).focus()
        strip(page).press("Home")
        wait_for_place(client, session, step=0)
        expect(timeline(page)).to_have_attribute("data-step", "0")
        press_until_step(page, 3)
        say(page, NEW)
        [changed] = wait_for(lambda: commands_in(client, session, "set-prompt"))
        assert changed["applied_step"] == 3
    mark = page.locator("[data-mark='3']")
    expect(mark).to_have_accessible_name(re.compile("^Step 3: 'a fox' became 'a blue key"))
    page.get_by_role("tab", name="Events").click()
    expect(page.get_by_role("tabpanel", name="Events")).to_contain_text(NEW)
