"""What models take besides words: chosen, drawn, painted and brought in on the page, and what the engine makes of it."""

import io
import re
import signal

import numpy as np
import pytest
from accessibility import violations
from PIL import Image
from playwright.sync_api import expect
from session_data import commands_in, look, mask_of_blob, picture_at, settings_of, shown_to, wait_for, wait_for_status
from steering_page import drag, session_of, stage, timeline, wait_for_model, wait_for_session
from studios import RealStudio
from tiny_inputs import save_tiny_models
from toy import build_model

from ildm.checkpoint.native import save_native

CLASSES, LAYOUT, MAP, SMALL, HOLE = (
    "class-tiny", "layout-tiny", "semantic-map-tiny", "super-resolution-tiny", "inpainting-tiny"
)  # fmt: skip


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    save_native(build_model(), home / "models" / "toy")
    save_tiny_models(home, CLASSES, LAYOUT, MAP, SMALL, HOLE)
    studio = RealStudio(home).wait_ready()
    yield studio
    studio.stop(signal.SIGKILL)


@pytest.fixture
def client(studio):
    with studio.client() as client:
        yield client
        # a session that waits holds its model in memory, where there is room for a few
        for session in client.get("/api/sessions").json()["sessions"]:
            client.delete(f"/api/sessions/{session['id']}")


def choose_model(page, name):
    """Choose what the next picture is made with, and in how many steps."""
    wait_for_model(page)
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name=name).click()
    page.get_by_role("textbox", name="Steps").fill("3")
    page.get_by_role("textbox", name="Seed").fill("7")


def pick(page, label, typed):
    """Find a class by typing, in the box of that name."""
    box = page.get_by_role("combobox", name=label)
    box.click()
    box.fill(typed)
    page.get_by_role("option", name=typed, exact=True).click()


def choose_file(page, button, image):
    file = io.BytesIO()
    image.save(file, "PNG")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name=button).click()
    chooser.value.set_files({"name": "picture.png", "mimeType": "image/png", "buffer": file.getvalue()})


def wait_until_begun(page, other_than=""):
    """Until the page looks at a session, or at another one, and there is something to see of it. Its id."""
    session = wait_for_session(page, other_than)
    expect(timeline(page)).not_to_have_attribute("data-status", "none")
    return session


def finish(page, client, session):
    """Have it made to its end. The picture."""
    page.get_by_role("button", name="Make the picture").click()
    wait_for_status(client, session, "finished")
    return picture_at(client, session, 3)


def drawn_without(client, model, **fields):
    """What the same noise becomes where the model is given nothing."""
    asked = {"model": model, "num_steps": 3, "seed": 7} | fields
    session = client.post("/api/sessions", json=asked).raise_for_status().json()["id"]
    wait_for_status(client, session, "finished")
    return picture_at(client, session, 3)


def classes_of(client, model):
    [told] = [one for one in client.get("/api/models").json() if one["id"] == model]
    return told["classes"] or told["shows"]["names"]


def test_a_class_is_found_by_typing_and_can_change_on_the_way(client, page, studio):
    choose_model(page, CLASSES)
    pick(page, "What should it show?", "fox")
    expect(page.get_by_label("What should it avoid?")).to_have_count(0)
    page.get_by_role("button", name="Make the picture").click()
    session = wait_until_begun(page)
    wait_for_status(client, session, "finished")
    assert settings_of(client, session)["prompt"] == "fox"
    page.reload()
    expect(page.get_by_role("combobox", name="What should it show?")).to_have_value("fox")
    assert not np.array_equal(picture_at(client, session, 3), drawn_without(client, CLASSES, prompt="lion"))
    paused = client.post("/api/sessions", json={"model": CLASSES, "prompt": "fox", "paused": True}).json()["id"]
    page.goto("about:blank")
    page.goto(f"{studio.url}/#session={paused}")
    expect(page.get_by_role("combobox", name="What should it show?")).to_have_value("fox")
    pick(page, "What should it show?", "lion")
    wait_for(lambda: settings_of(client, paused)["prompt"] == "lion")


def test_boxes_are_drawn_moved_named_and_removed(client, page):
    names = classes_of(client, LAYOUT)
    choose_model(page, LAYOUT)
    pick(page, "What should it show?", "fox")
    page.get_by_role("button", name="Draw where").click()
    session = wait_until_begun(page)
    expect(stage(page)).to_be_visible()
    drag(page, (6.4, 12.8), (32, 38.4))
    wait_for(lambda: re.fullmatch(r"fox 0\.[01]\d* 0\.[12]\d* 0\.[45]\d* 0\.[56]\d*", settings_of(client, session)["prompt"]))
    drag(page, (40, 40), (60, 60))
    boxes = page.get_by_role("button", name=re.compile("^Box "))
    expect(boxes).to_have_count(2)
    pick(page, "What is in box 2?", "lion")
    wait_for(lambda: "; lion 0.6" in settings_of(client, session)["prompt"])
    # by the mouse and by keys
    drag(page, (50, 50), (44, 44))
    wait_for(lambda: "; lion 0.5" in settings_of(client, session)["prompt"])
    boxes.nth(0).focus()
    before = settings_of(client, session)["prompt"]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowRight")
    wait_for(lambda: settings_of(client, session)["prompt"] != before)
    boxes.nth(1).focus()
    page.keyboard.press("Delete")
    wait_for(lambda: "lion" not in settings_of(client, session)["prompt"])
    said = settings_of(client, session)["prompt"]
    page.reload()
    expect(boxes).to_have_count(1)
    expect(page.get_by_label("The boxes in words")).to_have_value(said)
    # words are read back as boxes, and what is none is told
    page.get_by_label("The boxes in words").fill("fox 0 0 0.5 0.5; lion 0.5 0.5 1 1; fox 0.5 0 1 0.4")
    page.get_by_label("The boxes in words").blur()
    expect(boxes).to_have_count(3)
    wait_for(lambda: settings_of(client, session)["prompt"].count("fox") == 2)
    made = finish(page, client, session)
    assert names.count("fox") == 1
    assert not np.array_equal(made, drawn_without(client, LAYOUT))
    assert not np.array_equal(made, drawn_without(client, LAYOUT, prompt=said))


def test_a_map_is_painted_taken_back_and_brought_in(client, page):
    names = classes_of(client, MAP)
    far = next(number for number in range(300, len(names)) if names.count(names[number - 1]) == 1)
    choose_model(page, MAP)
    expect(page.get_by_label("What should it show?")).to_have_count(0)
    pick(page, "What to paint", names[far - 1])
    session = wait_until_begun(page)
    expect(page.get_by_role("img", name="Painting: the map")).to_be_visible()
    stage(page).focus()
    page.keyboard.press("r")
    drag(page, (0, 0), (32, 64))
    expected = np.zeros((64, 64), int)
    expected[:, :32] = far
    wait_for(lambda: np.array_equal(shown_to(client, session), expected))
    pick(page, "What to paint", names[4])
    drag(page, (16, 0), (64, 64))
    both = expected.copy()
    both[:, 16:] = 5
    wait_for(lambda: np.array_equal(shown_to(client, session), both))
    stage(page).focus()
    page.keyboard.press("Control+z")
    wait_for(lambda: np.array_equal(shown_to(client, session), expected))
    page.keyboard.press("Control+Shift+z")
    wait_for(lambda: np.array_equal(shown_to(client, session), both))
    page.reload()
    on_map = page.get_by_role("list", name="On the map")
    expect(on_map.get_by_role("listitem")).to_have_count(2)
    expect(on_map).to_contain_text(names[far - 1])
    page.get_by_role("button", name=f"Take {names[4]} off the map").click()
    expected[:, 16:] = 0
    wait_for(lambda: np.array_equal(shown_to(client, session), expected))
    made = finish(page, client, session)
    assert not np.array_equal(made, drawn_without(client, MAP))
    # one from a file is what another picture is made by, and what is none is told in its place
    choose_file(page, "Choose a map", Image.fromarray(np.full((64, 64), 60_000, np.uint16)))
    expect(page.get_by_role("alert").filter(has_text="the number 60000")).to_be_visible()
    choose_file(page, "Choose a map", Image.fromarray(np.full((32, 32), 7, np.uint8)))
    wait_for(lambda: (shown_to(client, session) == 7).all())
    page.get_by_role("button", name="Make the picture").click()
    other = wait_until_begun(page, session)
    wait_for_status(client, other, "finished")
    assert (shown_to(client, other) == 7).all()
    assert not np.array_equal(picture_at(client, other, 3), made)


def test_a_model_without_words_is_not_asked_for_any(client, page):
    wait_for_model(page)
    expect(page.locator("[data-example]")).to_have_count(3)
    choose_model(page, MAP)
    expect(page.locator("[data-example]")).to_have_count(0)
    expect(page.get_by_role("heading", name="Regions")).to_have_count(0)
    expect(page.get_by_role("textbox", name="How strongly to follow the map")).to_be_visible()
    # a tool without a class to paint says where one is, and makes nothing that the model would refuse
    page.get_by_role("button", name="Brush", exact=True).click()
    session = wait_until_begun(page)
    expect(stage(page)).to_be_visible()
    drag(page, (8, 8), (40, 40))
    expect(page.get_by_text("Choose under Map what to paint.")).to_be_visible()
    assert commands_in(client, session, "add-region") == []
    # a class is found by typing over the one that is there
    names = classes_of(client, MAP)
    pick(page, "What to paint", names[4])
    box = page.get_by_role("combobox", name="What to paint")
    page.keyboard.press("Escape")
    stage(page).focus()
    box.focus()
    assert page.evaluate("document.activeElement.selectionEnd - document.activeElement.selectionStart") == len(names[4])


def test_a_map_goes_along_with_a_plain_picture(client, page):
    names = classes_of(client, MAP)
    choose_model(page, MAP)
    pick(page, "What to paint", names[4])
    session = wait_until_begun(page)
    stage(page).focus()
    page.keyboard.press("r")
    drag(page, (0, 0), (32, 64))
    wait_for(lambda: (shown := shown_to(client, session)) is not None and (shown[:, :32] == 5).all())
    made = finish(page, client, session)
    expect(stage(page)).to_have_attribute("data-exact", "true")
    with page.expect_download() as download:
        page.keyboard.press("Control+s")
    page.get_by_role("button", name="New picture").click()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Open a picture, or drop one in").click()
    saved = download.value.path().read_bytes()
    chooser.value.set_files({"name": "map.png", "mimeType": "image/png", "buffer": saved})
    again = wait_until_begun(page, session)
    wait_for_status(client, again, "finished")
    assert np.array_equal(shown_to(client, again), shown_to(client, session))
    assert np.array_equal(picture_at(client, again, 3), made)


def test_rectangles_of_a_map_are_taken_back_one_by_one(client, page):
    names = classes_of(client, MAP)
    choose_model(page, MAP)
    pick(page, "What to paint", names[4])
    session = wait_until_begun(page)
    stage(page).focus()
    page.keyboard.press("r")
    seen = []
    for x in (0, 40):
        drag(page, (x, 0), (x + 20, 64))
        wait_for(lambda x=x: (shown := shown_to(client, session)) is not None and (shown[:, x + 10] == 5).all())
        seen.append(shown_to(client, session))
    for _ in range(3):
        page.keyboard.press("Control+z")
    wait_for(lambda: settings_of(client, session)["shown"] is None)
    page.keyboard.press("Control+Shift+z")
    wait_for(lambda: np.array_equal(shown_to(client, session), seen[0]))
    for _ in range(2):
        page.keyboard.press("Control+Shift+z")
    wait_for(lambda: np.array_equal(shown_to(client, session), seen[1]))
    expect(page.get_by_role("list", name="On the map").get_by_role("listitem")).to_have_count(1)


def test_a_small_picture_says_how_large_it_is_drawn(client, page):
    choose_model(page, SMALL)
    choose_file(page, "Choose a small picture", Image.new("RGB", (25, 16), (200, 30, 30)))
    expect(page.get_by_text("24 x 16 px, and drawn as 96 x 64 px.")).to_be_visible()
    session = wait_until_begun(page)
    wait_for(lambda: settings_of(client, session)["shown"])
    settings = settings_of(client, session)
    assert (settings["width"], settings["height"]) == (96, 64)
    assert shown_to(client, session).shape == (16, 24, 3)
    page.reload()
    expect(page.get_by_alt_text("What the model is shown")).to_be_visible()
    made = finish(page, client, session)
    assert made.shape == (64, 96, 3)
    assert not np.array_equal(made, drawn_without(client, SMALL, width=96, height=64))


def test_a_hole_is_marked_in_a_picture_and_outlives_a_reload(client, page):
    choose_model(page, HOLE)
    choose_file(page, "Choose a picture", Image.new("RGB", (100, 100), (20, 120, 220)))
    session = wait_until_begun(page)
    wait_for(lambda: settings_of(client, session)["shown"])
    page.get_by_role("button", name="Mark where to draw").click()
    stage(page).focus()
    page.keyboard.press("r")
    drag(page, (0, 0), (32, 64))
    expected = np.zeros((64, 64), int)
    expected[:, :32] = 255
    wait_for(lambda: np.array_equal(mask_of_blob(client, session, settings_of(client, session)["hole"]), expected))
    assert settings_of(client, session)["shown"]
    page.reload()
    page.get_by_role("button", name="Mark where to draw").click()
    stage(page).focus()
    page.keyboard.press("r")
    drag(page, (0, 0), (64, 16))  # it goes on with what was there
    expected[:16] = 255
    wait_for(lambda: np.array_equal(mask_of_blob(client, session, settings_of(client, session)["hole"]), expected))
    made = finish(page, client, session)
    assert not np.array_equal(made, drawn_without(client, HOLE))
    # what was made is drawn into in its turn
    page.get_by_role("button", name="Take the present picture").click()
    shown = settings_of(client, session)["shown"]
    wait_for(lambda: settings_of(client, session)["shown"] != shown or np.array_equal(shown_to(client, session), made))
    page.get_by_role("button", name="Make the picture").click()
    other = wait_until_begun(page, session)
    wait_for_status(client, other, "finished")
    assert np.array_equal(shown_to(client, other), made)
    assert len(commands_in(client, session, "show-image")) >= 3
    assert look(client, other)["model"] == HOLE and session_of(page) == other


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out_of_what_models_take(client, visit, axe, scheme):
    page = visit(color_scheme=scheme, reduced_motion="reduce").page
    found = {}
    for model in (CLASSES, LAYOUT, MAP, SMALL, HOLE):
        choose_model(page, model)
        page.wait_for_timeout(300)  # what fades in is as faint as it looks
        found[model] = violations(page, axe)
    choose_model(page, LAYOUT)
    page.get_by_role("button", name="Put a box in the middle").click()
    expect(page.get_by_role("button", name=re.compile("^Box 1 of 1"))).to_be_visible()
    found["a box"] = violations(page, axe)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="New picture").click()
    choose_model(page, MAP)
    page.get_by_role("button", name="Paint the map").click()
    wait_until_begun(page)
    page.keyboard.press("r")
    drag(page, (0, 0), (32, 64))
    expect(page.get_by_role("list", name="On the map").get_by_role("listitem")).to_have_count(1)
    found["a map"] = violations(page, axe)
    assert {state: kept for state, kept in found.items() if kept} == {}
