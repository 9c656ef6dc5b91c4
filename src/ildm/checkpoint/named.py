"""Models known by name: the shipped ones, and those that runs on this machine have made."""

from __future__ import annotations

from pathlib import Path

from ildm.core.files import home

DEFAULT_MODEL = "emoji-scenes"
_SHIPPED = Path(__file__).resolve().parent.parent / "shipped"


def find_named(name: str) -> Path | None:
    """The folder of a shipped model or of a run's model; a shipped one goes first."""
    if not name or Path(name).name != name:
        return None
    candidates = (_SHIPPED / name, home() / "models" / name, home() / "runs" / name / "model")
    return next((folder for folder in candidates if (folder / "model.json").is_file()), None)


def known_names() -> list[str]:
    """Every name `find_named` answers to, sorted."""
    patterns = ((_SHIPPED, "*/model.json"), (home() / "models", "*/model.json"), (home() / "runs", "*/model/model.json"))
    return sorted({file.relative_to(root).parts[0] for root, pattern in patterns for file in root.glob(pattern)})
