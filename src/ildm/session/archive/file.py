"""One session in one file: a zip of a manifest, which names every other member with its SHA-256, and those members.

    manifest.json                             this module's `Manifest`
    events.msgpack                            the log: each event's length (u32, little endian) and its msgpack form
    nodes.json branches.json positions.json   lists of records
    snapshots/NODE images/NODE blobs/SHA256   bytes as the store has them

A file may come from anywhere, so nothing in it is believed: not a name, not a size, not a hash.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zipfile
import zlib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from ildm.core.errors import ProtocolError, StorageError
from ildm.core.files import atomic_file
from ildm.session.wire import BlobId, Count, Strict, Text, from_json, to_json

FORMAT, VERSION, SUFFIX = "ildm-session", 1, ".ildm"
MANIFEST, EVENTS, NODES, BRANCHES, POSITIONS = (
    "manifest.json",
    "events.msgpack",
    "nodes.json",
    "branches.json",
    "positions.json",
)
TABLES = (EVENTS, NODES, BRANCHES, POSITIONS)

MAX_BYTES = 4 * 2**30
MAX_MEMBER_BYTES = 512 * 2**20
MAX_MEMBERS = 200_000
_MAX_RATIO, _ALWAYS_FINE = 100, 64 * 2**20  # tensors and pictures hardly shrink, tables of settings do

_PIECE = 2**20
_NAME = re.compile(r"(?P<folder>snapshots|images)/(?:0|[1-9][0-9]{0,14})|blobs/[0-9a-f]{64}")
_STEADY_TIME = (1980, 1, 1, 0, 0, 0)  # so that the same session makes the same file
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, RuntimeError, ValueError, OverflowError)


class _Head(BaseModel):
    """What every version's manifest begins with."""

    format: str
    version: int


class Manifest(Strict):
    """What an archive says of itself.

    Args:
        session: the id that the session had.
        model, model_hash: what it was drawn with.
        created: seconds since 1970.
        members: every other file in the archive, with its SHA-256.
        cursor: which of several places in the tree it was written from.
    """

    format: Literal["ildm-session"] = FORMAT
    version: Literal[1] = VERSION
    session: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    title: Text
    model: Text
    model_hash: BlobId
    created: Annotated[float, Field(ge=0.0, le=1e11, allow_inf_nan=False)]
    members: dict[str, BlobId]
    cursor: Count = 0


class ArchiveWriter:
    """Fills an archive; the manifest comes last."""

    def __init__(self, target: zipfile.ZipFile, path: Path) -> None:
        self.members: dict[str, str] = {}
        self._target = target
        self._path = path
        self._bytes = 0

    def add(self, name: str, data: bytes) -> None:
        """Put bytes under a name.

        Raises:
            StorageError: when the archive grows larger than `import` takes.
        """
        self._bytes += len(data)
        if self._bytes > MAX_BYTES or len(data) > MAX_MEMBER_BYTES or len(self.members) >= MAX_MEMBERS:
            raise StorageError(
                f"{self._path} would hold more than an archive may ({MAX_BYTES >> 30} GB, {MAX_MEMBERS} pieces): "
                "export the session without its snapshots."
            )
        self.members[name] = hashlib.sha256(data).hexdigest()
        self._write(name, data)

    def finish(self, manifest: Manifest) -> None:
        """Put the manifest in."""
        self._write(MANIFEST, to_json(manifest).encode())

    def _write(self, name: str, data: bytes) -> None:
        info = zipfile.ZipInfo(name, date_time=_STEADY_TIME)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o644 << 16
        self._target.writestr(info, data)


@contextmanager
def new_archive(path: Path) -> Generator[ArchiveWriter, None, None]:
    """Write an archive, wholly or not at all.

    Raises:
        StorageError: when it cannot be written.
    """
    with atomic_file(path) as temporary, zipfile.ZipFile(temporary, "w") as target:
        yield ArchiveWriter(target, path)


def refusal(path: Path, why: str) -> ProtocolError:
    """The error that says why the file at `path` cannot be imported."""
    return ProtocolError(f"{path} cannot be imported: {why.rstrip('.')}.")


@dataclass(frozen=True)
class Archive:
    """An archive whose list of members is in order; each member is checked when it is read."""

    path: Path
    manifest: Manifest
    _source: zipfile.ZipFile

    def read(self, name: str) -> bytes:
        """The bytes of a member.

        Raises:
            ProtocolError: when they are not those that the manifest promises.
        """
        data = _read(self._source, self.path, name)
        if hashlib.sha256(data).hexdigest() != self.manifest.members[name]:
            raise refusal(self.path, f"{name} is damaged, or was changed after it was written")
        return data

    def size(self, name: str) -> int:
        """How many bytes a member claims; it is not inflated further."""
        return self._source.getinfo(name).file_size

    def refusal(self, why: str) -> ProtocolError:
        """The error that says why this archive cannot be imported."""
        return refusal(self.path, why)

    def keys(self, folder: str) -> list[str]:
        """The members of a folder by the last part of their names."""
        parts = (name.split("/") for name in self.manifest.members)
        return [part[1] for part in parts if part[0] == folder and len(part) == 2]


@contextmanager
def open_archive(path: Path) -> Generator[Archive, None, None]:
    """Open an archive and judge all that can be judged without inflating it.

    Raises:
        ProtocolError: when it is none, is damaged, is newer than this program, or claims more than an archive may hold.
    """
    if not path.is_file():
        raise ProtocolError(f"There is no file {path} to import a session from.")
    if path.stat().st_size > MAX_BYTES:
        raise refusal(path, f"it is larger than an archive may be, {MAX_BYTES >> 30} GB")
    with _readable(path):
        source = zipfile.ZipFile(path)
    with source:
        members = _members(source, path)
        if MANIFEST not in members:
            raise refusal(path, f"it has no {MANIFEST}, so it is no session archive")
        manifest = _read_manifest(source, path)
        _compare(members, manifest, path)
        yield Archive(path, manifest, source)


def _members(source: zipfile.ZipFile, path: Path) -> Mapping[str, zipfile.ZipInfo]:
    entries = source.infolist()
    members = {entry.filename: entry for entry in entries}
    if len(members) < len(entries):
        raise refusal(path, "two of its members have the same name")
    if len(members) > MAX_MEMBERS + 1:
        raise refusal(path, f"it has {len(members)} members, and an archive has at most {MAX_MEMBERS}")
    for name, entry in members.items():
        if name != MANIFEST and name not in TABLES and not _NAME.fullmatch(name):
            raise refusal(path, f"it has a member {name[:80]!r}, which no session archive has")
        if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
            raise refusal(path, f"{name} is encrypted, or packed in another way than ildm packs")
        if entry.file_size > MAX_MEMBER_BYTES:
            raise refusal(path, f"{name} claims {entry.file_size} bytes, and a member has at most {MAX_MEMBER_BYTES}")
    claimed, most = sum(entry.file_size for entry in entries), path.stat().st_size * _MAX_RATIO + _ALWAYS_FINE
    if claimed > min(most, MAX_BYTES):
        raise refusal(path, f"it would grow to {claimed} bytes, far more than a session archive of its size")
    return members


def _read_manifest(source: zipfile.ZipFile, path: Path) -> Manifest:
    data = _read(source, path, MANIFEST)
    try:
        head = from_json(_Head, data)
        manifest = None if head.format == FORMAT and head.version > VERSION else from_json(Manifest, data)
    except ProtocolError as error:
        raise refusal(path, f"its manifest is no session's ({error})") from error
    if manifest is None:
        raise refusal(path, f"a newer ildm wrote it (archive version {head.version}, this one reads {VERSION}): update ildm")
    return manifest


def _compare(members: Mapping[str, zipfile.ZipInfo], manifest: Manifest, path: Path) -> None:
    promised, there = set(manifest.members), set(members) - {MANIFEST}
    for name in (*TABLES, *sorted(promised)):
        if name not in there or name not in promised:
            raise refusal(path, f"{name[:80]!r} is missing")
    surplus = sorted(there - promised)
    if surplus:
        raise refusal(path, f"its manifest does not name {surplus[0]!r}")


def _read(source: zipfile.ZipFile, path: Path, name: str) -> bytes:
    """Inflate a member, at most as far as it claims."""
    claimed, pieces, size = source.getinfo(name).file_size, list[bytes](), 0
    with _readable(path), source.open(name) as member:
        while piece := member.read(_PIECE):
            size += len(piece)
            if size > claimed:
                break
            pieces.append(piece)
    if size != claimed:
        raise refusal(path, f"{name} has another size than it claims")
    return b"".join(pieces)


@contextmanager
def _readable(path: Path) -> Generator[None, None, None]:
    try:
        yield
    except _ZIP_ERRORS as error:
        raise refusal(path, f"it is no whole zip file ({error})") from error
