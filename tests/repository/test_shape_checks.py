"""The import hook of conftest.py really checks shapes, so that an annotation in ildm is never decoration."""

from __future__ import annotations

import jaxtyping
import pytest
import torch

from ildm.core.types import Conditioning, Regions


def test_a_wrong_rank_is_caught() -> None:
    with pytest.raises(jaxtyping.TypeCheckError, match="context"):
        Conditioning(context=torch.zeros(2, 3))


def test_a_dimension_that_disagrees_is_caught() -> None:
    with pytest.raises(jaxtyping.TypeCheckError, match="weights"):
        Regions(context=torch.zeros(2, 3, 4, 5), weights=torch.zeros(2, 9, 8, 8))


def test_a_wrong_kind_of_number_is_caught() -> None:
    with pytest.raises(jaxtyping.TypeCheckError, match="label"):
        Conditioning(label=torch.zeros(2))


@pytest.mark.usefixtures("shapes_unchecked")
def test_a_test_may_leave_the_checks_to_ildm() -> None:
    wrong = torch.zeros(2, 3)
    assert Conditioning(context=wrong).to("cpu").context is not None


def test_what_fits_passes() -> None:
    assert Conditioning(context=torch.zeros(2, 3, 4), label=torch.zeros(2, dtype=torch.long)).batch == 2
