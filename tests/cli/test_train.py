"""`ildm train`: overrides, stops, kills, and the way on."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from ildm.training.run_state import load_state

# stage one is too short here for a discriminator
SHORT = ("--set", "stage_one.loss.discriminator_weight=0", "--set", "num_latents=32")


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("ILDM_HOME", str(tmp_path))
    return tmp_path


def test_overrides_are_typed_and_recorded(run):
    shown = json.loads(
        run("train", "emoji-tiny", "--show", "--set", "autoencoder.channels=8,16,32", "--set", "stage_two.dropout=0.2").out
    )
    assert shown["autoencoder"]["channels"] == [8, 16, 32] and shown["stage_two"]["dropout"] == 0.2


def test_a_time_limit_stops_saved_and_the_same_command_goes_on(run, own_home):
    settings = ["--set", "stage_one.loop.steps=6", "--set", "stage_two.loop.steps=4", *SHORT]
    assert "Stopped before there was a model" in run("train", "emoji-tiny", "--time-limit", "0s", *settings).out
    done = run("train", "emoji-tiny", *settings)
    assert done.code == 0 and "The model so far" in done.out
    assert (own_home / "runs" / "emoji-tiny" / "model" / "model.json").is_file()


def test_another_configuration_does_not_overwrite_a_run(run, own_home):
    settings = ["--set", "stage_one.loop.steps=2", "--set", "stage_two.loop.steps=2", *SHORT]
    assert run("train", "emoji-tiny", *settings).code == 0
    other = run("train", "emoji-tiny", *settings, "--set", "stage_two.optimizer.learning_rate=0.5")
    assert other.code == 2 and "stage_two.optimizer.learning_rate" in other.err and "--name" in other.err


def test_a_discriminator_that_would_never_act_is_refused(run, own_home):
    ended = run("train", "emoji-tiny", "--set", "stage_one.loop.steps=30")
    assert ended.code == 2 and ended.err.count("\n") == 1
    assert "discriminator_start is 30, but stage one ends after 30 steps" in ended.err
    assert not (own_home / "runs").exists()


def test_a_warm_start_takes_the_models_weights(run, own_home, trained):
    settings = [
        "--set",
        "stage_two.loop.steps=1",
        "--set",
        "stage_two.optimizer.learning_rate=1e-12",
        "--set",
        "num_latents=32",
    ]
    assert run("train", "emoji-tiny", "--name", "warm", "--init-from", trained, *settings).code == 0
    from ildm.checkpoint.native import load_native

    warm, cold = load_native(own_home / "runs" / "warm" / "model"), load_native(trained)
    assert warm.autoencoder_fingerprint == cold.autoencoder_fingerprint
    assert (warm.unet.conv_in.weight - cold.unet.conv_in.weight).abs().max() < 1e-5
    assert warm.manifest.training["started_from"] == "emoji-tiny"
    misfit = run(
        "train", "emoji-tiny", "--name", "misfit", "--init-from", trained, "--set", "denoiser.channels=32,96", *settings
    )
    assert misfit.code == 2 and "another graph" in misfit.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_group_saves_and_exits_cleanly(own_home, number):
    command = [
        sys.executable,
        "-m",
        "ildm",
        "train",
        "emoji-tiny",
        "--set",
        "stage_one.loop.steps=100000",
        "--set",
        "stage_one.loop.log_every=1",
        "--set",
        "workers=1",
    ]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, start_new_session=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "step 3," in line:
            break
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0 and signal.Signals(number).name in said and "Traceback" not in said
    assert load_state(own_home / "runs" / "emoji-tiny" / "stage_one").step >= 3


def test_a_kill_loses_only_what_was_not_saved(own_home):
    command = [sys.executable, "-m", "ildm", "train", "emoji-tiny", "--set", "stage_one.loop.steps=100000"]
    command += ["--set", "stage_one.loop.log_every=1", "--set", "stage_one.loop.save_every=0"]
    folder = own_home / "runs" / "emoji-tiny" / "stage_one"
    saved = 0
    for _ in range(2):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        assert process.stderr is not None
        for count, _line in enumerate(process.stderr):
            if count >= 4:
                break
        time.sleep(0.05)
        process.kill()
        process.communicate()
        state = load_state(folder)
        assert state.step > saved and state.position == state.step * 8
        saved = state.step
