"""What parts of stage two's recipe are worth in equal steps: path, prediction, times, dropout, length of the average, guided times.

    python bench/recipe.py --out bench/results/recipe.json

A small denoiser of classes learns on cached latents of a model, once for every arm and seed, and draws with the same prompts and noise.
Averages of several lengths are taken of one training, and guidance is varied on one trained model. The same command goes on after any
stop. KID is measured in the features of EfficientNet-Lite0; the interval of a difference is Student's over the seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from gains import Figures, gain, report
from ildm.autoencoder.autoencoder import Autoencoder
from ildm.checkpoint.load import load
from ildm.core.files import home, write_json
from ildm.core.manifest import Defaults
from ildm.data.encoding import encode_dataset
from ildm.data.latents import LatentCache
from ildm.data.opening import open_dataset
from ildm.diffusion.path import VariancePreserving
from ildm.diffusion.weighting import TimeDistribution
from ildm.evaluation.drawing import Drawing
from ildm.evaluation.evaluate import evaluate
from ildm.evaluation.sets import EvaluationConfig
from ildm.model import Model
from ildm.recipes import tasks
from ildm.training.denoising import CaptionedLatents, Networks
from ildm.training.ema import EMA
from ildm.training.loop import LoopConfig
from ildm.training.making import make_model, make_networks
from ildm.training.recipe import Recipe
from ildm.training.stage_two import StageTwo
from ildm.training.stage_two_config import StageTwoConfig
from interleaved import machine

_FIGURES = ("kid-lite0", "class-top-5")
_CHOSEN = "as chosen"
_LENGTHS = (0.9, 0.97, 0.997)  # beside the chosen one
_UNIFORM = TimeDistribution(kind="uniform")
_PRESERVING = VariancePreserving()


@dataclass(frozen=True)
class Arm:
    """What is trained otherwise than chosen, and compared with what.

    Args:
        lengths: decays of further averages, which are judged as arms of their own.
        guided: guidance scales and intervals of times that are tried on the trained model.
    """

    name: str
    change: Callable[[StageTwoConfig], StageTwoConfig]
    against: str = _CHOSEN
    lengths: tuple[float, ...] = ()
    guided: tuple[tuple[float, tuple[float, float]], ...] = ()


ARMS = (
    Arm(
        _CHOSEN,
        lambda two: two,
        against="",
        lengths=_LENGTHS,
        guided=((1.0, (0.0, 1.0)), (3.0, (0.0, 1.0)), (3.0, (0.0, 0.8)), (3.0, (0.2, 0.8))),
    ),
    Arm("uniform times", lambda two: replace(two, times=_UNIFORM)),
    Arm("logit-normal times, location 1", lambda two: replace(two, times=replace(two.times, location=1.0))),
    Arm(
        "variance-preserving path, noise predicted",
        lambda two: replace(two, path=_PRESERVING, prediction="epsilon", times=_UNIFORM),
        against="uniform times",
    ),
    Arm(
        "variance-preserving path, velocity",
        lambda two: replace(two, path=_PRESERVING, times=_UNIFORM),
        against="uniform times",
    ),
    Arm("dropout 0.02", lambda two: replace(two, dropout=0.02)),
    Arm("dropout 0.2", lambda two: replace(two, dropout=0.2)),
)


def main() -> None:
    options = _options()
    plan = _plan(options.steps)
    first = load(plan.first_stage, device="cpu", dtype="float32").autoencoder
    plan = plan.settled(open_dataset(plan.data))
    cache = _latents(plan, first, options.latents)
    results = _known(options)
    for seed in range(options.seeds):
        for arm in ARMS:
            if str(seed) not in results.get(arm.name, {}):
                for name, figures in _judged(arm, plan, first, cache, seed, options):
                    results.setdefault(name, {})[str(seed)] = figures
                    report(f"seed {seed}, {name}", figures)
                _write(options, results)
    _write(options, results, gains=_gains(results))


def _known(options: argparse.Namespace) -> dict[str, dict[str, Figures]]:
    """What was measured before, by arm and seed: alike in all but how many seeds there are to be."""
    if not options.out.exists():
        return {}
    kept = json.loads(options.out.read_text(encoding="utf-8"))
    asked = _asked(options)
    unlike = [key for key, value in kept["options"].items() if key != "seeds" and value != asked[key]]
    if unlike:
        sys.exit(f"{options.out} was measured with other {', '.join(unlike)}: give the same, or another --out.")
    return kept["results"]


def _asked(options: argparse.Namespace) -> dict[str, object]:
    return {key: value for key, value in vars(options).items() if key != "out"}


def _judged(
    arm: Arm, plan: Recipe, first: Autoencoder, cache: LatentCache, seed: int, options: argparse.Namespace
) -> list[tuple[str, Figures]]:
    """Train an arm once and measure all that is tried on it."""
    plan = replace(plan, stage_two=replace(arm.change(plan.stage_two), seed=seed))
    averages = _trained(plan, cache, arm.lengths)
    found: list[tuple[str, Figures]] = []
    for decay, networks in averages.items():
        name = arm.name if decay == plan.stage_two.ema_decay else f"averages of {1 / (1 - decay):.0f} steps"
        found.append((name, _measured(make_model(plan, networks, first, None), seed, options)))
    model = make_model(plan, averages[plan.stage_two.ema_decay], first, None)
    for scale, (low, high) in arm.guided:
        defaults = plan.sampling.defaults().model_copy(update={"guidance_scale": scale, "guidance_interval": (low, high)})
        name = f"guidance {scale:g} at times {low:g} to {high:g}"
        found.append((name, _measured(_drawing_by(model, defaults), seed, options)))
    return found


def _trained(plan: Recipe, cache: LatentCache, lengths: tuple[float, ...]) -> dict[float, Networks]:
    """The averaged networks after all steps, by the decay of their average."""
    two = plan.stage_two
    networks = make_networks(plan, Path(), cache, None)
    task = StageTwo(two, networks, lambda _: iter(()), lambda _: None, lambda *_: None, len(cache.classes))
    further = {decay: EMA(networks, decay) for decay in lengths}
    for step, batch in zip(range(two.loop.steps), cache.batches(two.batch_size, seed=two.seed), strict=False):
        task.train_step(step, CaptionedLatents(batch.latents, batch.captions, batch.maps, batch.features))
        for average in further.values():
            average.update(networks, step)
    return {two.ema_decay: task.ema.shadow, **{decay: average.shadow for decay, average in further.items()}}


def _measured(model: Model, seed: int, options: argparse.Namespace) -> Figures:
    """The distance to unseen scenes, and how many things are found."""
    config = EvaluationConfig(
        splits=("unseen_scene",),
        num_images=options.images,
        num_probes=options.images,
        metrics=("kernel-distance", "class-accuracy"),
        drawing=Drawing(seed=seed * 10_000),
    )
    judged = evaluate(model, config)
    found = {entry.figure.name: entry.figure.estimate.value for entry in judged.entries}
    return {name: found[name] for name in _FIGURES}


def _drawing_by(model: Model, defaults: Defaults) -> Model:
    return replace(model, manifest=model.manifest.model_copy(update={"defaults": defaults}))


def _gains(results: dict[str, dict[str, Figures]]) -> list[dict[str, object]]:
    against = {arm.name: arm.against for arm in ARMS}
    pairs = [(against.get(name, _CHOSEN), name) for name in results if name != _CHOSEN]
    gains: list[dict[str, object]] = []
    for less, more in pairs:
        seeds = sorted(results[less].keys() & results[more].keys())
        before, after = ([results[name][seed] for seed in seeds] for name in (less, more))
        gains += [gain(less, more, key, before, after) for key in _FIGURES]
    return gains


def _plan(steps: int) -> Recipe:
    recipe = tasks.classes()
    two = recipe.stage_two
    return replace(
        recipe,
        denoiser=replace(recipe.denoiser, channels=(48, 64, 80)),
        stage_two=replace(two, loop=LoopConfig(steps=steps), ema_decay=0.99),
    )


def _latents(plan: Recipe, first: Autoencoder, count: int) -> LatentCache:
    folder = home() / "bench" / f"recipe-{count}"

    @torch.inference_mode()
    def encode(images: torch.Tensor) -> torch.Tensor:
        return first.encode(images)

    encode_dataset(
        open_dataset(plan.data),
        encode,
        first.encoder_fingerprint(),
        folder,
        limit=count,
        told=plan.condition.told(encode),
    )
    return LatentCache(folder, first.encoder_fingerprint())


def _write(
    options: argparse.Namespace, results: dict[str, dict[str, Figures]], gains: list[dict[str, object]] | None = None
) -> None:
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_json(options.out, {"machine": machine(), "options": _asked(options), "results": results, "gains": gains or []})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000, help="of 64 latents, per arm and seed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, default=384, help="that are drawn and judged, each time")
    parser.add_argument("--latents", type=int, default=16_000, help="that are trained on")
    parser.add_argument("--out", type=Path, required=True, help="where the figures are kept as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
