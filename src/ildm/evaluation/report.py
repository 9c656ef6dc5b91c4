"""What an evaluation found: JSON for programs, Markdown for people, a contact sheet for the eye."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jaxtyping import UInt8
from torch import Tensor

from ildm.core.files import atomic_file, write_json
from ildm.core.picture import enlarged, paste_grid, to_picture
from ildm.evaluation.circumstances import say_circumstances
from ildm.evaluation.metric import Figure, Kind
from ildm.evaluation.wording import say_brackets, say_estimate

_KINDS: dict[Kind, str] = {
    "scenes": "scenes as the split has them",
    "one object": "scenes with one object",
    "two objects": "scenes with two objects",
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One figure, with the metric and the set it came from."""

    metric: str
    split: str
    kind: Kind
    figure: Figure


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One of the model's images with the prompt it was drawn for."""

    prompt: str
    pixels: UInt8[Tensor, "3 height width"]


@dataclass(frozen=True, kw_only=True)
class Report:
    """Every figure with how it was made.

    Args:
        model: name, size, number of concepts, and hashes.
        settings: of the evaluation, with the model's defaults filled in.
        machine: device and system.
        versions: of what computed the figures.
        pictures: the first images of the first set, for the contact sheet.
        notes: sentences on what is not there and why, and on how to read what is.
    """

    model: Mapping[str, Any]
    settings: Mapping[str, Any]
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    entries: tuple[Entry, ...]
    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()

    def find(self, name: str, *, split: str | None = None, kind: Kind | None = None) -> Figure | None:
        """The first figure of that name, on that split and kind where given."""
        for entry in self.entries:
            if entry.figure.name == name and split in (None, entry.split) and kind in (None, entry.kind):
                return entry.figure
        return None

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values, without the pictures."""
        figures = [
            {"metric": entry.metric, "split": entry.split, "kind": entry.kind, **asdict(entry.figure)} for entry in self.entries
        ]
        parts = ("model", "settings", "machine", "versions")
        return (
            {"format": "ildm-evaluation", "version": 1}
            | {part: getattr(self, part) for part in parts}
            | {"notes": list(self.notes), "figures": figures}
        )

    def to_markdown(self) -> str:
        """The report as a short page: one table for each set."""
        drawing = self.settings["drawing"]
        lines = [
            f"# Evaluation of {self.model['name']}",
            "",
            f"{drawing['sampler']}, {drawing['num_steps']} steps, guidance {drawing['guidance_scale']:g}, seeds from "
            f"{drawing['seed']}, batches of {drawing['batch_size']}; {say_circumstances(self.machine, self.versions)}"
            f"; model sha256 {self.model['sha256'][:16]}.",
            "",
            f"{say_brackets(entry.figure.name for entry in self.entries)}. N is the number of images, or of what a figure counts. "
            "KID-Lite0 and FD-Lite0 are measured in the features of EfficientNet-Lite0 and are not comparable with a FID.",
        ]
        for note in self.notes:
            lines += ["", note]
        sets: dict[tuple[str, Kind], None] = dict.fromkeys((entry.split, entry.kind) for entry in self.entries)
        for split, kind in sets:
            chosen = [entry.figure for entry in self.entries if (entry.split, entry.kind) == (split, kind)]
            lines += [
                "",
                f"## {split}: {_KINDS[kind]}",
                "",
                "| figure | N | model | beside it |",
                "|---|---|---|---|",
            ]
            lines += [_row(figure) for figure in chosen]
        return "\n".join(lines) + "\n"

    def save(self, folder: Path) -> list[Path]:
        """Write `report.json`, `report.md` and, when images were drawn, `contact-sheet.png`; returns their paths.

        Raises:
            StorageError: when the disk is full or the folder may not be written.
        """
        written = [folder / "report.json", folder / "report.md"]
        write_json(written[0], self.to_json())
        with atomic_file(written[1]) as temporary:
            temporary.write_text(self.to_markdown(), encoding="utf-8")
        if self.pictures:
            sheet = paste_grid(
                [enlarged(to_picture(picture.pixels), 128) for picture in self.pictures],
                columns=8,
                captions=[picture.prompt for picture in self.pictures],
            )
            written.append(folder / "contact-sheet.png")
            with atomic_file(written[2]) as temporary:
                sheet.save(temporary, format="PNG")
        return written


def _row(figure: Figure) -> str:
    beside = "; ".join(f"{words} {say_estimate(estimate)}" for words, estimate in figure.beside.items())
    return f"| {figure.name} | {figure.estimate.count} | **{say_estimate(figure.estimate)}** | {beside} |"
