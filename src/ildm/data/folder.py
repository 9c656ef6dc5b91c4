"""Images in a folder with a metadata file: how imported and exported data lie on disk, and the data set that reads them.

dataset.json            name, size, count, fingerprint
metadata.jsonl          one line per image: file_name, captions, objects, maps, source
images/000000.png       RGB
instances/000000.png    instance map, where known
semantic/000000.png     semantic map, where known
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ildm.core.errors import ConfigError, DataError
from ildm.core.files import home, write_json
from ildm.data.sample import Box, Sample, SceneObject

FORMAT = "ildm-images-1"
METADATA = "metadata.jsonl"
_PICTURES = ("file_name", "instance_map", "semantic_map")
_HELD_OUT_PERCENT = 5

FolderSplit = Literal["train", "held_out", "all"]


@dataclass(frozen=True, kw_only=True)
class ImageFolderConfig:
    """Which imported images to use.

    Args:
        name: given to `ildm data import`, or the path of such a folder.
        size: side of the square images, pixels; the one they were imported with.
        split: "held_out" is a twentieth of the images, chosen by a hash of their content, that "train" leaves out.
    """

    name: str
    size: int = 128
    split: FolderSplit = "train"
    kind: Literal["image-folder"] = "image-folder"

    def __post_init__(self) -> None:
        if self.split not in ("train", "held_out", "all"):
            raise ConfigError(f"split is one of train, held_out, all, but {self.split!r} was given.")


class ImageFolderDataset:
    """Imported images, an `ImageDataset`.

    Raises:
        DataError: when nothing was imported under this name, the folder is damaged or was imported at another size.
        ConfigError: when the split holds no image.
    """

    def __init__(self, config: ImageFolderConfig) -> None:
        self.config = config
        self._folder = find_folder(config.name)
        self._about = _read_about(self._folder)
        stored = self._about["size"]
        if stored != config.size:
            raise DataError(
                f"The images in {self._folder} were imported at {stored} pixels, but {config.size} were asked for: "
                f"import them again with --size {config.size}, or use size {stored}."
            )
        self._rows = [row for row in _read_rows(self._folder) if _in_split(row, config.split)]
        if not self._rows:
            raise ConfigError(
                f"The split {config.split!r} of {self._folder} holds no image: import more images or use split 'all'."
            )

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def fingerprint(self) -> str:
        """A hash of every image, caption and map, and of the split."""
        return hashlib.sha256(f"{self._about['fingerprint']}:{self.config.split}".encode()).hexdigest()

    def describe(self) -> dict[str, Any]:
        """What was imported, and which part of it this is."""
        return {**self._about, "split": self.config.split, "images": len(self), "fingerprint": self.fingerprint}

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"Image {index} was asked for, but there are {len(self)}.")
        row = self._rows[index]
        return Sample(
            image=torch.from_numpy(self._pixels(row["file_name"], "RGB")).permute(2, 0, 1),
            captions=tuple(row["captions"]),
            objects=tuple(_read_object(one) for one in row["objects"]),
            instance_map=self._map(row.get("instance_map")),
            semantic_map=self._map(row.get("semantic_map")),
            source=row["source"],
        )

    def _map(self, name: str | None) -> torch.Tensor | None:
        return None if name is None else torch.from_numpy(self._pixels(name, "I").astype(np.int32))

    def _pixels(self, name: str, mode: str) -> NDArray[Any]:
        try:
            with Image.open(self._folder / name) as picture:
                return np.array(picture.convert(mode))
        except (OSError, ValueError, SyntaxError) as error:
            raise DataError(f"{self._folder / name} is missing or damaged: import the images again.") from error


def find_folder(name: str) -> Path:
    """The folder of an imported data set, by its name or its path.

    Raises:
        DataError: when there is none.
    """
    given = Path(name).expanduser()
    for folder in (home() / "data" / name, given):
        if (folder / "dataset.json").is_file():
            return folder
    known = sorted(path.parent.name for path in (home() / "data").glob("*/dataset.json"))
    there = f"imported so far: {', '.join(known)}" if known else "nothing was imported so far"
    raise DataError(f"No imported images are called {name!r} ({there}): run ildm data import FOLDER --name {given.name}.")


def is_whole(folder: Path) -> bool:
    """Whether all that `write_folder` wrote is still there and undamaged, by checksums; no picture is decoded."""
    try:
        about = _read_about(folder)
        lines = [line for line in (folder / METADATA).read_text(encoding="utf-8").split("\n") if line]
        if about["fingerprint"] != hashlib.sha256("".join(lines).encode()).hexdigest():
            return False
        for row in map(json.loads, lines):
            for name in (row[key] for key in _PICTURES if key in row):
                with Image.open(folder / name, formats=("PNG",)) as picture:
                    picture.verify()
    except Exception:  # what reads damaged bytes raises whatever it likes
        return False
    return True


def write_folder(folder: Path, samples: Iterable[Sample], *, name: str, size: int, about: dict[str, Any]) -> None:
    """Write samples into an empty folder that `ImageFolderDataset` opens and `ildm data import` reads.

    Args:
        about: more that `dataset.json` shall say.
    """
    digest = hashlib.sha256()
    count = 0
    with (folder / METADATA).open("w", encoding="utf-8") as file:
        for count, sample in enumerate(samples, start=1):
            row, content = _write_sample(folder, count - 1, sample)
            line = json.dumps({**row, "sha256": content}, ensure_ascii=False)
            digest.update(line.encode())
            file.write(line + "\n")
    write_json(
        folder / "dataset.json",
        {"format": FORMAT, "name": name, "size": size, "count": count, "fingerprint": digest.hexdigest(), **about},
    )


def _write_sample(folder: Path, number: int, sample: Sample) -> tuple[dict[str, Any], str]:
    files = {"file_name": ("images", sample.image.permute(1, 2, 0)), "instance_map": ("instances", sample.instance_map)}
    files["semantic_map"] = ("semantic", sample.semantic_map)
    row: dict[str, Any] = {}
    digest = hashlib.sha256()
    for key, (kind, pixels) in files.items():
        if pixels is None:
            continue
        path = folder / kind / f"{number:06d}.png"
        path.parent.mkdir(exist_ok=True)
        array = pixels.numpy() if key == "file_name" else pixels.numpy().astype(np.uint16)
        Image.fromarray(np.ascontiguousarray(array)).save(path, compress_level=4)
        digest.update(array.tobytes())
        row[key] = f"{kind}/{path.name}"
    row |= {
        "captions": list(sample.captions),
        "objects": [
            {"label": one.concept, "style": one.style, "box": list(one.box), "instance": one.instance} for one in sample.objects
        ],
        "source": sample.source,
    }
    return row, digest.hexdigest()


def _read_object(values: dict[str, Any]) -> SceneObject:
    box: Box = tuple(values["box"])
    return SceneObject(concept=values["label"], style=values["style"], box=box, instance=values["instance"])


def _read_about(folder: Path) -> dict[str, Any]:
    try:
        about = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
        if about["format"] == FORMAT:
            return about
        raise DataError(f"{folder} has the format {about['format']!r}, but {FORMAT!r} was expected: import the images again.")
    except (OSError, json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise DataError(f"{folder / 'dataset.json'} is damaged: import the images again.") from error


def _read_rows(folder: Path) -> list[dict[str, Any]]:
    try:
        text = (folder / METADATA).read_text(encoding="utf-8")
        # not splitlines: captions may hold other signs that it takes for the end of a line
        return [json.loads(line) for line in text.split("\n") if line]
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{folder / METADATA} is missing or damaged: import the images again.") from error


def _in_split(row: dict[str, Any], split: FolderSplit) -> bool:
    if split == "all":
        return True
    return (int(row["sha256"][:8], 16) % 100 < _HELD_OUT_PERCENT) == (split == "held_out")
