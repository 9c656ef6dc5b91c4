"""`ildm sessions`: the live sessions that are kept: list, look, carry away, take in, tidy up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ildm.cli.printable import printable

if TYPE_CHECKING:
    from datetime import timedelta

    from ildm.session.storage.records import SessionSummary
    from ildm.session.store import Store

app = typer.Typer(
    help="List, show, export, import and prune the live sessions that are kept.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
StorePath = Annotated[
    Path | None,
    typer.Option("--store", help="File of the session store.", show_default="sessions/sessions.sqlite in ILDM_HOME"),
]
SessionId = Annotated[str, typer.Argument(metavar="ID", help="A session's id, or as much of its beginning as is its alone.")]


@app.command("list")
def list_sessions(
    search: Annotated[
        str | None, typer.Option(help="Only those whose title, model or prompts hold all of these words.")
    ] = None,
    as_json: AsJson = False,
    store: StorePath = None,
) -> None:
    """List the sessions, the one that changed last first.

    Example: `ildm sessions list --search lion`
    """
    import json
    from dataclasses import asdict

    if store is None and not _path(None).exists():
        found: list[SessionSummary] = []
    else:
        with _open(store) as opened:
            found = opened.sessions(search)
    if as_json:
        typer.echo(json.dumps([asdict(session) for session in found], ensure_ascii=False))
        return
    for session in found:
        typer.echo(_line(session))
    if not found:
        typer.echo("No sessions yet." if search is None else f"No session holds {search!r}.")


@app.command()
def show(
    session_id: SessionId,
    everything: Annotated[bool, typer.Option("--all", help="Every step, every save and every patch of a stroke too.")] = False,
    as_json: AsJson = False,
    store: StorePath = None,
) -> None:
    """Tell what happened in a session.

    Example: `ildm sessions show 3f9c`
    """
    import json
    from dataclasses import asdict

    from ildm.session.story import Line, story
    from ildm.session.words import in_words

    with _open(store) as opened:
        session = opened.load(opened.find(session_id))
        events = opened.events(session.summary.id)
    summary = session.summary
    if as_json:
        told = [event.model_dump(mode="json") for event in events]
        typer.echo(json.dumps({**asdict(summary), "events": told}, ensure_ascii=False))
        return
    lines = {
        "id": summary.id,
        "title": printable(summary.title),
        "model": f"{printable(summary.model)} ({session.opened.model_hash[:12]})",
        "begun": _moment(summary.created),
        "changed": _moment(summary.updated),
        "status": summary.status,
        "states": str(summary.num_nodes),
        "branches": str(sum(not branch.deleted for branch in session.branches)),
        "kept": f"{len(session.snapshot_nodes)} snapshots, {len(session.image_nodes)} pictures, {_size(summary.bytes)} in all",
    }
    for name, value in lines.items():
        typer.echo(f"{name:9}{value}")
    typer.echo()
    whole = (Line(event.seq, event.cursor, in_words(event)) for event in events)
    for line in whole if everything else story(events):
        cursor = f"cursor {line.cursor}, " if line.cursor else ""
        typer.echo(f"{line.seq:6}  {cursor}{line.words}")


@app.command("export")
def export_to_file(
    session_id: SessionId,
    file: Annotated[Path, typer.Argument(help="To write; its name ends in .ildm.")],
    without_snapshots: Annotated[
        bool, typer.Option("--without-snapshots", help="Leave out what can be computed again: a small file.")
    ] = False,
    store: StorePath = None,
) -> None:
    """Write a session to one file that opens on another machine.

    Example: `ildm sessions export 3f9c lion.ildm --without-snapshots`
    """
    from ildm.core.progress import steps_bar
    from ildm.session.archive.transfer import export_session

    with _open(store) as opened:
        found = opened.find(session_id)
        with steps_bar("exporting") as progress:
            left_out = export_session(opened, found, file, snapshots=not without_snapshots, progress=progress)
    for sentence in left_out:
        typer.echo(f"ildm: left out: {sentence}", err=True)
    typer.echo(f"Session {found} is in {file} ({_size(file.stat().st_size)}).")


@app.command("import")
def import_from_file(
    file: Annotated[Path, typer.Argument(help="That `ildm sessions export` wrote, or a PNG that carries its session.")],
    as_json: AsJson = False,
    store: StorePath = None,
) -> None:
    """Take in a session from a file.

    One that is here already is not doubled. Where it has gone on here since, what is in the file becomes another session beside it.

    Example: `ildm sessions import lion.ildm`
    """
    import json
    from dataclasses import asdict

    from ildm.core.progress import steps_bar
    from ildm.session.archive.carried import archive_in
    from ildm.session.archive.transfer import import_session
    from ildm.session.store import Store

    with archive_in(file) as archive, Store(_path(store)) as opened, steps_bar("importing") as progress:
        imported = import_session(opened, archive, progress=progress)
    if as_json:
        typer.echo(json.dumps(asdict(imported)))
    elif imported.beside is not None:
        typer.echo(
            f"Session {imported.beside} is here already, with other content: "
            f"what is in {file} is now session {imported.session_id}."
        )
    else:
        typer.echo(f"Session {imported.session_id} is {'imported' if imported.is_new else 'here already'}.")


@app.command()
def prune(
    keep: Annotated[int | None, typer.Option(min=0, help="Leave so many alone, those that changed last.")] = None,
    older_than: Annotated[
        str | None, typer.Option(help="Only those in which nothing changed for 30d, 12h, ...; with --keep, both must hold.")
    ] = None,
    snapshots_only: Annotated[
        bool, typer.Option("--snapshots-only", help="Delete what can be computed again, and no session.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which sessions these are.")] = False,
    as_json: AsJson = False,
    store: StorePath = None,
) -> None:
    """Delete old sessions, or only their snapshots, and give the room back to the disk.

    Example: `ildm sessions prune --older-than 30d --keep 10 --dry-run`
    """
    import json

    from ildm.session.storage.pruning import check_given

    age = None if older_than is None else _age(older_than)
    check_given(keep, age, snapshots_only)
    with _open(store) as opened:
        chosen = opened.prunable(keep=keep, older_than=age)
        freed = 0 if dry_run else opened.prune(keep=keep, older_than=age, snapshots_only=snapshots_only)
    if as_json:
        typer.echo(json.dumps({"sessions": [session.id for session in chosen], "freed_bytes": freed, "dry_run": dry_run}))
        return
    if dry_run:
        for session in chosen:
            typer.echo(_line(session))
    what = "the snapshots of " if snapshots_only else ""
    count = f"{len(chosen)} session{'' if len(chosen) == 1 else 's'}"
    typer.echo(f"Would delete {what}{count}." if dry_run else f"Deleted {what}{count}: {_size(freed)} freed.")


def _path(store: Path | None) -> Path:
    from ildm.session.store import default_path

    return store or default_path()


def _open(store: Path | None) -> Store:
    """The store, where there is one: looking for sessions does not make a place for them."""
    from ildm.core.errors import ConfigError
    from ildm.session.store import Store

    path = _path(store)
    if not path.exists():
        raise ConfigError(f"There is no session store {path}: `--store` names another file, `ildm sessions import` makes one.")
    return Store(path)


def _age(text: str) -> timedelta:
    from datetime import timedelta

    from ildm.core.durations import parse_duration
    from ildm.core.errors import ConfigError

    try:
        return timedelta(seconds=parse_duration(text))
    except OverflowError as error:
        raise ConfigError(f"--older-than takes at most 999999999d, but {text!r} was given.") from error


def _line(session: SessionSummary) -> str:
    states = f"{session.num_nodes} states"
    title = printable(session.title) or "(no prompt)"
    return (
        f"{session.id:13} {_moment(session.updated)}  {session.status:9} {states:>11} {_size(session.bytes):>10}  "
        f"{title if len(title) <= 60 else title[:57] + '...'}"
    )


def _moment(seconds: float) -> str:
    from datetime import datetime

    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")


def _size(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"
