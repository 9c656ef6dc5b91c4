"""What a model takes besides words is told before it is loaded, and what it is shown can be looked at again."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image
from studios import RealStudio
from tiny_inputs import save_tiny_models
from toy import build_model

from ildm.checkpoint.native import save_native
from ildm.session.service.catalogue import list_models

LAYOUT = {"kind": "layout", "names": ["fox", "key"]}
LABELS = {"kind": "label", "count": 3, "names": ["fox", "key"], "unconditional": 2}
MAP = {"kind": "semantic-map", "names": ["sky", "sea"]}
CASES = {
    "words": ({}, "text", [], None),
    "nothing": ({"conditioner": None}, None, [], None),
    "classes": ({"conditioner": LABELS}, "class", ["fox", "key"], None),
    "boxes": ({"conditioner": LAYOUT}, "layout", ["fox", "key"], None),
    "map": ({"hint": MAP, "conditioner": None}, None, [], {"kind": "semantic-map", "names": ["sky", "sea"], "factor": None}),
    "small": (
        {"hint": {"kind": "low-resolution", "factor": 4}},
        "text",
        [],
        {"kind": "low-resolution", "names": [], "factor": 4},
    ),
    "hole": ({"hint": {"kind": "inpainting"}}, "text", [], {"kind": "inpainting", "names": [], "factor": None}),
    "checkpoint": ({"denoiser": {"concat_channels": 5}}, "text", [], {"kind": "inpainting"}),
    "another": ({"hint": {"kind": "depth"}}, "text", [], None),
}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """A manifest as it lies in a model's folder."""
    folder = tmp_path_factory.mktemp("model")
    save_native(build_model(), folder / "toy")
    return json.loads((folder / "toy" / "model.json").read_text())


@pytest.mark.parametrize("name", CASES)
def test_a_model_says_what_it_takes(manifest, tmp_path, monkeypatch, name):
    change, reads, classes, shows = CASES[name]
    fields = manifest | {key: value for key, value in change.items() if key != "denoiser"}
    fields["denoiser"] = manifest["denoiser"] | change.get("denoiser", {})
    folder = tmp_path / "models" / "one"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(json.dumps(fields))
    monkeypatch.setenv("ILDM_HOME", str(tmp_path))
    [told] = [model for model in list_models() if model["id"] == "one"]
    assert (told["reads"], told["classes"], told["shows"]) == (reads, classes, shows)


@pytest.fixture(scope="module")
def client(toy_home, tmp_path_factory):
    """A studio with a model that is shown a map."""
    home = tmp_path_factory.mktemp("home")
    save_native(build_model(), home / "models" / "toy")
    save_tiny_models(home, "semantic-map-tiny")
    studio = RealStudio(home).wait_ready()
    with studio.client() as client:
        yield client
    studio.stop()


def test_a_map_of_sixteen_bits_is_shown_sent_before_or_with_the_command_and_can_be_looked_at(client):
    [model] = [one for one in client.get("/api/models").json() if one["id"] == "semantic-map-tiny"]
    assert model["reads"] is None and model["shows"]["kind"] == "semantic-map" and len(model["shows"]["names"]) > 255
    answer = client.post("/api/sessions", json={"model": "semantic-map-tiny", "num_steps": 2, "paused": True})
    session = answer.raise_for_status().json()["id"]
    numbers = np.zeros((64, 64), np.uint16)
    numbers[:, 32:] = 300
    file = io.BytesIO()
    Image.fromarray(numbers).save(file, "PNG")
    sent = client.post("/api/uploads", content=file.getvalue(), headers={"content-type": "image/png"}).raise_for_status()
    for image in (base64.urlsafe_b64encode(file.getvalue()).decode(), {"upload": sent.json()["id"]}):
        command = {"kind": "show-image", "image": image}
        client.post(f"/api/sessions/{session}/edits", json={"command": command}).raise_for_status()
        settings = client.get(f"/api/sessions/{session}").json()["place"]["settings"]
        shown = client.get(f"/api/sessions/{session}/shown/{settings['shown']}").raise_for_status()
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(shown.content))), numbers)
    assert client.get(f"/api/sessions/{session}/shown/{'0' * 64}").status_code == 404
