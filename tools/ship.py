"""Puts a trained model among the shipped ones: python tools/ship.py ILDM_HOME/runs/NAME/model [--name emoji-maps]

The card, src/ildm/shipped/NAME/MODEL_CARD.md, is written by hand from what `ildm evaluate` said. A preview is needed in the folder
(`ildm models fit-preview`) where the model has an autoencoder of its own and it is another one than before.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from ildm.checkpoint.native import MANIFEST, PREVIEW, read_manifest
from ildm.core.files import sha256

SHIPPED = Path(__file__).resolve().parent.parent / "src" / "ildm" / "shipped"
AUTOENCODER = "autoencoder.safetensors"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path, help="a native folder in half precision, as training exports it")
    parser.add_argument("--name", default="emoji-scenes", help="that it is shipped under")
    options = parser.parse_args()
    source, target = options.model, SHIPPED / options.name
    manifest = read_manifest(source)
    damaged = [name for name, told in manifest.files.items() if sha256(source / name) != told]
    if damaged:
        sys.exit(f"{source} is damaged: {', '.join(damaged)}.")
    former = read_manifest(target).files if (target / MANIFEST).exists() else {}
    if not (source / PREVIEW).exists() and manifest.files.get(AUTOENCODER) != former.get(AUTOENCODER):
        sys.exit(f"{source} has another autoencoder and no {PREVIEW}: run `ildm models fit-preview` first.")
    target.mkdir(exist_ok=True)
    for name in (*manifest.files, PREVIEW):
        if (source / name).exists():
            shutil.copyfile(source / name, target / name)
    shipped = manifest.model_copy(update={"name": options.name})
    (target / MANIFEST).write_text(shipped.model_dump_json(indent=1) + "\n", encoding="utf-8")
    print(f"{target} is the model of {source} now: write its card.")


if __name__ == "__main__":
    main()
