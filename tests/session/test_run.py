"""A run that is steered: what must stay the same does so bit for bit, and what was asked for happens."""

from dataclasses import replace

import pytest
import torch
from steered import UPPER_LEFT, begin, clear, finish, go_to, latent, way

from ildm.core import extensions
from ildm.core.errors import ConfigError, IldmError, ShapeError
from ildm.core.randomness import sample_noise
from ildm.session import commands
from ildm.session.applying import apply
from ildm.session.cursor import Cursor
from ildm.session.editing import changed
from ildm.session.hashes import picture_hash
from ildm.session.run import Run
from ildm.session.snapshots import KEPT_EVERY

NAMES = extensions.names("ildm.samplers")


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


def test_noise_that_is_none_is_refused(quick, settings):
    run = Run(quick)
    noise = run.blobs.put_latent(torch.full((1, 4, 8, 8), torch.nan))
    with pytest.raises(ConfigError, match="not finite"):
        Cursor.begin(run, changed(settings, initial_noise=noise))


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
    alone = quick.sampler(after).step(replace(state, history=history), cursor.run.steering._denoise(cursor.settings, state))
    assert latent(cursor).equal(alone.latent)
    assert cursor.run.state(cursor.position.node).schedule is state.schedule


@pytest.mark.parametrize("name", NAMES)
def test_a_change_before_the_first_step_is_a_run_that_begins_so(name, quick, settings):
    cursor = begin(quick, settings)
    apply(cursor, commands.SetSampler(name=name))
    apply(cursor, commands.SetNumSteps(num_steps=7))
    assert finish(cursor).equal(finish(begin(quick, settings, sampler=name, num_steps=7)))


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
    cursor.rewind(0)
    assert (cursor.settings.prompt, cursor.settings.guidance_scale) == ("a red rose", 2.0)
    cursor.step()
    # said at this very state, in force for the step after it
    assert (cursor.settings.prompt, cursor.settings.guidance_scale) == ("a blue key", 2.0)
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
