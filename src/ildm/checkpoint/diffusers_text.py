"""The text side of a diffusers folder: `text_encoder`, `tokenizer`, and for XL `text_encoder_2`, `tokenizer_2`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ildm.checkpoint.clip_text import AnyClip, AnyClipConfig, encoders, make_clip
from ildm.checkpoint.diffusers_folder import find_weights, read_config, write_part
from ildm.checkpoint.fields import Fields, whole_or_none
from ildm.checkpoint.layout import write_layout
from ildm.checkpoint.text_layout import diffusers_text, fill_text, text_from_diffusers, text_to_diffusers
from ildm.conditioning.clip import ClipConfig
from ildm.conditioning.clip_encoder import ClipEncoderConfig
from ildm.conditioning.clip_pair import REFINER_SCORE, ClipPairConfig
from ildm.conditioning.clip_tokenizer import ClipTokenizer
from ildm.conditioning.clip_vocabulary import END, read_padding

_ENCODERS, _TOKENIZERS = ("text_encoder", "text_encoder_2"), ("tokenizer", "tokenizer_2")


def text_config(folder: Path, index: Fields, unet: Fields, image_size: tuple[int, int]) -> AnyClipConfig | None:
    """The text side that a folder describes; None where it has no text encoder.

    Args:
        index: `model_index.json`.
        unet: `unet/config.json`.

    Raises:
        CheckpointError: when it is damaged or of another kind than CLIP's.
    """
    first, second = (_encoder(folder / name) for name in _ENCODERS)
    paddings = [read_padding(folder / name) if (folder / name).is_dir() else END for name in _TOKENIZERS]
    if second is not None:
        return ClipPairConfig(
            first=first,
            second=second,
            first_padding=paddings[0],
            second_padding=paddings[1],
            image_size=image_size,
            aesthetic_score=REFINER_SCORE if index.get("requires_aesthetics_score") else None,
            size_width=whole_or_none(unet, "addition_time_embed_dim", str(folder / "unet" / "config.json")) or 256,
            zero_empty=bool(index.get("force_zeros_for_empty_prompt", True)),
        )
    return None if first is None else ClipConfig(encoder=first, padding=paddings[0])


def folder_text(folder: Path, config: AnyClipConfig) -> AnyClip:
    """The conditioner on the meta device, with the folder's vocabularies.

    Raises:
        CheckpointError: when a vocabulary is missing or damaged.
    """

    def vocabulary(place: int, padding: str, max_tokens: int) -> ClipTokenizer:
        return ClipTokenizer.from_folder(folder / _TOKENIZERS[place], padding=padding, max_tokens=max_tokens)

    return make_clip(config, vocabulary)


def fill_folder_text(folder: Path, conditioner: AnyClip) -> None:
    """Give a conditioner its weights.

    Raises:
        CheckpointError: when they are missing, damaged or do not fit.
    """
    for name, encoder in zip(_names(conditioner), encoders(conditioner), strict=True):
        fill_text(encoder, find_weights(folder / name))


def write_folder_text(folder: Path, conditioner: AnyClip, dtype: Any) -> dict[str, list[str]]:
    """Write encoders and vocabularies. Returns their entries for `model_index.json`."""
    entries: dict[str, list[str]] = {}
    tokenizers = conditioner.tokenizers
    for name, encoder, tokenizer in zip(_names(conditioner), encoders(conditioner), tokenizers, strict=True):
        config: ClipEncoderConfig = encoder.config
        fields = text_to_diffusers(config)
        tensors = write_layout(diffusers_text(config), encoder.state_dict())
        write_part(folder / name, fields, tensors, "model", dtype)
        place = _TOKENIZERS[_ENCODERS.index(name)]
        (folder / place).mkdir()
        tokenizer.write_folder(folder / place)
        entries[name] = ["transformers", fields["architectures"][0]]
        entries[place] = ["transformers", "CLIPTokenizer"]
    return entries


def _names(conditioner: AnyClip) -> tuple[str, ...]:
    config = conditioner.config
    if isinstance(config, ClipConfig):
        return _ENCODERS[:1]
    return _ENCODERS if config.first is not None else _ENCODERS[1:]


def _encoder(folder: Path) -> ClipEncoderConfig | None:
    if not folder.is_dir():
        return None
    return text_from_diffusers(read_config(folder), source=str(folder / "config.json"))
