"""The pages cannot drift: every link leads somewhere, and every command they show is one that the program takes."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

LoadScript = Callable[[Path], ModuleType]

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE_COMMAND = re.compile(r"`ildm ([a-z][a-z-]*)")
INLINE_MAKE = re.compile(r"\bmake ([a-z][a-z-]*)[` ]")


@pytest.fixture(scope="module")
def pages(repository: Path) -> dict[Path, str]:
    found = [repository / "README.md", repository / "CHANGELOG.md", *sorted((repository / "docs").rglob("*.md"))]
    return {page: page.read_text(encoding="utf-8") for page in found}


@pytest.fixture(scope="module")
def program() -> Any:
    """The command line with every command's work taken out: what remains reads its arguments, judges and returns them."""
    from ildm.cli.main import app

    whole = typer.main.get_command(app)

    def take_work_out(command: Any) -> None:
        for inner in getattr(command, "commands", {}).values():
            take_work_out(inner)
        if not hasattr(command, "commands") or command.invoke_without_command:
            command.callback = lambda **given: given

    take_work_out(whole)
    return whole


def shell_lines(text: str) -> list[str]:
    """The commands in a page's shell blocks, continued lines joined."""
    blocks = [body for language, body in FENCE.findall(text) if language == "sh"]
    joined = "\n".join(blocks).replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def ildm_arguments(line: str) -> list[str] | None:
    """What follows `ildm` in a line that runs it, without a trailing comment."""
    words = shlex.split(line, comments=True)
    if words and Path(words[0]).name == "ildm":
        return words[1:]
    return words[3:] if words[1:3] == ["-m", "ildm"] else None


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_relative_link_leads_somewhere(pages: dict[Path, str]) -> None:
    broken = []
    for page, text in pages.items():
        for link in LINK.findall(FENCE.sub("", text)):
            if re.match(r"[a-z]+:", link):
                continue
            file, _, anchor = link.partition("#")
            target = (page.parent / file).resolve() if file else page
            if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
                broken.append(f"{page.name}: {link}")
    assert not broken


def test_every_page_can_be_reached(pages: dict[Path, str], repository: Path) -> None:
    linked = {(page.parent / link.partition("#")[0]).resolve() for page, text in pages.items() for link in LINK.findall(text)}
    assert {page for page in pages if page not in linked} <= {repository / "README.md"}


def test_every_command_line_shown_is_taken(pages: dict[Path, str], program: Any) -> None:
    refused, shown = [], 0
    for page, text in pages.items():
        for line in shell_lines(text):
            arguments = ildm_arguments(line)
            if arguments is None or "--help" in arguments:
                continue
            shown += 1
            try:
                program.main(arguments, prog_name="ildm", standalone_mode=False)
            except Exception as error:
                refused.append(f"{page.name}: {line}: {error}")
    assert not refused, "\n".join(refused)
    assert shown > 5


def test_every_name_shown_is_known(pages: dict[Path, str], program: Any) -> None:
    from ildm.checkpoint.named import known_names
    from ildm.core import extensions
    from ildm.data.emoji_scenes import SIZES
    from ildm.data.splits import SPLITS

    samplers, metrics = extensions.names("ildm.samplers"), extensions.names("ildm.metrics")
    unknown, checked = [], 0
    for page, text in pages.items():
        # a page may go on with what it has trained, imported and written itself
        models, data = set(known_names()), {"emoji"}
        for line in shell_lines(text):
            arguments = ildm_arguments(line)
            if arguments is None or "--help" in arguments:
                continue
            given = program.main(arguments, prog_name="ildm", standalone_mode=False)
            command = arguments[0]
            named = {
                # a file that the reader has is of any name
                ("model", None if str(given.get("model")).endswith((".png", ".safetensors")) else given.get("model")): models,
                ("source", None if str(given.get("source")).endswith(".safetensors") else given.get("source")): models,
                ("data", given.get("data")): data,
                ("init_from", given.get("init_from")): models,
                ("size", given.get("size") if arguments[:2] == ["data", "emoji"] else None): SIZES,
                **{("sampler", sampler): samplers for sampler in _several(given.get("sampler"))},
                **{("split", split): SPLITS for split in _several(given.get("split"))},
                **{("metric", metric): metrics for metric in _several(given.get("metric"))},
            }
            checked += sum(value is not None for _, value in named)
            unknown += [
                f"{page.name}: {line}: {key} {value}" for (key, value), known in named.items() if value not in (None, *known)
            ]
            if command == "convert":
                models.add(str(given["target"]))
            if command == "train":
                models.add(given["name"] or given["recipe"])
                for setting in given["settings"] or ():
                    key, _, value = setting.partition("=")
                    if key == "data.name" and value not in data:
                        unknown.append(f"{page.name}: {line}: data {value}")
            if arguments[:2] == ["data", "import"]:
                data.add(given["name"])
    assert not unknown, "\n".join(unknown)
    assert checked > 10


def _several(given: Any) -> list[str]:
    return [given] if isinstance(given, str) else list(given or ())


def test_every_option_named_in_running_text_exists(pages: dict[Path, str], program: Any) -> None:
    known = {"--help"}

    def collect(command: Any) -> None:
        known.update(option for parameter in command.params for option in parameter.opts)
        for inner in getattr(command, "commands", {}).values():
            collect(inner)

    collect(program)
    guide = {page: text for page, text in pages.items() if page.parent.name == "docs" and page.name != "benchmarks.md"}
    named = {(page.name, option) for page, text in guide.items() for option in re.findall(r"`(--[a-z][a-z-]*)", text)}
    assert len(named) > 10 and not {(page, option) for page, option in named if option not in known}


def test_the_page_on_drawing_keeps_what_it_promises(pages: dict[Path, str], repository: Path) -> None:
    from ildm.checkpoint.named import find_named
    from ildm.checkpoint.native import read_manifest
    from ildm.cli import options
    from ildm.cli.drawing import MOST_AT_ONCE
    from ildm.core import extensions

    text = " ".join(pages[repository / "docs" / "draw.md"].split())
    count = f"{options.MAX_COUNT:,}".replace(",", " ")
    assert f"{options.MAX_STEPS} steps, {options.MAX_SIDE} pixels a side, {count} pictures a prompt" in text
    assert MOST_AT_ONCE == 8 and "at most eight at a time" in text
    folder = find_named("emoji-scenes")
    assert folder is not None
    manifest = read_manifest(folder)
    halved = 2 ** (len(manifest.denoiser["channels"]) - 1)
    stride = manifest.latent_space.stride
    assert f"{stride} times {halved}, so {stride * halved} pixels, for `emoji-scenes`" in text
    row = re.search(r"\| `--sampler` \|[^|]*\|([^|]*)\|", text)
    assert row is not None and set(re.findall(r"`([^`]+)`", row[1])) <= set(extensions.names("ildm.samplers"))


def test_every_training_run_shown_has_a_recipe_and_keys_that_exist(pages: dict[Path, str]) -> None:
    from ildm.cli.main import app

    lines = [line for text in pages.values() for line in shell_lines(text) if (ildm_arguments(line) or [""])[0] == "train"]
    assert lines
    for line in lines:
        result = CliRunner().invoke(app, [*(ildm_arguments(line) or ()), "--show"])
        assert result.exit_code == 0, f"{line}: {result.exception}"


def test_a_wrong_command_line_would_be_refused(program: Any) -> None:
    for line in ("paint cat", "generate cat --no-such-option 3", "generate cat --seed seven"):
        with pytest.raises(Exception, match=r"No such|valid"):
            program.main(line.split(), prog_name="ildm", standalone_mode=False)


def test_every_command_is_in_the_guide(pages: dict[Path, str], program: Any) -> None:
    by_hand = "\n".join(text for page, text in pages.items() if page.name not in ("commands.md", "CHANGELOG.md"))
    assert not [name for name, command in program.commands.items() if not command.hidden and f"ildm {name}" not in by_hand]


def test_every_name_in_running_text_exists(pages: dict[Path, str], program: Any, repository: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (repository / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page, text in pages.items():
        assert set(INLINE_COMMAND.findall(text)) <= set(program.commands), page.name
        made = set(INLINE_MAKE.findall("\n".join(re.findall(r"`[^`\n]+`", text))))
        assert made <= targets, page.name


def test_the_page_of_commands_is_up_to_date(repository: Path, load_script: LoadScript) -> None:
    generator = load_script(repository / "tools/commands_page.py")
    assert generator.PAGE.read_text(encoding="utf-8") == generator.page(), "docs/commands.md is out of date: run make docs"


def test_every_python_example_can_be_read(pages: dict[Path, str]) -> None:
    for page, text in pages.items():
        for language, body in FENCE.findall(text):
            if language == "python":
                compile(body, page.name, "exec")


def test_the_first_example_runs(pages: dict[Path, str], repository: Path, tmp_path: Path) -> None:
    example = next(body for language, body in FENCE.findall(pages[repository / "README.md"]) if language == "python")
    result = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["picture-0.png", "picture-1.png"]


def test_the_steering_page_runs(pages: dict[Path, str], repository: Path, tmp_path: Path) -> None:
    blocks = [body for language, body in FENCE.findall(pages[repository / "docs" / "steer.md"]) if language == "python"]
    result = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        cwd=tmp_path,
        env={**os.environ, "ILDM_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "lion.png").is_file() and (tmp_path / "home" / "sessions" / "sessions.sqlite").is_file()
