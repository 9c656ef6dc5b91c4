"""What is kept of a run's states fits the budget, and what does not is computed again, bit for bit."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ildm.core import extensions
from ildm.diffusion.path import LinearInterpolation
from ildm.diffusion.schedule import make_schedule
from ildm.sampler.state import SamplerState
from ildm.session.applying import apply
from ildm.session.commands import SetGuidance, SetNumSteps, SetPrompt, SetSampler
from ildm.session.cursor import Cursor
from ildm.session.run import Run
from ildm.session.snapshots import KEPT_EVERY, Snapshots

NAMES = extensions.names("ildm.samplers")
SCHEDULE = make_schedule(LinearInterpolation(), 40)
SIZE = 4 * 4 * 4  # bytes of one latent below


def state(step, history=0):
    latent = torch.full((1, 1, 4, 4), float(step))
    return SamplerState(latent, step, SCHEDULE, (0,), history=tuple(torch.zeros(1, 1, 4, 4) for _ in range(history)))


def test_a_state_comes_back_as_it_was_put():
    snapshots = Snapshots(10 * SIZE)
    one = state(3)
    snapshots.put(7, one)
    assert snapshots.get(7) is one
    assert 7 in snapshots
    assert snapshots.get(8) is None
    assert (len(snapshots), snapshots.bytes) == (1, SIZE)


def test_bytes_are_counted_once_and_given_back():
    snapshots = Snapshots(100 * SIZE)
    one = state(1, history=2)
    # an estimate that lies in the history as well, as solvers leave it
    snapshots.put(0, replace(one, estimate=one.history[0], memory=(torch.zeros(1, 1, 4, 4),)))
    assert snapshots.bytes == 4 * SIZE
    snapshots.put(0, state(1))
    assert snapshots.bytes == SIZE
    snapshots.put(1, state(2))
    snapshots.drop([1, 5])
    assert (len(snapshots), snapshots.bytes) == (1, SIZE)
    snapshots.clear()
    assert (len(snapshots), snapshots.bytes, 0 in snapshots) == (0, 0, False)


def test_landmarks_go_last():
    snapshots = Snapshots(5 * SIZE)
    for step in range(4 * KEPT_EVERY + 1):
        snapshots.put(step, state(step))
    assert [node for node in range(17) if node in snapshots] == [0, 4, 8, 12, 16]
    snapshots.put(17, state(17))
    # the newest stays, and of the landmarks the one that was longest out of use goes
    assert [node for node in range(18) if node in snapshots] == [4, 8, 12, 16, 17]


def test_what_was_asked_for_last_stays_longest():
    snapshots = Snapshots(3 * SIZE)
    for step in (1, 2, 3):
        snapshots.put(step, state(step))
    snapshots.get(1)
    snapshots.put(5, state(5))
    assert [node for node in range(6) if node in snapshots] == [1, 3, 5]


def test_the_newest_stays_whatever_its_size():
    snapshots = Snapshots(SIZE)
    snapshots.put(0, state(0))
    snapshots.put(1, state(1, history=5))
    assert (0 in snapshots, 1 in snapshots, snapshots.bytes) == (False, True, 6 * SIZE)
    snapshots.put(2, state(2))
    assert (1 in snapshots, 2 in snapshots, snapshots.bytes) == (False, True, SIZE)


actions = st.tuples(st.sampled_from(["put", "get", "drop"]), st.integers(0, 9), st.integers(0, 12), st.integers(0, 3))


@given(st.lists(actions, max_size=60), st.integers(0, 12))
@settings(deadline=None)
def test_the_budget_holds_whatever_is_done(program, budget):
    snapshots, held = Snapshots(budget * SIZE), {}
    for what, node, step, history in program:
        if what == "put":
            snapshots.put(node, state(step, history))
            held[node] = (1 + history) * SIZE
            assert node in snapshots
            assert snapshots.bytes <= budget * SIZE or len(snapshots) == 1
        elif what == "get":
            assert (snapshots.get(node) is not None) == (node in snapshots)
        else:
            snapshots.drop([node])
            assert node not in snapshots
        assert snapshots.bytes == sum(held[one] for one in held if one in snapshots)


EDITS = {
    2: SetPrompt(text="a blue key"),
    3: SetGuidance(scale=3.5),
    4: SetNumSteps(num_steps=8),
    5: SetSampler(name="euler-ancestral"),
    6: SetSampler(name="dpmpp-2m"),
}


@pytest.mark.parametrize("budget", [0, 7_000], ids=["one state", "a few"])
@pytest.mark.parametrize("name", NAMES)
def test_what_went_is_computed_again_bit_for_bit(quick, settings, name, budget):
    """Every state of an edited run, in an order that nobody would choose, from whatever is left in memory."""
    cursors = []
    for size in (2**30, budget):
        cursor = Cursor.begin(Run(quick, budget=size), settings.model_copy(update={"sampler": name, "num_steps": 6}))
        while not cursor.finished:
            if cursor.node.step in EDITS:
                apply(cursor, EDITS[cursor.node.step])
            cursor.step()
        cursors.append(cursor)
    whole, small = (cursor.run for cursor in cursors)
    assert len(whole.snapshots) == 9
    assert len(small.snapshots) < 6
    for node in (8, 3, 6, 7):
        assert small.state(node).to_bytes() == whole.state(node).to_bytes()
        assert small.snapshots.bytes <= budget or len(small.snapshots) == 1
    assert whole.steps_computed == 8


def test_states_near_a_landmark_cost_few_steps(quick, settings):
    """With all states but the landmarks gone, no state is more than three steps away."""
    cursor = Cursor.begin(Run(quick), settings)
    while not cursor.finished:
        cursor.step()
    run = cursor.run
    bytes_each = run.snapshots.bytes // len(run.snapshots)
    run.snapshots.budget = 5 * bytes_each
    run.snapshots.put(0, run.state(0))
    assert [node for node in range(13) if node in run.snapshots] == [0, 4, 8, 11, 12]
    for node in (3, 1, 2, 7, 5, 10, 11, 9, 6, 3):
        before = run.steps_computed
        run.state(node)
        assert run.steps_computed - before <= node % KEPT_EVERY, node


def test_a_long_way_leaves_landmarks_behind(quick, settings):
    """What was computed again once need not be again for its neighbours."""
    cursor = Cursor.begin(Run(quick), settings)
    while not cursor.finished:
        cursor.step()
    run = cursor.run
    run.snapshots.clear()
    run.state(11)
    assert [node for node in range(13) if node in run.snapshots] == [0, 4, 8, 11]
    before = run.steps_computed
    run.state(10), run.state(5)
    assert run.steps_computed - before == 3
