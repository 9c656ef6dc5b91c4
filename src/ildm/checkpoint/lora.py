"""LoRA files (Hu 2021) for Stable Diffusion: what kohya's trainers, diffusers and PEFT call our layers, and the adapters they hold.

All of them name a layer by its dotted name in the layout of diffusers, transformers or the paper, kohya with underscores for dots. So a
layer is found by the names that our layouts give it, with every dot turned; there is no list of names.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from ildm.checkpoint.layout import Layout
from ildm.checkpoint.text_layout import diffusers_text
from ildm.checkpoint.unet_layout import diffusers_unet, ldm_unet
from ildm.checkpoint.weights import Weights, open_weights
from ildm.conditioning.clip import ClipConditioner
from ildm.conditioning.clip_encoder import ClipEncoder
from ildm.conditioning.clip_pair import ClipPairConditioner
from ildm.conditioning.conditioner import Conditioner
from ildm.core.errors import CheckpointError
from ildm.denoiser.adapters import Adapter
from ildm.denoiser.low_rank import LowRank
from ildm.model import Model

# what stands before the name of a layer, dots turned
_UNET = ("lora_unet_", "unet_", "diffusion_model_", "")
_FIRST_TEXT = ("lora_te_", "lora_te1_", "text_encoder_")
_SECOND_TEXT = ("lora_te2_", "text_encoder_2_")
# what PEFT puts before every name, and what diffusers once put between an attention and its layers
_SURROUNDINGS = (("base_model.model.", ""), (".processor.", "."))
# what diffusers once called an attention's layers
_FORMER = {"to_out.0": "to_out", "q_proj": "to_q", "k_proj": "to_k", "v_proj": "to_v", "out_proj": "to_out"}

# X.lora_down.weight, X.lora_A.weight, X.lora_A.default.weight, X.lora.down.weight, X_lora.down.weight, X.lora_linear_layer.down.weight
_NAME = re.compile(
    r"(?P<layer>.+?)(?:[._]lora(?:_linear_layer)?[._](?P<part>A|B|down|up|mid)(?:\.[^.]+)?\.weight|\.(?P<alpha>alpha))"
)
_PARTS = {"A": "down", "B": "up"}
# by a step of a dotted name
_OTHER_KINDS = {
    "DoRA": "dora_scale|lora_magnitude_vector",
    "LoHa": r"hada_\w+",
    "LoKr": r"lokr_\w+",
    "OFT": r"oft_\w+",
    "full-weight": "diff|diff_b",
}
# diffusers' key in a file's metadata; the names of PEFT's two files
_METADATA, _PEFT_WEIGHTS, _PEFT_SETTINGS = "lora_adapter_metadata", "adapter_model.safetensors", "adapter_config.json"


class Place(NamedTuple):
    """A layer of ours that may be changed: its dotted name in the model, and the shape of its weight."""

    name: str
    shape: tuple[int, ...]


def read_lora(path: Path, model: Model) -> Adapter:
    """The adapter in a safetensors file, for the layers of `model`, which is not changed.

    A layer's alpha, where the file holds none, is what diffusers' metadata in the file or PEFT's `adapter_config.json` beside it says,
    else the layer's rank, which stands for a scale of 1.

    Raises:
        CheckpointError: when the file is missing, pickled or damaged, holds another kind of adapter, or was made for another model.
    """
    weights = open_weights(path)
    _refuse_other_kinds(weights)
    found = _sorted(weights)
    places = _places(model)
    strange = [name for layer, parts in found.items() if _turned(layer) not in places for name in parts.values()]
    if strange or not found:
        raise CheckpointError(
            f"{path} holds {_some(strange) or 'nothing'}, which this model has no place for: it was made for another model."
        )
    settings = _Settings.of(path, weights)
    pairs = {layer: _read_pair(weights, layer, parts, settings) for layer, parts in found.items()}
    changes: dict[str, LowRank] = {}
    misfits: list[str] = []
    for layer, pair in pairs.items():
        place = places[_turned(layer)]
        fitting = _fitted(pair, place.shape)
        if fitting is None:
            misfits.append(f"{layer} ({_shape(pair.up)} by {_shape(pair.down)}, but the weight is {place.shape})")
        elif place.name in changes:
            misfits.append(f"{layer} (twice)")
        else:
            changes[place.name] = fitting
    if misfits:
        raise CheckpointError(f"{path} does not fit this model's {_some(misfits)}: it was made for another model.")
    return Adapter(name=path.stem, changes=changes)


@dataclass(frozen=True, kw_only=True)
class _Settings:
    """What an adapter's maker noted beside its weights.

    Args:
        fields: of PEFT's configuration, each behind "unet.", "text_encoder." or "text_encoder_2." where the file is for several.
        source: how to call the place they were noted at in a sentence.
    """

    fields: Mapping[str, Any]
    source: str

    @classmethod
    def of(cls, path: Path, weights: Weights) -> Self:
        """Those of the weights in a file; none where nothing is noted."""
        beside = path.with_name(_PEFT_SETTINGS)
        if path.name == _PEFT_WEIGHTS and beside.is_file():
            source, text = str(beside), beside.read_text(encoding="utf-8", errors="replace")
        else:
            source, text = f"{path}, in its metadata,", weights.metadata.get(_METADATA, "{}")
        try:
            fields = json.loads(text)
        except ValueError as error:
            raise CheckpointError(f"{source} cannot be read ({error}): fetch the adapter again.") from error
        if not isinstance(fields, dict):
            raise CheckpointError(f"{source} holds no JSON object: fetch the adapter again.")
        return cls(fields=fields, source=source)

    def scale(self, layer: str, rank: int) -> float:
        """What the product of a layer's pair is multiplied with, as PEFT works it out.

        Args:
            layer: its name in the file.
        """
        network, _, inside = _bare(layer).partition(".")
        several = f"{network}.lora_alpha" in self.fields
        prefix, name = (f"{network}.", inside) if several else ("", _bare(layer))
        alpha = self.fields.get(f"{prefix}lora_alpha", rank)
        for pattern, value in self._patterns(prefix).items():
            # in general these are regular expressions, but strangers' ones are not run here, and nobody writes any but names
            if re.fullmatch(r"\^?[\w.]+", pattern) is None:
                raise CheckpointError(f"{self.source} gives alpha by the pattern {pattern!r}, but only names are supported.")
            if pattern == f"^{name}" or f".{name}".endswith(f".{pattern}"):
                alpha = value
                break
        if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not math.isfinite(alpha):
            raise CheckpointError(
                f"{self.source} gives {alpha!r} for alpha, but a number is expected: fetch the adapter again."
            )
        return alpha / (math.sqrt(rank) if self.fields.get(f"{prefix}use_rslora") else rank)

    def _patterns(self, prefix: str) -> Mapping[str, Any]:
        patterns = self.fields.get(f"{prefix}alpha_pattern") or {}
        if not isinstance(patterns, dict):
            raise CheckpointError(f"{self.source} gives {patterns!r} for alpha_pattern, but names and numbers are expected.")
        return patterns


def _places(model: Model) -> dict[str, Place]:
    """Every layer that may be changed, by all its names in files with their dots turned."""
    unet = model.unet
    places = dict(_named("unet", unet.state_dict(), (diffusers_unet(unet.config), ldm_unet(unet.config)), _UNET))
    for name, encoder, prefixes in _encoders(model.conditioner):
        layouts = tuple(diffusers_text(encoder.config, wrapped=wrapped) for wrapped in (True, False))
        places |= dict(_named(f"conditioner.{name}", encoder.state_dict(), layouts, prefixes))
    return places


def _encoders(conditioner: Conditioner | None) -> Iterator[tuple[str, ClipEncoder, tuple[str, ...]]]:
    """The text encoders that files are made for: our name, the encoder, and what stands before the names of its layers."""
    if isinstance(conditioner, ClipConditioner):
        yield "encoder", conditioner.encoder, (*_FIRST_TEXT, "")
    elif isinstance(conditioner, ClipPairConditioner):
        if conditioner.config.first is not None:
            yield "first", conditioner.first, _FIRST_TEXT
        yield "second", conditioner.second, _SECOND_TEXT


def _named(
    part: str, weights: Mapping[str, Tensor], layouts: Sequence[Layout], prefixes: Sequence[str]
) -> Iterator[tuple[str, Place]]:
    for piece in (piece for layout in layouts for piece in layout):
        shape = tuple(weights[piece.ours].shape)
        theirs, *others = (name.removesuffix(".weight") for name in piece.theirs)
        # vectors belong to norms; tables are looked up, not multiplied; what is fused here has no pair of its own
        if len(shape) < 2 or piece.ours.endswith("embedding.weight") or others or piece.trailing:
            continue
        place = Place(f"{part}.{piece.ours.removesuffix('.weight')}", shape)
        former = (theirs.removesuffix(now) + then for now, then in _FORMER.items() if theirs.endswith(f".{now}"))
        for name in (theirs, *former):
            yield from ((prefix + _turned(name), place) for prefix in prefixes)


def _refuse_other_kinds(weights: Weights) -> None:
    for kind, step in _OTHER_KINDS.items():
        names = [name for name in weights if re.search(rf"\.(?:{step})(?:\.|$)", name)]
        if names:
            raise CheckpointError(
                f"{weights.source} is a {kind} adapter (it holds {_some(names)}), but only plain LoRA is supported: "
                "look for a LoRA version of it."
            )


def _sorted(weights: Weights) -> dict[str, dict[str, str]]:
    """The names in a file by the layer they belong to and what they are of it: "down", "up", "mid" or "alpha".

    Raises:
        CheckpointError: when one is nothing of the kind, or a layer lacks its pair.
    """
    found: dict[str, dict[str, str]] = {}
    strange: list[str] = []
    for name in weights:
        match = _NAME.fullmatch(name)
        if match is None:
            strange.append(name)
        else:
            part = match["part"] or match["alpha"]
            found.setdefault(match["layer"], {})[_PARTS.get(part, part)] = name
    if strange:
        raise CheckpointError(
            f"{weights.source} holds {_some(strange)}, which a LoRA has no use for: it is a file of another kind."
        )
    halves = [name for parts in found.values() if not {"down", "up"} <= parts.keys() for name in parts.values()]
    if halves:
        raise CheckpointError(f"{weights.source} holds {_some(halves)} without the rest of the pair: it is incomplete.")
    return found


def _read_pair(weights: Weights, layer: str, parts: Mapping[str, str], settings: _Settings) -> LowRank:
    """A layer's pair as the file has it, its scale taken into it."""
    down, up = (_floating(weights, parts[part]) for part in ("down", "up"))
    rank = max((1, *down.shape[:1]))
    if "mid" in parts:
        down = _joined(_floating(weights, parts["mid"]), down, weights.source, parts["mid"])
    if "alpha" not in parts:
        return LowRank(down, up * settings.scale(layer, rank))
    # most write it as a floating-point number, diffusers as a whole one
    alpha = weights[parts["alpha"]]
    if alpha.numel() != 1 or alpha.is_complex():
        raise CheckpointError(f"{weights.source} holds {parts['alpha']} of shape {_shape(alpha)}, but alpha is one number.")
    return LowRank(down, up * (float(alpha) / rank))


def _joined(mid: Tensor, down: Tensor, source: str, name: str) -> Tensor:
    """A 1x1 convolution and the larger one after it, as one."""
    if mid.ndim != 4 or tuple(down.shape[2:]) != (1, 1) or mid.shape[1] != down.shape[0]:
        raise CheckpointError(f"{source} holds {name} of shape {_shape(mid)} behind {_shape(down)}, which do not fit together.")
    return torch.einsum("omhw,mi->oihw", mid, down.flatten(1))


def _fitted(pair: LowRank, shape: tuple[int, ...]) -> LowRank | None:
    """A pair with as many axes as the weight it changes: a linear layer and a 1x1 convolution stand for each other."""
    down, up, kernel = pair.down, pair.up, shape[2:]
    if down.ndim not in (2, 4) or up.ndim not in (2, 4) or len(down) != up.shape[1]:
        return None
    alike = tuple(down.shape[2:]) == kernel or math.prod(down.shape[2:]) == math.prod(kernel) == 1
    if not alike or math.prod(up.shape[2:]) != 1 or (len(up), down.shape[1]) != shape[:2]:
        return None
    return LowRank(down.reshape(len(down), *shape[1:]), up.reshape(*up.shape[:2], *(1 for _ in kernel)))


def _floating(weights: Weights, name: str) -> Tensor:
    tensor = weights[name]
    if not tensor.is_floating_point():
        kind = str(tensor.dtype).removeprefix("torch.")
        raise CheckpointError(f"{weights.source} holds {name} in {kind}, but a floating-point format is expected.")
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _bare(layer: str) -> str:
    for before, after in _SURROUNDINGS:
        layer = layer.replace(before, after)
    return layer


def _turned(layer: str) -> str:
    return _bare(layer).replace(".", "_")


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)


def _some(names: Sequence[str]) -> str:
    return ", ".join(sorted(names)[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
