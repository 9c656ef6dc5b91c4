"""What the perceptual and the adversarial term of stage one are worth, measured by a network that neither of them uses.

    python bench/terms.py --state RUN/stage_one/state.pt --out bench/results/terms.json

From one half-trained autoencoder of the recipe `emoji`, each arm trains on for the same steps on the same crops, with one term more
than the arm before, once per seed. All are compared on the split `unseen_scene` at full size; the interval of a difference is
Student's over the seeds.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.loss import ReconstructionLossConfig
from ildm.core.picture import to_floats
from ildm.data.loader import batches
from ildm.data.opening import open_dataset
from ildm.data.sample import ImageDataset
from ildm.data.transforms import RandomCrop
from ildm.evaluation.network import Lite0, load_lite0
from ildm.evaluation.reconstruction import perceptual_distance, psnr
from ildm.recipes import find_recipe
from ildm.training.loop import LoopConfig
from ildm.training.optimizer import OptimizerConfig
from ildm.training.recipe import Recipe
from ildm.training.stage_one import StageOne
from interleaved import machine

# Student's t, two-sided 95 %, by degrees of freedom
T95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776}
Figures = dict[str, float]


def arms(options: argparse.Namespace) -> dict[str, ReconstructionLossConfig]:
    """The loss of each arm, one term more from line to line."""
    whole = ReconstructionLossConfig(
        perceptual_weight=0.1,
        discriminator_weight=options.weight,
        discriminator_start=0,
        discriminator_ramp=options.steps // 4,
    )
    return {
        "absolute error": replace(whole, backbone="none", discriminator_weight=0.0),
        "and perceptual": replace(whole, discriminator_weight=0.0),
        "and adversarial": whole,
    }


def main() -> None:
    options = read_options()
    recipe, evaluator = find_recipe("emoji"), load_lite0()
    dataset = open_dataset(recipe.data)
    held_out = open_dataset(replace(recipe.data, split="unseen_scene", length=options.images))
    start = torch.load(options.state, map_location="cpu", weights_only=True)["task"]
    targets = to_floats(torch.stack([held_out[index].image for index in range(options.images)]))
    chosen = {name: loss for name, loss in arms(options).items() if not options.arms or name in options.arms}
    results: dict[str, list[Figures]] = {name: [] for name in chosen}
    for seed in range(options.seeds):
        for name, loss in chosen.items():
            autoencoder = trained(recipe, loss, dataset, start, seed, options)
            results[name].append(measure(autoencoder, targets, evaluator))
            print(
                f"seed {seed}, {name:18}" + "   ".join(f"{key} {value:.4f}" for key, value in results[name][-1].items()),
                flush=True,
            )
    names = list(chosen)
    gains = [gain(results, less, more) for less, more in pairwise(names)]
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        fields = {
            "machine": machine(),
            "options": {key: value for key, value in vars(options).items() if key not in ("state", "out")},
        }
        losses = {name: asdict(loss) for name, loss in chosen.items()}
        options.out.write_text(json.dumps(fields | {"losses": losses, "results": results, "gains": gains}, indent=1) + "\n")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", type=Path, required=True, help="stage one's state in a run of the recipe emoji")
    parser.add_argument("--steps", type=int, default=600, help="of 16 crops, per arm and seed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, default=192, help="of the held-out split")
    parser.add_argument("--weight", type=float, default=0.5, help="of the adversarial term")
    parser.add_argument("--critic-rate", type=float, default=2e-4, help="the discriminator's learning rate")
    parser.add_argument("--arms", nargs="*", help="only these")
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    return parser.parse_args()


def trained(
    recipe: Recipe,
    loss: ReconstructionLossConfig,
    dataset: ImageDataset,
    start: dict[str, dict[str, Tensor]],
    seed: int,
    options: argparse.Namespace,
) -> Autoencoder:
    """The averaged weights after the arm's steps; the discriminator begins anew, as it does in a run."""
    config = replace(
        recipe.stage_one,
        loop=LoopConfig(steps=options.steps),
        loss=loss,
        optimizer=OptimizerConfig(learning_rate=4e-4, betas=(0.5, 0.9), warmup_steps=20, decay="cosine"),
        discriminator_optimizer=replace(recipe.stage_one.discriminator_optimizer, learning_rate=options.critic_rate),
        ema_decay=0.99,
        seed=seed,
    )
    torch.manual_seed(seed)
    task = StageOne(config, Autoencoder(recipe.autoencoder), lambda _: iter(()), torch.zeros(1, 3, 64, 64))
    task.autoencoder.load_state_dict(start["ema"])
    task.ema.shadow.load_state_dict(start["ema"])
    with torch.no_grad():
        task.likelihood.logvar.copy_(start["logvar"])
    for step, images in zip(range(options.steps), crops(dataset, config.batch_size, seed), strict=False):
        metrics = task.train_step(step, images)
        if step % 100 == 99:
            shown = "   ".join(f"{key} {float(value):.4g}" for key, value in metrics.items())
            print(f"  step {step + 1}: {shown}", flush=True)
    return task.ema.shadow


def crops(dataset: ImageDataset, batch_size: int, seed: int) -> Iterator[Tensor]:
    """The same crops for every arm of a seed, none of which stage one has seen in this order."""
    return (batch.images for batch in batches(dataset, batch_size, seed=1000 + seed, workers=1, transform=RandomCrop(64)))


@torch.inference_mode()
def measure(autoencoder: Autoencoder, targets: Tensor, evaluator: Lite0) -> Figures:
    """Averages over the held-out images."""
    rebuilt = torch.cat([autoencoder.reconstruct(autoencoder.posterior(part).mode).clamp(-1, 1) for part in targets.split(16)])
    pairs = list(zip(rebuilt.split(16), targets.split(16), strict=True))
    distance = torch.cat([perceptual_distance(evaluator, ours, theirs) for ours, theirs in pairs])
    return {"perceptual distance": distance.mean().item(), "psnr": psnr(rebuilt, targets).mean().item()}


def gain(results: dict[str, list[Figures]], less: str, more: str) -> dict[str, object]:
    """How far the added term lowers the distance: the mean over seeds and its interval."""
    pairs = zip(results[less], results[more], strict=True)
    gains = [before["perceptual distance"] - after["perceptual distance"] for before, after in pairs]
    middle, half = statistics.fmean(gains), float("nan")
    if len(gains) > 1:
        half = T95[len(gains) - 1] * statistics.stdev(gains) / len(gains) ** 0.5
    print(
        f"{less} -> {more}: distance lower by {middle:.4f} ({middle - half:.4f} to {middle + half:.4f}), N = {len(gains)} seeds"
    )
    return {"from": less, "to": more, "gains": gains, "mean": middle, "interval": [middle - half, middle + half]}


if __name__ == "__main__":
    main()
