"""Sessions without a model, for the store, its archives and its command line: tensors are opaque bytes there."""

import hashlib
import random

from ildm.session.commands import NameBranch, SetPrompt
from ildm.session.events import CommandApplied, ExecutionShape, RunFinished, SessionOpened, StepCompleted
from ildm.session.settings import Hold, Settings
from ildm.session.storage.records import BranchRecord, NodeRecord, PositionRecord

MASK = b"a mask" * 20
MASK_ID = hashlib.sha256(MASK).hexdigest()
IMAGE = b"a picture of the end" * 10


def settings(prompt="a cat on a plain green background", **changes):
    values = {"num_steps": 25, "guidance_scale": 3.0, "sampler": "heun", "seed": 7, "width": 64, "height": 64}
    return Settings(prompt=prompt, **(values | changes))


def opened(prompt="a cat on a plain green background", at=1.5):
    shape = ExecutionShape(device="cpu", dtype="float32", threads=1, torch="2.13.0", ildm="0.1.0")
    return SessionOpened(seq=0, at=at, model="emoji-scenes", model_hash="0" * 64, settings=settings(prompt), shape=shape)


def snapshot(node, size=4096):
    """Bytes that no other node has, and that do not shrink."""
    return random.Random(node).randbytes(size)


def node(number, **changes):
    parent = number - 1 if number else None
    values = {"id": number, "parent": parent, "step": number, "origin": "step" if number else "start", "settings": settings()}
    return NodeRecord(**(values | changes))


def step(number, size=4096):
    """What one step adds: event `number`, which made node `number`."""
    done = StepCompleted(seq=number, node=number, parent=max(0, number - 1), branch=0, step=number, num_steps=25, seconds=0.25)
    return {
        "events": [done],
        "nodes": [node(number)],
        "branches": [BranchRecord(id=0, tip=number, settings=settings())],
        "positions": [PositionRecord(cursor=0, node=number, branch=0, settings=settings(), following=True)],
        "snapshots": {number: snapshot(number, size)},
    }


def start(size=4096):
    """What a session has before its first step, beside its opening."""
    return step(0, size) | {"events": []}


def begin(store, session_id, prompt="a cat on a plain green background"):
    store.create(session_id, opened(prompt)).result()
    store.append(session_id, **start()).result()


def fill(store, session_id="0123abcd4567", steps=4, size=4096):
    """A whole session: a run, an edit, a held area, a second branch, a finished picture."""
    begin(store, session_id)
    for number in range(1, steps + 1):
        store.append(session_id, **step(number, size))
    lion = settings("a lion", holds=(Hold(source=MASK_ID, change=MASK_ID, seed=3),))
    edits = (SetPrompt(text="a lion"), NameBranch(branch=1, name="the lion"))
    applied = [
        CommandApplied(seq=steps + 1 + op, op=op, command=edit, received_step=2, applied_step=2, node=2)
        for op, edit in enumerate(edits)
    ]
    store.append(
        session_id,
        events=[
            *applied,
            RunFinished(seq=steps + 3, node=steps + 1, branch=1, latent_hash="1" * 64, image_hash="2" * 64),
        ],
        nodes=[node(steps + 1, parent=2, step=3, settings=lion, name="roar")],
        branches=[BranchRecord(id=1, tip=steps + 1, settings=lion, name="the lion")],
        positions=[PositionRecord(cursor=0, node=steps + 1, branch=1, settings=lion, following=True)],
        snapshots={steps + 1: snapshot(steps + 1, size)},
        images={steps + 1: IMAGE},
        blobs={MASK_ID: MASK},
        status="finished",
    ).result()
    return session_id


def everything(store, session_id):
    """All that the store holds of a session, to compare."""
    session = store.load(session_id)
    return {
        "events": store.events(session_id),
        "nodes": session.nodes,
        "branches": session.branches,
        "positions": session.positions,
        "snapshots": {number: session.snapshot(number) for number in session.snapshot_nodes},
        "images": {number: session.image(number) for number in session.image_nodes},
        "blobs": {name: session.blob(name) for name in session.blob_ids},
    }


def flip(path, piece):
    """Change one bit in the middle of the only place where a file holds `piece`."""
    data = bytearray(path.read_bytes())
    assert data.count(piece) == 1
    data[data.index(piece) + len(piece) // 2] ^= 1
    path.write_bytes(data)
