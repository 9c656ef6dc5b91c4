"""Runs that tests steer: begun, stepped, looked at."""

from contextlib import contextmanager

import pytest
import torch

from ildm.session.cursor import Cursor
from ildm.session.editing import changed
from ildm.session.run import Run
from ildm.session.wire import Mask

UPPER_LEFT = Mask.rectangle(64, 64, (0.0, 0.0, 0.5, 0.5))
EVERYWHERE = Mask.rectangle(8, 8, (0.0, 0.0, 1.0, 1.0))
INSIDE = torch.zeros(8, 8, dtype=torch.bool)
INSIDE[:4, :4] = True


def begin(model, settings, **values):
    return Cursor.begin(Run(model), changed(settings, **values))


def finish(cursor):
    while not cursor.finished:
        cursor.step()
    return latent(cursor)


def go_to(cursor, step):
    while cursor.node.step < step:
        cursor.step()
    return cursor


def latent(cursor, node=None):
    return cursor.run.state(cursor.position.node if node is None else node).latent


def way(cursor):
    """The bytes of every state on the cursor's branch."""
    return [cursor.run.state(node.id).to_bytes() for node in cursor.run.timeline.way(cursor.position.branch)]


def clear(cursor):
    """Forget all states in memory, so that what comes is computed."""
    cursor.run.snapshots.clear()
    cursor.run.steps_computed = 0


@contextmanager
def refused(cursor, kind, said):
    """It is refused in a sentence, all stays as it was, and the run ends as if nothing had been asked."""
    run = cursor.run

    def all_of_it():
        return (
            cursor.position,
            list(cursor._done),
            list(cursor._undone),
            dict(run.timeline.nodes),
            dict(run.timeline.branches),
            {node: run.state(node).to_bytes() for node in run.timeline.nodes},
        )

    before = all_of_it()
    with pytest.raises(kind, match=said) as caught:
        yield cursor
    assert "\n" not in str(caught.value)
    assert all_of_it() == before
    assert run.timeline.begin(None, cursor.settings).id == len(before[3])  # no number was used up
