"""Runs that are led about at random, as the page reads them: their logs, and the settings that really made each state.

`PYTHONPATH=tests/peers python tests/session/told_runs.py` writes them to web/src/timeline/runs.jsonl, a run in each line.
"""

import json
import random
from pathlib import Path

from programs import another, any_area, any_edit, any_patch, any_picture, any_region, begin

from ildm.core.errors import IldmError
from ildm.session import commands
from ildm.session.region_commands import Placed
from ildm.session.settings import Settings

TARGET = Path(__file__).resolve().parents[2] / "web" / "src" / "timeline" / "runs.jsonl"
SEEDS, ACTIONS, NUM_STEPS = range(6), 60, 4
OPENING = Settings(prompt="a red rose", num_steps=NUM_STEPS, guidance_scale=2.0, sampler="euler", seed=7, width=64, height=64)
BYTES = {"image", "data"}


def text(model):
    """The whole file."""
    return "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in (told(model, seed) for seed in SEEDS))


def told(model, seed):
    """One run: its events, the settings that made each state, and those in force where it ended. Equal settings are told once."""
    dice, first = random.Random(seed), begin(model, OPENING)
    cursors = [first]
    for _ in range(ACTIONS * 3 // 4):
        _act(dice, cursors, 3 if seed % 2 else 1)
    stays = dice.choice(cursors)
    for one in cursors:
        if one is not stays:
            one.leave()
    for _ in range(ACTIONS // 4):
        _act(dice, [stays], 1)
    names, distinct = {}, []

    def place(settings):
        fields = _plain(settings.model_dump(mode="json", exclude_defaults=True), names)
        if settings.regions:
            fields["regions"] = _plain([one.model_dump(mode="json") for one in settings.regions], names)
        if fields not in distinct:
            distinct.append(fields)
        return distinct.index(fields)

    events = []
    for event in first.log.events:
        fields = _plain(event.model_dump(mode="json", exclude={"at", "seconds", "left", "shape"}), names)
        left = getattr(event, "left", None)
        events.append(fields if left is None else fields | {"left": place(left)})
    nodes = {number: place(node.settings) for number, node in first.run.timeline.nodes.items()}
    now = place(stays.cursor.settings)
    return {"settings": distinct, "events": events, "nodes": nodes, "now": now}


def _act(dice, cursors, most):
    logged = dice.choice(cursors)
    try:
        if dice.random() < 0.4 and not logged.cursor.finished:
            logged.step()
        elif len(cursors) < most and dice.random() < 0.08:
            cursors.append(another(logged, len(cursors)))
        else:
            logged.apply(any_command(dice, logged.cursor))
    except IldmError:
        pass  # and nothing is in the log


def any_command(random, cursor):
    """Any command that a page must follow, those the most often that lead elsewhere."""
    timeline, area, step = cursor.run.timeline, any_area(random), random.randint(0, NUM_STEPS)
    region = random.choice([one.id for one in cursor.settings.regions] or ["none"])
    node, branch = random.choice(list(timeline.nodes)), random.choice(list(timeline.branches))
    other = f"r{random.randrange(100)}"
    return random.choice(
        [
            *[lambda: any_edit(random, cursor.node.step)] * 4,
            *[lambda: commands.Rewind(step=step)] * 4,
            *[lambda: commands.Undo()] * 3,
            *[lambda: commands.Redo()] * 2,
            *[lambda: commands.DeleteBranch(branch=branch)] * 2,
            *[lambda: _comparison(random, step)] * 2,
            lambda: commands.OpenNode(node=node),
            lambda: commands.OpenBranch(branch=branch),
            lambda: commands.BranchOff(step=random.choice([None, step])),
            lambda: commands.NameBranch(branch=branch, name="a name"),
            lambda: commands.StartOver(seed=random.choice([None, 5]), width=random.choice([None, None, 96])),
            lambda: commands.StartFromImage(image=any_picture(random), strength=random.choice([0.5, 1.0])),
            lambda: commands.LockArea(area=area),
            lambda: commands.ReleaseArea(area=random.choice([None, area])),
            lambda: commands.RedoArea(area=area, strength=random.choice([0.4, 1.0])),
            lambda: commands.LikeArea(area=random.choice([None, area])),
            lambda: commands.DislikeArea(area=random.choice([None, area])),
            lambda: commands.ForgetFeedback(),
            *[lambda: commands.AddRegion(region=any_region(random, other), mask=random.choice([None, area]))] * 2,
            lambda: commands.AddRegionFromWord(word="rose", region=any_region(random, other), mask=area),
            lambda: commands.ChangeRegion(region=any_region(random, region)),
            *[lambda: any_patch(random, region, area)] * 4,
            lambda: commands.RemoveRegion(id=region),
            lambda: commands.ReorderRegions(ids=tuple(one.id for one in reversed(cursor.settings.regions))),
            lambda: commands.SetRegionRules(mode=random.choice([None, "latent"]), common_prompt=random.choice([None, "flat"])),
            lambda: commands.ReplaceRegions(
                regions=(Placed(region=any_region(random, other), mask=area),), prompt=random.choice([None, "a key"])
            ),
        ]
    )()


def _comparison(random, step):
    ways = [{"prompt": "a blue key"}, {"guidance_scale": 5.0}, {"seed": 9}, {"seed": 8, "num_steps": 5}, {}]
    choices = tuple(commands.Choice(**way) for way in random.sample(ways, 2))
    return commands.Compare(choices=choices, step=random.choice([None, step]))


def _plain(value, names):
    """Without what differs from machine to machine: bytes, and the hashes of latents, which are numbered instead."""
    if isinstance(value, dict):
        return {
            name: "" if name in BYTES and isinstance(one, str) else _plain(one, names)
            for name, one in value.items()
            if name != "version"
        }
    if isinstance(value, list):
        return [_plain(one, names) for one in value]
    if isinstance(value, str) and len(value) == 64:
        return names.setdefault(value, f"blob-{len(names)}")
    return value


if __name__ == "__main__":
    from toy import build_model

    from conftest import with_quick_network

    TARGET.write_text(text(with_quick_network(build_model())), "utf-8")
