"""Classes by number and name."""

import pytest
import torch

from ildm.conditioning.label import LabelConditioner, LabelConfig
from ildm.core.errors import ConfigError

CLASSES = LabelConditioner(LabelConfig(count=4, names=("fox", "Owl"), unconditional=3))


def test_numbers_and_names_are_labels():
    assert torch.equal(CLASSES(["1", "fox", " OWL ", "", "2"]).label, torch.tensor([1, 0, 1, 3, 2]))


@pytest.mark.parametrize("wrong", ["4", "-1", "1.5", "wolf", "9" * 5000], ids=lambda wrong: wrong[:4])
def test_other_classes_are_refused(wrong):
    with pytest.raises(ConfigError, match=r"classes 0 to 3, but .* was given\. ") as told:
        CLASSES([wrong])
    assert len(str(told.value)) < 150


def test_none_is_refused_where_the_model_was_not_trained_without():
    with pytest.raises(ConfigError, match="guidance_scale 1"):
        LabelConditioner(LabelConfig(count=4))([""])


@pytest.mark.parametrize("wrong", [{"count": 0}, {"count": 1, "names": ("a", "b")}, {"count": 2, "unconditional": 2}])
def test_impossible_classes_are_refused(wrong):
    with pytest.raises(ConfigError, match="classes"):
        LabelConfig(**wrong)


def test_of_many_classes_a_few_are_told():
    names = tuple(f"thing {number:03}" for number in range(862))
    with pytest.raises(ConfigError) as told:
        LabelConditioner(LabelConfig(count=862, names=names))(["qqq"])
    assert (
        str(told.value).endswith("thing 004 and 857 more, which `ildm info MODEL --json` lists.") and len(str(told.value)) < 200
    )
