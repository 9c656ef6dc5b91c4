import pytest

from ildm.evaluation.metric import Estimate
from ildm.evaluation.wording import say_estimate


@pytest.mark.parametrize(
    ("estimate", "words"),
    [
        (None, ""),
        (Estimate(value=0.41234, count=3), "0.4123"),
        (Estimate(value=28.714, count=3, interval=(28.04, 29.0)), "28.71 [28.04, 29]"),
        (Estimate(value=-0.5, count=3, interval=(-0.75, 0.0)), "-0.5000 [-0.7500, 0.0000]"),
    ],
)
def test_a_number_and_its_interval(estimate, words):
    assert say_estimate(estimate) == words
