"""Models are named: a client never says where one lies, and a file that is not what it ought to be costs a sentence and nothing else."""

import asyncio
import pickle
import shutil

import pytest
from studio_client import Client
from studios import RealStudio

NAMES = [
    "../toy",
    "models/toy",
    "/etc/passwd",
    "./toy",
    "toy/../toy",
    "toy\0",
    "..",
    ".",
    "file:///etc/passwd",
    "https://evil.example/model.safetensors",
    "C:\\models\\toy",
    "toy.safetensors",
    "%2e%2e%2ftoy",
    "someone/something",
]


class Trap:
    """Leaves a mark where a pickle of it is read."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return exec, (f"open({str(self.mark)!r}, 'w').close()",)


@pytest.fixture(scope="module")
def house(toy_home, tmp_path_factory):
    """A home with a good model, and some that are not."""
    home = tmp_path_factory.mktemp("house")
    models = home / "models"
    shutil.copytree(toy_home / "models" / "toy", models / "toy")
    for name in ("truncated", "flipped", "pickled"):
        shutil.copytree(models / "toy", models / name)
    mark = home / "mark"
    for name in ("truncated", "flipped", "pickled"):
        file = max((models / name).rglob("*.safetensors"), key=lambda path: path.stat().st_size)
        data = bytearray(file.read_bytes())
        if name == "truncated":
            del data[len(data) // 2 :]
        elif name == "flipped":
            data[-100] ^= 4
        else:
            data[:] = pickle.dumps(Trap(mark))
        file.write_bytes(data)
    whole = max((models / "toy").rglob("*.safetensors"), key=lambda path: path.stat().st_size).read_bytes()
    (models / "half.safetensors").write_bytes(whole[: len(whole) // 2])
    (models / "trap.safetensors").write_bytes(pickle.dumps(Trap(mark)))
    (models / "trap.ckpt").write_bytes(pickle.dumps(Trap(mark)))
    return home


@pytest.fixture(scope="module")
def studio(house):
    studio = RealStudio(house).wait_ready()
    yield studio
    assert studio.stop() in (0, -15)


@pytest.fixture
def client(studio):
    with studio.client() as client:
        yield client


def draws(client):
    """Whether the model that was loaded first still draws."""
    told = client.post("/api/sessions", json={"prompt": "a red rose", "num_steps": 2, "seed": 1})
    assert told.status_code in (201, 202), told.text
    place = f"/api/sessions/{told.json()['id']}"
    with client.stream("GET", f"{place}/stream") as stream:
        for line in stream.iter_lines():
            if line == "event: run-finished":
                break
    return client.get(f"{place}/image").content.startswith(b"\x89PNG")


@pytest.mark.parametrize("name", NAMES)
def test_a_client_names_a_model_and_says_no_path(studio, client, name):
    told = client.post("/api/sessions", json={"model": name, "prompt": "a"})
    assert told.status_code in (404, 422), told.text
    assert told.json()["error"]["code"] in ("not-found", "bad-value") and "Traceback" not in told.text

    async def over_the_socket():
        async with await Client.connect(studio.port, studio.token) as socket:
            await socket.hello()
            await socket.send("start", op=1, opening={"model": name})
            return await socket.until(lambda: next((one for one in socket.said if one.get("op") == 1), None))

    said = asyncio.run(over_the_socket())
    assert said.get("problem") or said.get("text")


@pytest.mark.parametrize("name", ["", "a" * 201, 7, None, ["toy"], {"path": "/"}])
def test_a_model_s_name_is_a_short_text(client, name):
    told = client.post("/api/sessions", json={"model": name, "paused": True})
    assert told.status_code == (201 if name is None else 422)


@pytest.mark.parametrize("name", ["truncated", "flipped", "pickled", "half", "trap"])
def test_a_damaged_model_costs_a_sentence_and_the_one_that_is_loaded_draws_on(studio, house, client, name):
    engine = studio.engine_pid
    told = client.post("/api/sessions", json={"model": name, "prompt": "a"})
    assert told.status_code == 422, told.text
    text = told.json()["error"]["text"]
    assert "\n" not in text and text.endswith(".") and "Traceback" not in text and "Error(" not in text
    assert draws(client)
    assert studio.engine_pid == engine and not (house / "mark").exists()


def test_the_list_names_them_and_reads_no_pickle(house, client):
    told = client.get("/api/models")
    assert "toy" in {one["id"] for one in told.json()}
    assert not (house / "mark").exists()


def test_nobody_is_told_where_a_model_lies(house, client):
    told = client.get("/api/models").json()
    assert any("ILDM_HOME/models" in (model["problem"] or "") for model in told)
    assert str(house) not in str(told)
    refused = client.post("/api/sessions", json={"model": "truncated", "prompt": "a"})
    assert refused.status_code >= 400 and str(house) not in refused.text
