"""The command that draws with a model, by what it is told and shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ildm.core.manifest import Manifest

_SHOWN = {
    "semantic-map": "--image map.png",
    "low-resolution": "--image small.png",
    "inpainting": "--image picture.png --mask mask.png",
}


def draw_with_it(name: str, manifest: Manifest) -> str:
    """A command line that works once its pictures are there.

    Args:
        name: by which the model is found.
    """
    told = _told(manifest.conditioner)
    shown = _SHOWN.get((manifest.hint or {}).get("kind", ""), "")
    return " ".join(part for part in ("ildm generate", told, shown, f"--model {name}") if part)


def _told(conditioner: dict[str, Any] | None) -> str:
    """A prompt in quotes, the first name of those that the model knows in it; empty where it takes none."""
    from ildm.conditioning.layout import Placed, layout_prompt
    from ildm.conditioning.prompt import escape

    if conditioner is None:
        return ""
    name = next(iter(conditioner.get("names", ())), None)
    match conditioner["kind"]:
        case "label":
            return f'"{"0" if name is None else escape(name)}"'
        case "layout" if name is not None:
            return f'"{layout_prompt([Placed(name, (0.1, 0.1, 0.6, 0.9))])}"'
    return '"..."'
