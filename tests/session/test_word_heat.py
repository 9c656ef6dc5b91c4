"""Where a word acts, as a soft map for people to look at."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ildm.session.cursor import Cursor
from ildm.session.refusals import NotNow, Unsupported
from ildm.session.run import Run
from ildm.session.word_masks import shown_heat


@pytest.fixture
def cursor(quick, settings):
    return Cursor.begin(Run(quick), settings)


def heat(cursor, word):
    run = cursor.run
    return run.steering.heat(word, run.state(cursor.position.node), cursor.settings)


def test_a_map_is_shown_from_its_least_to_its_most():
    values = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    shown = shown_heat(values, (2, 2)).to_array()
    np.testing.assert_allclose(shown, [[0.0, 0.25], [0.5, 1.0]], atol=1 / 255)
    assert not shown_heat(torch.full((2, 2), 3.0), (4, 6)).to_array().any()  # everywhere alike: nothing stands out
    assert shown_heat(values, (8, 4)).to_array().shape == (4, 8)


def test_it_is_known_once_a_step_was_made(cursor):
    with pytest.raises(NotNow, match="make a few steps first"):
        heat(cursor, "rose")
    cursor.step()
    found = heat(cursor, "rose")
    assert (found.width, found.height) == cursor.settings.size
    assert len(np.unique(found.to_array())) > 32


def test_a_model_that_attends_to_no_words_says_so(cursor, quick, monkeypatch):
    cursor.step()
    monkeypatch.setattr(quick.unet, "config", replace(quick.unet.config, attention="plain", context_width=None))
    with pytest.raises(Unsupported, match="attends to no words"):
        heat(cursor, "rose")
