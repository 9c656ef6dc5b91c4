"""Puts a trained model in the place of the shipped one: python tools/ship.py ILDM_HOME/runs/NAME/model

The card, src/ildm/shipped/emoji-scenes/MODEL_CARD.md, is written by hand from what `ildm evaluate` said. A preview is needed in the folder
(`ildm models fit-preview`) where the autoencoder is another one than before.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from ildm.checkpoint.native import MANIFEST, read_manifest
from ildm.core.files import sha256

TARGET = Path(__file__).resolve().parent.parent / "src" / "ildm" / "shipped" / "emoji-scenes"
AUTOENCODER, PREVIEW = "autoencoder.safetensors", "preview.safetensors"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path, help="a native folder in half precision, as training exports it")
    source: Path = parser.parse_args().model
    manifest, former = read_manifest(source), read_manifest(TARGET)
    damaged = [name for name, told in manifest.files.items() if sha256(source / name) != told]
    if damaged:
        sys.exit(f"{source} is damaged: {', '.join(damaged)}.")
    if not (source / PREVIEW).exists() and manifest.files[AUTOENCODER] != former.files[AUTOENCODER]:
        sys.exit(f"{source} has another autoencoder and no {PREVIEW}: run `ildm models fit-preview` first.")
    for name in (*manifest.files, PREVIEW):
        if (source / name).exists():
            shutil.copyfile(source / name, TARGET / name)
    shipped = manifest.model_copy(update={"name": former.name})
    (TARGET / MANIFEST).write_text(shipped.model_dump_json(indent=1) + "\n", encoding="utf-8")
    print(f"{TARGET} is the model of {source} now: write its card.")


if __name__ == "__main__":
    main()
