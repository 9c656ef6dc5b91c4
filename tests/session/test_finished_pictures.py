"""What is asked over a finished picture goes along to wherever the run is taken up again."""

import pytest
from steered import INSIDE, UPPER_LEFT, begin, finish, go_to, latent

from ildm.core.errors import ConfigError
from ildm.session import commands
from ildm.session.applying import apply
from ildm.session.editing import changed
from ildm.session.settings import Region
from ildm.session.wire import Mask

LOWER_RIGHT = Mask.rectangle(64, 64, (0.75, 0.75, 1.0, 1.0))


@pytest.fixture
def finished(quick, settings):
    """Makes finished runs."""

    def make(**values):
        cursor = begin(quick, settings, **values)
        finish(cursor)
        return cursor

    return make


@pytest.mark.parametrize("sampler", ["euler", "unipc", "ddpm", "dpmpp-2m-sde"])
def test_an_area_locked_over_a_finished_picture_is_in_the_next_one(sampler, finished):
    cursor = finished(sampler=sampler)
    before = latent(cursor)
    apply(cursor, commands.LockArea(area=UPPER_LEFT))
    assert cursor.finished
    assert latent(cursor) is before
    cursor.rewind(4)
    apply(cursor, commands.SetPrompt(text="a blue key"))
    after = finish(cursor)
    assert after[..., INSIDE].equal(before[..., INSIDE])
    assert (after - before)[..., ~INSIDE].abs().max() > 1e-3


def test_and_so_it_is_after_a_new_start(finished):
    cursor = finished()
    before = latent(cursor)
    apply(cursor, commands.LockArea(area=UPPER_LEFT))
    apply(cursor, commands.StartOver(seed=99))
    after = finish(cursor)
    assert after[..., INSIDE].equal(before[..., INSIDE])
    assert (after - before)[..., ~INSIDE].abs().max() > 1e-3


def test_only_what_was_asked_for_there_goes_along(quick, settings, finished):
    """The words in force at the step that is gone back to come back, unless they were changed over the picture."""
    cursor = go_to(begin(quick, settings), 6)
    apply(cursor, commands.SetPrompt(text="a blue key"))
    finish(cursor)
    apply(cursor, commands.SetGuidance(scale=5.0))
    cursor.rewind(3)
    assert cursor.settings == changed(settings, guidance_scale=5.0)
    assert cursor.position.branch == 1
    assert finish(cursor).equal(_edited(quick, settings, 3, commands.SetGuidance(scale=5.0)))


def _edited(model, settings, step, command):
    cursor = go_to(begin(model, settings), step)
    apply(cursor, command)
    return finish(cursor)


def test_without_a_change_a_rewind_passes_what_is_there(finished):
    cursor = finished()
    final = latent(cursor)
    apply(cursor, commands.LockArea(area=UPPER_LEFT))
    apply(cursor, commands.ReleaseArea())
    cursor.rewind(3)
    assert len(cursor.run.timeline.branches) == 1
    computed = cursor.run.steps_computed
    assert finish(cursor).equal(final)
    assert cursor.run.steps_computed == computed


def test_new_content_follows_words_given_over_the_finished_picture(finished):
    first, second = finished(), finished()
    apply(second, commands.SetPrompt(text="a blue key"))
    for cursor in (first, second):
        apply(cursor, commands.RedoArea(area=UPPER_LEFT, seed=3))
    assert second.settings.prompt == "a blue key"
    one, other = finish(first), finish(second)
    assert one[..., ~INSIDE].equal(other[..., ~INSIDE])
    assert (one - other)[..., INSIDE].abs().max() > 1e-3


def test_undo_takes_back_what_was_asked_for(finished):
    cursor = finished()
    here = cursor.position
    apply(cursor, commands.LockArea(area=UPPER_LEFT))
    locked = cursor.position
    cursor.rewind(2)
    cursor.undo()
    assert cursor.position == locked
    cursor.undo()
    assert cursor.position == here
    cursor.rewind(2)
    assert len(cursor.run.timeline.branches) == 2  # the one of the rewind that was taken back stays
    assert cursor.settings.holds == ()


def test_branching_off_and_comparing_take_it_along(finished):
    cursor = finished()
    apply(cursor, commands.LikeArea())
    apply(cursor, commands.BranchOff(step=5, name="liked"))
    assert (cursor.node.step, len(cursor.settings.feedback)) == (5, 1)
    assert cursor.run.timeline.branch(cursor.position.branch).name == "liked"
    apply(cursor, commands.OpenBranch(branch=0))
    begun = apply(cursor, commands.Compare(choices=(commands.Choice(), commands.Choice(guidance_scale=4.0)), step=5))
    assert [len(cursor.run.timeline.branch(one).settings.feedback) for one in begun] == [1, 1]
    assert len(cursor.run.timeline.branches) == 4


def test_a_rewind_that_cannot_take_it_along_is_refused(finished):
    cursor = finished()
    apply(cursor, commands.SetNumSteps(num_steps=6))
    here = cursor.position
    with pytest.raises(ConfigError, match="8 steps are done already"):
        cursor.rewind(8)
    assert cursor.position == here
    cursor.rewind(3)
    finish(cursor)
    assert cursor.node.step == 6


def test_looking_at_another_state_takes_nothing_along(finished):
    cursor = finished()
    apply(cursor, commands.LockArea(area=Mask.rectangle(64, 64, (0.0, 0.0, 1.0, 0.5))))
    apply(cursor, commands.OpenNode(node=4))
    assert cursor.settings.holds == ()
    apply(cursor, commands.OpenNode(node=12))
    assert len(cursor.settings.holds) == 1


def test_what_a_redo_held_stays_where_it_was(finished):
    """Only what a person locked goes along to before the redo, which is not part of the picture there."""
    cursor = finished()
    apply(cursor, commands.RedoArea(area=UPPER_LEFT, strength=0.4))
    finish(cursor)
    apply(cursor, commands.LockArea(area=LOWER_RIGHT))
    [redone, locked] = cursor.settings.holds
    apply(cursor, commands.Rewind(step=2))
    assert cursor.settings.holds == (locked,) != (redone,)
    apply(cursor, commands.OpenBranch(branch=1))
    apply(cursor, commands.ReleaseArea(area=LOWER_RIGHT))
    apply(cursor, commands.Rewind(step=2))
    assert cursor.settings.holds == ()


def test_letting_go_reaches_back_to_where_it_was_locked(finished):
    cursor = finished()
    apply(cursor, commands.LockArea(area=UPPER_LEFT))
    apply(cursor, commands.LockArea(area=LOWER_RIGHT))  # of the same picture: told apart by their places alone
    apply(cursor, commands.Rewind(step=2))
    finish(cursor)
    first, second = cursor.settings.holds
    half = Mask.rectangle(64, 64, (0.0, 0.0, 0.5, 0.25))
    apply(cursor, commands.ReleaseArea(area=half))
    smaller = cursor.settings.holds[0]
    apply(cursor, commands.Rewind(step=4))
    assert cursor.settings.holds == (smaller, second) and smaller != first
    finish(cursor)
    apply(cursor, commands.ReleaseArea(area=LOWER_RIGHT))
    apply(cursor, commands.Rewind(step=4))
    assert cursor.settings.holds == (smaller,)


def region(name, text="a key"):
    return commands.AddRegion(region=Region(id=name, prompt=text), mask=UPPER_LEFT)


def test_of_regions_only_what_was_done_over_the_picture_goes_along(quick, settings):
    """Some were not there yet at the step that is gone back to, and some have gone since."""
    cursor = begin(quick, settings)
    for step, command in (
        (0, region("early")),
        (0, region("gone")),
        (4, commands.RemoveRegion(id="gone")),
        (6, region("late")),
    ):
        apply(go_to(cursor, step), command)
    finish(cursor)
    for command in (
        region("new"),
        commands.ChangeRegion(region=Region(id="early", prompt="a blue key")),
    ):
        apply(cursor, command)
    apply(cursor, commands.Rewind(step=3))
    assert [(one.id, one.prompt) for one in cursor.settings.regions] == [
        ("early", "a blue key"),
        ("gone", "a key"),
        ("new", "a key"),
    ]
    finish(cursor)
    apply(cursor, commands.ReorderRegions(ids=("new", "gone", "early")))
    apply(cursor, commands.RemoveRegion(id="gone"))
    apply(cursor, commands.Rewind(step=3))
    assert [one.id for one in cursor.settings.regions] == ["new", "early"]


def test_a_region_that_was_changed_over_the_picture_comes_along_to_before_it_was_there(quick, settings):
    cursor = go_to(begin(quick, settings), 6)
    apply(cursor, region("late"))
    finish(cursor)
    apply(cursor, commands.ChangeRegion(region=Region(id="late", prompt="a blue key")))
    apply(cursor, commands.Rewind(step=3))
    assert [one.prompt for one in cursor.settings.regions] == ["a blue key"]


def test_a_like_goes_along_beside_those_that_were_there(quick, settings):
    cursor = go_to(begin(quick, settings), 6)
    apply(cursor, commands.LikeArea())
    finish(cursor)
    apply(cursor, commands.LikeArea())
    apply(cursor, commands.Rewind(step=3))
    assert len(cursor.settings.feedback) == 1
    finish(cursor)
    apply(cursor, commands.ForgetFeedback())
    apply(cursor, commands.Rewind(step=5))
    assert cursor.settings.feedback == ()


def test_a_lock_is_not_taken_along_to_a_picture_of_another_size(quick, settings, finished):
    cursor = finished()
    apply(cursor, commands.StartOver(width=96))
    apply(cursor, commands.SetNumSteps(num_steps=6))
    finish(cursor)
    apply(cursor, commands.LockArea(area=UPPER_LEFT))
    apply(cursor, commands.SetGuidance(scale=5.0))
    cursor.rewind(9)  # only the first picture has so many
    assert cursor.settings == changed(settings, guidance_scale=5.0)
    finish(cursor)
