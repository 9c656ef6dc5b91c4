"""Models of every task, made in seconds: they draw blobs, but what they are given changes them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from ildm.checkpoint.load import load
from ildm.checkpoint.native import save_native
from ildm.core.config import override
from ildm.recipes import find_recipe
from ildm.training.pipeline import Run
from ildm.training.recipe import Recipe
from ildm.training.stopping import Stop

SHORT = (
    "stage_one.loop.steps=1", "stage_two.loop.steps=1", "stage_one.batch_size=2", "stage_two.batch_size=2", "num_latents=4",
    "stage_one.loop.log_every=1", "stage_two.loop.log_every=1", "sampling.num_steps=3", "stage_one.loss.discriminator_weight=0",
)  # fmt: skip


def save_tiny_models(home: Path, *names: str) -> None:
    """Have an `ILDM_HOME` know models of these recipes."""
    for name in names:
        with TemporaryDirectory() as folder:
            recipe = override(find_recipe(name), SHORT, derived=Recipe.DERIVED)
            model = load(Run(recipe, Path(folder) / name, torch.device("cpu"), Stop())(), device="cpu")
        torch.manual_seed(0)
        with torch.no_grad():
            # output layers start at zero, and a network that says nothing tests nothing
            model.unet.conv_out.weight.normal_(std=0.1)
        save_native(model, home / "models" / name)
