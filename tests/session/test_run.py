"""A run that is steered: what must stay the same does so bit for bit, and what was asked for happens."""

import io
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from ildm.core import extensions
from ildm.core.errors import ConfigError, DataError, IldmError, ShapeError
from ildm.core.randomness import sample_noise
from ildm.session import commands
from ildm.session.applying import apply
from ildm.session.editing import changed
from ildm.session.holds import hold
from ildm.session.run import Cursor, Run, picture_hash
from ildm.session.snapshots import KEPT_EVERY
from ildm.session.wire import Mask

NAMES = extensions.names("ildm.samplers")
UPPER_LEFT = Mask.rectangle(64, 64, (0.0, 0.0, 0.5, 0.5))
EVERYWHERE = Mask.rectangle(8, 8, (0.0, 0.0, 1.0, 1.0))
INSIDE = torch.zeros(8, 8, dtype=torch.bool)
INSIDE[:4, :4] = True


def begin(model, settings, **values):
    return Cursor.begin(Run(model), changed(settings, **values))


def finish(cursor):
    while not cursor.finished:
        cursor.step()
    return latent(cursor)


def go_to(cursor, step):
    while cursor.node.step < step:
        cursor.step()
    return cursor


def latent(cursor, node=None):
    return cursor.run.state(cursor.position.node if node is None else node).latent


def way(cursor):
    """The bytes of every state on the cursor's branch."""
    return [cursor.run.state(node.id).to_bytes() for node in cursor.run.timeline.way(cursor.position.branch)]


def clear(cursor):
    """Forget all states in memory, so that what comes is computed."""
    cursor.run.snapshots.clear()
    cursor.run.steps_computed = 0


# --- a run that is left alone ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "path"), [(name, "model") for name in NAMES] + [(name, "published") for name in ("ddim", "plms", "lcm")]
)
def test_a_run_is_what_generate_makes(name, path, request, settings):
    model = request.getfixturevalue(path)
    cursor = begin(model, settings, sampler=name, num_steps=2, negative_prompt="a key")
    finish(cursor)
    drawn = model.generate("a red rose", negative_prompt="a key", num_steps=2, guidance_scale=2.0, sampler=name, seed=7)
    assert cursor.run.picture(cursor.position.node).tobytes() == drawn[0].tobytes()


@pytest.mark.parametrize(
    "values",
    [
        {"guidance_scale": 1.0},
        {"guidance_scale": 7.0, "guidance_rescale": 0.7},
        {"prompt": "", "num_steps": 1},
        {"width": 96, "height": 32},
    ],
    ids=str,
)
def test_and_so_it_is_with_other_settings(values, model, settings):
    cursor = begin(model, settings, **{"num_steps": 3, **values})
    finish(cursor)
    call = {"num_steps": 3, "guidance_scale": 2.0, "prompt": "a red rose", **values}
    drawn = model.generate(sampler="dpmpp-2m", seed=7, **call)[0]
    assert picture_hash(cursor.run.picture(cursor.position.node)) == picture_hash(drawn)


def test_a_run_may_start_from_noise_that_is_given(model, settings):
    noise = sample_noise([99], 0, (4, 8, 8))
    run = Run(model)
    cursor = Cursor.begin(run, changed(settings, num_steps=3, initial_noise=run.blobs.put_latent(noise)))
    finish(cursor)
    drawn = model.generate("a red rose", num_steps=3, guidance_scale=2.0, sampler="dpmpp-2m", seed=7, initial_noise=noise)
    assert cursor.run.picture(cursor.position.node).tobytes() == drawn[0].tobytes()
    apply(cursor, commands.StartOver())
    assert finish(cursor).equal(finish(begin(model, settings, num_steps=3)))


def test_noise_of_another_size_is_refused(quick, settings):
    run = Run(quick)
    given = run.blobs.put_latent(torch.zeros(1, 4, 9, 8))
    with pytest.raises(ShapeError, match=r"\(1, 4, 8, 8\) for this session, but \(1, 4, 9, 8\)"):
        Cursor.begin(run, changed(settings, initial_noise=given))
    with pytest.raises(IldmError, match=r"not here|did not come"):
        Cursor.begin(run, changed(settings, initial_noise="0" * 64))
    assert not run.timeline.nodes


def test_before_the_first_step_there_is_grey(quick, settings):
    cursor = begin(quick, settings, width=96, height=32)
    picture = cursor.run.picture(cursor.position.node)
    assert (picture.size, picture.getextrema()) == ((96, 32), ((127, 127),) * 3)
    cursor.step()
    assert cursor.run.picture(cursor.position.node).tobytes() != picture.tobytes()


# --- changes --------------------------------------------------------------------------------------------------------------------

EDITS = [
    commands.SetPrompt(text="a blue key"),
    commands.SetNegativePrompt(text="a key"),
    commands.SetGuidance(scale=4.0),
    commands.SetGuidance(scale=2.0, rescale=0.9),
    commands.SetSampler(name="euler-ancestral"),
    commands.SetSampler(name="heun"),
    commands.SetNumSteps(num_steps=17),
    commands.SetNumSteps(num_steps=11),
    commands.LockArea(area=UPPER_LEFT),
]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.kind)
@pytest.mark.parametrize("step", [1, 7])
def test_a_change_acts_on_the_next_step_and_on_no_earlier_one(edit, step, quick, settings):
    plain, edited = begin(quick, settings), begin(quick, settings)
    finish(plain)
    go_to(edited, step)
    apply(edited, edit)
    assert (edited.node.step, edited.position.branch) == (step, 0)  # nothing happens before the step
    finish(edited)
    before, after = way(plain), way(edited)
    assert after[: step + 1] == before[: step + 1]
    assert all(one != two for one, two in zip(after[step + 1 :], before[step + 1 :], strict=False))
    assert not latent(plain).equal(latent(edited))


@pytest.mark.parametrize("step", [0, 4])
def test_a_change_in_the_past_is_one_that_was_made_in_time(step, quick, settings):
    """To go back and say something else is the same as to have said it then; the other future stays."""
    late, early = begin(quick, settings), begin(quick, settings)
    before = finish(late)
    late.rewind(step)
    apply(late, commands.SetPrompt(text="a blue key"))
    go_to(early, step)
    apply(early, commands.SetPrompt(text="a blue key"))
    finish(early), finish(late)
    assert way(late) == way(early)
    assert len(late.run.timeline.branches) == 2
    late.open_branch(0)
    assert latent(late).equal(before)


def test_a_change_back_before_any_step_changes_nothing(quick, settings):
    cursor = go_to(begin(quick, settings), 5)
    apply(cursor, commands.SetPrompt(text="a blue key"))
    apply(cursor, commands.SetPrompt(text="a red rose"))
    assert finish(cursor).equal(finish(begin(quick, settings)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("path", ["linear", "variance preserving"])
def test_another_number_of_steps_leads_to_the_data_all_the_same(name, path, quick, quick_published, settings):
    cursor = go_to(begin(quick if path == "linear" else quick_published, settings, sampler=name), 5)
    before = cursor.run.state(cursor.position.node).schedule
    for at, num_steps in ((5, 9), (7, 20), (8, 10)):
        go_to(cursor, at)
        apply(cursor, commands.SetNumSteps(num_steps=num_steps))
    finish(cursor)
    state = cursor.run.state(cursor.position.node)
    after = state.schedule
    assert (state.step, after.num_steps, cursor.node.step) == (10, 10, 10)
    assert after.times[:6].equal(before.times[:6])
    assert after.sigmas[:6].equal(before.sigmas[:6])
    assert (after.times.diff() < 0).all()
    assert after.at(10) == (0.0, 1.0, 0.0)
    assert torch.isfinite(state.latent).all()
    # every state along the way has the borders that it passed
    for node in cursor.run.timeline.way(0):
        kept = cursor.run.state(node.id).schedule
        assert kept.times[: node.step + 1].equal(after.times[: node.step + 1])


@pytest.mark.parametrize("after", NAMES)
def test_another_sampler_takes_over_where_the_first_stopped(after, quick, settings):
    """A solver makes its first step from a stranger's state as from a fresh one at that level."""
    cursor = go_to(begin(quick, settings, sampler="dpmpp-2m"), 5)
    state = cursor.run.state(cursor.position.node)
    apply(cursor, commands.SetSampler(name=after))
    cursor.step()
    history = state.history if after == "dpmpp-2m" else ()
    alone = quick.sampler(after).step(
        replace(state, history=history), cursor.run.steering._denoise(cursor.settings, state.step)
    )
    assert latent(cursor).equal(alone.latent)
    assert cursor.run.state(cursor.position.node).schedule is state.schedule


# --- travelling -----------------------------------------------------------------------------------------------------------------

PAST = {
    1: commands.SetPrompt(text="a blue key"),
    2: commands.SetGuidance(scale=3.0),
    3: commands.LockArea(area=UPPER_LEFT),
    4: commands.SetNumSteps(num_steps=8),
    5: commands.SetPrompt(text="a red rose"),
    6: commands.ReleaseArea(),
}


def edited_run(model, settings, **values):
    cursor = begin(model, settings, num_steps=6, **values)
    while not cursor.finished:
        if cursor.node.step in PAST:
            apply(cursor, PAST[cursor.node.step])
        cursor.step()
    return cursor


@pytest.mark.parametrize("name", NAMES)
def test_rewound_a_run_repeats_itself_from_every_step(name, quick, settings):
    cursor = edited_run(quick, settings, sampler=name)
    states = way(cursor)
    assert len(states) == 9
    for step in range(9):
        cursor.rewind(step)
        clear(cursor)
        assert cursor.run.state(cursor.position.node).to_bytes() == states[step]
        finish(cursor)
        assert cursor.run.state(cursor.position.node).to_bytes() == states[-1]
        assert cursor.run.steps_computed >= 8 - step // KEPT_EVERY * KEPT_EVERY
        assert (len(cursor.run.timeline.nodes), len(cursor.run.timeline.branches)) == (9, 1)


@pytest.mark.parametrize("name", NAMES)
def test_rewound_and_grown_anew_a_run_is_the_same(name, quick, settings):
    """The states that are passed are not read from memory, but made once more on a branch of their own."""
    cursor = begin(quick, settings, sampler=name, num_steps=7)
    finish(cursor)
    states = way(cursor)
    for step in (0, 1, 3, 6):
        cursor.open_branch(0)
        apply(cursor, commands.BranchOff(step=step))
        clear(cursor)
        finish(cursor)
        assert way(cursor) == states
    assert len(cursor.run.timeline.nodes) == 8 + 7 + 6 + 4 + 1
    assert len(cursor.run.timeline.branches) == 5


@pytest.mark.parametrize("name", ["dpmpp-2m", "dpmpp-2m-sde"])
def test_the_real_network_repeats_itself_too(name, model, settings):
    cursor = edited_run(model, settings, sampler=name)
    final = latent(cursor)
    for step in (0, 5):
        cursor.rewind(step)
        clear(cursor)
        assert finish(cursor).equal(final)


def test_a_run_goes_forth_as_well_as_back(quick, settings):
    cursor = begin(quick, settings)
    finish(cursor)
    for step in (3, 9, 0, 12, 5):
        apply(cursor, commands.Rewind(step=step))
        assert cursor.node.step == step
        assert cursor.finished == (step == 12)
    assert cursor.run.steps_computed == 12


def test_stepping_through_the_past_computes_nothing(quick, settings):
    cursor = begin(quick, settings)
    finish(cursor)
    cursor.rewind(4)
    assert [cursor.step() for _ in range(3)] == [(cursor.run.timeline.node(one), False) for one in (5, 6, 7)]
    apply(cursor, commands.SetGuidance(scale=5.0))
    node, fresh = cursor.step()
    assert (node.parent, node.step, fresh) == (7, 8, True)


def test_after_rewinding_what_was_said_later_is_not_in_force(quick, settings):
    cursor = edited_run(quick, settings)
    cursor.rewind(1)
    assert (cursor.settings.prompt, cursor.settings.guidance_scale) == ("a red rose", 2.0)
    cursor.step()
    assert cursor.settings.prompt == "a blue key"
    apply(cursor, commands.SetGuidance(scale=9.0))
    assert (cursor.settings.prompt, cursor.settings.guidance_scale) == ("a blue key", 9.0)
    assert not cursor.settings.holds
    # but at the end of a branch all that was said there is
    apply(cursor, commands.OpenBranch(branch=0))
    assert (cursor.settings.prompt, cursor.settings.holds) == ("a red rose", ())


# --- taking back ----------------------------------------------------------------------------------------------------------------


def test_undo_leads_back_to_the_run_without_the_change(quick, settings):
    plain = finish(begin(quick, settings))
    cursor = go_to(begin(quick, settings), 5)
    apply(cursor, commands.SetPrompt(text="a blue key"))
    edited = finish(cursor)
    apply(cursor, commands.Undo())
    assert (cursor.node.step, cursor.settings.prompt) == (5, "a red rose")
    assert finish(cursor).equal(plain)
    apply(cursor, commands.Redo())
    assert (cursor.node.step, cursor.settings.prompt) == (12, "a blue key")
    assert latent(cursor).equal(edited)
    apply(cursor, commands.Undo())
    assert latent(cursor).equal(plain)
    assert cursor.run.steps_computed == 19


def test_undo_of_several_changes_goes_one_by_one(quick, settings):
    cursor, finals = go_to(begin(quick, settings), 2), []
    prompts = ["a red rose", "a blue key", "a rose", "a key"]
    for step, text in zip((2, 4, 4), prompts[1:], strict=True):
        go_to(cursor, step)
        apply(cursor, commands.SetPrompt(text=text))
    for text in prompts[::-1]:
        assert cursor.settings.prompt == text
        if text != prompts[0]:
            apply(cursor, commands.Undo())
    with pytest.raises(ConfigError, match="nothing to undo"):
        apply(cursor, commands.Undo())
    for text in prompts[1:]:
        apply(cursor, commands.Redo())
        assert cursor.settings.prompt == text
        finals.append(text)
    with pytest.raises(ConfigError, match="nothing to redo"):
        apply(cursor, commands.Redo())
    early = go_to(begin(quick, settings), 2)
    apply(early, commands.SetPrompt(text="a blue key"))
    go_to(early, 4)
    apply(early, commands.SetPrompt(text="a key"))
    assert finish(cursor).equal(finish(early))


def test_a_new_change_ends_what_could_be_taken_back(quick, settings):
    cursor = go_to(begin(quick, settings), 5)
    apply(cursor, commands.SetGuidance(scale=4.0))
    apply(cursor, commands.Undo())
    apply(cursor, commands.SetGuidance(scale=6.0))
    with pytest.raises(ConfigError, match="nothing to redo"):
        apply(cursor, commands.Redo())
    apply(cursor, commands.Undo())
    assert cursor.settings.guidance_scale == 2.0


@pytest.mark.parametrize(
    "command", [commands.StartOver(seed=3), commands.RedoArea(area=UPPER_LEFT), commands.DislikeArea(area=UPPER_LEFT)], ids=str
)
def test_a_new_start_is_taken_back_too(command, quick, settings):
    cursor = begin(quick, settings)
    final = finish(cursor)
    apply(cursor, command)
    other = finish(cursor)
    apply(cursor, commands.Undo())
    assert cursor.finished
    assert latent(cursor).equal(final)
    apply(cursor, commands.Redo())
    assert latent(cursor).equal(other)


# --- branches -------------------------------------------------------------------------------------------------------------------


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


# --- areas ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_what_is_locked_stays_bit_for_bit(name, quick, settings):
    cursor = go_to(begin(quick, settings, sampler=name), 5)
    source = cursor.run.estimate(cursor.position.node)
    apply(cursor, commands.LockArea(area=UPPER_LEFT))
    apply(cursor, commands.SetPrompt(text="a blue key"))
    final = finish(cursor)
    assert final[..., INSIDE].equal(source[..., INSIDE])
    free = go_to(begin(quick, settings, sampler=name), 5)
    apply(free, commands.SetPrompt(text="a blue key"))
    assert (finish(free) - source)[..., INSIDE].abs().max() > 1e-3
    assert (final - source)[..., ~INSIDE].abs().max() > 1e-3


def test_a_lock_fades_with_its_mask(quick, settings):
    """Half inside, a place is held for half of the steps and then free."""
    cursor = go_to(begin(quick, settings), 2)
    source = cursor.run.estimate(cursor.position.node)
    soft = np.full((8, 8), 128, np.uint8)
    soft[:4] = 255
    apply(cursor, commands.LockArea(area=Mask.from_array(soft)))
    run, held = cursor.run, cursor.run.steering._holds(cursor.settings)
    for step in range(2, 12):
        now = hold(run.state(cursor.position.node), held).latent
        _, alpha, sigma = run.state(cursor.position.node).schedule.at(step)
        expected = alpha * source + sigma * held[0].noise
        assert now[..., :4, :].equal(expected[..., :4, :])
        assert now[..., 4:, :].equal(expected[..., 4:, :]) == (step <= 6)
        cursor.step()
    assert latent(cursor)[..., :4, :].equal(source[..., :4, :])


def test_several_locks_hold_together(quick, settings):
    cursor = go_to(begin(quick, settings), 3)
    first = cursor.run.estimate(cursor.position.node)
    apply(cursor, commands.LockArea(area=UPPER_LEFT))
    go_to(cursor, 7)
    second = cursor.run.estimate(cursor.position.node)
    apply(cursor, commands.LockArea(area=Mask.rectangle(64, 64, (0.5, 0.5, 1.0, 1.0))))
    final = finish(cursor)
    assert final[..., :4, :4].equal(first[..., :4, :4])
    assert final[..., 4:, 4:].equal(second[..., 4:, 4:])


def test_what_is_released_goes_on_freely(quick, settings):
    cursor = go_to(begin(quick, settings), 3)
    source = cursor.run.estimate(cursor.position.node)
    apply(cursor, commands.LockArea(area=Mask.rectangle(64, 64, (0.0, 0.0, 1.0, 0.5))))
    go_to(cursor, 6)
    apply(cursor, commands.ReleaseArea(area=Mask.rectangle(8, 8, (0.0, 0.0, 0.5, 1.0))))
    assert len(cursor.settings.holds) == 1
    final = finish(cursor)
    assert final[..., :4, 4:].equal(source[..., :4, 4:])
    assert (final - source)[..., :4, :4].abs().min() > 0.0


@pytest.mark.parametrize("area", [None, EVERYWHERE, UPPER_LEFT], ids=["all", "everywhere", "it"])
def test_a_lock_that_holds_nothing_more_is_gone(area, quick, settings):
    cursor = go_to(begin(quick, settings), 3)
    apply(cursor, commands.LockArea(area=UPPER_LEFT))
    apply(cursor, commands.ReleaseArea(area=area))
    assert cursor.settings.holds == ()
    assert finish(cursor).equal(finish(begin(quick, settings)))


@pytest.mark.parametrize(("name", "strength"), [*((name, 0.4) for name in NAMES), ("unipc", 1.0), ("ddpm", 1.0)])
def test_an_area_of_a_finished_run_is_made_anew_and_the_rest_stays(name, strength, quick, settings):
    cursor = begin(quick, settings, sampler=name)
    before = finish(cursor)
    apply(cursor, commands.RedoArea(area=UPPER_LEFT, strength=strength))
    assert cursor.node.step == 12 - round(12 * strength)
    after = finish(cursor)
    assert after[..., ~INSIDE].equal(before[..., ~INSIDE])
    assert (after - before)[..., INSIDE].abs().min() > 0.0
    assert cursor.settings.seed == 8
    cursor.rewind(12)
    apply(cursor, commands.RedoArea(area=UPPER_LEFT, strength=strength, seed=1))
    assert cursor.settings.seed == 1
    third = finish(cursor)
    assert third[..., ~INSIDE].equal(before[..., ~INSIDE])
    assert (third - after)[..., INSIDE].abs().max() > 1e-3


def test_an_area_is_made_anew_even_where_another_start_followed(quick, settings):
    """The finished state of a branch is as finished when a later start lies behind it."""
    cursor = begin(quick, settings)
    before = finish(cursor)
    apply(cursor, commands.RedoArea(area=UPPER_LEFT))
    cursor.step()
    cursor.rewind(12)
    assert latent(cursor).equal(before)
    apply(cursor, commands.RedoArea(area=UPPER_LEFT, seed=77))
    assert finish(cursor)[..., ~INSIDE].equal(before[..., ~INSIDE])


def test_a_locked_area_can_be_made_anew(quick, settings):
    cursor = go_to(begin(quick, settings), 3)
    apply(cursor, commands.LockArea(area=Mask.rectangle(64, 64, (0.0, 0.0, 1.0, 0.5))))
    before = finish(cursor)
    apply(cursor, commands.RedoArea(area=UPPER_LEFT))
    after = finish(cursor)
    assert after[..., ~INSIDE].equal(before[..., ~INSIDE])
    assert (after - before)[..., INSIDE].abs().min() > 0.0


@pytest.mark.parametrize("name", ["ddim", "euler", "heun", "dpmpp-2m", "unipc", "plms"])
def test_in_mid_run_the_rest_comes_back_to_where_it_was(name, quick, settings):
    cursor = go_to(begin(quick, settings, sampler=name), 8)
    before = latent(cursor)
    final = finish(begin(quick, settings, sampler=name))
    apply(cursor, commands.RedoArea(area=UPPER_LEFT, strength=0.7))
    assert cursor.node.step == 4
    run = cursor.run
    go_to(cursor, 8)
    after = hold(run.state(cursor.position.node), run.steering._holds(cursor.settings)).latent
    assert (after - before)[..., ~INSIDE].abs().max() < 1e-5
    assert (after - before)[..., INSIDE].abs().min() > 1e-4
    # from there on it is free, and ends near where it would have; the new content beside it is seen
    assert not finish(cursor)[..., ~INSIDE].equal(final[..., ~INSIDE])


# --- new starts -----------------------------------------------------------------------------------------------------------------


def png(size=(64, 64), form="PNG", colour=(200, 30, 90)):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, form)
    return file.getvalue()


def test_starting_over_is_a_run_of_its_own(quick, settings):
    cursor = go_to(begin(quick, settings), 5)
    apply(cursor, commands.LockArea(area=UPPER_LEFT))
    cursor.step()
    apply(cursor, commands.StartOver(seed=11, width=96, height=32))
    assert (cursor.node.step, cursor.node.parent, cursor.position.branch) == (0, 6, 1)
    assert cursor.settings == changed(settings, seed=11, width=96, height=32)
    assert finish(cursor).equal(finish(begin(quick, settings, seed=11, width=96, height=32)))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_run_starts_from_any_picture(form, quick, settings):
    cursor = go_to(begin(quick, settings), 5)
    apply(cursor, commands.StartFromImage(image=png((300, 200), form), strength=0.5))
    assert cursor.node.step == 6
    picture = cursor.run.picture(cursor.position.node)
    assert picture.size == (64, 64)
    assert torch.isfinite(finish(cursor)).all()


@pytest.mark.parametrize(
    "data",
    [b"no picture", png()[:60], png(form="JPEG")[:200], b"GIF89a" + bytes(40), png(form="BMP"), png((8193, 1))],
    ids=["words", "cut", "cut too", "gif", "bmp", "too wide"],
)
def test_what_is_no_picture_is_refused(data, quick, settings):
    with refused(go_to(begin(quick, settings), 5), DataError, "PNG, JPEG or WebP|at most 8192 pixels") as cursor:
        apply(cursor, commands.StartFromImage(image=data))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_damaged_picture_is_refused_or_read(form, quick, settings):
    """Never anything but a sentence, wherever a byte is wrong."""
    data, cursor = png(form=form), begin(quick, settings)
    for place in range(0, len(data), max(1, len(data) // 40)):
        damaged = bytearray(data)
        damaged[place] ^= 0x55
        try:
            apply(cursor, commands.StartFromImage(image=bytes(damaged), strength=0.0))
        except DataError as error:
            assert "\n" not in str(error)


# --- what cannot be done --------------------------------------------------------------------------------------------------------


@contextmanager
def refused(cursor, kind, said):
    """It is refused in a sentence, all stays as it was, and the run ends as if nothing had been asked."""
    run = cursor.run

    def all_of_it():
        return (
            cursor.position,
            list(cursor._done),
            list(cursor._undone),
            dict(run.timeline.nodes),
            dict(run.timeline.branches),
            {node: run.state(node).to_bytes() for node in run.timeline.nodes},
        )

    before = all_of_it()
    with pytest.raises(kind, match=said) as caught:
        yield cursor
    assert "\n" not in str(caught.value)
    assert all_of_it() == before
    assert run.timeline.begin(None, cursor.settings).id == len(before[3])  # no number was used up


NOT_AT_FIVE = [
    (commands.SetSampler(name="dpmpp2m"), ConfigError, "did you mean 'dpmpp-2m'"),
    (commands.SetNumSteps(num_steps=5), ConfigError, "5 steps are done already"),
    (commands.SetNumSteps(num_steps=1), ConfigError, "rewind it first"),
    (commands.Rewind(step=6), ConfigError, "0 to 5 steps, but 6 was"),
    (commands.OpenNode(node=6), ConfigError, "no state 6"),
    (commands.OpenBranch(branch=1), ConfigError, "no branch 1: known are 0"),
    (commands.BranchOff(step=8), ConfigError, "0 to 5 steps, but 8 was"),
    (commands.NameNode(node=9, name="a"), ConfigError, "no state 9"),
    (commands.NameBranch(branch=9, name="a"), ConfigError, "no branch 9"),
    (commands.DeleteBranch(branch=0), ConfigError, "open another one first"),
    (commands.DeleteBranch(branch=4), ConfigError, "no branch 4|only branch"),
    (commands.Undo(), ConfigError, "nothing to undo"),
    (commands.Redo(), ConfigError, "nothing to redo"),
    (commands.ReleaseArea(), ConfigError, "Nothing is locked"),
    (commands.ReleaseArea(area=UPPER_LEFT), ConfigError, "Nothing is locked"),
    (commands.StartOver(width=65), ShapeError, "65"),
    (commands.Compare(choices=(commands.Choice(), commands.Choice(sampler="eular"))), ConfigError, "did you mean 'euler'"),
    (commands.Compare(choices=(commands.Choice(sampler="eular"),), step=2), ConfigError, "did you mean 'euler'"),
    (commands.Compare(choices=(commands.Choice(num_steps=5),)), ConfigError, "5 steps are done already"),
    (commands.Compare(choices=(commands.Choice(num_steps=3),), step=4), ConfigError, "4 steps are done already"),
    (commands.Compare(choices=(commands.Choice(),), step=9), ConfigError, "0 to 5 steps, but 9 was"),
    (commands.RemoveRegion(id="a"), ConfigError, "remove-region"),
    (commands.Pause(), ConfigError, "pause"),
]


@pytest.mark.parametrize(("command", "kind", "said"), NOT_AT_FIVE, ids=lambda one: getattr(one, "kind", ""))
def test_what_cannot_be_done_changes_nothing(command, kind, said, quick, settings):
    with refused(go_to(begin(quick, settings), 5), kind, said) as cursor:
        apply(cursor, command)


@pytest.mark.parametrize(("command", "kind", "said"), NOT_AT_FIVE[:6], ids=lambda one: getattr(one, "kind", ""))
def test_nor_in_a_past_that_is_passed_again(command, kind, said, quick, settings):
    cursor = go_to(begin(quick, settings), 5)
    apply(cursor, commands.BranchOff(step=5))
    apply(cursor, commands.SetGuidance(scale=3.0))
    cursor.step()
    cursor.rewind(5)
    if isinstance(command, commands.SetNumSteps | commands.SetSampler):
        with refused(cursor, kind, said):
            apply(cursor, command)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (commands.LockArea(area=UPPER_LEFT), "make a step first"),
        (commands.RedoArea(area=UPPER_LEFT), "make a step first"),
        (commands.LikeArea(), "make a step first"),
        (commands.DislikeArea(), "make a step first"),
        (commands.DislikeArea(area=UPPER_LEFT), "make a step first"),
    ],
    ids=str,
)
def test_before_the_first_step_nothing_can_be_judged(command, said, quick, settings):
    with refused(begin(quick, settings), ConfigError, said) as cursor:
        apply(cursor, command)


@pytest.mark.parametrize(
    "command",
    [
        commands.SetPrompt(text="a blue key"),
        commands.SetSampler(name="euler"),
        commands.SetNumSteps(num_steps=12),
        commands.SetNumSteps(num_steps=20),
        commands.Compare(choices=(commands.Choice(guidance_scale=4.0), commands.Choice(num_steps=20))),
    ],
    ids=str,
)
def test_once_all_steps_are_done_no_step_can_be_changed(command, quick, settings):
    cursor = begin(quick, settings)
    finish(cursor)
    with refused(cursor, ConfigError, "steps are done"):
        apply(cursor, command)
    with pytest.raises(ConfigError, match="All 12 steps"):
        cursor.step()


def test_a_dislike_that_goes_back_to_where_it_cannot_act_changes_nothing(quick, settings):
    cursor = go_to(begin(quick, settings, guidance_scale=1.0), 6)
    apply(cursor, commands.SetGuidance(scale=2.0))
    go_to(cursor, 8)
    with refused(cursor, ConfigError, "scale 1"):
        apply(cursor, commands.DislikeArea())
    assert cursor.node.step == 8


def test_a_dislike_needs_guidance(quick, settings):
    for area in (None, UPPER_LEFT):
        with refused(go_to(begin(quick, settings, guidance_scale=1.0), 8), ConfigError, "scale 1") as cursor:
            apply(cursor, commands.DislikeArea(area=area))


def test_a_run_that_cannot_begin_leaves_nothing(quick, settings):
    run = Run(quick)
    for values in ({"sampler": "heune"}, {"width": 65}):
        with pytest.raises((ConfigError, ShapeError)):
            Cursor.begin(run, changed(settings, **values))
    assert (run.timeline.nodes, run.timeline.branches, len(run.snapshots)) == ({}, {}, 0)
