"""The text side of Stable Diffusion, put together from graphs and vocabularies, its weights still to come."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import torch

from ildm.conditioning.clip import ClipConditioner, ClipConfig
from ildm.conditioning.clip_pair import ClipPairConditioner, ClipPairConfig
from ildm.conditioning.clip_tokenizer import ClipTokenizer
from ildm.conditioning.clip_vocabulary import own_vocabulary, parse_tokenizer_json
from ildm.conditioning.conditioner import Conditioner
from ildm.core.config import from_json
from ildm.core.errors import CheckpointError, ConfigError

AnyClipConfig = ClipConfig | ClipPairConfig
AnyClip = ClipConditioner | ClipPairConditioner

Vocabulary = Callable[[int, str, int], ClipTokenizer]
"""From (0 for the first encoder, 1 for the second; the padding; the length of a window) a tokenizer."""

VOCABULARIES_KEY = "ildm_vocabularies"
_CONFIGS: dict[str, type[Any]] = {kind.kind: kind.Config for kind in (ClipConditioner, ClipPairConditioner)}


def make_clip(config: AnyClipConfig, vocabulary: Vocabulary) -> AnyClip:
    """A conditioner on the meta device.

    Raises:
        CheckpointError: when a vocabulary is missing, damaged, or does not fit its encoder.
    """
    with torch.device("meta"):
        if isinstance(config, ClipConfig):
            return ClipConditioner(config, vocabulary(0, config.padding, config.encoder.max_tokens))
        first = None if config.first is None else vocabulary(0, config.first_padding, config.first.max_tokens)
        return ClipPairConditioner(config, first, vocabulary(1, config.second_padding, config.second.max_tokens))


def own_clip_vocabulary(place: int, padding: str, max_tokens: int) -> ClipTokenizer:  # noqa: ARG001 - one serves all encoders
    """CLIP's own vocabulary, for files that bring none.

    Raises:
        ConfigError: when no installed package carries it.
    """
    return ClipTokenizer(own_vocabulary(), padding=padding, max_tokens=max_tokens)


def vocabularies_to_carry(conditioner: AnyClip) -> dict[str, str]:
    """The entry of a file's header with the vocabularies that are not CLIP's own; nothing when all are."""
    carried: dict[str, str] = {}
    alone_at_second = isinstance(conditioner, ClipPairConditioner) and conditioner.config.first is None
    for place, tokenizer in enumerate(conditioner.tokenizers, start=int(alone_at_second)):
        try:
            own = own_clip_vocabulary(place, tokenizer.padding_token, tokenizer.max_tokens).to_json()
        except ConfigError:
            own = ""
        if tokenizer.to_json() != own:
            carried[str(place)] = tokenizer.to_json()
    return {VOCABULARIES_KEY: json.dumps(carried)} if carried else {}


def carried_vocabulary(text: str, *, source: str) -> Vocabulary:
    """The vocabularies of a file's header; CLIP's own where it has none.

    Raises:
        CheckpointError: when the entry is damaged.
    """
    try:
        carried = json.loads(text)
        known = {str(place): str(content) for place, content in carried.items()}
    except (ValueError, AttributeError) as error:
        raise CheckpointError(f"The vocabularies in {source} are damaged ({error}): fetch the model again.") from error

    def vocabulary(place: int, padding: str, max_tokens: int) -> ClipTokenizer:
        if str(place) not in known:
            return own_clip_vocabulary(place, padding, max_tokens)
        parsed = parse_tokenizer_json(known[str(place)], source=source)
        return ClipTokenizer(parsed, padding=padding, max_tokens=max_tokens)

    return vocabulary


def clip_config_from_json(fields: dict[str, Any], *, source: str) -> AnyClipConfig:
    """The configuration of a manifest's conditioner.

    Raises:
        CheckpointError: when it is none of CLIP's.
    """
    fields = dict(fields)
    kind = fields.pop("kind", None)
    if kind not in _CONFIGS:
        raise CheckpointError(f"{source} names the text encoder {kind!r}, but only {', '.join(_CONFIGS)} can be stored here.")
    return from_json(_CONFIGS[kind], fields, where="conditioner")


def encoders(conditioner: Conditioner | None) -> list[Any]:
    """The CLIP encoders of a conditioner in their order, none for one of another kind."""
    if isinstance(conditioner, ClipConditioner):
        return [conditioner.encoder]
    if isinstance(conditioner, ClipPairConditioner):
        return [*([] if conditioner.config.first is None else [conditioner.first]), conditioner.second]
    return []
