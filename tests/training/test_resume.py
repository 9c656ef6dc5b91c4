"""Ten steps are five, a stop, and five more: bit for bit, in both stages."""

import shutil
from dataclasses import replace
from functools import partial

import pytest
import torch

from ildm.core.errors import CheckpointError
from ildm.data.mentions import Mentions
from ildm.training.codebook import CodebookConfig
from ildm.training.journal import Journal
from ildm.training.loop import LoopConfig, train
from ildm.training.run_state import FORMER, LATEST, load_state, save_state
from ildm.training.stopping import Stop

CAPTIONS = ("a red rose", "a blue key", "a small house", "some grapes on a table")


class StopAfter(Stop):
    """Stops once a task has done so many steps."""

    def __init__(self, steps):
        super().__init__()
        self.left = steps

    @property
    def reason(self):
        self.left -= 1
        return "test" if self.left < 0 else None


def run(task, folder, steps, stop=None):
    with Journal(folder, "test", steps) as journal:
        return train(task, LoopConfig(steps=steps, log_every=2), folder, journal=journal, stop=stop or Stop())


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def assert_resumes_exactly(make, folder):
    """Where stage one is stopped, its discriminator takes part."""
    whole = make()
    run(whole, folder / "whole", 10)
    state = run(make(), folder / "parts", 10, StopAfter(6))
    assert 4 < state.step < 10
    second = make()
    # whatever a new process starts from must not matter
    torch.manual_seed(99)
    assert run(second, folder / "parts", 10).step == 10
    assert same(whole.state(), second.state())


@pytest.mark.parametrize("hidden_learning_rate", [0.0, 1e-3], ids=["adamw", "muon"])
@pytest.mark.parametrize("stage", ["stage_one", "stage_two"])
def test_resume_is_exact(stage, hidden_learning_rate, request, tiny, tmp_path):
    optimizer = replace(getattr(tiny, stage).optimizer, hidden_learning_rate=hidden_learning_rate)
    assert_resumes_exactly(partial(request.getfixturevalue(stage), optimizer=optimizer), tmp_path)


@pytest.mark.parametrize("updates", ["gradient", "average"])
def test_a_codebook_resumes_exactly(updates, stage_one, tmp_path):
    make = partial(stage_one, codebook_size=16, codebook=CodebookConfig(updates=updates, revive_every=3))
    assert_resumes_exactly(make, tmp_path)


def test_equivariance_resumes_exactly(stage_one, tmp_path):
    assert_resumes_exactly(partial(stage_one, equivariance=0.5), tmp_path)


def test_alignment_resumes_exactly(stage_two, tmp_path):
    maps = torch.randint(3, (16, 8, 8), generator=torch.Generator().manual_seed(0))
    assert_resumes_exactly(partial(stage_two, maps=maps, alignment=0.1, dropout=0.3), tmp_path)


@pytest.mark.parametrize("hidden_learning_rate", [0.0, 1e-3], ids=["adamw", "muon"])
def test_binding_words_to_places_resumes_exactly(hidden_learning_rate, stage_two, tiny, tmp_path):
    """Some of its steps teach less than others, so some parameters have no gradient in them."""
    maps = torch.zeros(16, 8, 8, dtype=torch.int64)
    maps[:, 2:6, 2:6] = torch.arange(16)[:, None, None] % 4 + 1
    mentions = Mentions({number: (caption,) for number, caption in enumerate(CAPTIONS, start=1)})
    optimizer = replace(tiny.stage_two.optimizer, hidden_learning_rate=hidden_learning_rate)
    bound = {"in_places": 0.5, "placing": 0.5, "grounding": 0.3, "alignment": 0.1}
    assert_resumes_exactly(partial(stage_two, maps=maps, mentions=mentions, optimizer=optimizer, **bound), tmp_path)


def test_a_finished_run_is_left_alone(stage_two, tmp_path):
    task = stage_two()
    run(task, tmp_path, 4)
    before = (tmp_path / LATEST).read_bytes()
    run(task, tmp_path, 4)
    assert (tmp_path / LATEST).read_bytes() == before


def test_a_damaged_state_falls_back_to_the_former_one(stage_two, tmp_path):
    task = stage_two()
    run(task, tmp_path, 2)
    run(task, tmp_path, 4)
    assert (tmp_path / FORMER).is_file()
    whole = (tmp_path / LATEST).read_bytes()
    (tmp_path / LATEST).write_bytes(whole[: len(whole) // 2])
    assert load_state(tmp_path).step < 4


def test_a_state_of_another_version_is_told_as_such(stage_two, tmp_path):
    run(stage_two(), tmp_path, 2)
    state = load_state(tmp_path)
    del state.task["auxiliary"]
    save_state(tmp_path, state)
    before = (tmp_path / LATEST).read_bytes()
    with pytest.raises(
        CheckpointError, match=r"of another version of ildm: go on with what it was begun with, or remove the folder"
    ):
        run(stage_two(), tmp_path, 4)
    assert (tmp_path / LATEST).read_bytes() == before


def test_a_collapse_rolls_back_and_goes_on_with_other_data(stage_two, tmp_path):
    task = stage_two()
    run(task, tmp_path, 4)
    poisoned = replace_batches(task, lambda latents, position: latents * torch.nan if position == 4 * 16 else latents)
    state = run(poisoned, tmp_path, 8)
    assert state.step == 8 and state.rollbacks == 1 and state.position > 8 * 16
    assert all(torch.isfinite(value).all() for value in poisoned.networks.parameters())


def test_a_stop_where_the_loss_is_no_number_tells_what_is_saved(stage_two, tmp_path, capfd):
    run(stage_two(), tmp_path, 4)
    poisoned = replace_batches(stage_two(), lambda latents, _: latents * torch.nan)
    run(poisoned, tmp_path, 8, stop=StopAfter(1))
    told = " ".join("".join(capfd.readouterr()).split())
    assert "at step 5 of 8, where the loss is no longer a number; the same command goes on from step 4, saved before." in told
    assert load_state(tmp_path).step == 4


def replace_batches(task, change):
    inner = task.batches

    def batches(position):
        for batch in inner(position):
            yield replace(batch, latents=change(batch.latents, position))
            position += task.batch_size

    task.batches = batches
    return task


def test_training_that_cannot_be_saved_is_given_up_with_a_sentence(stage_two, tmp_path):
    from ildm.core.errors import IldmError

    task = replace_batches(stage_two(), lambda latents, _: latents * torch.nan)
    with pytest.raises(IldmError, match="rolled back 5 times"):
        run(task, tmp_path, 4)


def test_bf16_trains_float32_weights(stage_two):
    task = stage_two(precision="bfloat16")
    task.train_step(0, next(task.batches(0)))
    assert all(parameter.dtype == torch.float32 for parameter in task.networks.parameters())


def test_changing_the_seed_changes_the_run(stage_two, tmp_path):
    one, other = stage_two(), stage_two(seed=1)
    run(one, tmp_path / "one", 2)
    run(other, tmp_path / "other", 2)
    assert not same(one.state()["networks"], other.state()["networks"])
    assert replace(one.config, seed=1) == other.config


def test_a_disk_that_fills_up_keeps_the_former_state(stage_two, tmp_path, small_disk):
    from ildm.core.errors import StorageError

    run(stage_two(), tmp_path, 2)
    size = (tmp_path / LATEST).stat().st_size
    disk = small_disk(3 * size // 2**20 + 2)
    run(stage_two(), disk, 2)
    free = shutil.disk_usage(disk).free
    (disk / "filler").write_bytes(b"0" * (free - size // 2))
    with pytest.raises(StorageError, match="No room left"):
        run(stage_two(), disk, 4)
    assert load_state(disk).step == 2
    (disk / "filler").unlink()
    assert run(stage_two(), disk, 4).step == 4
