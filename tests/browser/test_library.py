"""Pictures that come back, presets, the history and the examples, with what the server has of them."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from session_data import commands_in, edit, look, mask_of, picture, settings_of, wait_for, wait_for_status
from steering_page import begin, open_long, press_until_step, session_of, stage, timeline, wait_for_model, wait_for_session

import ildm

DROP = """([data, name, type]) => {
  const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], name, { type }));
  for (const kind of ["dragenter", "dragover", "drop"])
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: files, bubbles: true, cancelable: true }));
}"""


def drop(page, data, name="picture.png", kind="image/png"):
    """Let a file fall onto the page."""
    page.evaluate(DROP, [base64.b64encode(data).decode(), name, kind])


def make(page, prompt, **settings):
    """A picture of 4 steps. Its session."""
    page.get_by_role("button", name="New picture").click()
    begin(page, prompt, steps=4, **settings)
    expect(timeline(page)).to_have_attribute("data-status", "finished")
    return session_of(page)


def tab(page, name):
    page.get_by_role("tab", name=name).click()


def test_a_saved_picture_brings_its_session_back(page, studio):
    session = make(page, "a red rose")
    with studio.client() as client:
        saved = client.get(f"/api/sessions/{session}/image", params={"form": "session-png"}).content
        shown = client.get(f"/api/sessions/{session}/image").content
        other = make(page, "a blue key")
        assert client.get(f"/api/sessions/{other}/image").content != shown
        client.delete(f"/api/sessions/{session}").raise_for_status()
        assert session not in [one["id"] for one in client.get("/api/sessions").json()["sessions"]]

        drop(page, saved)
        expect(page.get_by_text("This picture brought its whole session along")).to_be_visible()
        back = session_of(page)
        assert back != other
        expect(page.get_by_label("What should it show?")).to_have_value("a red rose")
        assert client.get(f"/api/sessions/{back}/image").content == shown
        expect(stage(page)).to_have_attribute("data-exact", "true")
        expect(stage(page)).to_have_attribute("data-step", "4")
        # every state is there again
        assert sorted(node["step"] for node in look(client, back)["tree"]["nodes"]) == [0, 1, 2, 3, 4]


def test_what_the_page_saves_can_be_dropped_in(page, studio):
    session = make(page, "a red rose")
    with studio.client() as client:
        shown = client.get(f"/api/sessions/{session}/image").content
        page.get_by_role("button", name="Save", exact=True).click()
        with page.expect_download() as download:
            page.get_by_role("menuitem", name="Save the picture").click()
        assert download.value.suggested_filename == "a-red-rose.png"
        saved = download.value.path().read_bytes()
        assert np.array_equal(pixels(saved), pixels(shown))
        # the plain picture says how it was made
        page.get_by_role("button", name="New picture").click()
        drop(page, saved)
        expect(page.get_by_text("it is made once more")).to_be_visible()
        again = wait_for_session(page, session)
        wait_for_status(client, again, "finished")
        assert np.array_equal(pixels(client.get(f"/api/sessions/{again}/image").content), pixels(shown))


def save(page):
    """The plain picture: its name, its bytes and what its `parameters` say."""
    with page.expect_download() as download:
        page.keyboard.press("Control+s")
    saved = download.value.path().read_bytes()
    return download.value.suggested_filename, saved, Image.open(io.BytesIO(saved)).info["parameters"]


def test_what_is_saved_names_the_words_that_drew_it(page, studio):
    """Those that wait for the next picture, as of a preset of regions, are not its own."""
    session = make(page, "a red rose")
    with studio.client() as client:
        edit(client, session, kind="replace-regions", regions=[], prompt="a blue key")
        edit(client, session, kind="set-num-steps", num_steps=9)
        wait_for(lambda: settings_of(client, session)["num_steps"] == 9)
    expect(page.get_by_label("What should it show?")).to_have_value("a blue key")
    name, _, parameters = save(page)
    assert name == "a-red-rose.png"
    assert parameters.startswith("a red rose\nSteps: 4,")
    expect(page).to_have_title("a red rose - ildm")


def test_pictures_and_settings_go_into_the_clipboard(visit):
    here = visit(permissions=["clipboard-read", "clipboard-write"])
    page = here.page
    make(page, "a red rose")

    def copied(name):
        page.get_by_role("button", name="Save", exact=True).click()
        page.get_by_role("menuitem", name=name).click()
        expect(page.get_by_text("in the clipboard.").last).to_be_visible()
        page.get_by_text("in the clipboard.").last.click()
        return page.evaluate("navigator.clipboard.read().then(([item]) => item.types)"), page.evaluate(
            "navigator.clipboard.readText()"
        )

    assert copied("Copy the picture")[0] == ["image/png"]
    assert copied("Copy the settings as text")[1].startswith("a red rose\nSteps: 4,")
    assert json.loads(copied("Copy the settings as JSON")[1])["num_steps"] == 4


def test_a_plain_picture_has_its_regions_with_it(page, studio):
    page.get_by_role("button", name="New picture").click()
    with studio.client() as client:
        placed = [
            {"region": {"id": "key", "prompt": "a blue key", "guidance_scale": 5.0}, "mask": left_of(client)},
            {"region": {"id": "rose", "prompt": "a red rose"}, "mask": None},
        ]
        opening = {"prompt": "a fox", "num_steps": 4, "seed": 3}
        regions = {"kind": "replace-regions", "regions": placed, "overlap": "z-order", "common_prompt": "flat"}
        session = client.post("/api/sessions", json=opening | {"regions": regions}).raise_for_status().json()["id"]
        wait_for_status(client, session, "finished")
        page.goto(f"{studio.url}/#session={session}")
        page.reload()
        expect(stage(page)).to_have_attribute("data-exact", "true")
        _, saved, _ = save(page)
        page.get_by_role("button", name="New picture").click()
        drop(page, saved)
        expect(page.get_by_text("This picture says how it was made: it is made once more.")).to_be_visible()
        again = wait_for_session(page, session)
        wait_for_status(client, again, "finished")
        told = [settings_of(client, one) for one in (session, again)]
        for one in told:
            for region in one["regions"]:
                del region["id"]
                region["mask"] = region["mask"] is not None  # its size is the picture's by now
        assert told[0]["regions"] == told[1]["regions"]
        assert [(one["overlap"], one["common_prompt"]) for one in told] == [("z-order", "flat")] * 2
        assert np.array_equal(*(pixels(client.get(f"/api/sessions/{one}/image").content) for one in (session, again)))


def test_a_picture_that_was_changed_on_the_way_says_so(page, studio):
    open_long(page, studio, num_steps=4, width=64, height=64)
    press_until_step(page, 2)
    page.get_by_label("What should it show?").fill("a blue key")
    page.keyboard.press("Enter")
    press_until_step(page, 4)
    _, saved, parameters = save(page)
    assert parameters.startswith("a blue key\n")
    page.get_by_role("button", name="New picture").click()
    drop(page, saved)
    expect(page.get_by_text("it is made once more, without what was changed on the way.")).to_be_visible()


def left_of(client):
    """A mask of the left half, uploaded."""
    return uploaded(client, lambda mask: mask[:, :32])


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def foreign():
    """A picture that was made elsewhere."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 90, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_another_picture_asks_what_it_should_become(page, studio):
    wait_for_model(page)
    drop(page, foreign())
    dialog = page.get_by_role("dialog", name="Start from this picture?")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("img", name="What you brought")).to_be_visible()
    dialog.get_by_role("button", name="Not now").click()
    expect(dialog).to_have_count(0)
    assert "#session=" not in page.url
    drop(page, foreign())
    dialog.get_by_role("textbox", name="What should it become?").fill("a blue key")
    dialog.get_by_role("button", name="Start from it").click()
    session = wait_for_session(page)
    with studio.client() as client:
        wait_for_status(client, session, "finished")
        settings = settings_of(client, session)
        assert settings["prompt"] == "a blue key" and settings["start"]["source"]


def test_what_is_no_picture_is_refused_in_a_sentence(page, studio):
    wait_for_model(page)
    drop(page, b"hello", "hello.txt", "text/plain")
    expect(page.get_by_text("Only pictures (PNG, JPEG, WebP) and presets (.json) can be brought in here.")).to_be_visible()


def test_settings_are_kept_loaded_and_renamed(page, studio):
    wait_for_model(page)
    page.get_by_label("What should it show?").fill("a red rose")
    page.get_by_role("textbox", name="Steps").fill("9")
    page.get_by_role("textbox", name="Seed").fill("123")
    tab(page, "Presets")
    page.get_by_role("button", name="Keep these settings").click()
    page.get_by_role("textbox", name="Name of the settings").fill("roses")
    page.keyboard.press("Enter")
    with studio.client() as client:

        def names():
            return [one["name"] for one in client.get("/api/presets").json()["presets"] if one["kind"] == "settings"]

        wait_for(lambda: "roses" in names())
        content = client.get("/api/presets/settings/roses").json()["content"]
        assert (content["prompt"], content["num_steps"], content["seed"]) == ("a red rose", 9, 123)

        page.get_by_role("button", name='More about "roses"').click()
        page.get_by_role("menuitem", name="Rename").click()
        page.get_by_role("textbox", name="Its new name").fill("red roses")
        page.keyboard.press("Enter")
        wait_for(lambda: "red roses" in names() and "roses" not in names())

        page.get_by_label("What should it show?").fill("a blue key")
        page.get_by_role("textbox", name="Steps").fill("3")
        page.get_by_role("button", name="red roses", exact=True).click()
        expect(page.get_by_label("What should it show?")).to_have_value("a red rose")
        expect(page.get_by_role("textbox", name="Steps")).to_have_value("9")
        page.get_by_role("button", name="Make the picture").click()
        session = wait_for_session(page)
        wait_for_status(client, session, "finished")
        settings = settings_of(client, session)
        assert (settings["prompt"], settings["num_steps"], settings["seed"]) == ("a red rose", 9, 123)


def test_a_preset_leaves_as_a_file_and_comes_back(page, studio):
    with studio.client() as client:
        content = {"prompt": "a green castle", "num_steps": 11, "seed": 5}
        client.put("/api/presets/settings/castles", json={"content": content}).raise_for_status()
        kept = client.get("/api/presets/settings/castles").json()["content"]
        page.reload()
        tab(page, "Presets")
        page.get_by_role("button", name='More about "castles"').click()
        with page.expect_download() as download:
            page.get_by_role("menuitem", name="Export as a file").click()
        saved = download.value.path().read_bytes()
        assert download.value.suggested_filename == "castles.json"

        page.get_by_role("button", name='More about "castles"').click()
        page.get_by_role("menuitem", name="Delete").click()
        page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
        wait_for(lambda: client.get("/api/presets/settings/castles").status_code == 404)

        def bring(data):
            with page.expect_file_chooser() as asked:
                page.get_by_role("button", name="Import a preset").click()
            asked.value.set_files({"name": "castles.json", "mimeType": "application/json", "buffer": data})

        bring(saved)
        expect(page.get_by_role("button", name="castles", exact=True)).to_be_visible()
        assert client.get("/api/presets/settings/castles").json()["content"] == kept
        # a second time it takes a name of its own
        bring(saved)
        wait_for(lambda: [one["name"] for one in own(client)].count("castles") == 1 and len(castles(client)) == 2)
        bring(b"{}")
        expect(page.get_by_role("alert").filter(has_text="castles.json is no preset")).to_be_visible()
        assert len(castles(client)) == 2


def castles(client):
    return [one["name"] for one in own(client) if "castles" in one["name"]]


def own(client):
    return [one for one in client.get("/api/presets").json()["presets"] if one["origin"] == "own"]


def test_regions_are_kept_and_put_into_another_picture(page, studio):
    with studio.client() as client:
        left = {"region": {"id": "1", "prompt": "a blue key"}, "mask": uploaded(client, lambda mask: mask[:, :32])}
        opening = {"prompt": "a red rose", "num_steps": 4, "width": 64, "height": 64, "paused": True}
        opening["regions"] = {"kind": "replace-regions", "regions": [left]}
        first = client.post("/api/sessions", json=opening).raise_for_status().json()["id"]
        page.goto(f"{studio.url}/#session={first}")
        page.reload()
        expect(page.get_by_label("What is in region 1?")).to_have_value("a blue key")
        tab(page, "Presets")
        page.get_by_role("button", name="Keep these regions").click()
        page.get_by_role("textbox", name="Name of the regions").fill("key on the left")
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="key on the left", exact=True)).to_be_visible()
        open_long(page, studio, num_steps=4)
        second = session_of(page)
        assert not settings_of(client, second)["regions"]
        tab(page, "Presets")
        page.get_by_role("button", name="key on the left", exact=True).click()
        expect(page.get_by_label("What is in region 1?")).to_have_value("a blue key")
        mask = wait_for(lambda: (mask := mask_of(client, second)) is not None and mask.any() and (mask,))[0]
    # it fits the larger picture
    assert mask.shape == (256, 256)
    assert (mask[:, :120] == 255).all() and not mask[:, 136:].any()


def told_in(saved):
    """What a plain picture says beside its `parameters`."""
    return json.loads(Image.open(io.BytesIO(saved)).info["ildm-studio"])


def test_what_was_asked_for_over_a_finished_picture_drew_the_next(page, studio):
    """It is taken along by a rewind: words, and a region that was painted over the first picture."""
    session = make(page, "a red rose")
    with studio.client() as client:
        edit(client, session, kind="set-prompt", text="a blue key")
        edit(client, session, kind="add-region", region={"id": "sky", "prompt": "a sky"}, mask=left_of(client))
        edit(client, session, kind="rewind", step=2)
        edit(client, session, kind="resume")
        drawn = wait_for_status(client, session, "finished")["place"]
    assert (drawn["settings"]["prompt"], drawn["branch"]) == ("a blue key", 1)
    expect(page).to_have_title("a blue key - ildm")
    name, saved, parameters = save(page)
    assert name == "a-blue-key.png"
    assert parameters.startswith("a blue key\nSteps: 4,")
    [region] = told_in(saved)["regions"]["regions"]
    assert region["prompt"] == "a sky"
    assert region["mask"].startswith("data:image/png")
    assert told_in(saved)["lacks"] == ["what was changed on the way"]
    # and the first one is still told by its own
    with studio.client() as client:
        edit(client, session, kind="open-branch", branch=0)
    expect(page).to_have_title("a red rose - ildm")
    name, saved, parameters = save(page)
    assert (name, parameters.split("\n")[0]) == ("a-red-rose.png", "a red rose")
    assert "ildm-studio" not in Image.open(io.BytesIO(saved)).info


def test_of_a_script_with_two_branches_each_picture_says_what_drew_it(page, studio, toy_home, tmp_path):
    one = ildm.Session(ildm.load(toy_home / "models" / "toy"), "a red rose", seed=3, num_steps=4).step()
    two = one.branch()
    one.set_prompt("a blue key")
    two.set_prompt("a key, a rose")
    for _ in range(3):
        two.step()
        one.step()
    for session, words, name in ((one, "a blue key", "a-blue-key.png"), (two, "a key, a rose", "a-key-a-rose.png")):
        session.save(tmp_path / name)
        drop(page, (tmp_path / name).read_bytes())
        expect(page).to_have_title(f"{words} - ildm")
        saved_as, _, parameters = save(page)
        assert (saved_as, parameters.split("\n")[0]) == (name, words)
        tab(page, "Events")
        other = {"a blue key": "Branch 2, step 1: 'a red rose' became 'a key, a rose'."}
        there = page.get_by_role("tabpanel", name="Events")
        expect(there).to_contain_text(other.get(words, "Branch 1, step 1: 'a red rose' became 'a blue key'."))
        expect(there).to_contain_text(f"Step 1: 'a red rose' became '{words}'.")


def uploaded(client, painted):
    mask = np.zeros((64, 64), np.uint8)
    painted(mask)[:] = 255
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    answer = client.post("/api/uploads", content=file.getvalue(), headers={"content-type": "image/png"})
    return {"upload": answer.raise_for_status().json()["id"]}


def test_the_history_is_searched_and_opened(page, studio):
    rose, key = make(page, "a very red rose"), make(page, "a very blue key")
    page.get_by_role("button", name="New picture").click()
    tab(page, "History")
    listed = page.get_by_role("list", name="Pictures made here").get_by_role("listitem")
    expect(listed.filter(has_text="a very red rose")).to_have_count(1)
    page.get_by_label("Search the history by words").fill("very blue")
    expect(listed).to_have_count(1)
    expect(listed).to_contain_text("a very blue key")
    page.get_by_label("Search the history by words").fill("nothing like it")
    expect(page.get_by_text("No picture was made with these words.")).to_be_visible()
    page.get_by_label("Search the history by words").fill("red rose")
    row = listed.filter(has_text="a very red rose")
    row.get_by_role("button").first.click()
    expect(stage(page)).to_have_attribute("data-exact", "true")
    assert session_of(page) == rose != key
    with studio.client() as client:
        assert settings_of(client, rose)["prompt"] == "a very red rose"
        # it is named, and deleted, on the server too
        row.get_by_role("button", name="More about").click()
        page.get_by_role("menuitem", name="Rename").click()
        page.get_by_label("Its new name").fill("the red rose of all")
        page.keyboard.press("Enter")
        found = {"search": "of all"}
        wait_for(lambda: [one["id"] for one in client.get("/api/sessions", params=found).json()["sessions"]] == [rose])
        listed.filter(has_text="of all").get_by_role("button", name="More about").click()
        page.get_by_role("menuitem", name="Delete").click()
        page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
        wait_for(lambda: client.get(f"/api/sessions/{rose}").status_code == 404)
        assert client.get(f"/api/sessions/{key}").status_code == 200


@pytest.mark.parametrize("kind", ["draw", "change", "regions"])
def test_an_example_runs_by_one_click(page, studio, kind):
    wait_for_model(page)
    page.locator(f"[data-example={kind}]").click()
    session = wait_for_session(page)
    with studio.client() as client:
        if kind == "change":  # a model that is faster than the page finishes once before it goes back to the turn
            wait_for(lambda: commands_in(client, session, "set-prompt"))
        view = wait_for_status(client, session, "finished")
        settings = view["place"]["settings"]
        expect(stage(page)).to_have_attribute("data-step", str(settings["num_steps"]))
        assert np.ptp(picture(client, session, view["place"]["node"])) > 0
        changes = commands_in(client, session, "set-prompt")
        assert len(changes) == (kind == "change")
        assert len(settings["regions"]) == (2 if kind == "regions" else 0)
        if kind == "change":
            assert 8 <= changes[0]["applied_step"] <= 16
            assert settings["prompt"] == changes[0]["command"]["text"]
