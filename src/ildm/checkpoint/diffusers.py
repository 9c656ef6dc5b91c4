"""The diffusers folder: Stable Diffusion 1, 2, XL and their like, as they are shared today."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ildm.checkpoint.assembly import Configurations, assemble, described, reassemble
from ildm.checkpoint.autoencoder_layout import diffusers_autoencoder
from ildm.checkpoint.clip_text import clip_config_from_json
from ildm.checkpoint.diffusers_autoencoder import autoencoder_from_diffusers, autoencoder_to_diffusers
from ildm.checkpoint.diffusers_folder import find_weights, read_config, write_config, write_part
from ildm.checkpoint.diffusers_sampler import as_drawn
from ildm.checkpoint.diffusers_scheduler import defaults_from_scheduler, path_from_scheduler
from ildm.checkpoint.diffusers_scheduler_written import scheduler_notes, scheduler_to_diffusers
from ildm.checkpoint.diffusers_text import fill_folder_text, folder_text, text_config, write_folder_text
from ildm.checkpoint.diffusers_unet import unet_from_diffusers, unet_to_diffusers
from ildm.checkpoint.families import TOLD_GUIDANCE
from ildm.checkpoint.fields import Fields, whole_or_none
from ildm.checkpoint.layout import fill_by_layout, write_layout
from ildm.checkpoint.portable import PORTABLE_FILE, from_portable, to_portable
from ildm.checkpoint.predicted import agreed
from ildm.checkpoint.tensors import check_hash
from ildm.checkpoint.unet_layout import diffusers_unet
from ildm.conditioning.clip import ClipConditioner
from ildm.conditioning.clip_pair import ClipPairConditioner, ClipPairConfig
from ildm.conditioning.conditioner import Conditioner
from ildm.conditioning.label import LabelConditioner, LabelConfig
from ildm.core.config import from_json
from ildm.core.errors import CheckpointError
from ildm.core.files import atomic_folder, sha256
from ildm.core.manifest import Manifest
from ildm.diffusion.path import LinearInterpolation
from ildm.diffusion.prediction import Prediction
from ildm.model import Model

INDEX, SCHEDULER = "model_index.json", "scheduler_config.json"
_GUIDANCE, _XL_GUIDANCE = 7.5, 5.0  # what the published pipelines draw with


class DiffusersFormat:
    """A folder with `model_index.json`, `unet`, `vae`, `scheduler` and, for text, encoders and tokenizers."""

    def recognises(self, path: Path) -> bool:
        """Whether the folder has an index."""
        return (path / INDEX).is_file()

    def describe(self, path: Path, *, prediction: Prediction | None = None) -> Manifest:
        """See `CheckpointFormat`."""
        return _assemble(path, prediction).manifest

    def load(self, path: Path, *, prediction: Prediction | None = None) -> Model:
        """See `CheckpointFormat`."""
        model = _assemble(path, prediction)
        for name, digest in model.manifest.files.items():
            check_hash(path / name, digest)
        fill_by_layout(model.unet, diffusers_unet(model.unet.config), find_weights(path / "unet"))
        stage = model.autoencoder
        fill_by_layout(stage, diffusers_autoencoder(stage.config), find_weights(path / "vae"))
        if isinstance(model.conditioner, ClipConditioner | ClipPairConditioner):
            fill_folder_text(path, model.conditioner)
        return model


def save_diffusers(model: Model, folder: Path, *, dtype: torch.dtype | None = None) -> list[str]:
    """Write a model as a diffusers folder, in one step: a former folder survives a failure.

    Args:
        dtype: of the stored weights; None keeps each tensor's own.

    Returns:
        A sentence for each thing that diffusers has no counterpart of, and that is therefore left out.

    Raises:
        CheckpointError: when diffusers has no counterpart of the U-Net.
        StorageError: when the disk is full or the folder may not be written.
    """
    unet, stage, conditioner = model.unet.config, model.autoencoder.config, model.conditioner
    side = max(model.image_size) // stage.stride
    unet_fields = unet_to_diffusers(unet, sample_size=side)
    stage_fields: dict[str, Any] | None = None
    entries: dict[str, Any] = {"unet": ["diffusers", unet_fields["_class_name"]]}
    notes: list[str] = []
    try:
        stage_fields = autoencoder_to_diffusers(stage, model.autoencoder.latent_space, sample_size=max(model.image_size))
        entries["vae"] = ["diffusers", stage_fields["_class_name"]]
    except CheckpointError as error:
        notes.append(f"The autoencoder is left out. {error}")
    with atomic_folder(folder) as temporary:
        stem = "diffusion_pytorch_model"
        write_part(temporary / "unet", unet_fields, write_layout(diffusers_unet(unet), model.unet.state_dict()), stem, dtype)
        if stage_fields is not None:
            tensors = write_layout(diffusers_autoencoder(stage), model.autoencoder.state_dict())
            write_part(temporary / "vae", stage_fields, tensors, stem, dtype)
        manifest = described(model)
        if isinstance(conditioner, ClipConditioner | ClipPairConditioner):
            entries |= write_folder_text(temporary, conditioner, dtype)
        elif conditioner is not None and not isinstance(conditioner, LabelConditioner):
            manifest = manifest.model_copy(update={"conditioner": None})
            notes.append(
                f"diffusers has no counterpart of this model's text encoder ({conditioner.kind!r}), so it is left out: there the U-Net "
                "draws only from contexts that you give it."
            )
        try:
            scheduler = scheduler_to_diffusers(model.path, model.manifest.prediction, model.manifest.defaults)
        except CheckpointError as error:
            notes.append(f"The scheduler is left out. {error}")
        else:
            (temporary / "scheduler").mkdir()
            write_config(temporary / "scheduler", scheduler, SCHEDULER)
            entries["scheduler"] = ["diffusers", scheduler["_class_name"]]
            notes += scheduler_notes(model.path, model.manifest.defaults, scheduler)
        write_config(temporary, _index(model, entries), INDEX)
        weights = sorted(temporary.rglob("*.safetensors"))
        files = {path.relative_to(temporary).as_posix(): sha256(path) for path in weights}
        (temporary / PORTABLE_FILE).write_text(to_portable(manifest, files) + "\n", encoding="utf-8")
    return notes


def _assemble(folder: Path, prediction: Prediction | None) -> Model:
    """The folder's model without weights."""
    portable = folder / PORTABLE_FILE
    if portable.is_file():
        manifest = from_portable(portable.read_text(encoding="utf-8"), source=str(portable))

        def restore(fields: dict[str, Any]) -> Conditioner:
            if fields.get("kind") == LabelConditioner.kind:
                return LabelConditioner(from_json(LabelConfig, fields, where="conditioner"))
            return folder_text(folder, clip_config_from_json(fields, source=str(portable)))

        return reassemble(manifest, restore, prediction=prediction, source=str(portable))
    unet_fields, vae = read_config(folder / "unet"), folder / "vae"
    unet = unet_from_diffusers(unet_fields, source=str(folder / "unet" / "config.json"))
    autoencoder, space = autoencoder_from_diffusers(read_config(vae), source=str(vae / "config.json"))
    index, source = read_config(folder, INDEX), str(folder / "scheduler" / SCHEDULER)
    scheduler = as_drawn(read_config(folder / "scheduler", SCHEDULER), str(index.get("_class_name")), source=source)
    path, said = path_from_scheduler(scheduler, source=source)
    is_stated = "prediction_type" in scheduler or isinstance(path, LinearInterpolation)
    side = (whole_or_none(unet_fields, "sample_size", str(folder / "unet" / "config.json")) or 64) * autoencoder.stride
    text = text_config(folder, index, unet_fields, (side, side))
    is_told = unet.guidance_width is not None
    usual = _XL_GUIDANCE if isinstance(text, ClipPairConfig) else _GUIDANCE if text else 1.0
    configurations = Configurations(
        name=folder.resolve().name,
        unet=unet,
        autoencoder=autoencoder,
        latent_space=space,
        path=path,
        prediction=agreed(said, prediction, source=source) if is_stated else prediction or said,
        image_size=(side, side),
        defaults=defaults_from_scheduler(
            scheduler, guidance_scale=TOLD_GUIDANCE if is_told else usual, is_told=is_told, source=source
        ),
    )
    conditioner: Conditioner | None = None if text is None else folder_text(folder, text)
    if conditioner is None and unet.labels is not None:
        conditioner = LabelConditioner(_classes(index, unet.labels))
    return assemble(configurations, conditioner, source=str(folder))


def _classes(index: Fields, count: int) -> LabelConfig:
    """Names are where DiT's folders have them. Of 1,001 classes, ImageNet's and one more, the last stands for none."""
    told = index.get("id2label")
    names = told if isinstance(told, dict) else {}
    ordered = [str(names[str(number)]) for number in range(count) if str(number) in names]
    return LabelConfig(count=count, names=tuple(ordered), unconditional=1000 if count == 1001 else None)


def _index(model: Model, entries: dict[str, Any]) -> dict[str, Any]:
    conditioner, concat = model.conditioner, model.unet.config.concat_channels
    is_consistent = model.is_told_guidance and model.manifest.defaults.sampler == "lcm"
    if isinstance(conditioner, ClipPairConditioner):
        refiner = conditioner.config.first is None
        fields: dict[str, Any] = {
            "_class_name": "StableDiffusionXLImg2ImgPipeline" if refiner else "StableDiffusionXLPipeline",
            "force_zeros_for_empty_prompt": conditioner.config.zero_empty,
            "requires_aesthetics_score": conditioner.config.aesthetic_score is not None,
        }
        return fields | ({"text_encoder": [None, None], "tokenizer": [None, None]} if refiner else {}) | entries
    if isinstance(conditioner, ClipConditioner):
        extras = {name: [None, None] for name in ("safety_checker", "feature_extractor", "image_encoder")}
        plain = "LatentConsistencyModelPipeline" if is_consistent else "StableDiffusionPipeline"
        inpainting = concat == 1 + model.autoencoder.latent_space.channels
        name = "StableDiffusionInpaintPipeline" if inpainting else plain
        return {"_class_name": name, "requires_safety_checker": False, **extras, **entries}
    named = {"id2label": dict(enumerate(conditioner.config.names))} if isinstance(conditioner, LabelConditioner) else {}
    return {"_class_name": "DiffusionPipeline", **named, **entries}


diffusers = DiffusersFormat()
