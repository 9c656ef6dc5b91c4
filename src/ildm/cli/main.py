"""`ildm`: the commands, and how each of them ends.

Exit code 0 is success, 2 is bad input told in one line, 130 an interruption.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer

from ildm import __version__
from ildm.cli import data, models, regions, sessions, study
from ildm.cli.convert import convert
from ildm.cli.demo import demo
from ildm.cli.evaluate import evaluate
from ildm.cli.generate import generate
from ildm.cli.info import info
from ildm.cli.refusals import UsageError, refusal
from ildm.cli.replay import replay
from ildm.cli.studio import studio
from ildm.cli.train import train
from ildm.cli.typed import check_typed
from ildm.core.errors import IldmError

app = typer.Typer(
    name="ildm",
    help="Interactive latent diffusion models: train, run and measure them.",
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
)
app.command()(studio)
app.command()(generate)
app.command()(train)
app.command()(evaluate)
app.command()(info)
app.command()(convert)
app.command()(replay)
app.command()(demo)
app.add_typer(models.app, name="models")
app.add_typer(data.app, name="data")
app.add_typer(study.app, name="study")
app.add_typer(sessions.app, name="sessions")
app.add_typer(regions.app, name="regions")


def _tell_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"ildm {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def options(
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Show a traceback instead of one sentence when something is wrong; stands anywhere."),
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    """Interactive latent diffusion models: train, run and measure them."""
    # `main` takes --debug out of the command line, because it also counts for what goes wrong before a command runs
    del debug, version


def main() -> None:
    """Run the command line and exit."""
    arguments, debug = _take_out_debug(sys.argv[1:])
    try:
        check_typed(arguments)
        # 130 where typer itself has caught the interruption, None after a command
        code = app(args=arguments, prog_name="ildm", standalone_mode=False)
        if code == 130:
            raise KeyboardInterrupt
    except (IldmError, UsageError, OSError) as error:
        if debug:
            raise
        _refuse(error, arguments)
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("ildm: interrupted.", err=True)
        sys.exit(130)
    sys.exit(0)


def _take_out_debug(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """The arguments without `--debug`, and whether it was there; what follows `--` is a prompt or a name, never an option."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = [argument for argument in arguments[:end] if argument != "--debug"]
    return [*options, *arguments[end:]], len(options) < end


def _refuse(error: Any, arguments: Sequence[str]) -> NoReturn:
    if isinstance(error, OSError):
        # what no layer below has put into words: a file that vanished, a folder that may not be entered
        sentence = f"{error.filename or 'A file'} cannot be used ({error.strerror or error}): check that it is there and yours."
    elif isinstance(error, UsageError):
        if type(error).__name__ == "NoArgsIsHelpError":
            # typer has printed the help already where rich is installed
            typer.echo(error.format_message(), nl=bool(error.format_message()))
            sys.exit(0)
        sentence = refusal(error, arguments)
    else:
        sentence = str(error)
    typer.echo(f"ildm: {sentence}", err=True)
    sys.exit(2)
