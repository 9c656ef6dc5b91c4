"""Bars go to standard error, and only where somebody watches."""

import pytest
from rich.console import Console

from ildm.core.progress import make_bar, named_bars, steps_bar


def test_without_a_terminal_nothing_is_written(capsys):
    with steps_bar("drawing") as show:
        show(1, 2)
    with named_bars() as show_named:
        show_named("drawing", 1, 2)
    with pytest.raises(RuntimeError), named_bars():
        raise RuntimeError
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")


def test_on_a_terminal_a_bar_shows_how_far_it_is():
    console = Console(force_terminal=True, width=100, record=True)
    with make_bar(console, "{task.fields[figures]}") as bar:
        bar.update(bar.add_task("denoiser", total=8, figures="loss 0.5"), completed=3)
    text = console.export_text()
    assert "denoiser" in text and "3/8" in text and "loss 0.5" in text
