"""What cannot be done is refused in a sentence and changes nothing."""

import numpy as np
import pytest
from steered import UPPER_LEFT, begin, finish, go_to, refused

from ildm.core import extensions
from ildm.core.errors import ConfigError, DataError, ShapeError, StorageError
from ildm.session import commands
from ildm.session.applying import apply
from ildm.session.cursor import Cursor
from ildm.session.editing import changed
from ildm.session.refusals import NotNow, Unsupported, code_of
from ildm.session.run import Run
from ildm.session.settings import Region
from ildm.session.wire import Mask

NAMES = extensions.names("ildm.samplers")


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
    (commands.DeleteBranch(branch=0), NotNow, "open another one first"),
    (commands.DeleteBranch(branch=4), ConfigError, "no branch 4|only branch"),
    (commands.Undo(), NotNow, "nothing to undo"),
    (commands.Redo(), NotNow, "nothing to redo"),
    (commands.ReleaseArea(), NotNow, "Nothing is locked"),
    (commands.ReleaseArea(area=UPPER_LEFT), ConfigError, "Nothing is locked"),
    (commands.StartOver(width=65), ShapeError, "65"),
    (commands.Compare(choices=(commands.Choice(), commands.Choice(sampler="eular"))), ConfigError, "did you mean 'euler'"),
    (commands.Compare(choices=(commands.Choice(sampler="eular"),), step=2), ConfigError, "did you mean 'euler'"),
    (commands.Compare(choices=(commands.Choice(num_steps=5),)), ConfigError, "5 steps are done already"),
    (commands.Compare(choices=(commands.Choice(num_steps=3),), step=4), ConfigError, "4 steps are done already"),
    (commands.Compare(choices=(commands.Choice(),), step=9), ConfigError, "0 to 5 steps, but 9 was"),
    (commands.RemoveRegion(id="a"), ConfigError, "no region 'a'"),
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
    with refused(begin(quick, settings), NotNow, said) as cursor:
        apply(cursor, command)


def test_once_all_steps_are_done_none_can_be_made(quick, settings):
    cursor = begin(quick, settings)
    finish(cursor)
    with refused(cursor, NotNow, "steps are done"):
        apply(cursor, commands.Compare(choices=(commands.Choice(guidance_scale=4.0), commands.Choice(num_steps=20))))
    with pytest.raises(NotNow, match="All 12 steps"):
        cursor.step()


NOWHERE = Mask.from_array(np.zeros((8, 8), np.uint8))


@pytest.mark.parametrize(
    "command", [commands.LockArea, commands.RedoArea, commands.LikeArea, commands.DislikeArea], ids=lambda one: one.__name__
)
def test_an_empty_area_is_refused(command, quick, settings):
    with refused(go_to(begin(quick, settings), 5), ConfigError, "The area is empty"):
        apply(go_to(begin(quick, settings), 5), command(area=NOWHERE))


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (NotNow, "not-now"),
        (Unsupported, "unsupported"),
        (ConfigError, "bad-value"),
        (DataError, "bad-value"),
        (StorageError, "failed"),
    ],
)
def test_a_rejection_says_of_which_kind_it_is(kind, code):
    assert code_of(kind("")) == code


def test_there_is_room_for_so_many_likes_and_locks(quick, settings):
    cursor = go_to(begin(quick, settings), 5)
    for command, most in ((commands.LikeArea(), 16), (commands.LockArea(area=UPPER_LEFT), 64)):
        for _ in range(most):
            apply(cursor, command)
        with pytest.raises(NotNow, match=f"At most {most} .* count at once: let some go first"):
            apply(cursor, command)


def test_a_dislike_needs_guidance(quick, settings):
    for area in (None, UPPER_LEFT):
        with refused(go_to(begin(quick, settings, guidance_scale=1.0), 8), ConfigError, "scale 1") as cursor:
            apply(cursor, commands.DislikeArea(area=area))


@pytest.mark.parametrize("mode", ["attention", "latent"])
def test_a_dislike_acts_where_a_region_is_guided_though_the_picture_is_not(mode, model, settings):
    def run(*then):
        cursor = begin(model, settings, guidance_scale=1.0, region_mode=mode)
        region = Region(id="one", prompt="a blue key", guidance_scale=4.0)
        apply(cursor, commands.AddRegion(region=region, mask=Mask.rectangle(64, 64, (0.0, 0.0, 0.5, 1.0))))
        go_to(cursor, 6)
        for command in then:
            apply(cursor, command)
        return cursor

    # a dislike that did nothing would go back and come out the same
    assert not finish(run()).equal(finish(run(commands.DislikeArea(strength=4.0))))
    right = Mask.rectangle(64, 64, (0.6, 0.0, 1.0, 1.0))
    with refused(run(), ConfigError, "of the picture or a region in this area") as cursor:
        apply(cursor, commands.DislikeArea(area=right))
    apply(run(), commands.DislikeArea(area=UPPER_LEFT))
    # and what a dislike acts through stays
    with refused(run(commands.DislikeArea()), ConfigError, "of the picture or a region") as cursor:
        apply(cursor, commands.RemoveRegion(id="one"))


def test_a_dislike_acts_where_prompts_are_composed_into_more_than_one(model, settings):
    """Two whole prompts added are moved away from nothing once."""

    def run(prompt, *then):
        cursor = go_to(begin(model, settings, guidance_scale=1.0, prompt=prompt), 6)
        for command in then:
            apply(cursor, command)
        return cursor

    whole, halves = "a red rose AND a blue key", "a red rose :0.5 AND a blue key :0.5"
    assert not finish(run(whole)).equal(finish(run(whole, commands.DislikeArea(strength=4.0))))
    apply(run(whole), commands.DislikeArea(area=UPPER_LEFT))
    with refused(run(halves), ConfigError, "scale 1") as cursor:
        apply(cursor, commands.DislikeArea())


@pytest.mark.parametrize(
    "values",
    [{"window": (0, 2)}, {"window": (9, 12)}, {"guidance_scale": 1.0}],
    ids=["over before", "begins behind", "not guided either"],
)
def test_a_region_that_does_nothing_while_dislikes_act_does_not_count(values, quick, settings):
    cursor = begin(quick, settings, guidance_scale=1.0)
    region = Region(id="one", prompt="a blue key", **({"guidance_scale": 4.0} | values))
    apply(cursor, commands.AddRegion(region=region, mask=UPPER_LEFT))
    with refused(go_to(cursor, 8), ConfigError, "scale 1") as cursor:
        apply(cursor, commands.DislikeArea())


def test_a_run_that_cannot_begin_leaves_nothing(quick, settings):
    run = Run(quick)
    for values in ({"sampler": "heune"}, {"width": 65}):
        with pytest.raises((ConfigError, ShapeError)):
            Cursor.begin(run, changed(settings, **values))
    assert (run.timeline.nodes, run.timeline.branches, len(run.snapshots)) == ({}, {}, 0)
