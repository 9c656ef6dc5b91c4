"""Random commands, as a person who tries everything would give them, and runs that are led by them."""

import io

import numpy as np
from PIL import Image

from ildm.core import extensions
from ildm.core.errors import IldmError
from ildm.session import commands
from ildm.session.cursor import Cursor
from ildm.session.editing import changed
from ildm.session.log import Log, LoggedCursor, open_log
from ildm.session.run import Run
from ildm.session.settings import Region
from ildm.session.wire import Mask

PROMPTS = ("a red rose", "a blue key", "", "a rose", "a key, a key")


def any_edit(random, step=0):
    """A command that changes how the coming steps are made, and nothing else."""
    return random.choice(
        [
            lambda: commands.SetPrompt(text=random.choice([*PROMPTS, "a [red|blue] rose", "a [rose:key:0.5]"])),
            lambda: commands.SetNegativePrompt(text=random.choice(PROMPTS)),
            lambda: commands.SetGuidance(scale=random.choice([1.0, 2.0, 3.5, 7.0]), rescale=random.choice([None, 0.0, 0.5])),
            lambda: commands.SetSampler(name=random.choice(extensions.names("ildm.samplers"))),
            lambda: commands.SetNumSteps(num_steps=step + random.randint(1, 8)),
        ]
    )()


def any_command(random, cursor):
    """Any command but those of the flow. Some cannot be followed where the cursor stands."""
    timeline, area = cursor.run.timeline, any_area(random)
    named = random.choice([one.id for one in cursor.settings.regions] or ["none"])
    node, branch = random.choice(list(timeline.nodes)), random.choice(list(timeline.branches))
    maybe = random.choice([None, "name"])
    return random.choice(
        [
            *[lambda: any_edit(random, cursor.node.step)] * 6,
            *[lambda: commands.Rewind(step=random.randint(0, cursor.node.step + 1))] * 2,
            *[lambda: commands.Undo()] * 2,
            lambda: commands.Redo(),
            lambda: commands.OpenNode(node=node),
            lambda: commands.OpenBranch(branch=branch),
            lambda: commands.BranchOff(step=random.choice([None, cursor.node.step // 2]), name=maybe),
            lambda: commands.NameNode(node=node, name=maybe),
            lambda: commands.NameBranch(branch=branch, name=maybe),
            lambda: commands.DeleteBranch(branch=branch),
            lambda: commands.StartOver(seed=random.choice([None, 5]), width=random.choice([None, 96])),
            lambda: commands.StartFromImage(
                image=any_picture(random), strength=random.choice([0.0, 0.5, 1.0]), change_map=random.choice([None, area])
            ),
            lambda: commands.LockArea(area=area),
            lambda: commands.ReleaseArea(area=random.choice([None, area])),
            lambda: commands.RedoArea(area=area, strength=random.choice([0.4, 1.0]), seed=random.choice([None, 9])),
            lambda: commands.LikeArea(area=random.choice([None, area])),
            lambda: commands.DislikeArea(area=random.choice([None, area]), strength=2.0),
            lambda: commands.ForgetFeedback(),
            lambda: commands.ChangeRegion(region=any_region(random, named)),
            lambda: commands.AddRegion(region=any_region(random, f"r{random.randrange(10**9)}"), mask=area),
            lambda: commands.SetRegionRules(
                mode=random.choice([None, "attention", "latent"]), overlap=random.choice([None, "normalise", "add", "z-order"])
            ),
            *[lambda: any_patch(random, named, area)] * 3,
            lambda: commands.RemoveRegion(id=named),
            lambda: commands.ReorderRegions(ids=tuple(one.id for one in reversed(cursor.settings.regions))),
            lambda: commands.Compare(
                choices=(commands.Choice(prompt=random.choice(PROMPTS)), commands.Choice(guidance_scale=4.0)),
                step=random.choice([None, cursor.node.step // 2]),
            ),
        ]
    )()


def any_patch(random, name, area):
    where = {"left": random.randrange(64), "erase": random.random() < 0.3}
    return commands.PaintRegion(id=name, patch=area, stroke=random.choice([None, 1, 1, 2]), **where)


def any_region(random, name):
    return Region(
        id=name,
        prompt=random.choice(PROMPTS),
        negative_prompt=random.choice(PROMPTS),
        strength=random.choice([0.5, 1.0]),
        base_ratio=random.choice([0.0, 0.2]),
        guidance_scale=random.choice([None, 4.0]),
        seed=random.choice([None, 5]),
        window=random.choice([None, (2, 9)]),
    )


def any_area(random):
    left, top = random.choice([0.0, 0.25, 0.5]), random.choice([0.0, 0.3])
    if random.random() < 0.5:
        return Mask.rectangle(64, 64, (left, top, left + 0.5, top + 0.6))
    return Mask.from_array(np.linspace(0.0, 1.0, 64).reshape(8, 8) * random.random())


def any_picture(random):
    file = io.BytesIO()
    Image.new("RGB", (40, 30), tuple(random.choices(range(256), k=3))).save(file, "PNG")
    return file.getvalue()


def begin(model, settings, **values):
    return open_log(Cursor.begin(Run(model), changed(settings, **values)), Log())


def another(logged, number):
    """A second cursor on the same tree, as `Session.branch` makes them."""
    place = logged.cursor.position
    other = LoggedCursor(Cursor.at(logged.run, place.node, place.branch, number), logged.log)
    other.tell_position()
    return other


def wander_on(dice, cursors, actions):
    for _ in range(actions):
        logged = dice.choice(cursors)
        try:
            if dice.random() < 0.5 and not logged.cursor.finished:
                logged.step()
            elif dice.random() < 0.05 and len(cursors) < 3:
                cursors.append(another(logged, len(cursors)))
            else:
                logged.apply(any_command(dice, logged.cursor))
        except IldmError:
            pass  # and nothing is in the log
