"""Fifty prompts as strangers type them, beside what the model was taught to call the same things.

    python bench/own_words.py --out bench/results/own-words.json --sheet own-words.png

Each prompt is drawn with a few seeds, and so is "a picture of" its concept's label, with the same noise. Whether the thing is there is
judged by the evaluation's recogniser of all concepts. The interval of the difference is over prompts.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from ildm.core.picture import from_picture, paste_grid, to_picture
from ildm.evaluation.gallery import GalleryConfig, load_recogniser
from ildm.evaluation.images import extract
from ildm.evaluation.intervals import bootstrap_mean
from ildm.evaluation.network import load_lite0
from ildm.evaluation.recogniser import hits
from ildm.model import Model
from parts import Figures, parts_parser, run_parts

PROMPTS = (
    ("apple", "red apple"),
    ("A JUICY APPLE!!", "red apple"),
    ("draw me a strawberry please", "strawberry"),
    ("burger", "hamburger"),
    ("a slice of pizza", "pizza"),
    ("a donut with pink icing", "doughnut"),
    ("ice cream cone", "ice cream"),
    ("a mug of beer", "beer mug"),
    ("glass of red wine", "wine glass"),
    ("some grapes on white", "grapes"),
    ("corn on the cob", "ear of corn"),
    ("fries", "french fries"),
    ("half a kiwi", "kiwi fruit"),
    ("cute fox", "fox"),
    ("a fox's face, 3d", "fox"),
    ("happy monkey", "monkey face"),
    ("little piggy", "pig face"),
    ("bunny", "rabbit face"),
    ("a cat", "cat face"),
    ("an emoji of a tiger", "tiger face"),
    ("panda bear on a light green background", "panda"),
    ("penguin in the style of noto", "penguin"),
    ("a big whale", "spouting whale"),
    ("ladybug", "lady beetle"),
    ("sea turtle, flat design", "turtle"),
    ("red rose", "rose"),
    ("a sun flower", "sunflower"),
    ("palm", "palm tree"),
    ("lucky clover", "four leaf clover"),
    ("my house", "house"),
    ("an old castle on a purple background", "castle"),
    ("volcano erupting", "volcano"),
    ("steam train", "locomotive"),
    ("yellow cab", "taxi"),
    ("a plane", "airplane"),
    ("spaceship", "rocket"),
    ("ufo", "flying saucer"),
    ("sailing boat", "sailboat"),
    ("traffic light", "vertical traffic light"),
    ("the moon", "crescent moon"),
    ("saturn with its rings", "ringed planet"),
    ("a yellow star", "star"),
    ("xmas tree", "Christmas tree"),
    ("halloween pumpkin", "jack-o-lantern"),
    ("soccer", "soccer ball"),
    ("a present", "wrapped gift"),
    ("red heart", "heart suit"),
    ("diamond", "gem stone"),
    ("electric guitar on a black background", "guitar"),
    ("a king's crown", "crown"),
)
_AT_ONCE = 25


def main() -> None:
    run_parts({"fifty prompts": fifty_prompts}, read_options())


def read_options() -> argparse.Namespace:
    parser = parts_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=4, help="pictures of each prompt (default: 4)")
    parser.add_argument("--sheet", type=Path, help="where to write the pictures of the first seed, with their prompts")
    return parser.parse_args()


def fifty_prompts(model: Model, options: argparse.Namespace) -> Figures:
    """How often each way of saying it shows the thing, among the recogniser's first five and first."""
    network = load_lite0()
    recogniser = load_recogniser(GalleryConfig(size=model.image_size[0]), network)
    wanted = recogniser.indices([label for _, label in PROMPTS])
    ways = {"own words": [typed for typed, _ in PROMPTS], "labels": [f"a picture of {label}" for _, label in PROMPTS]}
    figures: Figures = {"prompts": len(PROMPTS), "seeds": options.seeds}
    found: dict[str, dict[int, Tensor]] = {}
    for way, prompts in ways.items():
        drawn = [_draw(model, prompts, seed) for seed in range(options.seeds)]
        if way == "own words" and options.sheet:
            _write_sheet(drawn[0], prompts, options.sheet)
        scores = [recogniser.scores(extract(network, pictures)) for pictures in drawn]
        found[way] = {rank: torch.stack([hits(one, wanted, rank).double() for one in scores]).mean(dim=0) for rank in (1, 5)}
        for rank, shares in found[way].items():
            figures[f"{way}, top {rank}"] = float(shares.mean())
            figures[f"{way}, top {rank}, 95 %"] = list(bootstrap_mean(shares))
    for rank in (1, 5):
        difference = found["own words"][rank] - found["labels"][rank]
        figures[f"own words less labels, top {rank}"] = float(difference.mean())
        figures[f"own words less labels, top {rank}, 95 %"] = list(bootstrap_mean(difference))
    figures["by prompt"] = {typed: float(share) for (typed, _), share in zip(PROMPTS, found["own words"][5], strict=True)}
    return figures


def _draw(model: Model, prompts: list[str], seed: int) -> Tensor:
    """(prompts, 3, height, width) bytes: each prompt with noise of its own."""
    pictures = []
    for start in range(0, len(prompts), _AT_ONCE):
        some = prompts[start : start + _AT_ONCE]
        seeds = [1000 * seed + start + place for place in range(len(some))]
        pictures += model.generate(some, seed=seeds, num_steps=25)
    return torch.stack([from_picture(picture) for picture in pictures])


def _write_sheet(pictures: Tensor, prompts: list[str], path: Path) -> None:
    paste_grid([to_picture(one) for one in pictures], columns=10, captions=prompts).save(path)


if __name__ == "__main__":
    main()
