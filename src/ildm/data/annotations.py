"""What a person's folder says about its images: sidecar text files, metadata.jsonl or any CSV file."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ildm.core.errors import DataError

TABLES = (".jsonl", ".csv", ".tsv")
_NAME_KEYS = ("file_name", "filename", "file", "image", "path")
_CAPTION_KEYS = ("captions", "caption", "text", "prompt", "description")
_LABEL_KEYS = ("label", "concept", "category", "name", "class")


@dataclass(frozen=True, kw_only=True)
class BoxedObject:
    """An object as it was given.

    Args:
        corners: left, top, right, bottom.
        in_pixels: whether the corners are pixels of the image; else fractions of its sides.
    """

    label: str
    corners: tuple[float, float, float, float]
    in_pixels: bool
    style: str = ""
    instance: int | None = None


@dataclass(kw_only=True)
class Annotation:
    """All that is said of one image.

    Args:
        problem: why what is said cannot be read; empty = it can.
    """

    captions: list[str] = field(default_factory=list)
    objects: list[BoxedObject] = field(default_factory=list)
    instance_map: Path | None = None
    semantic_map: Path | None = None
    problem: str = ""


def read_annotations(folder: Path, files: Iterable[Path]) -> dict[Path, Annotation]:
    """The annotation of every image file that is named in a table or has a text file beside it.

    Args:
        files: all files of the folder, relative to it.

    Returns:
        By image path, relative to `folder`; a named image need not exist.

    Raises:
        DataError: for a table that cannot be read; the message names file and line.
    """
    found: dict[Path, Annotation] = {}
    files = sorted(files)
    for table in (file for file in files if file.suffix.lower() in TABLES):
        for line, row in _read_rows(folder / table):
            try:
                name, annotation = _read_row(row, table.parent)
            except ValueError as error:
                raise DataError(f"{folder / table}, line {line}: {error}.") from error
            _merge(found.setdefault(table.parent / name, Annotation()), annotation)
    by_stem: dict[Path, list[Path]] = {}
    for file in files:
        if file.suffix.lower() != ".txt" and file.suffix.lower() not in TABLES:
            by_stem.setdefault(file.with_suffix(""), []).append(file)
    for sidecar in (file for file in files if file.suffix.lower() == ".txt"):
        for image in by_stem.get(sidecar.with_suffix(""), ()):
            _merge(found.setdefault(image, Annotation()), _read_sidecar(folder, sidecar))
    return found


def _read_sidecar(folder: Path, sidecar: Path) -> Annotation:
    try:
        text = (folder / sidecar).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return Annotation(problem=f"its caption {sidecar} is not UTF-8 text: save it as UTF-8")
    return Annotation(captions=[line.strip() for line in text.splitlines() if line.strip()])


def _read_rows(table: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        text = table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{table} is not UTF-8 text: save it as UTF-8.") from error
    if table.suffix.lower() == ".jsonl":
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                yield number, _read_json_line(table, number, line)
    else:
        delimiter = "\t" if table.suffix.lower() == ".tsv" else ","
        yield from enumerate(csv.DictReader(text.splitlines(), delimiter=delimiter), start=2)


def _read_json_line(table: Path, number: int, line: str) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{table}, line {number}: this is not JSON ({error.msg}).") from error
    if not isinstance(row, dict):
        raise DataError(f"{table}, line {number}: every line is one JSON object with file_name and caption.")
    return row


def _read_row(row: Mapping[str, Any], folder: Path) -> tuple[Path, Annotation]:
    name = next((row[key] for key in _NAME_KEYS if row.get(key)), None)
    if not isinstance(name, str):
        raise ValueError(f"no file name was found; name the image in a column called {_NAME_KEYS[0]}")
    captions = next((row[key] for key in _CAPTION_KEYS if row.get(key)), [])
    if isinstance(captions, str):
        captions = [captions]
    if not isinstance(captions, list) or not all(isinstance(caption, str) for caption in captions):
        raise ValueError("a caption is a text or a list of texts")
    return Path(name), Annotation(
        captions=[caption.strip() for caption in captions if caption.strip()],
        objects=_read_objects(row.get("objects")),
        instance_map=_read_map(row, "instance_map", folder),
        semantic_map=_read_map(row, "semantic_map", folder),
    )


def _read_map(row: Mapping[str, Any], key: str, folder: Path) -> Path | None:
    name = row.get(key)
    if not name:
        return None
    if not isinstance(name, str):
        raise ValueError(f"{key} is the name of an image, but {name!r} was given")
    return folder / name


def _read_objects(value: Any) -> list[BoxedObject]:
    if isinstance(value, str):
        value = json.loads(value) if value.strip() else []
    if isinstance(value, Mapping):
        # a table of columns instead of a list of rows
        columns = {key: column for key, column in value.items() if isinstance(column, list)}
        value = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if value is not None and not isinstance(value, list):
        raise ValueError(f"objects is a list, but {value!r} was given")
    return [_read_object(one) for one in value or ()]


def _read_object(one: Any) -> BoxedObject:
    if not isinstance(one, Mapping):
        raise ValueError(
            "every object has a label and a box (left, top, right, bottom, as fractions) or bbox (x, y, width, height)"
        )
    label = next((str(one[key]) for key in _LABEL_KEYS if key in one), "")
    corners = _four_numbers(one["box"] if "box" in one else one.get("bbox"))
    if "box" not in one:
        corners = (corners[0], corners[1], corners[0] + corners[2], corners[1] + corners[3])
    if not label or corners[2] <= corners[0] or corners[3] <= corners[1]:
        raise ValueError(f"the object {dict(one)} has no label or an empty box")
    instance = one.get("instance")
    return BoxedObject(
        label=label,
        corners=corners,
        in_pixels="box" not in one,
        style=str(one.get("style", "")),
        instance=instance if isinstance(instance, int) else None,
    )


def _four_numbers(value: Any) -> tuple[float, float, float, float]:
    if (
        not isinstance(value, list | tuple)
        or len(value) != 4
        or not all(isinstance(number, int | float) and math.isfinite(number) for number in value)
    ):
        raise ValueError(f"a box is four numbers, but {value!r} was given")
    return float(value[0]), float(value[1]), float(value[2]), float(value[3])


def _merge(into: Annotation, other: Annotation) -> None:
    into.captions = list(dict.fromkeys([*into.captions, *other.captions]))
    into.objects += other.objects
    into.instance_map = into.instance_map or other.instance_map
    into.semantic_map = into.semantic_map or other.semantic_map
    into.problem = into.problem or other.problem
