"""From scenes to an evaluation set: what the model is asked of them, and every image that belongs to them, made when it is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ildm.core.picture import to_bytes, to_floats
from ildm.core.progress import NamedProgress
from ildm.core.types import Image
from ildm.data.sample import Sample
from ildm.evaluation.asking import Ask, Asking, shown_to_others
from ildm.evaluation.drawing import Drawer, Drawing, EvaluatedModel, fill
from ildm.evaluation.images import Images, Pixels
from ildm.evaluation.metric import EvaluationSet, Kind
from ildm.evaluation.network import Lite0


class Builder:
    """Makes the sets of one evaluation.

    Args:
        turns: how many times the model draws each set, with other seeds each time.
    """

    def __init__(
        self, model: EvaluatedModel, network: Lite0, drawing: Drawing, *, turns: int = 1, progress: NamedProgress | None = None
    ) -> None:
        self.asking = Asking(model.conditioner, model.hint, model.manifest.concepts)
        self._model = model
        self._network = network
        self._progress = progress or (lambda *_: None)
        self._draw = Drawer(model, drawing, self._progress)
        self._turns = turns

    def build(self, split: str, kind: Kind, samples: Sequence[Sample], *, reference: Images | None = None) -> EvaluationSet:
        """The set of these scenes; for a model that does not know their things by name, without drawings and what they are held against.

        Args:
            reference: other renders of the same split.
        """
        real = Images.of(samples, self._network)
        asked = self.asking(samples)
        has_words = self._model.conditioner is not None
        where = f"{split}, {kind}"
        alone = EvaluationSet(
            split=split,
            kind=kind,
            real=real,
            tells=self.asking.tells,
            asked=asked,
            prompts=[ask.prompt for ask in asked] if has_words else None,
            generate=lambda asks: self._draw(asks, "drawing"),
            reconstructed=Images(lambda: self._reconstruct(real.pixels, where), self._network),
        )
        if self.asking.foreign:
            return alone
        first = replace(
            alone,
            generated=Images(lambda: fill(asked, self._draw(asked, f"drawing: {where}")), self._network),
            shuffled=self._shuffled(asked, where, 0),
            reference=reference,
        )
        return replace(first, further=tuple(self._again(first, where, turn) for turn in range(1, self._turns)))

    def _again(self, first: EvaluationSet, where: str, turn: int) -> EvaluationSet:
        asked = first.asked or ()
        told = f"drawing again: {where}"
        again = Images(lambda: fill(asked, self._draw(asked, told, turn=turn)), self._network)
        return replace(first, generated=again, shuffled=self._shuffled(asked, where, turn))

    def _shuffled(self, asked: Sequence[Ask], where: str, turn: int) -> Images | None:
        if "hole" not in self.asking.tells:
            return None
        told = f"drawing what others show: {where}"
        return Images(lambda: fill(asked, self._draw(shown_to_others(asked), told, turn=turn)), self._network)

    def _reconstruct(self, pixels: Pixels, where: str) -> Pixels:
        parts, done = [], 0
        for batch in pixels.split(self._draw.drawing.batch_size):
            parts.append(to_bytes(self._roundtrip(to_floats(batch.to(self._model.device)))).cpu())
            done += len(batch)
            self._progress(f"encoding and decoding: {where}", done, len(pixels))
        return torch.cat(parts)

    @torch.no_grad()
    def _roundtrip(self, images: Image) -> Float[Tensor, "batch 3 height width"]:
        return self._model.decode(self._model.encode(images))
