"""The data card of EmojiScenes: what it is, how it was made, what it may be used for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ildm.core.files import atomic_file
from ildm.data.attribution import attribution
from ildm.data.backgrounds import COLOURS
from ildm.data.concepts import GROUPS, all_concepts
from ildm.data.splits import SPLITS, held_out_style, partners
from ildm.data.sprite_cache import read_manifest
from ildm.data.styles import STYLES


def write_card(folder: Path) -> tuple[Path, Path]:
    """Write `CARD.md` and `ATTRIBUTION.md` beside the sprites of `folder`.

    Raises:
        DataError: when no sprites were built there.
        StorageError: when the folder may not be written.
    """
    manifest = read_manifest(folder)
    styles = [name for name in STYLES if name in manifest["styles"]]
    card, credits = folder / "CARD.md", folder / "ATTRIBUTION.md"
    for path, text in ((card, card_text(manifest)), (credits, f"# Attribution\n\n{attribution(styles)}")):
        with atomic_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return card, credits


def card_text(manifest: dict[str, Any]) -> str:
    """The card for the sprites of a manifest, in Markdown."""
    concepts = all_concepts()
    groups = ", ".join(f"{sum(one.group == group for one in concepts)} {group}" for group in GROUPS)
    pairs = sum(held_out_style(one) is not None for one in concepts)
    meetings = sum(len(partners(one)) for one in concepts) // 2
    return f"""# EmojiScenes

Scenes of one to four drawn objects on computed backgrounds, for training and measuring latent diffusion models. Every
image comes with several captions, boxes, an instance map and a semantic map, all exact because the scenes are composed.

## Contents
- {len(concepts)} concepts ({groups}); flags and skin tones are left out.
- Backgrounds: plain, gradient, checker, stripes, in {len(COLOURS)} named colours ({", ".join(COLOURS)}).
- Objects do not overlap unless asked for; an object whose outline would vanish on the background gets another background.
- Mirror images occur only where a mirrored object is still right (no letters, clocks, charts or signs that point).
- Sizes: 64, 128 and 256 pixels. Sprites of this folder: {manifest["resolution"]} pixels.

| style | words | package | licence | sprites | trained on |
|---|---|---|---|---|---|
{_style_rows(manifest)}

## Captions
The first caption of a scene says everything: objects, relation, background, style. The others vary: labels or synonyms, with or
without articles, style and background sometimes left out, relations (left, right, above, below) said from either side or not at all.

## Splits
Decided by hashes of names, the same everywhere: {", ".join(SPLITS)}.
- `unseen_pair`: one style of each of {pairs} concepts is never shown in training.
- `unseen_concept_pair`: {meetings} pairs of concepts never meet in training.
- `unseen_style`: {", ".join(style.name for style in STYLES.values() if not style.trained)} is never trained on.
- `unseen_scene`: like training, other scenes.

## Limits
These are illustrations, not photographs: a model trained on them draws illustrations. Concepts follow the Unicode emoji charts and
their cultural choices. Two concepts may look nearly the same (a dog and a dog face), and a few sets draw one concept quite differently.

## Licences and attribution
{attribution([name for name in STYLES if name in manifest["styles"]])}"""


def _style_rows(manifest: dict[str, Any]) -> str:
    rows: list[str] = []
    for name, style in STYLES.items():
        record = manifest["styles"].get(name)
        if record is not None:
            package = f"{record['package']} {record['version']}"
            trained = "yes" if style.trained else "no, held out"
            rows.append(
                f"| {name} | {', '.join(style.words)} | {package} | {record['licence']} | {len(record['sprites'])} | {trained} |"
            )
    return "\n".join(rows)
