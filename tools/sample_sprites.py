"""Cuts the 24 sprites that travel inside the package out of the full cache: `python tools/sample_sprites.py`.

For maintainers: it writes into the checkout, and its result is kept there.

They let tests and first trials run without any network. Only sets under MIT and Apache-2.0 are among them. The concepts
are chosen so that every split but the unseen style has something to show, and so that every kind of noun phrase occurs.
"""

from __future__ import annotations

import zipfile

from ildm.core.files import sha256, write_json
from ildm.data.concepts import find_concepts
from ildm.data.sprite_cache import RESOLUTIONS, build_sprites, read_manifest, sprite_folder, write_archive

CONCEPTS = ("red apple", "scissors", "rocket", "cactus", "bread", "hourglass done")
SAMPLE_STYLES = ("flat", "3d", "noto", "blob")


def main() -> None:
    """Build the cache where it is missing and write the sample into the checkout's package."""
    source = build_sprites(RESOLUTIONS[0], styles=SAMPLE_STYLES)
    manifest = read_manifest(source)
    target = sprite_folder("sample", RESOLUTIONS[0])
    codes = sorted(concept.code for concept in find_concepts(CONCEPTS))
    styles = {}
    for style in SAMPLE_STYLES:
        with zipfile.ZipFile(source / f"{style}.zip") as archive:
            pictures = {code: archive.read(f"{code}.webp") for code in codes}
        write_archive(target / f"{style}.zip", pictures)
        styles[style] = manifest["styles"][style] | {"sha256": sha256(target / f"{style}.zip"), "sprites": codes}
    write_json(target / "manifest.json", {"resolution": RESOLUTIONS[0], "styles": styles})


if __name__ == "__main__":
    main()
