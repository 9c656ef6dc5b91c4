"""What several processes measure of themselves, one JSON line from the first: `torchrun together.py FOLDER`.

FOLDER holds `begun-alone`, four steps of stage two by one process. Each comparison is with the same work done by one process.
"""

import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))

from accelerate.utils import gather_object

from conftest import CAPTIONS, build_stage_one, build_stage_two
from ildm.conditioning.semantic_map import SemanticMap, SemanticMapConfig
from ildm.core.errors import DataError, IldmError
from ildm.core.fingerprint import fingerprint
from ildm.data.mentions import Mentions
from ildm.recipes.emoji_tiny import recipe
from ildm.training.codebook import CodebookConfig
from ildm.training.distributed import Distributed, joined
from ildm.training.journal import Silence
from ildm.training.loop import LoopConfig, train
from ildm.training.run_state import load_state
from ildm.training.stopping import Stop
from ildm.training.world import ALONE

FIRST_STEP, STEPS = 3, 3  # the discriminator acts from step 3 on, where dead entries are revived, too
TINY = recipe()


def maps():
    drawn = torch.zeros(16, 8, 8, dtype=torch.int64)
    for index in range(16):
        drawn[index, 2 : 3 + index % 5, 2:6] = 1 + index % 4
    return drawn


def stage_one(world, codebook=None, **changes):
    more = {} if codebook is None else {"codebook_size": 16, "codebook": CodebookConfig(updates=codebook, revive_every=3)}
    optimizers = {
        name: replace(getattr(TINY.stage_one, name), clip_norm=0.0) for name in ("optimizer", "discriminator_optimizer")
    }
    return build_stage_one(TINY, world=world, **optimizers, **more, **changes)


def stage_two(world, hidden_learning_rate=0.0, **changes):
    optimizer = replace(TINY.stage_two.optimizer, clip_norm=0.0, hidden_learning_rate=hidden_learning_rate)
    task = build_stage_two(TINY, world=world, optimizer=optimizer, **changes)
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in task.networks.parameters():  # convolutions that begin as zero hide what is behind them
            weight.add_(0.02 * torch.randn(weight.shape, generator=random))
    return task


def shown_a_map(world):
    """Half of the batch is shown nothing, by draws that no process may make alone."""
    torch.manual_seed(0)
    hint = SemanticMap(SemanticMapConfig(names=("sky", "sea", "sand", "snow"), width=4, dropout=0.5))
    shown = maps()[:, None].repeat_interleave(2, 2).repeat_interleave(2, 3).to(torch.int16)
    return stage_two(world, hint=hint, features=shown)


CASES = {
    "kl": lambda world: stage_one(world, equivariance=1.0, latent_noise=0.3),
    "vq by gradient": lambda world: stage_one(world, codebook="gradient"),
    "vq by average": lambda world: stage_one(world, codebook="average"),
    "text": lambda world: stage_two(world, dropout=0.5),
    "text, min-snr": lambda world: stage_two(world, weighting=replace(TINY.stage_two.weighting, kind="min-snr")),
    "text, alignment": lambda world: stage_two(world, maps=maps(), alignment=0.3),
    "text, grounding": lambda world: stage_two(world, maps=maps(), mentions=MENTIONS, grounding=0.3, dropout=0.5),
    "text, placing": lambda world: stage_two(world, maps=maps(), mentions=MENTIONS, placing=0.5, dropout=0.5),
    "text, in places": lambda world: stage_two(world, maps=maps(), mentions=MENTIONS, in_places=1.0, dropout=0.3),
    "text, a map": shown_a_map,
}
FOLLOWED = tuple(case for case in CASES if case not in ("text", "text, min-snr"))
MENTIONS = Mentions({number: (caption,) for number, caption in enumerate(CAPTIONS, start=1)})


def optimizers(task):
    found = {"trained": task._optimizer, "discriminator": getattr(task, "_discriminator_optimizer", None)}
    return {name: optimizer for name, optimizer in found.items() if optimizer is not None}


def gradients(task):
    """By network, flattened."""
    return {
        name: torch.cat([one.grad.flatten() for one in optimizer.parameters]) for name, optimizer in optimizers(task).items()
    }


def tensors(state, name=""):
    """All floating tensors of a state by name."""
    if isinstance(state, torch.Tensor):
        return {name: state.double()} if state.is_floating_point() else {}
    items = state.items() if isinstance(state, dict) else enumerate(state) if isinstance(state, list | tuple) else ()
    return {key: value for part, inner in items for key, value in tensors(inner, f"{name}.{part}").items()}


def difference(one, other):
    """The largest difference, relative to the largest number."""
    return float((one - other).abs().max() / other.abs().max())


def furthest(one, other):
    """The largest difference of two states, but for what the optimizers keep."""
    return max(float((one[name] - other[name]).abs().max()) for name in other if "optimizer" not in name)


def take_step(task, step):
    return {name: float(value.detach()) for name, value in task.train_step(step, next(task.batches(8 * step))).items()}


def compare(make, world):
    """One step in float32 beside that of one process: its gradients and figures, and the same without averaging as a control."""
    both, alone = make(world), make(ALONE)
    told, expected = world.average(take_step(both, FIRST_STEP)), take_step(alone, FIRST_STEP)
    wanted, taken = gradients(alone), gradients(both)
    unshared = make(Distributed(world.share, world._store))
    unshared._optimizer._world = ALONE
    take_step(unshared, FIRST_STEP)
    return {
        "gradients": {name: difference(taken[name], wanted[name]) for name in taken},
        "not averaged": difference(gradients(unshared)["trained"], wanted["trained"]),
        "figures": {name: abs(told[name] - expected[name]) / max(1.0, abs(expected[name])) for name in expected},
        "adaptive weight": expected.get("adaptive_weight"),
    }


def follow(make, world):
    """Weights, averages and counts after some steps, beside those of one process."""
    both, alone, begun = make(world), make(ALONE), tensors(make(ALONE).state())
    for task in (both, alone):
        # Adam divides by the gradient's size; where that is nothing but rounding, so would be the step
        for optimizer in optimizers(task).values():
            for group in optimizer._adamw.param_groups:
                group["eps"] = 1.0
        for step in range(FIRST_STEP, FIRST_STEP + STEPS):
            take_step(task, step)
    taken, expected = tensors(both.state()), tensors(alone.state())
    modules = [both.networks] if hasattr(both, "networks") else [both.autoencoder, both.discriminator]
    return {
        "weights": furthest(taken, expected),
        "moved": furthest(begun, expected),
        "copies": len(set(gather_object([fingerprint(*modules, both.ema.shadow)]))),
    }


def statistics(world):
    """Of latents, beside those of one process."""
    both, alone = stage_one(world).autoencoder, stage_one(ALONE).autoencoder
    wholes = [torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    both.fit_latent_space([world.share.of(whole) for whole in wholes], world.gather)
    alone.fit_latent_space(wholes)
    pairs = ((getattr(one.latent_space, name) for one in (both, alone)) for name in ("scale", "shift"))
    return max(difference(*(torch.tensor(values, dtype=torch.float64) for values in pair)) for pair in pairs)


class StopAfter(Stop):
    """Stops once it was asked so many times."""

    def __init__(self, times):
        super().__init__()
        self.left = times

    @property
    def reason(self):
        self.left -= 1
        return "test" if self.left < 0 else None


def run(folder, world, steps=8, stop=None, make=stage_two):
    task, loop = make(world), LoopConfig(steps=steps, log_every=2)
    state = train(task, loop, folder, journal=Silence(), stop=stop or Stop(), world=world)
    return task, state


def resumes(folder, world):
    """Runs of stages that are stopped on the last process alone, and go on."""
    last = world.share.number == world.share.count - 1
    found = {}
    muon = partial(stage_two, hidden_learning_rate=1e-3)
    for name, make in {"kl": CASES["kl"], "vq by average": CASES["vq by average"], "text by muon": muon}.items():
        whole, _ = run(folder / name / "whole", world, make=make)
        _, state = run(folder / name / "parts", world, stop=StopAfter(4) if last else None, make=make)
        parts, _ = run(folder / name / "parts", world, make=make)
        one, other = tensors(whole.state()), tensors(parts.state())
        found[name] = {"stopped at": gather_object([state.step]), "exact": all(one[key].equal(other[key]) for key in one)}
    run(folder / "begun-together", world, stop=StopAfter(4))
    run(folder / "begun-alone", world)
    return found


def breaks_off(folder, world):
    """A run whose data fail on the last process alone, at the fourth step."""
    task = stage_two(world)
    whole = task.batches(0)

    def batches(position):
        for _ in range(3):
            yield next(whole)
        if world.share.number == world.share.count - 1:
            raise DataError("An image is gone.")
        yield from whole

    task.batches = batches
    told = ""
    try:
        train(task, LoopConfig(steps=8, log_every=2), folder, journal=Silence(), stop=Stop(), world=world)
    except IldmError as error:
        told = str(error)
    return {"told": gather_object([told]), "saved": gather_object([load_state(folder).step])}


def manners(world):
    """How processes speak with each other."""

    def fail():
        raise IldmError("There is no such thing.")

    try:
        world.once(fail)
        told = ""
    except IldmError as error:
        told = str(error)
    reason = f"of {world.share.number}" if world.share.number else None
    return {
        "told": gather_object([told]),
        "once": gather_object([world.once(lambda: world.share.number)]),
        "agreed": gather_object([world.agree(reason)]),
        "nobody": world.agree(None),
        "average": world.average({"number": float(world.share.number)}),
        "gathered": world.gather(torch.full((2, 1), float(world.share.number))).flatten().tolist(),
    }


def main(folder):
    torch.use_deterministic_algorithms(True)
    with joined("cpu") as (world, device):
        assert isinstance(world, Distributed) and world.share.count == torch.distributed.get_world_size() > 1
        found = {
            "size": world.share.count,
            "backend": torch.distributed.get_backend(),
            "device": str(device),
            "cases": {name: compare(make, world) for name, make in CASES.items()},
            "steps": {name: follow(CASES[name], world) for name in FOLLOWED},
            "statistics": statistics(world),
            "resumes": resumes(folder, world),
            "breaks off": breaks_off(folder / "breaks-off", world),
            "manners": manners(world),
        }
        if world.is_first:
            (folder / "found.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
