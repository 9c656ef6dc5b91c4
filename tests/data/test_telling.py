"""What a model is told of the boxes of an image can be read again, and is no more than it takes."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from ildm.conditioning.layout import read_layout
from ildm.data.sample import Sample, SceneObject
from ildm.data.telling import Layouts


def tell(most, *boxes):
    objects = tuple(SceneObject(concept="fox", style="", box=box, instance=number) for number, box in enumerate(boxes, start=1))
    image = torch.zeros(3, 8, 8, dtype=torch.uint8)
    [text] = Layouts(most)(Sample(image=image, captions=("",), objects=objects))
    return [thing.box for thing in read_layout(text)]


def test_of_many_equal_boxes_only_so_many_are_told():
    assert len(tell(8, *[(0.1, 0.1, 0.2, 0.2)] * 40)) == 8


def test_the_largest_are_told_in_their_order():
    small, large, middle = (0, 0, 0.1, 0.1), (0, 0, 0.9, 0.9), (0, 0, 0.5, 0.5)
    assert tell(2, small, middle, large, middle) == [middle, large]


def test_slivers_that_no_prompt_can_say_are_left_out():
    sliver, thin = (0.1234567, 0, 0.1234568, 1), (0.1, 0, 0.10001, 1)
    assert tell(8, sliver, thin) == [thin]
    assert tell(1, sliver, thin, sliver) == [thin]
    assert tell(8, sliver) == []


sides = st.tuples(st.floats(0, 1), st.floats(0, 1)).filter(lambda ends: ends[0] != ends[1]).map(sorted)
boxes = st.builds(lambda across, down: (across[0], down[0], across[1], down[1]), sides, sides)


@given(st.lists(boxes, max_size=12))
def test_whatever_is_told_can_be_read(boxes):
    assert len(tell(8, *boxes)) <= 8
