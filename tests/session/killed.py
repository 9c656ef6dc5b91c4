"""A process whose children run sessions and may be killed at any moment; run by `test_kills`.

It reads a line `STORE SESSION SEED` for each child, which says `pid N`, then `saved NODE` for every state that is said to be safe.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "peers"))

import torch

torch.set_num_threads(1)

from toy import build_model  # noqa: E402

from ildm.session import commands  # noqa: E402
from ildm.session.engine import Engine  # noqa: E402
from ildm.session.events import StateSaved  # noqa: E402
from ildm.session.settings import Settings  # noqa: E402
from ildm.session.store import Store  # noqa: E402

EDITS = (commands.SetPrompt(text="a blue key"), commands.SetGuidance(scale=3.5), commands.SetSampler(name="euler-ancestral"))


def settings(seed):
    return Settings(prompt="a red rose", num_steps=120, guidance_scale=2.0, sampler="dpmpp-2m", seed=seed, width=64, height=64)


def say(text):
    os.write(1, f"{text}\n".encode())


def run(model, path, session_id, seed):
    with Store(path) as store, Engine(model, keeper=store) as engine:
        # begun before anybody listens, so that the first states are heard of, too
        engine.open(settings(seed), session_id, paused=True).result()
        for event in engine.listen(session_id, hear):
            hear(event)
        for edit in EDITS:
            engine.submit(session_id, edit)
        engine.submit(session_id, commands.Resume())
        engine.wait(session_id)
        say("end")


def hear(event):
    if isinstance(event, StateSaved):
        say(f"saved {event.node}")


def main():
    model = build_model()
    say("ready")
    for line in sys.stdin:
        path, session_id, seed = line.split()
        child = os.fork()
        if child == 0:
            run(model, Path(path), session_id, int(seed))
            os._exit(0)
        say(f"pid {child}")
        os.waitpid(child, 0)
        say("over")


if __name__ == "__main__":
    main()
