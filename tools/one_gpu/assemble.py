"""Makes a run's folder of what came back from the GPU: python tools/one_gpu/assemble.py PARTS TOKENIZER RUN [--weights averaged]

The run can be evaluated, shipped and gone on with as any other.
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path

import torch
from recipe import recipe

from ildm.checkpoint.first_stage import save_autoencoder
from ildm.checkpoint.native import save_native
from ildm.conditioning.text import TextConditioner
from ildm.conditioning.tokenizer import Tokenizer
from ildm.denoiser.unet import UNet
from ildm.training.making import make_model
from ildm.training.stage_two import Networks
from parts import read_autoencoder, read_parts


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", type=Path)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--weights", choices=("averaged", "raw"), default="averaged")
    options = parser.parse_args()
    facts = json.loads((options.parts / "facts.json").read_text(encoding="utf-8"))
    plan = replace(recipe(facts["channels"], facts["scenes"]), name=options.run.name)
    autoencoder = read_autoencoder(options.parts)
    assert plan.text is not None
    conditioner = TextConditioner(plan.text, Tokenizer.from_file(options.tokenizer, plan.text.max_tokens))
    networks = Networks(UNet(plan.denoiser), conditioner)
    networks.load_state_dict(read_parts(options.parts, options.weights))
    options.run.mkdir(parents=True, exist_ok=True)
    save_autoencoder(autoencoder, options.run / "autoencoder")
    shutil.copyfile(options.tokenizer, options.run / "tokenizer.json")
    model = make_model(plan, networks, autoencoder, None)
    told = {**model.manifest.training, "device": facts["device"], "one_gpu": facts}
    model.manifest = model.manifest.model_copy(update={"training": told})
    save_native(model, options.run / "model", dtype=torch.float16)
    print(f"{options.run / 'model'} is there.")


if __name__ == "__main__":
    main()
