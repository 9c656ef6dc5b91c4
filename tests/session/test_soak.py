"""Edits, rewinds and branches for minutes on end: memory and open files stay as they are."""

import gc
import os
import random
import statistics
import time
from pathlib import Path

import pytest

from ildm.session import commands
from ildm.session.engine import Engine
from ildm.session.settings import Region, Settings
from ildm.session.store import Store
from ildm.session.wire import Mask

CORNER = Mask.rectangle(64, 64, (0.0, 0.0, 0.5, 0.5))
SAMPLERS = ("dpmpp-2m", "euler", "euler-ancestral", "heun", "unipc")


def resident():
    """Bytes of memory this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def steer(engine, chance, seed):
    """One session: steps, edits, rewinds, branches; then it is closed."""
    settings = Settings(
        prompt="a red rose", num_steps=12, guidance_scale=2.0, sampler=chance.choice(SAMPLERS), seed=seed, width=64, height=64
    )
    session_id = engine.open(settings).result()
    for _ in range(12):
        command = chance.choice(
            [
                commands.SetPrompt(text=f"a {chance.choice('abcdef')} key"),
                commands.SetGuidance(scale=chance.uniform(1.5, 5.0)),
                commands.SetSampler(name=chance.choice(SAMPLERS)),
                commands.Rewind(step=chance.randint(0, 6)),
                commands.BranchOff(),
                commands.LockArea(area=CORNER),
                commands.RedoArea(area=CORNER),
                commands.AddRegion(region=Region(id=f"{chance.random()}", prompt="a blue key"), mask=CORNER),
                commands.SetRegionRules(mode=chance.choice(["attention", "latent"])),
                commands.Undo(),
                commands.Resume(),
            ]
        )
        engine.submit(session_id, command)
        if chance.random() < 0.3:
            engine.wait(session_id, 5.0)
    engine.submit(session_id, commands.Cancel())
    engine.wait(session_id, 5.0)
    engine.close_session(session_id).result()


def soak(model, folder, seconds):
    """Steer for so long. Returns the memory and open files of the middle and of the last third."""
    chance, samples = random.Random(0), []
    began = time.monotonic()
    with Store(folder / "sessions.sqlite") as store, Engine(model, keeper=store) as engine:
        seed = 0
        while (passed := time.monotonic() - began) < seconds:
            steer(engine, chance, seed)
            seed += 1
            if seed % 10 == 0:
                gc.collect()
                samples.append((passed, resident(), open_files()))
    middle = [sample for sample in samples if seconds / 3 <= sample[0] < 2 * seconds / 3]
    last = [sample for sample in samples if sample[0] >= 2 * seconds / 3]
    return middle, last


def check_flat(middle, last):
    assert len(middle) > 1 and len(last) > 1
    for kind in (1, 2):
        before, after = (statistics.median(sample[kind] for sample in part) for part in (middle, last))
        assert after <= 1.05 * before, (kind, before, after)


def test_two_minutes_leave_memory_and_files_flat(model, tmp_path):
    check_flat(*soak(model, tmp_path, 120.0))


@pytest.mark.slow
def test_thirty_minutes_leave_memory_and_files_flat(model, tmp_path):
    check_flat(*soak(model, tmp_path, 1800.0))
