"""`ildm`: the commands, and how each of them ends.

Exit code 0 is success, 2 is bad input told in one line, 130 an interruption.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ildm.cli import data
from ildm.cli.demo import demo
from ildm.cli.evaluate import evaluate
from ildm.cli.generate import generate
from ildm.cli.info import info
from ildm.cli.models import models
from ildm.cli.train import train
from ildm.core.errors import IldmError

app = typer.Typer(
    name="ildm",
    help="Interactive latent diffusion models: train, run and measure them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(generate)
app.command()(train)
app.command()(evaluate)
app.command()(info)
app.command()(models)
app.command()(demo)
app.add_typer(data.app, name="data")


@app.callback()
def options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show a traceback instead of one sentence when something is wrong.")
    ] = False,
) -> None:
    """Interactive latent diffusion models: train, run and measure them."""
    del debug  # read in `main`, which also sees what is raised before a command runs


def main() -> None:
    """Run the command line and exit."""
    try:
        app()
    except IldmError as error:
        if "--debug" in sys.argv:
            raise
        typer.echo(f"ildm: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("ildm: interrupted.", err=True)
        sys.exit(130)
