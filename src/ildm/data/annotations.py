"""What a person's folder says about its images: sidecar text files, metadata.jsonl or any CSV file."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ildm.core.errors import DataError
from ildm.data.boxed_objects import BoxedObject, read_objects
from ildm.data.listing import Listing, shown, spelling
from ildm.data.tables import TABLES, read_rows

_NAME_KEYS = ("file_name", "filename", "file", "image", "path")
_CAPTION_KEYS = ("captions", "caption", "text", "prompt", "description")


@dataclass(kw_only=True)
class Annotation:
    """All that is said of one image.

    Args:
        problem: why what is said cannot be used; empty = it can.
    """

    captions: list[str] = field(default_factory=list)
    objects: list[BoxedObject] = field(default_factory=list)
    instance_map: Path | None = None
    semantic_map: Path | None = None
    problem: str = ""


def read_annotations(listing: Listing) -> dict[Path, Annotation]:
    """The annotation of every image file that is named in a table or has a text file beside it.

    Returns:
        By image path, relative to the folder; a named image need not exist.

    Raises:
        DataError: for a table that cannot be read, or a row that names no image; the message names file and line.
    """
    found: dict[Path, Annotation] = {}
    folder, files = listing.folder, listing.files
    for table in (file for file in files if file.suffix.lower() in TABLES):
        for line, row in read_rows(folder / table):
            name = next((row[key] for key in _NAME_KEYS if row.get(key)), None)
            if not isinstance(name, str):
                raise DataError(
                    f"{folder / table}, line {line}: no file name was found; name the image in a column called {_NAME_KEYS[0]}."
                )
            annotation = _read_row(row, table, line, listing)
            _merge(found.setdefault(listing.find(name, table.parent), Annotation()), annotation)
    by_stem: dict[str, list[Path]] = {}
    for picture in listing.pictures:
        by_stem.setdefault(spelling(picture.with_suffix("")), []).append(picture)
    for sidecar in (file for file in files if file.suffix.lower() == ".txt"):
        for image in by_stem.get(spelling(sidecar.with_suffix("")), ()):
            _merge(found.setdefault(image, Annotation()), _read_sidecar(folder, sidecar))
    return found


def _read_sidecar(folder: Path, sidecar: Path) -> Annotation:
    try:
        text = (folder / sidecar).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return Annotation(problem=f"its caption {shown(sidecar)} is not UTF-8 text: save it as UTF-8")
    except OSError as error:
        return Annotation(problem=f"its caption {shown(sidecar)} cannot be read ({error.strerror})")
    return Annotation(captions=[line.strip() for line in text.split("\n") if line.strip()])


def _read_row(row: Mapping[str, Any], table: Path, line: int, listing: Listing) -> Annotation:
    annotation = Annotation()
    try:
        # maps first: whatever else is wrong, they are not taken for images
        annotation.instance_map = _read_map(row, "instance_map", table.parent, listing)
        annotation.semantic_map = _read_map(row, "semantic_map", table.parent, listing)
        annotation.captions = _read_captions(row)
        annotation.objects = read_objects(row.get("objects"))
        _check_texts(annotation)
    except (ValueError, RecursionError) as error:
        reason = "this is nested too deeply" if isinstance(error, RecursionError) else error
        annotation.problem = f"{shown(table)}, line {line}: {reason}"
    return annotation


def _read_captions(row: Mapping[str, Any]) -> list[str]:
    captions = next((row[key] for key in _CAPTION_KEYS if row.get(key)), [])
    if isinstance(captions, str):
        captions = [captions]
    if not isinstance(captions, list) or not all(isinstance(caption, str) for caption in captions):
        raise ValueError("a caption is a text or a list of texts")
    return [caption.strip() for caption in captions if caption.strip()]


def _read_map(row: Mapping[str, Any], key: str, folder: Path, listing: Listing) -> Path | None:
    name = row.get(key)
    if not name:
        return None
    if not isinstance(name, str):
        raise ValueError(f"{key} is the name of an image, but {reprlib.repr(name)} was given")
    return listing.find(name, folder)


def _check_texts(annotation: Annotation) -> None:
    for text in _texts(annotation):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            broken = ascii(text[error.start])
            raise ValueError(f"a text holds {broken}, half of a sign, which no file can hold: write it anew") from error


def _texts(annotation: Annotation) -> Iterator[str]:
    yield from annotation.captions
    for one in annotation.objects:
        yield from (one.label, one.style)


def _merge(into: Annotation, other: Annotation) -> None:
    into.captions = list(dict.fromkeys([*into.captions, *other.captions]))
    into.objects += other.objects
    into.instance_map = into.instance_map or other.instance_map
    into.semantic_map = into.semantic_map or other.semantic_map
    into.problem = into.problem or other.problem
