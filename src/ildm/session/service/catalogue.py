"""The models that can be loaded by name, as they are told to whoever asks: what they can do, and not where they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ildm
from ildm.checkpoint.load import describe
from ildm.checkpoint.named import known_names
from ildm.core.errors import IldmError
from ildm.core.files import home


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
            }
        )
    return found


def without_places(text: str) -> str:
    """A sentence without the names of the folders above ours: they are nobody's business who is let in from elsewhere."""
    package = Path(ildm.__file__).parent
    for place, name in ((home(), "ILDM_HOME"), (package, "ildm"), (Path.home(), "~")):
        text = text.replace(str(place), name)
    return text
