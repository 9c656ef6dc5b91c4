"""Every command and every event has words, and no text of a person gets out of its quotes."""

from typing import get_args

import numpy as np
import pytest
from kept import opened

from ildm.session import commands as ask
from ildm.session import events as happened
from ildm.session.settings import Region
from ildm.session.wire import Mask, Message
from ildm.session.words import in_words, quoted

AREA = Mask.from_array(np.full((8, 16), 255, np.uint8))
ROSE = Region(id="r1", name="left", prompt="a red rose")
HASH = "0123456789ab" + "0" * 52

COMMANDS = [
    (ask.SetPrompt(text="a lion"), "the prompt became 'a lion'"),
    (ask.SetNegativePrompt(text=""), "the negative prompt became ''"),
    (ask.SetGuidance(scale=3.5), "the guidance became 3.5"),
    (ask.SetGuidance(scale=7, rescale=0.7), "the guidance became 7, rescaled by 0.7"),
    (ask.SetSampler(name="heun"), "the sampler became 'heun'"),
    (ask.SetNumSteps(num_steps=40), "the number of steps became 40"),
    (ask.Pause(), "a pause was asked for"),
    (ask.Resume(), "going on was asked for"),
    (ask.StepOnce(), "one step was asked for"),
    (ask.Cancel(), "the end was asked for"),
    (ask.Rewind(step=1), "back or forth to the state after 1 step"),
    (ask.OpenNode(node=5), "state 5 was opened"),
    (ask.OpenBranch(branch=2), "branch 2 was opened"),
    (ask.BranchOff(), "a branch began here"),
    (ask.BranchOff(step=9, name="night"), "a branch began after 9 steps, named 'night'"),
    (ask.NameNode(node=5, name="best"), "state 5 was named 'best'"),
    (ask.NameBranch(branch=2, name=None), "branch 2 lost its name"),
    (ask.DeleteBranch(branch=2), "branch 2 was deleted"),
    (ask.Undo(), "the last change was undone"),
    (ask.Redo(), "the last undo was taken back"),
    (ask.StartOver(), "a branch began anew from noise"),
    (ask.StartOver(seed=3, width=64, height=96), "a branch began anew from noise with seed 3 at 64 x 96 pixels"),
    (ask.StartOver(width=64), "a branch began anew from noise at 64 x the former pixels"),
    (ask.StartFromImage(image=b"png"), "a branch began from a picture with strength 0.6"),
    (
        ask.StartFromImage(image=b"png", strength=0.3, change_map=AREA),
        "a branch began from a picture with strength 0.3, where an area (16 x 8 mask) may change",
    ),
    (ask.ShowImage(image=b"png"), "the model was shown a picture or a map"),
    (ask.ShowImage(image=b"png", mask=AREA), "the model was shown a picture, to draw into an area (16 x 8 mask)"),
    (ask.ShowImage(), "the model was shown nothing any more"),
    (ask.LockArea(area=AREA), "an area (16 x 8 mask) was locked"),
    (ask.ReleaseArea(), "all that was locked was released"),
    (ask.ReleaseArea(area=AREA), "an area (16 x 8 mask) was released"),
    (ask.RedoArea(area=AREA, seed=4), "an area (16 x 8 mask) was made anew with strength 0.7 and seed 4"),
    (ask.LikeArea(), "the whole picture was liked"),
    (ask.DislikeArea(area=AREA, strength=2), "an area (16 x 8 mask) was disliked with strength 2"),
    (ask.ForgetFeedback(), "all likes and dislikes were taken back"),
    (
        ask.Compare(choices=(ask.Choice(prompt="a", num_steps=9), ask.Choice(sampler="ddim", guidance_scale=1, negative_prompt="b"))),
        "2 futures here to compare: prompt 'a', steps 9; negative prompt 'b', guidance 1, sampler 'ddim'",
    ),
    (ask.Compare(choices=(ask.Choice(),), step=3), "1 future after 3 steps to compare: as it is"),
    (ask.SetPreviewRate(every=0), "previews were turned off"),
    (ask.SetPreviewRate(every=1), "every step is shown"),
    (ask.SetPreviewRate(every=5), "one step in 5 is shown"),
    (ask.AddRegion(region=ROSE), "the region 'left' came: 'a red rose'"),
    (ask.AddRegionFromWord(word="rose", region=ROSE), "the region 'left' came where 'rose' is: 'a red rose'"),
    (ask.ReplaceRegions(regions=()), "all regions went, and 0 others came"),
    (ask.SetRegionRules(mode="latent", overlap="add"), "the regions are drawn by latent, overlap by add"),
    (ask.SetRegionRules(common_prompt="in gold"), "the regions share 'in gold'"),
    (ask.SetRegionRules(), "the regions act as before"),
    (ask.ChangeRegion(region=Region(id="r1")), "the region 'r1' changed"),
    (ask.RemoveRegion(id="r1"), "the region 'r1' went"),
    (ask.ReorderRegions(ids=("r2", "r1")), "the regions came into the order 'r2', 'r1'"),
    (ask.PaintRegion(id="r1", patch=AREA, left=3), "an area (16 x 8 mask) at (3, 0) was painted into the region 'r1'"),
    (ask.PaintRegion(id="r1", patch=AREA, erase=True), "an area (16 x 8 mask) at (0, 0) was erased from the region 'r1'"),
]  # fmt: skip

EVENTS = [
    (
        opened("a cat"),
        "opened with 'a cat': 'emoji-scenes', 25 steps of 'heun', guidance 3, seed 7, 64 x 64 pixels",
    ),
    (
        happened.CommandApplied(seq=1, op=0, command=ask.SetPrompt(text="a lion"), received_step=8, applied_step=9, node=9),
        "step 9: the prompt became 'a lion'",
    ),
    (happened.CommandRejected(seq=1, op=0, code="not-now", text="All is done."), "refused (not-now): 'All is done.'"),
    (
        happened.StepCompleted(seq=1, node=4, parent=3, branch=0, step=4, num_steps=25),
        "step 4 of 25: done, state 4 on branch 0",
    ),
    (
        happened.StepCompleted(seq=1, node=4, parent=3, branch=0, step=4, num_steps=25, fresh=False),
        "step 4 of 25: done, state 4 on branch 0, known already",
    ),
    (happened.StateSaved(seq=1, node=4), "state 4 was saved"),
    (happened.CursorMoved(seq=1, node=4, branch=2, step=3), "step 3: now at state 4 on branch 2"),
    (happened.CursorLeft(seq=1, cursor=1), "another session of this tree stayed behind"),
    (
        happened.RunFinished(seq=1, node=25, branch=0, latent_hash=HASH, image_hash=HASH),
        "finished with state 25 on branch 0, picture 0123456789ab",
    ),
    (happened.RunPaused(seq=1), "paused"),
    (happened.RunPaused(seq=1, reason="No room left."), "paused: 'No room left.'"),
    (happened.RunResumed(seq=1), "went on"),
    (happened.RunCancelled(seq=1), "cancelled"),
    (happened.RunFailed(seq=1, text="Out of memory."), "failed: 'Out of memory.'"),
]


def kinds(union):
    return set(get_args(get_args(union)[0]))


@pytest.mark.parametrize(("message", "said"), COMMANDS + EVENTS, ids=lambda value: getattr(value, "kind", ""))
def test_a_message_in_words(message, said):
    assert in_words(message) == said


@pytest.mark.parametrize(
    ("union", "examples"), [(ask.Command, COMMANDS), (happened.AnyEvent, EVENTS)], ids=["commands", "events"]
)
def test_none_is_without_words(union, examples):
    assert len(kinds(union)) > 10
    assert {type(message) for message, _ in examples} == kinds(union)
    without = in_words.dispatch(Message)
    assert [kind.__name__ for kind in kinds(union) if in_words.dispatch(kind) is without] == []


def test_a_message_without_words_is_a_fault_of_the_program():
    with pytest.raises(TypeError, match="There are no words for Message"):
        in_words(Message())


@pytest.mark.parametrize("text", ["a\x1b[2Jb", "two\nlines", "\u202eback to front", "it's", 'a "b" c', "\x00"])
def test_a_persons_words_stay_within_their_quotes(text):
    said = in_words(ask.SetPrompt(text=text))
    assert said.isprintable()
    assert said.endswith(("'", '"'))


def test_long_words_are_cut():
    assert quoted("a" * 100) == f"'{'a' * 100}'"
    assert quoted("a" * 101) == f"'{'a' * 97}...'"
