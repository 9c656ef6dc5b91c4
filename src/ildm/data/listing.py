"""What lies in a person's folder: its files, what is no file that can be taken in, and which file a table means by a name."""

from __future__ import annotations

import os
import stat
import unicodedata
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ildm.data.tables import TABLES

_COMPANIONS = (*TABLES, ".txt", ".json", ".md", ".ini", ".db")


@dataclass(kw_only=True)
class Listing:
    """The files of a folder.

    Args:
        files: relative to the folder, sorted.
        refused: what cannot be taken in, whatever it holds, and why; relative too.
    """

    folder: Path
    files: list[Path] = field(default_factory=list)
    refused: dict[Path, str] = field(default_factory=dict)

    def find(self, name: str, beside: Path) -> Path:
        """The file that a table means by a name: another spelling of an accent or another way there is the same file.

        Args:
            beside: the table's folder, relative to this one.

        Returns:
            Relative to the folder where it lies in it; it need not exist.
        """
        path = Path(os.path.normpath(beside / name))
        roots = (Path(os.path.normpath(self.folder.absolute())), self.folder.resolve()) if path.is_absolute() else ()
        path = next((path.relative_to(root) for root in roots if path.is_relative_to(root)), path)
        if path in self._there:
            return path
        return self._by_spelling.get(spelling(path)) or self._by_place.get(self._place(path)) or path

    @cached_property
    def pictures(self) -> list[Path]:
        """The files that are to be images, or maps of images; the others are what comes along with them."""
        return [file for file in self.files if file.suffix.lower() not in _COMPANIONS]

    @cached_property
    def _there(self) -> set[Path]:
        return {*self.files, *self.refused}

    @cached_property
    def _by_spelling(self) -> dict[str, Path]:
        return {spelling(file): file for file in (*self.refused, *self.files)}

    @cached_property
    def _by_place(self) -> dict[Path | None, Path]:
        places = {self._place(file): file for file in self.files}
        return {place: file for place, file in places.items() if place is not None}

    def _place(self, path: Path) -> Path | None:
        try:
            return (self.folder / path).resolve()
        except (OSError, ValueError, RuntimeError):  # too long, a NUL in it, or a circle of links
            return None


def list_files(source: Path) -> Listing:
    """Look through a folder and all below it but what is hidden; links are followed, and every folder is looked at once."""
    listing = Listing(folder=source)
    # what links lead to comes last, so that a folder is called by its own name where it has one in here
    folders, links = [source], list[Path]()
    seen: set[tuple[int, int]] = set()
    while folders or links:
        folder = folders.pop() if folders else links.pop(0)
        try:
            found = folder.stat()
            entries = sorted(folder.iterdir())
        except OSError as error:
            listing.refused[folder.relative_to(source)] = f"this folder cannot be read ({error.strerror})"
            continue
        if (found.st_dev, found.st_ino) in seen:
            continue
        seen.add((found.st_dev, found.st_ino))
        for entry in entries:
            if entry.name.startswith("."):
                continue
            reason, is_folder = _judge(entry, entry.relative_to(source))
            if reason:
                listing.refused[entry.relative_to(source)] = reason
            elif is_folder:
                (links if entry.is_symlink() else folders).append(entry)
            else:
                listing.files.append(entry.relative_to(source))
    listing.files.sort()
    return listing


def spelling(path: Path) -> str:
    """A path with accents written in one way (NFC): some systems keep `é` as one sign, others as two."""
    return unicodedata.normalize("NFC", str(path))


def shown(path: Path) -> str:
    """A path for a person and for a file of lines: what is no text or would break the line is escaped."""
    broken = ("Cc", "Cs", "Zl", "Zp")
    return "".join(ascii(sign)[1:-1] if unicodedata.category(sign) in broken else sign for sign in str(path))


def _judge(path: Path, inside: Path) -> tuple[str, bool]:
    """Why this cannot be taken in, empty = it can, and whether it is a folder."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "a link that leads nowhere", False
    except OSError as error:
        return f"it cannot be read ({error.strerror})", False
    if stat.S_ISDIR(mode):
        return "", True
    if not stat.S_ISREG(mode):
        return "neither a file nor a folder", False
    try:
        str(inside).encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8: rename it", False
    return "", False
