"""Several processes are one: what torchrun starts sees, follows and keeps what one process would."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from ildm.core.errors import ConfigError
from ildm.core.randomness import generator
from ildm.core.share import Share
from ildm.training.run_state import load_state

LIMIT, SCRIPT = 240, Path(__file__).with_name("together.py")
HALVES = (Share(0, 2), Share(1, 2))
CLOSE = 1e-5
CASES = (
    "kl",
    "vq by gradient",
    "vq by average",
    "text",
    "text, min-snr",
    "text, alignment",
    "text, grounding",
    "text, placing",
    "text, in places",
    "text, a map",
)
FOLLOWED = tuple(case for case in CASES if case not in ("text", "text, min-snr"))


def torchrun(*command, processes=2):
    local = ("--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", str(processes))
    return [sys.executable, "-m", "torch.distributed.run", *local, *map(str, command)]


def environment(**more):
    return os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"} | more


def ran(command, **more):
    return subprocess.run(command, env=environment(**more), capture_output=True, text=True, timeout=LIMIT, check=False)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The folder of one launch of two processes that compare their work with that of one, and what they found."""
    folder = tmp_path_factory.mktemp("together")
    alone = load_together()
    alone.run(folder / "begun-alone", alone.ALONE, stop=alone.StopAfter(4))
    ended = ran(torchrun(SCRIPT, folder))
    assert ended.returncode == 0, ended.stderr
    return folder, json.loads((folder / "found.json").read_text())


def load_together():
    """The script as a module, for what one process does of the same."""
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        import together
    finally:
        sys.path.remove(str(SCRIPT.parent))
    return together


def test_there_are_two_processes_of_accelerate_and_gloo(measured):
    _, found = measured
    assert (found["size"], found["backend"], found["device"]) == (2, "gloo", "cpu")


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_those_of_one_process(case, measured):
    """The largest difference, relative to the largest gradient; without averaging (the control) it is far larger."""
    found = measured[1]["cases"][case]
    assert max(found["gradients"].values()) < CLOSE < 1e-2 < found["not averaged"]
    assert max(found["figures"].values()) < CLOSE
    assert case.startswith("text") or ("discriminator" in found["gradients"] and 1.0 < found["adaptive weight"] < 1e4)


@pytest.mark.parametrize("case", FOLLOWED)
def test_three_steps_end_in_the_same_weights_everywhere(case, measured):
    """Averages, counts and running statistics included; between the processes bit for bit."""
    found = measured[1]["steps"][case]
    assert found["weights"] < CLOSE < found["moved"] and found["copies"] == 1


def test_latent_statistics_are_those_of_all_images(measured):
    assert measured[1]["statistics"] < CLOSE


def test_a_stop_of_one_stops_all_and_they_resume_exactly(measured):
    for found in measured[1]["resumes"].values():
        assert found["stopped at"] == [4, 4] and found["exact"]


def test_data_that_fail_one_end_all_and_what_was_learned_is_kept(measured):
    assert measured[1]["breaks off"] == {"told": ["An image is gone."] * 2, "saved": [3, 3]}


def test_what_two_began_one_finishes_and_the_other_way_round(measured, tmp_path):
    folder, alone = measured[0], load_together()
    assert load_state(folder / "begun-together").step == 4
    alone.CASES["kl"](alone.ALONE).load_state(load_state(folder / "kl" / "parts").task)
    alone.run(folder / "begun-together", alone.ALONE)
    alone.run(tmp_path, alone.ALONE)
    whole, begun, finished = (load_state(one) for one in (tmp_path, folder / "begun-together", folder / "begun-alone"))
    assert whole.step == begun.step == finished.step == 8 and whole.position == begun.position == finished.position
    for state in (begun, finished):
        apart = alone.furthest(alone.tensors(state.task), alone.tensors(whole.task))
        assert apart < 1e-3  # Adam's first steps lift what is only rounding


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="It is not known here which threads a process has.")
def test_no_thread_of_the_group_outlives_it(tmp_path):
    """One that did would abort now and then, as Python ends."""
    ended = ran(torchrun(SCRIPT.with_name("leaving.py"), tmp_path))
    assert ended.returncode == 0, ended.stderr
    assert [json.loads((tmp_path / f"left-{number}.json").read_text()) for number in range(2)] == [[], []]


def test_processes_hear_each_other(measured):
    found = measured[1]["manners"]
    assert found["told"] == ["There is no such thing."] * 2
    assert found["once"] == [0, 0]
    assert found["agreed"] == ["of 1"] * 2 and found["nobody"] is None
    assert found["average"] == {"number": 0.5} and found["gathered"] == [0.0, 0.0, 1.0, 1.0]


def test_parts_are_the_whole_batch(tiny):
    from ildm.data.loader import batches
    from ildm.data.opening import open_dataset
    from ildm.data.transforms import RandomCrop

    dataset = open_dataset(tiny.data)
    whole, *parts = (
        next(batches(dataset, 6, seed=3, start=190, transform=RandomCrop(32), share=share)) for share in (Share(), *HALVES)
    )
    assert torch.equal(whole.images, torch.cat([part.images for part in parts]))
    assert whole.captions == [caption for part in parts for caption in part.captions]
    with pytest.raises(ConfigError, match="no 2 equal parts"):
        batches(dataset, 5, seed=3, share=HALVES[0])


def test_what_is_random_is_drawn_for_the_whole_batch():
    from ildm.conditioning.dropout import drop_prompts

    whole, *parts = (drop_prompts(["x"] * (40 // share.count), 0.5, generator(0, 1), share) for share in (Share(), *HALVES))
    assert whole == parts[0] + parts[1] and parts[0] != parts[1]
    whole, *parts = (share.randn((4 // share.count, 3), generator(0, 1)) for share in (Share(), *HALVES))
    assert torch.equal(whole, torch.cat(parts))
    rest = []
    for share in HALVES:
        random = generator(0, 1)
        share.randn((2,), random)
        rest.append(torch.rand((), generator=random))
    assert rest[0] == rest[1]


@contextmanager
def started(command, home):
    """A launch in the background; nothing of it survives the test."""
    with subprocess.Popen(
        command, env=environment(ILDM_HOME=str(home)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as launch:
        try:
            yield launch
        finally:
            if launch.poll() is None:
                launch.kill()
                launch.wait()


def children(process):
    return [int(one) for one in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def wait_for_records(path, more_than=0):
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        if path.is_file() and path.read_text().count("\n") > more_than:
            return path.read_text().count("\n")
        time.sleep(0.1)
    raise AssertionError(f"no record came in {path}")


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="It is not known here which processes belong to a launch.")
def test_a_recipe_ends_as_one_model_whatever_happens_on_the_way(tmp_path):
    """Asked to stop, killed without asking, and started a third time."""
    run, settings = (
        tmp_path / "runs" / "emoji-tiny",
        ["num_latents=32", "stage_one.loop.log_every=1", "stage_one.loop.save_every=0"],
    )
    chosen = [part for one in settings for part in ("--set", one)]
    long = torchrun("-m", "ildm", "train", "emoji-tiny", *chosen, "--set", "stage_one.loop.steps=100000")
    records = run / "stage_one" / "metrics.jsonl"
    with started(long, tmp_path) as launch:
        wait_for_records(records, 2)
        launch.send_signal(signal.SIGTERM)
        told, _ = launch.communicate(timeout=LIMIT)
    reached = load_state(run / "stage_one").step
    assert told.count(f"stopped by SIGTERM at step {reached} of 100000, saved") == 1
    with started(long, tmp_path) as launch:
        number = wait_for_records(records, 2 + reached)
        workers = children(launch.pid)
        os.kill(workers[-1], signal.SIGKILL)
        told, _ = launch.communicate(timeout=LIMIT)
    assert launch.returncode != 0 and told.count("has lost another one") == 1
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
    assert number > reached
    steps = load_state(run / "stage_one").step + 2
    short = ["--set", f"stage_one.loop.steps={steps}", "--set", "stage_two.loop.steps=2"]
    ended = ran(torchrun("-m", "ildm", "train", "emoji-tiny", *chosen, *short), ILDM_HOME=str(tmp_path))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("The model so far") == 1
    manifest = json.loads((run / "model" / "model.json").read_text())
    assert manifest["training"]["processes"] == 2
    assert manifest["training"]["stage_two_steps"] == 2
    logged = [json.loads(line)["step"] for line in records.read_text().splitlines()]
    assert logged[-1] == steps and len([one for one in logged if one == steps]) == 1


def test_a_batch_that_cannot_be_shared_out_is_refused_once(tmp_path):
    odd = torchrun("-m", "ildm", "train", "emoji-tiny", "--set", "stage_two.batch_size=5")
    ended = ran(odd, ILDM_HOME=str(tmp_path))
    assert ended.returncode != 0 and "exitcode  : 2" in ended.stderr
    assert ended.stderr.count("stage_two.batch_size is the whole batch's, of which each of the 2 processes") == 1
    assert "try 6." in ended.stderr and not (tmp_path / "runs").exists()
