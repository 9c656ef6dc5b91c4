"""Presets that are exported and imported again: what was loaded is what can be kept, masks and all."""

import base64
import io
import zlib

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def http(real):
    with real.client() as client:
        yield client


def soft(size=(64, 64)):
    """A mask with every grey in it, as people paint them, as a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(np.linspace(0, 255, size[0] * size[1]).reshape(size[::-1]).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def painted(http):
    """A session with a region that was painted, softly."""
    opening = {"prompt": "a red rose", "negative_prompt": "blurry", "seed": 3, "num_steps": 6, "paused": True}
    session = http.post("/api/sessions", json=opening).json()["id"]
    upload = http.post("/api/uploads", content=soft(), headers={"content-type": "image/png"}).json()["id"]
    region = {"id": "left", "name": "Left", "prompt": "a blue key", "strength": 0.7}
    command = {"kind": "add-region", "region": region, "mask": {"upload": upload}}
    answer = http.post(f"/api/sessions/{session}/edits", json={"command": command})
    assert answer.json()["state"] == "applied", answer.text
    return session


def mask_in(content):
    """The only mask of a preset, as it is in its text."""
    [place] = content["regions"]
    assert place["mask"].startswith("data:image/png;base64,"), "a PNG that any program can take out"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(place["mask"].partition(",")[2]))).convert("L"))


def test_regions_travel_with_their_masks(http):
    session = painted(http)
    assert http.put("/api/presets/regions/first", json={"session": session}).status_code == 201
    exported = http.get("/api/presets/regions/first").json()["content"]
    np.testing.assert_array_equal(mask_in(exported), np.asarray(Image.open(io.BytesIO(soft()))))
    assert http.put("/api/presets/regions/second", json={"content": exported}).status_code == 201
    again = http.get("/api/presets/regions/second").json()["content"]
    assert again | {"name": None} == exported | {"name": None}


def test_settings_travel(http):
    session = painted(http)
    assert http.put("/api/presets/settings/first", json={"session": session}).status_code == 201
    exported = http.get("/api/presets/settings/first").json()["content"]
    assert exported["prompt"] == "a red rose" and exported["negative_prompt"] == "blurry"
    assert http.put("/api/presets/settings/second", json={"content": exported}).status_code == 201
    assert http.get("/api/presets/settings/second").json()["content"] == exported
    assert http.post("/api/sessions", json=exported | {"paused": True}).status_code == 201


def test_settings_travel_with_regions_and_a_change_map(http):
    mask = {"width": 2, "height": 2, "data": base64.urlsafe_b64encode(zlib.compress(bytes([0, 85, 170, 255]))).decode()}
    regions = {"kind": "replace-regions", "regions": [{"region": {"id": "left", "prompt": "a blue key"}, "mask": mask}]}
    content = {"prompt": "a red rose", "regions": regions, "change_map": mask, "strength": 0.5}
    answer = http.put("/api/presets/settings/whole", json={"content": content})
    assert answer.status_code == 201, answer.text
    exported = http.get("/api/presets/settings/whole").json()["content"]
    assert http.put("/api/presets/settings/again", json={"content": exported}).status_code == 201
    assert http.get("/api/presets/settings/again").json()["content"] == exported
    assert exported["regions"]["regions"][0]["mask"]["data"] == exported["change_map"]["data"] == mask["data"]


@pytest.mark.parametrize("name", ["halves"])
def test_those_that_come_with_ildm_travel_too(http, name):
    exported = http.get(f"/api/presets/regions/{name}").json()["content"]
    assert http.put("/api/presets/regions/copy", json={"content": exported, "replace": True}).status_code == 201
    assert http.get("/api/presets/regions/copy").json()["content"] | {"name": name} == exported | {"name": name}
