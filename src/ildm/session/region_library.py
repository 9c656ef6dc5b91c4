"""Presets of regions by name: a person's own, kept in the session store, and those that come with ildm."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ildm.core.errors import ConfigError, DataError, IldmError, MissingError, TakenError, nearest
from ildm.session.region_files import parse_preset, preset_text, read_preset
from ildm.session.region_presets import RegionPreset, preset_of
from ildm.session.wire import Mask, checked, from_msgpack

if TYPE_CHECKING:
    from ildm.session.storage.presets import Presets

KIND = "regions"
SUFFIX = ".json"
SESSION_SUFFIXES = (".png", ".ildm")
"""Of files that carry a session, whose regions are a preset too."""
_SHIPPED = Path(__file__).resolve().parent.parent / "shipped" / "regions"


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A preset as a list shows it.

    Args:
        origin: whether it is a person's own.
        preset: None where it cannot be read, and `problem` says why.
    """

    name: str
    origin: Literal["own", "shipped"]
    preset: RegionPreset | None
    problem: str = ""


class RegionLibrary:
    """The presets that are known by name. A person's own go first; no new one takes a shipped one's name.

    Args:
        own: those of a store; None = there is none.
    """

    def __init__(self, own: Presets | None = None) -> None:
        self._own = own

    def __contains__(self, name: str) -> bool:
        """Whether a preset has that name."""
        return name in shipped_names() or name in self._own_names()

    def all(self) -> Iterator[Listed]:
        """All of them, a person's own first, each by name."""
        for name in self._own_names():
            try:
                yield Listed(name=name, origin="own", preset=self.load(name))
            except IldmError as error:
                yield Listed(name=name, origin="own", preset=None, problem=str(error))
        for name in shipped_names():
            yield Listed(name=name, origin="shipped", preset=_shipped(name))

    def load(self, name: str) -> RegionPreset:
        """The preset of that name.

        Raises:
            ConfigError: when there is none (nearest match named).
            DataError, StorageError: when it is damaged.
        """
        if self._own is not None and name in self._own_names():
            source = f"The stored preset {name!r}"
            try:
                text = self._own.load(KIND, name).decode("utf-8")
            except UnicodeDecodeError as error:
                raise DataError(f"{source} is no text: import it anew.") from error
            # it may have been renamed since it was written
            return parse_preset(text, source=source).model_copy(update={"name": name})
        if name in shipped_names():
            return _shipped(name)
        raise self._unknown(name)

    def keep(self, preset: RegionPreset, *, replace: bool = False) -> None:
        """Keep a preset under its name.

        Args:
            replace: whether another of a person's own may go for it.

        Raises:
            ConfigError: when the name is taken, or there is no store.
            StorageError: when it cannot be written.
        """
        if self._own is None:
            raise ConfigError("There is no session store to keep a preset in: open one first.")
        self._check_free(preset.name, replace=replace)
        self._own.save(KIND, preset.name, preset_text(preset).encode(), replace=replace)

    def rename(self, name: str, new_name: str) -> None:
        """Give one of a person's own another name.

        Raises:
            ConfigError: when there is none of that name, or the new one cannot be had.
        """
        own = self._holding(name)
        checked(RegionPreset, {"name": new_name})
        self._check_free(new_name, replace=name == new_name)
        own.rename(KIND, name, new_name)

    def remove(self, name: str) -> None:
        """Forget one of a person's own.

        Raises:
            ConfigError: when there is none of that name.
        """
        self._holding(name).delete(KIND, name)

    def _own_names(self) -> list[str]:
        return [] if self._own is None else [one.name for one in self._own.all(KIND)]

    def _holding(self, name: str) -> Presets:
        """The store's presets, when one of them has that name."""
        if self._own is not None and name in self._own_names():
            return self._own
        if name in shipped_names():
            raise TakenError(
                f"The preset {name!r} comes with ildm and stays as it is: export it, and import it by another name."
            )
        raise self._unknown(name)

    def _check_free(self, name: str, *, replace: bool) -> None:
        if name in shipped_names():
            raise TakenError(f"The name {name!r} is that of a preset that comes with ildm: choose another one.")
        if not replace and name in self._own_names():
            raise TakenError(f"There is a preset {name!r} already: choose another name, or have it replaced.")

    def _unknown(self, name: str) -> ConfigError:
        known = {*self._own_names(), *shipped_names()}
        return MissingError(f"There is no preset of regions {name[:200]!r}: {nearest(name, known)}")


@cache
def shipped_names() -> tuple[str, ...]:
    """Of the presets that come with ildm, sorted."""
    return tuple(sorted(path.stem for path in _SHIPPED.glob(f"*{SUFFIX}")))


@contextmanager
def open_library(store: Path | None = None, *, make: bool = False) -> Generator[RegionLibrary, None, None]:
    """The presets known by name.

    Args:
        store: file of the session store; None = the person's own.
        make: whether a store is made where there is none; otherwise there are only the shipped presets then.

    Raises:
        StorageError: when the store cannot be used.
    """
    from ildm.session.store import Store, default_path

    path = store or default_path()
    if not make and not path.exists():
        yield RegionLibrary()
        return
    with Store(path) as opened:
        yield RegionLibrary(opened.presets)


def find_preset(source: str | Path, *, store: Path | None = None) -> RegionPreset:
    """A preset by its name, in a file, or in a picture or session file that carries regions.

    Args:
        source: a `Path` is a file; a text is one too where it reads like one, with a folder in it or an ending of such files, and no
            preset has it for a name.

    Raises:
        ConfigError: for an unknown name.
        DataError, ProtocolError, StorageError: when it cannot be read.
    """
    path = Path(source).expanduser()
    if isinstance(source, str):
        like_a_file = path.suffix.lower() in (SUFFIX, *SESSION_SUFFIXES) or len(path.parts) > 1
        with open_library(store) as library:
            if source in library or not like_a_file:
                return library.load(source)
    return _carried(path) if path.suffix.lower() in SESSION_SUFFIXES else read_preset(path)


@cache
def _shipped(name: str) -> RegionPreset:
    return read_preset(_SHIPPED / f"{name}{SUFFIX}")


def _carried(path: Path) -> RegionPreset:
    """The regions of the session that a file carries, where it stood."""
    from ildm.session.files import open_session_file

    with open_session_file(path) as file:
        stored = file.stored
        settings = next((one.settings for one in stored.positions), file.opened.settings)
        if not settings.regions:
            raise DataError(f"The session in {path} has no regions where it stood: give a preset, or another picture.")

        def mask_of(name: str) -> Mask:
            data = stored.blob(name)
            if data is None:
                raise DataError(f"The session in {path} lacks the mask of a region: export it anew.")
            return from_msgpack(Mask, data)

        return preset_of(settings, mask_of, path.stem[:200])
