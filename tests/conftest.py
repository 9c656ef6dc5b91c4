"""What every test runs under: shapes checked at each call, no network, no touch of a person's own files."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import beartype.typing  # noqa: F401 - named in SELF_IS_ANY
import jaxtyping
import pytest
import torch

# The hook decorates each method by itself, where `Self` has no class to mean; it is read as any object there.
SELF_IS_ANY = "beartype.FrozenDict({beartype.typing.Self: object})"
TYPECHECKER = f"beartype.beartype(conf=beartype.BeartypeConf(hint_overrides={SELF_IS_ANY}, is_pep484_tower=True))"
# before any test imports ildm: modules loaded earlier would stay unchecked
jaxtyping.install_import_hook("ildm", TYPECHECKER)

# children of the tests inherit these
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"

# the models here are too small to share out, and sums depend on how they are split
torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def ildm_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """`ILDM_HOME` for the whole run: a folder of its own, so that no test reads or writes a person's."""
    folder = tmp_path_factory.mktemp("ildm-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ILDM_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def toy_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An `ILDM_HOME` that knows the toy model, for studios as people start them."""
    from toy import build_model

    from ildm.checkpoint.native import save_native

    home = tmp_path_factory.mktemp("studio-home")
    save_native(build_model(), home / "models" / "toy")
    return home


@pytest.fixture(scope="module")
def small_looks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The network that judges pictures looks at small ones, which costs a twelfth, for tests that are not about what it sees.

    In a home of their own, so that no other test takes what a judge has learned there.
    """
    from ildm.evaluation import network

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "SIDE", 64)
        patch.setenv("ILDM_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """What a command does to the log of its process is over with its test."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def load_script() -> Callable[[Path], ModuleType]:
    """`load_script(path)` is the module of a file that is in no package."""

    def load(path: Path) -> ModuleType:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="module")
def clip_pair_folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The tokenizers of Stable Diffusion XL in their published form: the second pads with "!"."""
    from clip_folders import write_folder  # pyright: ignore[reportMissingImports]

    folder = tmp_path_factory.mktemp("tokenizers")
    return write_folder(folder / "tokenizer"), write_folder(folder / "tokenizer_2", padding="!", form="new")


@pytest.fixture
def shapes_unchecked() -> Iterator[None]:
    """For tests of what ildm itself says about a wrong shape: outside the tests no hook speaks up before it."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def give_up(missing: str) -> NoReturn:
    """Skip a test whose machine lacks something; where CI is true nothing may be lacking, so there it fails."""
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """`small_disk(megabytes)` is a folder on a disk of its own that holds no more than that."""
    mounted: list[Path] = []

    def mount(megabytes: int) -> Path:
        folder = tmp_path / f"disk-{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode != 0:
            give_up("A small disk cannot be mounted here: run the tests as root to include those of a full disk.")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)
