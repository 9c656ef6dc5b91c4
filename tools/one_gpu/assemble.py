"""Makes a run's folder of what came back from the GPU: python tools/one_gpu/assemble.py PARTS RUN [--tokenizer FILE | --task NAME]

The run can be evaluated, shipped and gone on with as any other. A task's model borrows the first stage of the installed `emoji-scenes`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.checkpoint.first_stage import save_autoencoder
from ildm.checkpoint.load import load
from ildm.checkpoint.native import save_native
from ildm.conditioning.text import TextConditioner
from ildm.denoiser.unet import UNet
from ildm.training.denoising import Networks
from ildm.training.making import make_model
from ildm.training.recipe import Recipe
from parts import read_autoencoder, read_parts, read_recipe
from recipe import SHARES, read_tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", type=Path)
    parser.add_argument("run", type=Path)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--tokenizer", type=Path, help="of the text model")
    which.add_argument("--task", choices=list(SHARES))
    parser.add_argument("--first-stage", default="emoji-scenes", help="name of the model that a task borrows it from")
    options = parser.parse_args()
    autoencoder, first = read_autoencoder(options.parts), _facts(options.parts, "first")
    run, name = options.run, options.task or "text"
    run.mkdir(parents=True, exist_ok=True)
    plan, told = read_recipe(options.parts, name), _facts(options.parts, name)
    if options.task is None:
        tokenizer = read_tokenizer(options.tokenizer)
        assert plan.text is not None
        shutil.copyfile(options.tokenizer, run / "tokenizer.json")
        networks = Networks(UNet(plan.denoiser), TextConditioner(plan.text, tokenizer))
    else:
        plan = replace(plan, num_latents=first["things"], first_stage=options.first_stage)
        networks = Networks(UNet(plan.denoiser), plan.condition.conditioner(), plan.condition.make_hint())
        autoencoder = _installed(plan, autoencoder)
    networks.load_state_dict(read_parts(options.parts, name))
    save_autoencoder(autoencoder, run / "autoencoder")
    start = None if told.get("start") is None else load(told["start"], dtype="float32")
    model = make_model(replace(plan, name=run.name), networks, autoencoder, start)
    trained = told if plan.first_stage else {**told, "stage_one": first}
    by_the_clock = {"device": told["device"], "stage_two_steps": told["steps"], "one_gpu": trained}
    model.manifest = model.manifest.model_copy(update={"training": {**model.manifest.training, **by_the_clock}})
    save_native(model, run / "model", dtype=torch.float16, shared=plan.first_stage or None)
    print(f"{run / 'model'} is there.")


def _installed(plan: Recipe, made_with: Autoencoder) -> Autoencoder:
    """The first stage that a task borrows, when it is the one that the latents were made with."""
    installed = load(plan.first_stage, dtype="float32").autoencoder
    kept, made = (one.encoder_fingerprint(rounded_to=torch.float16) for one in (installed, made_with))
    if kept != made:
        sys.exit(f"The encoder of {plan.first_stage} is another one: ship the one that came back first.")
    return installed


def _facts(parts: Path, name: str) -> dict[str, Any]:
    return json.loads((parts / f"{name}.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
