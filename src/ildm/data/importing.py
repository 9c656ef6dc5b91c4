"""A person's own images into a data set: every file checked, every refusal told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ildm.core.errors import ConfigError, DataError
from ildm.core.files import atomic_folder, home
from ildm.core.names import check_name
from ildm.core.progress import Progress
from ildm.data.annotations import TABLES, Annotation, BoxedObject, read_annotations
from ildm.data.fitting import Fit, Fitting
from ildm.data.folder import write_folder
from ildm.data.picture import RefusedFile, read_colour, read_picture
from ildm.data.sample import Sample, SceneObject

_COMPANIONS = (*TABLES, ".txt", ".json", ".md", ".ini", ".db")
_SMALLEST = 8  # shorter side, pixels


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """How images are taken in.

    Args:
        size: side of the square images to make, pixels.
        fit: keep the middle ("crop") or everything ("pad").
        background: what clear parts and padding become, a colour name or code.
        need_captions: refuse images that nobody described; else they get the empty caption.
        replace: take the place of another data set of the same name.
    """

    size: int = 128
    fit: Fit = "crop"
    background: str = "white"
    need_captions: bool = True
    replace: bool = False

    def __post_init__(self) -> None:
        if not 8 <= self.size <= 4096:
            raise ConfigError(f"The size of the images lies between 8 and 4096 pixels, but {self.size} was given.")
        if self.fit not in ("crop", "pad"):
            raise ConfigError(f"fit is crop or pad, but {self.fit!r} was given.")
        read_colour(self.background)


@dataclass(kw_only=True)
class ImportReport:
    """What came of an import.

    Args:
        folder: the data set.
        kept: how many images it holds.
        refused: (file, reason) of everything that was left out.
        unchanged: True when the same import had been made before, so that nothing was done.
    """

    folder: Path
    kept: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    unchanged: bool = False


def import_folder(source: Path, name: str, options: ImportOptions, *, progress: Progress | None = None) -> ImportReport:
    """Take the images of a folder, with what is known of them, into `home()/data/name`.

    Captions come from `IMAGE.txt` beside an image (one wording a line), `metadata.jsonl` or CSV files; boxes and maps from
    `metadata.jsonl`. The refusals are also written to `refused.txt` in the data set.

    Args:
        progress: called with how many files were looked at and how many there are.

    Raises:
        ConfigError: for a name that is no plain file name.
        DataError: when the folder is missing or nothing in it can be used, or the name is taken by other images.
    """
    check_name(name, "a data set")
    if not source.is_dir():
        state = "a file, not a folder" if source.exists() else "not there"
        raise DataError(f"{source} is {state}: give the folder that holds the images.")
    files = _list_files(source)
    annotations = read_annotations(source, files)
    images = _check_images(source, files, annotations)
    target = home() / "data" / name
    origin = _origin(source, files, options)
    former = _former_origin(target)
    if former == origin:
        return _told_again(target)
    if former is not None and not options.replace:
        raise DataError(f"Other images are already called {name!r}: choose another --name, or pass --replace.")
    report = ImportReport(folder=target)
    report.refused += _orphans(files, annotations, images)
    with atomic_folder(target) as folder:
        samples = _read_all(source, images, annotations, options, report, progress)
        write_folder(folder, samples, name=name, size=options.size, about={"origin": origin, "options": asdict(options)})
        if report.kept == 0:
            raise _nothing_usable(source, report, images)
        report.refused.sort()
        lines = [f"{file}: {reason}\n" for file, reason in report.refused]
        (folder / "refused.txt").write_text("".join(lines), encoding="utf-8")
    return report


def _list_files(source: Path) -> list[Path]:
    found = (path.relative_to(source) for path in source.rglob("*") if path.is_file())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.parts))


def _check_images(source: Path, files: list[Path], annotations: dict[Path, Annotation]) -> list[Path]:
    maps = {path for one in annotations.values() for path in (one.instance_map, one.semantic_map) if path is not None}
    images = [file for file in files if file.suffix.lower() not in _COMPANIONS and file not in maps]
    if not files:
        raise DataError(f"The folder {source} is empty: put images into it, each with a caption.")
    if not images:
        raise DataError(f"The folder {source} holds {len(files)} files but no image: put the images beside their captions.")
    return images


def _orphans(files: list[Path], annotations: dict[Path, Annotation], images: list[Path]) -> list[tuple[str, str]]:
    there = set(images)
    missing = [(str(path), "named in a table, but not there") for path in annotations if path not in there]
    stems = {image.with_suffix("") for image in images}
    texts = [file for file in files if file.suffix.lower() == ".txt" and file.with_suffix("") not in stems]
    return missing + [(str(path), "a caption without an image of the same name") for path in texts]


def _read_all(
    source: Path,
    images: list[Path],
    annotations: dict[Path, Annotation],
    options: ImportOptions,
    report: ImportReport,
    progress: Progress | None,
) -> Iterator[Sample]:
    for number, path in enumerate(images, start=1):
        try:
            yield _read_sample(source, path, annotations.get(path, Annotation()), options)
            report.kept += 1
        except RefusedFile as refusal:
            report.refused.append((str(path), str(refusal)))
        if progress is not None:
            progress(number, len(images))


def _read_sample(source: Path, path: Path, annotation: Annotation, options: ImportOptions) -> Sample:
    if annotation.problem:
        raise RefusedFile(annotation.problem)
    if options.need_captions and not annotation.captions:
        raise RefusedFile("it has no caption")
    behind = read_colour(options.background)
    picture = read_picture(source / path, behind)
    if min(picture.size) < _SMALLEST:
        raise RefusedFile(f"{picture.width}x{picture.height} pixels, less than {_SMALLEST} on a side")
    fitting = Fitting(width=picture.width, height=picture.height, size=options.size, fit=options.fit)
    pixels = np.array(fitting.picture(picture, behind))
    return Sample(
        image=torch.from_numpy(pixels).permute(2, 0, 1),
        captions=tuple(annotation.captions) or ("",),
        objects=tuple(_place_objects(annotation.objects, fitting)),
        instance_map=_read_map(source, annotation.instance_map, fitting),
        semantic_map=_read_map(source, annotation.semantic_map, fitting),
        source=str(path),
    )


def _place_objects(objects: list[BoxedObject], fitting: Fitting) -> Iterator[SceneObject]:
    for number, one in enumerate(objects, start=1):
        left, top, right, bottom = one.corners
        width, height = (fitting.width, fitting.height) if one.in_pixels else (1, 1)
        box = fitting.box((left / width, top / height, right / width, bottom / height))
        if box is not None:
            yield SceneObject(concept=one.label, style=one.style, box=box, instance=one.instance or number)


def _read_map(source: Path, path: Path | None, fitting: Fitting) -> Tensor | None:
    if path is None:
        return None
    try:
        with Image.open(source / path) as stored:
            if stored.size != (fitting.width, fitting.height):
                raise RefusedFile(f"its map {path} has another size, {stored.width}x{stored.height}")
            # a palette holds colours for the eye, its indices are the classes
            classes = stored if stored.mode in ("P", "L", "I", "I;16") else stored.convert("L")
            values = Image.fromarray(np.asarray(classes).astype(np.int32), "I")
    except OSError as error:
        raise RefusedFile(f"its map {path} is missing or damaged") from error
    return torch.from_numpy(np.array(fitting.map(values)))


def _origin(source: Path, files: list[Path], options: ImportOptions) -> str:
    stamps = [(str(file), (source / file).stat().st_size, (source / file).stat().st_mtime_ns) for file in files]
    text = json.dumps([str(source.resolve()), stamps, asdict(options) | {"replace": False}])
    return hashlib.sha256(text.encode()).hexdigest()


def _former_origin(target: Path) -> str | None:
    try:
        return json.loads((target / "dataset.json").read_text(encoding="utf-8"))["origin"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return "unreadable"


def _told_again(target: Path) -> ImportReport:
    about = json.loads((target / "dataset.json").read_text(encoding="utf-8"))
    lines = (target / "refused.txt").read_text(encoding="utf-8").splitlines()
    refused = [(file, reason) for file, _, reason in (line.partition(": ") for line in lines)]
    return ImportReport(folder=target, kept=about["count"], refused=refused, unchanged=True)


def _nothing_usable(source: Path, report: ImportReport, images: list[Path]) -> DataError:
    reasons = [reason for file, reason in report.refused if Path(file) in set(images)]
    if all(reason == "it has no caption" for reason in reasons):
        return DataError(
            f"None of the {len(images)} images in {source} has a caption: write NAME.txt beside NAME.png, or a metadata.jsonl "
            "or CSV file with file_name and caption, or pass --without-captions."
        )
    first = ", ".join(f"{file} ({reason})" for file, reason in report.refused[:3])
    return DataError(f"None of the {len(images)} files in {source} can be used: {first}.")
