"""The models that can be loaded by name, as they are told to whoever asks: what they can do, and not where they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ildm
from ildm.checkpoint.load import describe
from ildm.checkpoint.named import known_names
from ildm.core.errors import IldmError
from ildm.core.files import home
from ildm.core.manifest import Manifest

_READS = {"label": "class", "layout": "layout"}


def list_models() -> list[dict[str, Any]]:
    """What can be loaded by name, and what each can do."""
    found = list[dict[str, Any]]()
    for name in known_names():
        try:
            manifest = describe(name)
        except IldmError as error:
            found.append({"id": name, "problem": without_places(str(error))})
            continue
        defaults, (width, height) = manifest.defaults, manifest.image_size
        found.append(
            {
                "id": name,
                "summary": manifest.summary,
                "width": width,
                "height": height,
                # the U-Net halves the latent in its turn
                "stride": manifest.latent_space.stride * 2 ** (len(manifest.denoiser["channels"]) - 1),
                "num_steps": defaults.num_steps,
                "guidance_scale": defaults.guidance_scale,
                "sampler": defaults.sampler,
                "concepts": list(manifest.concepts),
                **_inputs_of(manifest),
            }
        )
    return found


def _inputs_of(manifest: Manifest) -> dict[str, Any]:
    """What a model reads, the classes that it reads them of, and what it is shown beside that."""
    conditioner = manifest.conditioner or {}
    # what an extension reads is a prompt like any other
    reads = None if manifest.conditioner is None else _READS.get(conditioner.get("kind", ""), "text")
    classes = [] if reads in (None, "text") else list(conditioner.get("names", ()))
    return {"reads": reads, "classes": classes, "shows": _shown_to(manifest)}


def _shown_to(manifest: Manifest) -> dict[str, Any] | None:
    hint = manifest.hint
    if hint is None:
        # as `Model` takes it: room for a mask and another latent is an inpainting checkpoint's
        is_inpainting = manifest.denoiser.get("concat_channels", 0) == 1 + manifest.latent_space.channels
        return {"kind": "inpainting"} if is_inpainting else None
    if hint.get("kind") not in ("semantic-map", "low-resolution", "inpainting"):
        return None
    return {"kind": hint["kind"], "names": list(hint.get("names", ())), "factor": hint.get("factor")}


def without_places(text: str) -> str:
    """A sentence without the names of the folders above ours: they are nobody's business who is let in from elsewhere."""
    package = Path(ildm.__file__).parent
    for place, name in ((home(), "ILDM_HOME"), (package, "ildm"), (Path.home(), "~")):
        text = text.replace(str(place), name)
    return text
