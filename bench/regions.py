"""What regions cost and how well they hold, with the shipped model or another.

    python bench/regions.py --out bench/results/regions.json

Costs are ratios of turns taken within one run. Whether a region shows what it says is judged by the evaluation's recogniser on the crop
of that region, beside three others: real renders of the same things at the same places, these as the first stage rebuilds them, and the
same prompts joined, without places.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from ildm.conditioning.composition import Composition
from ildm.conditioning.regions import Mode, Region
from ildm.core.picture import to_bytes, to_floats
from ildm.core.randomness import START_STREAM, sample_noise
from ildm.data.backgrounds import COLOURS
from ildm.data.emoji_scenes import EmojiScenes, EmojiScenesConfig
from ildm.data.sample import Sample, SceneObject
from ildm.evaluation.gallery import GalleryConfig, load_recogniser
from ildm.evaluation.images import extract
from ildm.evaluation.intervals import bootstrap_mean
from ildm.evaluation.network import load_lite0
from ildm.evaluation.recogniser import hits
from ildm.following import Following
from ildm.model import Model
from ildm.session.session import Session
from interleaved import take_turns
from parts import Figures, parts_parser, run_parts

MODES: tuple[Mode, ...] = get_args(Mode)
SHAPES = ("box", "ellipse", "blob", "soft")


def main() -> None:
    run_parts(
        {
            "cost": cost,
            "strokes": strokes,
            "leakage": leakage,
            "seam": seam,
            "accuracy": accuracy,
        },
        read_options(),
    )


def read_options() -> argparse.Namespace:
    parser = parts_parser(__doc__)
    parser.add_argument("--scenes", type=int, default=300, help="for accuracy (default: 300)")
    parser.add_argument("--pairs", type=int, default=40, help="for leakage and seam (default: 40)")
    parser.add_argument("--steps", type=int, default=25, help="of a drawing (default: 25)")
    parser.add_argument("--turns", type=int, default=15, help="of each timing (default: 15)")
    return parser.parse_args()


# --- cost ----------------------------------------------------------------------------------------------------------------


def cost(model: Model, options: argparse.Namespace) -> Figures:
    """Five steps with regions against five without. In latent mode a ratio is per evaluation: a plain step makes two."""
    contenders = {"plain": _steps(model, ())}
    evaluations = {}
    for mode in MODES:
        for count in (1, 4, 16):
            regions = _tiles(count)
            contenders[f"{mode} {count}"] = _steps(model, regions, mode)
            evaluations[f"{mode} {count}"] = count + 2 if mode == "latent" else 2
    timings = take_turns(contenders, options.turns)
    figures: Figures = {"plain, ms a step": 200 * timings["plain"].median}
    for name, timing in timings.items():
        if name != "plain":
            ratios = [own / plain for own, plain in zip(timing.seconds, timings["plain"].seconds, strict=True)]
            figures[name] = statistics.median(ratios) / (evaluations[name] / 2)
    return figures


def _steps(model: Model, regions: Sequence[Region], mode: Mode = "attention") -> Callable[[], object]:
    # smaller than the tiles are, so that the base acts, too
    composition = Composition(prompt="a plain blue background", guidance_scale=3.0, regions=tuple(regions), mode=mode)
    following, solver = Following(model, [composition], model.image_size), model.sampler()
    grid = model.autoencoder.latent_space.grid(*model.image_size)
    schedule = model.schedule(25, manner=solver.manner)
    state = solver.init(sample_noise([1], START_STREAM, grid, device=model.device), schedule, [1])

    @torch.inference_mode()
    def run() -> None:
        here = state
        for _ in range(5):
            here = solver.step(here, following.at(here.step, 25))

    return run


def _tiles(count: int) -> list[Region]:
    side = round(count**0.5)
    regions = []
    for number, name in zip(range(count), _names(), strict=False):
        mask = torch.zeros(128, 128)
        top, left = (128 // side * place for place in divmod(number, side))
        mask[top + 4 : top + 128 // side - 4, left + 4 : left + 128 // side - 4] = 1.0
        regions.append(Region(prompt=f"a {name}", mask=mask))
    return regions


def _names() -> tuple[str, ...]:
    return (
        *("red apple", "cat face", "castle", "rocket", "penguin", "guitar", "fox", "doughnut"),
        *("dog", "tree", "fish", "lion", "key", "hat", "ship", "flower"),
    )


def strokes(model: Model, options: argparse.Namespace) -> Figures:
    """Sixteen regions, a stroke into one of them before every second step: how much longer such a step takes, stroke included."""
    figures: Figures = {}
    for mode in MODES:
        session = Session(model, "a plain blue background", num_steps=2 * options.turns, seed=1)
        session.regions.rules(mode=mode)
        for region in _tiles(16):
            session.regions.add(region.prompt, region.mask.numpy())
        seconds: dict[bool, list[float]] = {False: [], True: []}
        for step in range(2 * options.turns):
            painted = step % 2 == 1
            began = time.perf_counter()
            if painted:
                place = (step % 7) / 10
                session.regions.paint(str(1 + step % 16), (place, place, place + 0.2, place + 0.2))
            session.step()
            seconds[painted].append(time.perf_counter() - began)
        quiet, stroke = (statistics.median(seconds[flag][1:]) for flag in (False, True))
        figures |= {f"{mode}, quiet step, ms": 1e3 * quiet, f"{mode}, with a stroke": stroke / quiet}
    return figures


# --- leakage and seams -----------------------------------------------------------------------------------------------------


def leakage(model: Model, options: argparse.Namespace) -> Figures:
    """One region's prompt is exchanged: how much changes outside it (mean absolute difference), as a share of what changes inside."""
    figures: Figures = {}
    names = _names()
    for mode in MODES:
        shares = []
        for seed in range(options.pairs):
            dice = random.Random(seed)
            first, second = dice.sample(names, 2)
            mask = _shape(dice.choice(SHAPES), (0.1, 0.2, 0.5, 0.8), dice)
            before, after = (
                _draw(model, [Region(prompt=f"a {name}", mask=mask)], mode, seed, options) for name in (first, second)
            )
            change = np.abs(before - after).mean(axis=2)
            inside, outside = mask.numpy() > 0.5, _far(mask)
            shares.append(change[outside].mean() / max(1e-9, change[inside].mean()))
        figures[f"{mode}, median"] = statistics.median(shares)
        figures[f"{mode}, p90"] = statistics.quantiles(shares, n=10)[-1]
    return {**figures, "bar in latent mode": 0.1}


def seam(model: Model, options: argparse.Namespace) -> Figures:
    """One prompt in two adjoining feathered regions: the gradient across their border over the gradient elsewhere.

    Beside it the same for a hard border between two prompts, where a seam is to be seen.
    """
    ramp = ((torch.arange(128) - 56) / 16).clamp(0.0, 1.0).expand(128, 128)
    figures: Figures = {}
    for mode in MODES:
        for what, texts in (("same", ("a field of flowers",) * 2), ("unlike", ("a red apple", "a blue fish"))):
            ratios = []
            for seed in range(options.pairs):
                masks = (1.0 - ramp, ramp) if what == "same" else ((ramp < 0.5).float(), (ramp >= 0.5).float())
                regions = [Region(prompt=text, mask=mask.contiguous()) for text, mask in zip(texts, masks, strict=True)]
                gradient = np.abs(np.diff(_draw(model, regions, mode, seed, options, prompt=""), axis=1)).mean(axis=(0, 2))
                ratios.append(gradient[60:67].mean() / gradient.mean())
            figures[f"{mode}, {what}"] = statistics.median(ratios)
    return {**figures, "bar for the same": 1.1}


def _draw(
    model: Model,
    regions: Sequence[Region],
    mode: Mode,
    seed: int,
    options: argparse.Namespace,
    prompt: str = "a plain blue background",
) -> np.ndarray:
    drawn = model.generate(prompt, regions=regions, region_mode=mode, seed=seed, num_steps=options.steps)
    return np.asarray(drawn[0], dtype=np.float64)


def _far(mask: Tensor) -> np.ndarray:
    """Outside, and a latent cell away from the region."""
    grown = torch.nn.functional.max_pool2d(mask[None, None], 17, stride=1, padding=8)[0, 0]
    return grown.numpy() == 0.0


def _shape(kind: str, box: tuple[float, float, float, float], dice: random.Random) -> Tensor:
    """A mask of 128 x 128 pixels that fills a box in one of several ways."""
    rows, columns = torch.meshgrid(torch.linspace(0, 1, 128), torch.linspace(0, 1, 128), indexing="ij")
    left, top, right, bottom = box
    across, down = (columns - (left + right) / 2) / ((right - left) / 2), (rows - (top + bottom) / 2) / ((bottom - top) / 2)
    if kind == "box":
        return ((across.abs() <= 1) & (down.abs() <= 1)).float()
    radius = (across.square() + down.square()).sqrt()
    if kind == "ellipse":
        return (radius <= 1.1).float()
    if kind == "soft":
        return ((1.35 - radius) / 0.4).clamp(0.0, 1.0)
    angle, phase = torch.atan2(down, across), dice.uniform(0.0, 6.28)
    return (radius <= 1.0 + 0.2 * torch.sin(3 * angle + phase)).float()


# --- accuracy ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scene:
    """A real scene, and the regions that ask for the same things at the same places."""

    sample: Sample
    background: str
    things: tuple[SceneObject, ...]
    regions: tuple[Region, ...]


def accuracy(model: Model, options: argparse.Namespace) -> Figures:
    """Of the regions whose real render is recognised: how many show what they say, among the recogniser's first five of all concepts."""
    network = load_lite0()
    data = EmojiScenesConfig(
        size=128, split="unseen_scene", length=20 * options.scenes, seed=104, captions=1, concepts=model.manifest.concepts or None,
        single_object_share=0.0, mixed_style_share=0.0, backgrounds=("plain",), plain_share=1.0, styles=_trained_styles(model),
    )  # fmt: skip
    recogniser = load_recogniser(GalleryConfig(size=128), network)
    scenes = list(_scenes(data, options.scenes))
    wanted = recogniser.indices([thing.concept for scene in scenes for thing in scene.things])

    def found(pictures: Iterator[np.ndarray] | list[np.ndarray]) -> Tensor:
        crops = [_crop(picture, thing.box) for picture, scene in zip(pictures, scenes, strict=True) for thing in scene.things]
        scores = recogniser.scores(torch.cat([extract(network, torch.stack(some)) for some in _chunks(crops, 64)]))
        return hits(scores, wanted, 5)

    real = found([scene.sample.image.permute(1, 2, 0).numpy() for scene in scenes])
    figures: Figures = {
        "scenes": len(scenes), "regions": len(wanted), "real renders found": float(real.float().mean()),
    }  # fmt: skip
    drawn = {"reconstructions": found([_rebuilt(model, scene.sample) for scene in scenes])}
    for mode in MODES:
        drawn[mode] = found(
            [
                _draw(model, scene.regions, mode, seed, options, prompt=scene.background).astype(np.uint8)
                for seed, scene in enumerate(scenes)
            ]
        )
    joined = []
    for seed, scene in enumerate(scenes):
        text = ", ".join(region.prompt for region in scene.regions) + f" on {scene.background}"
        joined.append(_draw(model, (), "attention", seed, options, prompt=text).astype(np.uint8))
    drawn["joined"] = found(joined)
    for name, hit in drawn.items():
        figures[f"{name}, of those"] = float(hit[real].float().mean())
    for mode in MODES:
        gain = bootstrap_mean(drawn[mode][real].float() - drawn["joined"][real].float())
        figures[f"{mode}, gain, 95 %"] = [round(float(border), 4) for border in gain]
    return {**figures, "bar": 0.8}


@torch.inference_mode()
def _rebuilt(model: Model, sample: Sample) -> np.ndarray:
    """The real scene as it leaves the first stage."""
    images = model.decode(model.encode(to_floats(sample.image[None]).to(model.device)))
    return to_bytes(images)[0].permute(1, 2, 0).cpu().numpy()


def _scenes(data: EmojiScenesConfig, count: int) -> Iterator[Scene]:
    """Scenes of two to four different concepts."""
    drawn, made = EmojiScenes(replace(data)), 0
    for index in range(len(drawn)):
        sample = drawn[index]
        things = sample.objects
        if len(things) < 2 or len({thing.concept for thing in things}) < len(things):
            continue
        dice = random.Random(index)
        colour = sample.source.partition(": ")[2]
        assert colour in COLOURS, sample.source
        regions = tuple(
            Region(prompt=f"a {thing.concept}", mask=_shape(SHAPES[(made + n) % len(SHAPES)], thing.box, dice))
            for n, thing in enumerate(things)
        )
        yield Scene(sample, f"a plain {colour} background", things, regions)
        made += 1
        if made == count:
            return
    raise SystemExit(f"Only {made} of {count} scenes could be drawn.")


def _crop(picture: np.ndarray, box: tuple[float, float, float, float]) -> Tensor:
    """A region's box on a square of the picture's own border colour, (3, 128, 128)."""
    pixels = torch.from_numpy(picture).permute(2, 0, 1)
    colour = torch.cat([pixels[:, 0], pixels[:, -1]], dim=1).float().median(dim=1).values.to(torch.uint8)
    square = colour[:, None, None].repeat(1, 128, 128)
    left, top, right, bottom = (round(128 * border) for border in box)
    part = pixels[:, top:bottom, left:right]
    down, across = (128 - part.shape[1]) // 2, (128 - part.shape[2]) // 2
    square[:, down : down + part.shape[1], across : across + part.shape[2]] = part
    return square


def _trained_styles(model: Model) -> tuple[str, ...] | None:
    styles = model.manifest.training.get("recipe", {}).get("data", {}).get("styles")
    return tuple(styles) if styles else None


def _chunks(items: list[Tensor], size: int) -> Iterator[list[Tensor]]:
    return (items[start : start + size] for start in range(0, len(items), size))


if __name__ == "__main__":
    main()
