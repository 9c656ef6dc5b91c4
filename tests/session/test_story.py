"""A log as lines to read."""

import numpy as np

from ildm.session.commands import PaintRegion, SetPrompt
from ildm.session.events import CommandApplied, StateSaved, StepCompleted
from ildm.session.story import story
from ildm.session.wire import Mask

PATCH = Mask.from_array(np.full((8, 16), 255, np.uint8))


def applied(seq, command, cursor=0):
    return CommandApplied(seq=seq, cursor=cursor, op=seq, command=command, received_step=2, applied_step=2, node=2)


def paint(stroke, region="sky"):
    return PaintRegion(id=region, patch=PATCH, left=3, top=4, stroke=stroke)


def step(seq):
    return StepCompleted(seq=seq, node=seq, branch=0, step=3, num_steps=9, fresh=True, parent=1)


def test_the_patches_of_a_stroke_are_one_line():
    events = [
        applied(1, paint(7)),
        step(2),
        applied(3, paint(7)),
        StateSaved(seq=4, node=2),
        applied(5, paint(7)),
        applied(6, paint(8)),
        applied(7, paint(8), cursor=1),
        applied(8, SetPrompt(text="a lion")),
        applied(9, paint(9)),
        applied(10, paint(9)),
        applied(11, paint(None)),
        applied(12, paint(None)),
    ]
    lines = list(story(events))
    assert [line.seq for line in lines] == [1, 6, 7, 8, 9, 11, 12]
    assert [line.cursor for line in lines] == [0, 0, 1, 0, 0, 0, 0]
    painted = "step 2: an area (16 x 8 mask) at (3, 4) was painted into the region 'sky'"
    assert lines[0].words == f"{painted}, and 2 more patches of this stroke"
    assert lines[4].words == f"{painted}, and 1 more patch of this stroke"
    assert {line.words for line in (*lines[1:3], *lines[5:])} == {painted}
