"""Many images, a few at a time: memory stays flat, and what is drawn can be saved before the rest is begun."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image as PILImage

from ildm.core.progress import Progress

if TYPE_CHECKING:
    from ildm.conditioning.conditioner import Conditioner
    from ildm.model import Model

MOST_AT_ONCE = 8
PIXELS_AT_ONCE = MOST_AT_ONCE * 512 * 512


def batch_size(width: int, height: int) -> int:
    """How many images of a size are drawn at once, 1 to 8: large ones need the memory of many small ones."""
    return max(1, min(MOST_AT_ONCE, PIXELS_AT_ONCE // max(1, width * height)))


def draw_in_batches(
    model: Model, prompts: Sequence[str], seeds: Sequence[int], *, size: tuple[int, int], progress: Progress, **settings: Any
) -> Iterator[list[PILImage.Image]]:
    """The images of prompts and seeds, in order, one batch after the other; none depends on its batch beyond rounding.

    Args:
        size: (width, height), pixels.
        progress: called after each step with (done, all), counted over all batches.
        settings: see `Model.generate`.
    """
    width, height = size
    at_once = batch_size(width, height)
    starts = range(0, len(prompts), at_once)
    for number, start in enumerate(starts):
        part = slice(start, start + at_once)
        yield model.generate(
            list(prompts[part]),
            seed=list(seeds[part]),
            width=width,
            height=height,
            progress=lambda done, total, number=number: progress(number * total + done, len(starts) * total),
            **settings,
        )


def prompt_notes(conditioner: Conditioner | None, prompts: Sequence[str], num_steps: int) -> list[str]:
    """What a person should know of prompts that are drawn in another way than they read: empty ones, and those read in parts."""
    if conditioner is None:
        return []
    from ildm.conditioning.prompt import plain_text, weighted_parts, words_of
    from ildm.conditioning.tokenizer import Tokenizer
    from ildm.conditioning.wording import changes, said

    wordless = any(not plain_text(prompt).strip() for prompt in prompts)
    notes = ["The prompt is empty, so the picture is drawn without words."] if wordless else []
    tokenizer = getattr(conditioner, "tokenizer", None)
    if isinstance(tokenizer, Tokenizer):
        steps = ((prompt, step) for prompt in dict.fromkeys(prompts) for step in sorted(changes(prompt, num_steps)))
        texts = dict.fromkeys(one.text for prompt, step in steps for one in said(prompt, step, num_steps))
        # each part between BREAKs is read by itself
        for words in dict.fromkeys(words_of(part) for text in texts for part in weighted_parts(text)):
            count = len(tokenizer.cut([(words, 1.0)]))
            if count > 1:
                notes.append(f"{_shortened(words)!r} is longer than what the model reads at once: it is read in {count} parts.")
    return list(dict.fromkeys(notes))


def _shortened(prompt: str) -> str:
    return prompt if len(prompt) <= 40 else f"{prompt[:37]}..."
