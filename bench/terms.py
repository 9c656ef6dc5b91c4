"""What parts of stage one are worth in equal steps: the perceptual and the adversarial term, and the revival of dead codes.

    python bench/terms.py terms --out bench/results/terms.json
    python bench/terms.py refined --out bench/results/refined.json
    python bench/terms.py revival --out bench/results/revival.json

`terms` trains autoencoders from their beginning, by the absolute error or with one term more; `refined` trains the decoder of a model on
so; `revival` trains vector-quantised autoencoders, dead codes revived or left dead. Every arm of a seed sees the same crops. All are
measured on the split `unseen_scene` at full size, in the features of two networks that no loss here uses, EfficientNet-Lite0 and
SqueezeNet; the interval of a difference is Student's over the seeds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from gains import Figures, gain, report
from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.backbones import squeezenet
from ildm.autoencoder.codebook import Codes
from ildm.autoencoder.config import AutoencoderConfig
from ildm.autoencoder.loss import ReconstructionLossConfig
from ildm.autoencoder.perceptual import PerceptualDistance
from ildm.checkpoint.load import load
from ildm.core.picture import to_bytes, to_floats
from ildm.data.loader import batches
from ildm.data.opening import open_dataset
from ildm.data.sample import ImageDataset
from ildm.data.transforms import RandomCrop
from ildm.evaluation.distances import frechet_distance, kernel_distance, principal_directions
from ildm.evaluation.images import extract
from ildm.evaluation.network import Lite0, load_lite0
from ildm.evaluation.reconstruction import perceptual_distance, psnr
from ildm.recipes import find_recipe, small
from ildm.training.codebook import CodebookConfig
from ildm.training.loop import LoopConfig
from ildm.training.optimizer import OptimizerConfig
from ildm.training.stage_one import StageOne, StageOneConfig
from interleaved import machine

_CODES, _CHANNELS = 512, 4
_GRAPH = replace(small.AUTOENCODER, latent_channels=_CHANNELS, decoder_res_blocks=None)
_FREEDOM = 64  # principal components of the smaller Frechet distance


@dataclass(frozen=True)
class Arm:
    """What is trained, and what it is compared with.

    Args:
        start: the weights that every seed begins with; None = random ones of the seed's own, of `graph`.
        against: the arm that lacks what this one is about.
    """

    name: str
    config: StageOneConfig
    start: Autoencoder | None = None
    against: str = ""
    graph: AutoencoderConfig = _GRAPH


def main() -> None:
    options = read_options()
    data = find_recipe("emoji").data
    dataset = open_dataset(data)
    held_out = open_dataset(replace(data, split="unseen_scene", length=options.images))
    targets = torch.stack([held_out[index].image for index in range(options.images)])
    chosen = {"terms": terms, "refined": refined, "revival": revival}[options.part](options)
    judge = Judge(targets)
    results: dict[str, list[Figures]] = {arm.name: [] for arm in chosen}
    for arm in chosen:
        if arm.start is not None and "before" not in results:
            results["before"] = [judge(arm.start)]
            report("before", results["before"][0])
    for seed in range(options.seeds):
        for arm in chosen:
            results[arm.name].append(judge(trained(arm, dataset, seed, options.steps)))
            report(f"seed {seed}, {arm.name}", results[arm.name][-1])
    gains = [
        gain(arm.against, arm.name, key, results[arm.against], results[arm.name])
        for arm in chosen
        if arm.against
        for key in results[arm.name][0]
    ]
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        fields = {"machine": machine(), "options": {key: value for key, value in vars(options).items() if key != "out"}}
        configs = {arm.name: asdict(arm.config) for arm in chosen}
        options.out.write_text(json.dumps(fields | {"arms": configs, "results": results, "gains": gains}, indent=1) + "\n")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("terms", "refined", "revival"))
    parser.add_argument("--model", default="emoji-scenes", help="whose decoder is trained on")
    parser.add_argument("--steps", type=int, default=600, help="of 16 crops of 64 pixels, per arm and seed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, default=512, help="of the held-out split")
    parser.add_argument(
        "--perceptual", type=float, default=0.05, help="weight of that term, in the features of EfficientNet-Lite2"
    )
    parser.add_argument("--adversarial", type=float, default=0.1, help="weight of that term")
    parser.add_argument("--critic-rate", type=float, default=2e-4, help="the discriminator's learning rate")
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    return parser.parse_args()


def terms(options: argparse.Namespace) -> list[Arm]:
    """From the beginning, at a compression that blurs. The discriminator begins once there is something to tell."""
    plain = replace(small.stage_one(options.steps), ema_decay=0.99, equivariance=0.0)
    return _one_more(plain, None, options, discriminator_start=options.steps // 3)


def refined(options: argparse.Namespace) -> list[Arm]:
    """The decoder of a trained model alone, at a frozen encoder."""
    start = load(options.model, device="cpu", dtype="float32").autoencoder
    plain = StageOneConfig(
        loop=LoopConfig(steps=options.steps),
        optimizer=OptimizerConfig(learning_rate=4e-4, betas=(0.5, 0.9), warmup_steps=20, decay="cosine"),
        batch_size=16,
        crop=64,
        decoder_only=True,
        ema_decay=0.99,
    )
    return _one_more(plain, start, options, discriminator_start=0)


def _one_more(
    plain: StageOneConfig, start: Autoencoder | None, options: argparse.Namespace, *, discriminator_start: int
) -> list[Arm]:
    """The absolute error alone, and with each of the two terms."""
    loss = ReconstructionLossConfig(
        backbone="none",
        perceptual_weight=options.perceptual,
        magnification=2,
        discriminator_weight=0.0,
        discriminator_start=discriminator_start,
        discriminator_ramp=options.steps // 4,
    )
    critic = OptimizerConfig(learning_rate=options.critic_rate, betas=(0.5, 0.9), warmup_steps=0)
    absolute = replace(plain, loss=loss, discriminator_optimizer=critic)
    seen = replace(absolute, loss=replace(loss, backbone="lite2"))
    judged = replace(absolute, loss=replace(loss, discriminator_weight=options.adversarial))
    return [
        Arm("absolute error", absolute, start),
        Arm("and perceptual", seen, start, against="absolute error"),
        Arm("and adversarial", judged, start, against="absolute error"),
    ]


def revival(options: argparse.Namespace) -> list[Arm]:
    """A codebook whose dead entries become latents of the batch, and one whose dead entries stay dead."""
    stage = small.stage_one(options.steps)
    # as much charged beside the pixels as in the paper
    weight = 3.0 * small.AUTOENCODER.stride**2 / _CHANNELS
    revived = replace(stage, ema_decay=0.99, equivariance=0.0, loss=replace(stage.loss, penalty_weight=weight))
    dead = replace(revived, codebook=CodebookConfig(revive_every=0))
    graph = replace(small.AUTOENCODER, latent_channels=_CHANNELS, codebook_size=_CODES)
    return [Arm("left dead", dead, graph=graph), Arm("revived", revived, against="left dead", graph=graph)]


def trained(arm: Arm, dataset: ImageDataset, seed: int, steps: int) -> Autoencoder:
    """The averaged weights after the arm's steps; a discriminator begins anew, as it does in a run."""
    torch.manual_seed(seed)
    if arm.start is None:
        autoencoder = Autoencoder(arm.graph)
    else:
        autoencoder = Autoencoder(arm.start.config, arm.start.latent_space)
        autoencoder.load_state_dict(arm.start.state_dict())
    task = StageOne(replace(arm.config, seed=seed), autoencoder, lambda _: iter(()), torch.zeros(1, 3, 64, 64))
    if arm.start is not None:
        with torch.no_grad():
            task.likelihood.logvar.fill_(-3.0)  # where a trained one's settles
    for step, images in zip(range(steps), crops(dataset, arm.config.batch_size, seed), strict=False):
        metrics = task.train_step(step, images)
        if step % 100 == 99:
            shown = "   ".join(f"{key} {float(value):.4g}" for key, value in metrics.items())
            print(f"  step {step + 1}: {shown}", flush=True)
    return task.ema.shadow


def crops(dataset: ImageDataset, batch_size: int, seed: int) -> Iterator[Tensor]:
    """The same crops for every arm of a seed, none of which stage one has seen in this order."""
    return (batch.images for batch in batches(dataset, batch_size, seed=1000 + seed, workers=1, transform=RandomCrop(64)))


class Judge:
    """Measures reconstructions of the same images.

    Args:
        targets: (count, 3, height, width), bytes.
    """

    def __init__(self, targets: Tensor) -> None:
        self.targets = targets
        self.network: Lite0 = load_lite0()
        self.features = extract(self.network, targets).double()
        self.basis = principal_directions(self.features, _FREEDOM)
        self.other = PerceptualDistance(squeezenet())

    @torch.inference_mode()
    def __call__(self, autoencoder: Autoencoder) -> Figures:
        """Averages over the images, and distances of the set from them."""
        made, distances, others, errors = [], [], [], []
        for part in self.targets.split(16):
            images = to_floats(part)
            seen = to_bytes(autoencoder.reconstruct(autoencoder.posterior(images).mode))
            made.append(seen)
            distances.append(perceptual_distance(self.network, to_floats(seen), images))
            others.append(self.other(to_floats(seen), images))
            errors.append(psnr(to_floats(seen), images))
        features = extract(self.network, torch.cat(made)).double()
        figures = {
            "perceptual distance": torch.cat(distances).mean().item(),
            "SqueezeNet's": torch.cat(others).mean().item(),
            "rFD-Lite0": frechet_distance(features, self.features),
            f"rFD-Lite0-{_FREEDOM}": frechet_distance(features @ self.basis, self.features @ self.basis),
            "rKID-Lite0": kernel_distance(features, self.features),
            "PSNR": torch.cat(errors).mean().item(),
        }
        return figures | self._usage(autoencoder)

    def _usage(self, autoencoder: Autoencoder) -> Figures:
        size = autoencoder.config.codebook_size
        if size is None:
            return {}
        counts = torch.zeros(size, dtype=torch.float64)
        for part in self.targets.split(16):
            codes = autoencoder.posterior(to_floats(part))
            assert isinstance(codes, Codes)
            counts += torch.bincount(codes.indices.flatten(), minlength=size)
        shares = counts / counts.sum()
        return {
            "codes used": (counts > 0).double().mean().item(),
            "perplexity": torch.exp(-torch.xlogy(shares, shares).sum()).item(),
        }


if __name__ == "__main__":
    main()
