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
from ildm.core.files import home
from ildm.core.names import check_name
from ildm.core.progress import Progress
from ildm.data.annotations import Annotation, read_annotations
from ildm.data.boxed_objects import BoxedObject
from ildm.data.cells import LARGEST_CLASS
from ildm.data.fitting import Fit, Fitting
from ildm.data.folder import write_folder
from ildm.data.former import REFUSED, clear_leftovers, former_origin, fresh_folder, read_former, write_refused
from ildm.data.listing import Listing, list_files, shown, spelling
from ildm.data.picture import NUMBERS, RefusedFile, read_colour, read_numbers, read_picture
from ildm.data.sample import Sample, SceneObject

_LARGEST_INSTANCE = 65535  # a picture of 16 bits holds them
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
    listing = list_files(source)
    annotations = read_annotations(listing)
    images = _find_images(listing, annotations)
    target = home() / "data" / name
    clear_leftovers(target)
    origin = _origin(listing, options)
    former = former_origin(target)
    if former is not None and not options.replace:
        if former != origin:
            raise DataError(f"Other images are already called {name!r}: choose another --name, or pass --replace.")
        whole = read_former(target)
        if whole is not None:
            return ImportReport(folder=target, kept=whole[0], refused=whole[1], unchanged=True)
    report = ImportReport(folder=target)
    report.refused += [(shown(path), reason) for path, reason in listing.refused.items()]
    report.refused += _orphans(listing, annotations, images)
    with fresh_folder(target) as folder:
        samples = _read_all(source, images, annotations, options, report, progress)
        write_folder(folder, samples, name=name, size=options.size, about={"origin": origin, "options": asdict(options)})
        if report.kept == 0:
            raise _nothing_usable(source, report, images)
        report.refused.sort()
        write_refused(folder, report.refused)
    return report


def _find_images(listing: Listing, annotations: dict[Path, Annotation]) -> list[Path]:
    files, source = listing.files, listing.folder
    maps = {path for one in annotations.values() for path in (one.instance_map, one.semantic_map) if path is not None}
    images = [file for file in listing.pictures if file not in maps]
    if not images and listing.refused:
        first = ", ".join(f"{shown(path)} ({reason})" for path, reason in sorted(listing.refused.items())[:3])
        raise DataError(f"The folder {source} holds no image that can be read: {first}.")
    if not files:
        raise DataError(f"The folder {source} is empty: put images into it, each with a caption.")
    if not images:
        raise DataError(f"The folder {source} holds {len(files)} files but no image: put the images beside their captions.")
    return images


def _orphans(listing: Listing, annotations: dict[Path, Annotation], images: list[Path]) -> Iterator[tuple[str, str]]:
    there = {*images, *listing.refused}
    for path in annotations.keys() - there:
        outside = path.is_absolute() or path.parts[:1] == ("..",)
        yield shown(path), f"named in a table, but {'outside the folder' if outside else 'not there'}"
    stems = {spelling(path.with_suffix("")) for path in there if path.name}
    for path in listing.files:
        is_text = path.suffix.lower() == ".txt" and path.name != REFUSED
        if is_text and spelling(path.with_suffix("")) not in stems:
            yield shown(path), "a caption without an image of the same name"


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
            report.refused.append((shown(path), str(refusal)))
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
        instance_map=_read_map(source, annotation.instance_map, fitting, _LARGEST_INSTANCE),
        semantic_map=_read_map(source, annotation.semantic_map, fitting, LARGEST_CLASS),
        source=str(path),
    )


def _place_objects(objects: list[BoxedObject], fitting: Fitting) -> Iterator[SceneObject]:
    for number, one in enumerate(objects, start=1):
        left, top, right, bottom = one.corners
        width, height = (fitting.width, fitting.height) if one.in_pixels else (1, 1)
        if right <= 0 or bottom <= 0 or left >= width or top >= height:
            unit = f"which is {width}x{height} pixels" if one.in_pixels else "whose sides go from 0 to 1"
            corners = " ".join(f"{side:g}" for side in one.corners)
            raise RefusedFile(f"the box of {one.label!r}, {corners}, lies outside the image, {unit}")
        box = fitting.box((left / width, top / height, right / width, bottom / height))
        if box is not None:
            yield SceneObject(concept=one.label, style=one.style, box=box, instance=one.instance or number)


def _read_map(source: Path, path: Path | None, fitting: Fitting, largest: int) -> Tensor | None:
    if path is None:
        return None
    if not _is_file(source / path):
        raise RefusedFile(f"its map {shown(path)} is not there")
    try:
        # a palette holds colours for the eye, its indices are the classes
        values = np.asarray(read_numbers(source / path, formats=(*NUMBERS, "PPM")))
    except RefusedFile as refusal:
        raise RefusedFile(f"its map {shown(path)} cannot be used: {refusal}") from refusal
    height, width = values.shape
    if (width, height) != (fitting.width, fitting.height):
        raise RefusedFile(f"its map {shown(path)} has another size, {width}x{height}")
    wrong = next((int(one) for one in (values.min(), values.max()) if not 0 <= one <= largest), None)
    if wrong is not None:
        raise RefusedFile(f"its map {shown(path)} holds the number {wrong}, but its numbers lie between 0 and {largest}")
    return torch.from_numpy(np.array(fitting.map(Image.fromarray(values.astype(np.int32)))))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False


def _origin(listing: Listing, options: ImportOptions) -> str:
    found = ((file, (listing.folder / file).stat()) for file in listing.files)
    stamps = [(str(file), at.st_size, at.st_mtime_ns) for file, at in found]
    text = json.dumps([str(listing.folder.resolve()), stamps, asdict(options) | {"replace": False}])
    return hashlib.sha256(text.encode()).hexdigest()


def _nothing_usable(source: Path, report: ImportReport, images: list[Path]) -> DataError:
    names = set(map(shown, images))
    reasons = [reason for file, reason in report.refused if file in names]
    if all(reason == "it has no caption" for reason in reasons):
        return DataError(
            f"None of the {len(images)} images in {source} has a caption: write NAME.txt beside NAME.png, or a metadata.jsonl "
            "or CSV file with file_name and caption, or pass --without-captions."
        )
    first = ", ".join(f"{file} ({reason})" for file, reason in report.refused[:3])
    return DataError(f"None of the {len(images)} files in {source} can be used: {first}.")
