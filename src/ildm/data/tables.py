"""The rows of a person's tables: metadata.jsonl or any CSV file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ildm.core.errors import DataError

TABLES = (".jsonl", ".csv", ".tsv")


def read_rows(table: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Each row with its line, counted from 1.

    Raises:
        DataError: for a file or a line that cannot be read, which is named.
    """
    try:
        text = table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{table} is not UTF-8 text: save it as UTF-8.") from error
    except OSError as error:
        raise DataError(f"{table} cannot be read ({error.strerror}): change its permissions, or move it away.") from error
    if table.suffix.lower() == ".jsonl":
        # not splitlines: captions may hold other signs that it takes for the end of a line
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                yield number, _read_json_line(table, number, line)
        return
    reader = csv.DictReader(io.StringIO(text), delimiter="\t" if table.suffix.lower() == ".tsv" else ",")
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise DataError(
            f"{table}, line {reader.line_num + 1}: this is not CSV ({error}): look for a quote that does not end."
        ) from error


def read_json(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: saying why there is none.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"this is not JSON ({error.msg})") from error
    except RecursionError as error:
        raise ValueError("this is nested too deeply") from error
    except ValueError as error:  # Python reads whole numbers of so many digits only
        raise ValueError("a number has too many digits") from error


def _read_json_line(table: Path, number: int, line: str) -> Mapping[str, Any]:
    try:
        row = read_json(line)
    except ValueError as error:
        raise DataError(f"{table}, line {number}: {error}.") from error
    if not isinstance(row, dict):
        raise DataError(f"{table}, line {number}: every line is one JSON object with file_name and caption.")
    return row
