"""Several futures of one state, and a tree that is larger than the memory it may have."""

from contextlib import contextmanager

import pytest
from steered import begin, clear, finish, go_to, latent, refused

from ildm.core import extensions
from ildm.core.errors import ConfigError
from ildm.session import commands
from ildm.session.applying import apply
from ildm.session.cursor import Cursor
from ildm.session.editing import changed
from ildm.session.refusals import NotNow
from ildm.session.run import Run
from ildm.session.snapshots import KEPT_EVERY

NAMES = extensions.names("ildm.samplers")


@contextmanager
def counted(model):
    """How many times the network is called."""
    inner, calls = model._predict, []

    def count(*given):
        calls.append(1)
        return inner(*given)

    model._predict = count
    yield calls
    model._predict = inner


@pytest.mark.parametrize("name", ["dpmpp-2m", "plms"])
def test_eight_futures_cost_their_own_steps_only(name, quick, settings):
    with counted(quick) as calls:
        finish(begin(quick, settings, num_steps=30, sampler=name))
        full = len(calls)
        cursor = begin(quick, settings, num_steps=30, sampler=name)
        choices = tuple(commands.Choice(guidance_scale=1.5 + number) for number in range(8))
        go_to(cursor, 15)
        for branch in apply(cursor, commands.Compare(choices=choices)):
            cursor.open_branch(branch)
            finish(cursor)
    assert len(calls) - full <= 4.6 * full
    assert len(cursor.run.timeline.nodes) == 16 + 8 * 15
    finals = {latent(cursor, line.tip).numpy().tobytes() for line in cursor.run.timeline.branches.values()}
    assert len(finals) == 9


def test_a_branch_is_the_run_that_had_been_so_from_there(quick, settings):
    cursor = go_to(begin(quick, settings), 5)
    apply(cursor, commands.Compare(choices=(commands.Choice(prompt="a blue key", guidance_scale=4.0), commands.Choice())))
    assert cursor.run.timeline.branch(1).name == "choice 1"
    compared = finish(cursor)
    alone = go_to(begin(quick, settings), 5)
    apply(alone, commands.SetPrompt(text="a blue key"))
    apply(alone, commands.SetGuidance(scale=4.0))
    assert compared.equal(finish(alone))
    cursor.open_branch(2)
    assert finish(cursor).equal(finish(begin(quick, settings)))


def test_any_state_of_five_hundred_opens_at_once(quick, settings):
    """Room is for a third of them."""
    cursor = Cursor.begin(Run(quick, budget=330_000), changed(settings, num_steps=25, sampler="ddim"))
    finish(cursor)
    number = 0
    while len(cursor.run.timeline.nodes) < 500:
        cursor.open_branch(number % len(cursor.run.timeline.branches))
        cursor.rewind((number * 7) % 25)
        apply(cursor, commands.SetGuidance(scale=1.5 + 0.1 * number))
        for _ in range(25):
            if not cursor.finished:
                cursor.step()
        number += 1
    run = cursor.run
    assert len(run.snapshots) < 200
    most = 0
    for node in range(0, len(run.timeline.nodes), 11):
        before = run.steps_computed
        apply(cursor, commands.OpenNode(node=node))
        state = run.state(node)
        assert (cursor.position.node, state.step) == (node, run.timeline.node(node).step)
        most = max(most, run.steps_computed - before)
    assert 0 < most < KEPT_EVERY


def test_a_branch_can_be_named_and_forgotten(quick, settings):
    cursor = begin(quick, settings)
    first = finish(cursor)
    apply(cursor, commands.BranchOff(step=5, name="mine"))
    apply(cursor, commands.SetGuidance(scale=4.0))
    second = finish(cursor)
    run = cursor.run
    assert run.timeline.branch(1).name == "mine"
    apply(cursor, commands.NameBranch(branch=1, name="yours"))
    apply(cursor, commands.NameNode(node=3, name="third"))
    assert (run.timeline.branch(1).name, run.timeline.node(3).name) == ("yours", "third")
    apply(cursor, commands.DeleteBranch(branch=0))
    assert sorted(run.timeline.nodes) == [*range(6), *range(13, 20)]
    assert all(node not in run.snapshots for node in range(6, 13))
    assert latent(cursor).equal(second)
    cursor.rewind(2)
    clear(cursor)
    assert finish(cursor).equal(second)
    with pytest.raises(ConfigError, match="no state 12"):
        apply(cursor, commands.OpenNode(node=12))
    # and the first future can still be made
    apply(cursor, commands.BranchOff(step=5))
    apply(cursor, commands.SetGuidance(scale=2.0))
    assert finish(cursor).equal(first)
    assert cursor.position.branch == 2


def test_what_went_with_a_branch_cannot_be_taken_back_to(quick, settings):
    cursor = go_to(begin(quick, settings), 4)
    apply(cursor, commands.SetGuidance(scale=4.0))
    finish(cursor)
    apply(cursor, commands.StartOver(seed=5))
    cursor.step()
    apply(cursor, commands.Undo())
    apply(cursor, commands.BranchOff(step=2))
    apply(cursor, commands.DeleteBranch(branch=0))
    apply(cursor, commands.DeleteBranch(branch=1))
    for command in (commands.Undo(), commands.Redo()):
        with pytest.raises(ConfigError, match="nothing to"):
            apply(cursor, command)
    assert cursor.node.step == 2
    finish(cursor)


def test_two_on_one_branch_do_not_change_each_others_future(quick, settings):
    """Each sees what it asked for, whoever steps first."""
    first = go_to(begin(quick, settings), 5)
    second = Cursor.at(first.run, first.position.node, first.position.branch, number=1)
    apply(second, commands.SetPrompt(text="a blue key"))
    assert second.position.branch != first.position.branch
    first.step()
    second.step()
    assert finish(first).equal(finish(begin(quick, settings)))
    alone = go_to(begin(quick, settings), 5)
    apply(alone, commands.SetPrompt(text="a blue key"))
    assert finish(second).equal(finish(alone))
    apply(second, commands.Undo())
    assert second.settings.prompt == "a red rose"
    assert finish(second).equal(finish(first))


def test_other_seeds_begin_anew_each_on_a_branch(quick, settings):
    cursor = begin(quick, settings)
    finish(cursor)
    stood = cursor.position
    choices = (commands.Choice(seed=8), commands.Choice(seed=9, prompt="a blue key"))
    begun = apply(cursor, commands.Compare(choices=choices))
    tips = [cursor.run.timeline.branch(number).tip for number in begun]
    assert [(cursor.run.timeline.node(tip).step, cursor.run.timeline.node(tip).parent) for tip in tips] == [(0, stood.node)] * 2
    assert cursor.position.node == tips[0]
    assert finish(cursor).equal(finish(begin(quick, settings, seed=8)))
    cursor.open_branch(begun[1])
    assert finish(cursor).equal(finish(begin(quick, settings, seed=9, prompt="a blue key")))
    cursor.open_branch(stood.branch)
    assert cursor.position.node == stood.node


def test_seeds_and_futures_are_compared_together_before_the_end_only(quick, settings):
    cursor = go_to(begin(quick, settings), 5)
    mixed = commands.Compare(choices=(commands.Choice(guidance_scale=4.0), commands.Choice(seed=8)))
    first, second = apply(cursor, mixed)
    assert [cursor.run.timeline.node(cursor.run.timeline.branch(one).tip).step for one in (first, second)] == [5, 0]
    finish(cursor)
    with refused(cursor, NotNow, "no future is left to compare"):
        apply(cursor, mixed)
