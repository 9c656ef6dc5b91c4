"""What the engine has made of a session, asked over the HTTP API: what a page shows proves nothing about it."""

import io
import time

import numpy as np
import torch
from PIL import Image

from ildm.sampler.state import SamplerState
from ildm.session.store import Store

PATIENCE = 120.0


def wait_for(found, what="It"):
    """Ask until there is something, and return it."""
    deadline = time.monotonic() + PATIENCE
    while not (value := found()):
        assert time.monotonic() < deadline, f"{what} never came."
        time.sleep(0.05)
    return value


def look(client, session):
    """Where a session stands, and its tree."""
    return client.get(f"/api/sessions/{session}").raise_for_status().json()


def settings_of(client, session):
    return look(client, session)["place"]["settings"]


def events_of(client, session):
    return client.get(f"/api/sessions/{session}/events").raise_for_status().json()["events"]


def wait_for_event(client, session, is_it):
    """The first event of a session's log that is meant."""
    return wait_for(lambda: next((event for event in events_of(client, session) if is_it(event)), None), "The event")


def commands_in(client, session, kind):
    """The events that say where commands of a kind took effect."""
    return [event for event in events_of(client, session) if event.get("command", {}).get("kind") == kind]


def wait_for_status(client, session, status):
    """Until it stands so. How it stands then."""
    return wait_for(lambda: (view := look(client, session))["place"]["status"] == status and view, f'The status "{status}"')


def edit(client, session, **command):
    """Have a command act."""
    answer = client.post(f"/api/sessions/{session}/edits", json={"command": command}).raise_for_status().json()
    assert answer["state"] == "applied", answer


def picture(client, session, node):
    """The picture behind a state, (height, width, 3)."""
    answer = client.get(f"/api/sessions/{session}/image", params={"node": node}).raise_for_status()
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def node_at(client, session, step):
    """The state after so many steps of a session that has one branch."""
    [node] = [one["id"] for one in look(client, session)["tree"]["nodes"] if one["step"] == step]
    return node


def picture_at(client, session, step):
    return picture(client, session, node_at(client, session, step))


def mask_of(client, session, number=0):
    """The mask of a region, 0 to 255, (height, width); None where there is none (yet)."""
    settings = settings_of(client, session)
    regions = settings["regions"]
    if len(regions) <= number:
        return None
    mask = regions[number]["mask"]
    if mask is None:
        return np.zeros((settings["height"], settings["width"]), np.uint8)
    answer = client.get(f"/api/sessions/{session}/masks/{mask}")
    if answer.status_code == 404:  # on the disk in a moment
        return None
    return np.asarray(Image.open(io.BytesIO(answer.raise_for_status().content)).convert("L"))


def mask_of_blob(client, session, name):
    """A mask that the settings name, 0 to 255; None where there is none (yet)."""
    answer = None if name is None else client.get(f"/api/sessions/{session}/masks/{name}")
    if answer is None or answer.status_code == 404:
        return None
    return np.asarray(Image.open(io.BytesIO(answer.raise_for_status().content)).convert("L"))


def shown_to(client, session):
    """The picture that a session's model is shown beside the prompt; None where there is none (yet)."""
    shown = settings_of(client, session)["shown"]
    answer = None if shown is None else client.get(f"/api/sessions/{session}/shown/{shown}")
    if answer is None or answer.status_code == 404:
        return None
    return np.asarray(Image.open(io.BytesIO(answer.raise_for_status().content)))


def wait_for_mask(client, session, is_it, number=0):
    """Until a region's mask is as meant. It."""
    return wait_for(lambda: (mask := mask_of(client, session, number)) is not None and is_it(mask) and (mask,), "The mask")[0]


def latents_of(studio, session, nodes):
    """The latents of states as they were saved, (1, channels, height, width)."""
    with studio.client() as client:
        for node in nodes:
            wait_for_event(client, session, lambda event, node=node: event["kind"] == "state-saved" and event["node"] == node)
    with Store(studio.home / "sessions" / "sessions.sqlite") as store:
        kept = store.load(session)
        return [SamplerState.from_bytes(kept.snapshot(node)).latent for node in nodes]


def differ(one, other):
    """How much two latents differ at each place, (height, width)."""
    return (one - other).abs().mean(dim=(0, 1), dtype=torch.float64)
