"""What is saved is worth coming back to, and what is not leads further back."""

import json
import re
from dataclasses import dataclass, field

import pytest
import torch

from ildm.core.errors import DataError, IldmError, StorageError
from ildm.training.collapse import CollapseGuard
from ildm.training.journal import RECORDS, Journal
from ildm.training.loop import LoopConfig, train
from ildm.training.run_state import FORMER, LATEST, load_state
from ildm.training.stopping import Stop


@dataclass
class Wavering:
    """A stage whose weights are spoiled by the samples at `spoiled_by`, which shows `late` + 1 steps later, and not before."""

    spoiled_by: tuple[int, ...] = ()
    late: int = -1
    gradients: dict = field(default_factory=dict)
    missing: int | None = None
    batch_size: int = 1
    exported: list = field(default_factory=list)

    def __post_init__(self):
        self.bad_for, self.guard, self.position, self.loads = -1, CollapseGuard(), 0, 0

    def batches(self, position):
        while True:
            if position == self.missing:
                raise DataError("An image is gone.")
            yield position
            position += 1

    def train_step(self, step, batch):  # noqa: ARG002
        if batch in self.spoiled_by or self.bad_for >= 0:
            self.bad_for += 1
        self.position = batch
        error = 9.0 if self.bad_for > self.late else 1.0
        numbers = {"loss": error, "absolute": error, "gradient_norm": self.gradients.get(batch, 1.0)}
        return {name: torch.tensor(value) for name, value in numbers.items()}

    def state(self):
        return {"bad_for": self.bad_for, "guard": self.guard.state()}

    def load_state(self, state):
        self.loads += 1
        self.bad_for = state["bad_for"]
        self.guard.load_state(state["guard"])

    def sample_sheet(self):
        return None

    def export(self, state):  # noqa: ARG002
        self.exported.append((self.position, self.bad_for))

    @property
    def is_sound(self):
        return self.guard.bad == 0

    def judge(self, metrics):
        return self.guard.judge(metrics)


class StopAt(Stop):
    def __init__(self, task, position):
        super().__init__()
        self.task, self.position = task, position

    @property
    def reason(self):
        return "test" if self.task.position == self.position else None


class RolledBack(Stop):
    """Stops as soon as a state is taken back."""

    def __init__(self, task):
        super().__init__()
        self.task = task

    @property
    def reason(self):
        return "test" if self.task.loads > 1 else None


def run(task, folder, steps=20, stop=None, save_every=0.0):
    config = LoopConfig(steps=steps, log_every=1, save_every=save_every)
    with Journal(folder, "test", steps) as journal:
        return train(task, config, folder, journal=journal, stop=stop or Stop())


def steps_recorded(folder):
    return [json.loads(line)["step"] for line in (folder / RECORDS).read_text().splitlines()]


def test_nothing_is_saved_while_it_falls_apart(tmp_path):
    task = Wavering(spoiled_by=(7,))
    state = run(task, tmp_path)
    assert (state.step, state.rollbacks) == (20, 1)
    assert all(bad < 0 for _, bad in task.exported)


def test_a_state_that_fails_again_leads_to_the_one_before(tmp_path):
    """It looked well when it was saved."""
    task = Wavering(spoiled_by=(7,), late=0)
    state = run(task, tmp_path)
    assert (state.step, task.bad_for) == (20, -1)
    assert state.rollbacks == 2


def test_a_state_that_was_given_up_is_not_taken_again(tmp_path, capfd):
    for steps in (10, 20):
        run(Wavering(), tmp_path, steps=steps, save_every=1e9)
    capfd.readouterr()
    task = Wavering(spoiled_by=(22, 27, 32, 37))
    assert run(task, tmp_path, steps=60, save_every=1e9).rollbacks == 4
    assert re.findall(r"rolled back to step (\d+)", "".join(capfd.readouterr())) == ["20", "10", "10", "10"]
    assert steps_recorded(tmp_path) == list(range(1, 61))


def test_a_stop_behind_a_roll_back_leaves_the_state_before_where_it_is(tmp_path, capfd):
    for steps in (10, 20):
        run(Wavering(), tmp_path, steps=steps, save_every=1e9)
    task = Wavering(spoiled_by=(22,))
    assert run(task, tmp_path, steps=60, save_every=1e9, stop=RolledBack(task)).step == 20
    assert [torch.load(tmp_path / name, weights_only=True)["step"] for name in (LATEST, FORMER)] == [20, 10]
    capfd.readouterr()
    run(Wavering(spoiled_by=(27,)), tmp_path, steps=60, save_every=1e9)
    assert re.findall(r"rolled back to step (\d+)", "".join(capfd.readouterr())) == ["10"]


def test_what_cannot_be_mended_is_given_up(tmp_path):
    with pytest.raises(IldmError, match="rolled back 5 times"):
        run(Wavering(spoiled_by=(7,), late=4), tmp_path)


def test_a_stop_while_it_falls_apart_goes_on_from_before(tmp_path, capfd):
    task = Wavering(spoiled_by=(7,))
    assert run(task, tmp_path, stop=StopAt(task, 8)).step == 9
    told = " ".join("".join(capfd.readouterr()).split())
    assert "where reconstructions are falling apart; the same command goes on from step 7, saved before." in told
    latest, former = (torch.load(tmp_path / name, weights_only=True) for name in (LATEST, FORMER))
    assert latest["task"]["bad_for"] == former["task"]["bad_for"] == -1


@pytest.mark.parametrize("size", [float("inf"), float("nan")])
@pytest.mark.parametrize("position", [7, 19], ids=["on the way", "at the end"])
def test_an_infinite_gradient_is_no_state_to_keep(size, position, tmp_path):
    """The loss of its step was still a number; the weights after it are not."""
    task = Wavering(gradients={position: size})
    state = run(task, tmp_path)
    assert (state.step, state.rollbacks) == (20, 1)
    assert position not in [sample for sample, _ in task.exported]


def test_what_was_learned_is_kept_when_the_data_fail(tmp_path):
    with pytest.raises(DataError, match="An image is gone"), Journal(tmp_path, "test", 20) as journal:
        train(Wavering(missing=13), LoopConfig(steps=20, log_every=5), tmp_path, journal=journal, stop=Stop())
    assert load_state(tmp_path).step == 13


@pytest.mark.parametrize(
    ("unwritten", "told", "kept"),
    [
        ("ildm.training.loop.save_state", "what was learned after step 3 is lost. The disk is full.", 3),
        (f"{__name__}.Wavering.export", "test: The disk is full.", 13),
    ],
)
def test_a_full_disk_does_not_hide_what_is_wrong_with_the_data(unwritten, told, kept, tmp_path, monkeypatch, capfd):
    def full(*_, **__):
        raise StorageError("The disk is full.")

    with Journal(tmp_path, "test", 20) as journal:
        train(Wavering(), LoopConfig(steps=3), tmp_path, journal=journal, stop=Stop())
        monkeypatch.setattr(unwritten, full)
        with pytest.raises(DataError, match="An image is gone"):
            train(Wavering(missing=13), LoopConfig(steps=20), tmp_path, journal=journal, stop=Stop())
    assert told in " ".join("".join(capfd.readouterr()).split())
    assert load_state(tmp_path).step == kept


def test_records_of_a_sitting_that_was_killed_are_made_again(tmp_path):
    run(Wavering(), tmp_path, steps=5)
    records = tmp_path / RECORDS
    with records.open("a") as file:
        file.write(json.dumps({"step": 6, "loss": 0.0}) + "\n" + '{"step": 7, "lo')
    run(Wavering(), tmp_path, steps=9)
    assert steps_recorded(tmp_path) == list(range(1, 10))
