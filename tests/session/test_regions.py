"""Regions of a run: added, changed, painted and taken away between two steps, in branches, files and replays."""

import numpy as np
import pytest
import torch
from steered import begin, finish, go_to, latent, refused, way

from ildm.core.errors import ConfigError
from ildm.core.randomness import sample_noise
from ildm.session import commands
from ildm.session.ahead import foresee
from ildm.session.applying import apply
from ildm.session.pictures.file import read_call
from ildm.session.refusals import NotNow, Unsupported
from ildm.session.session import Session
from ildm.session.settings import Region
from ildm.session.wire import Mask
from ildm.session.word_masks import mask_of_heat, mean_map

LEFT = Mask.rectangle(64, 64, (0.0, 0.0, 0.5, 1.0))
SMALL = Mask.rectangle(8, 8, (0.0, 0.0, 1.0, 1.0))
KEY = Region(id="key", prompt="a blue key")
ADDED = commands.AddRegion(region=KEY, mask=LEFT)


def with_key(model, settings, step=3):
    cursor = go_to(begin(model, settings), step)
    apply(cursor, ADDED)
    return cursor


def values(cursor, name="key"):
    (region,) = (one for one in cursor.settings.regions if one.id == name)
    return cursor.run.blobs.mask(region.mask).to_array()


EDITS = [
    commands.ChangeRegion(region=Region(id="key", prompt="a red rose and a key")),
    commands.ChangeRegion(region=Region(id="key", prompt="a blue key", negative_prompt="a rose")),
    commands.ChangeRegion(region=Region(id="key", prompt="a blue key", strength=0.25)),
    commands.ChangeRegion(region=Region(id="key", prompt="a blue key", base_ratio=0.5)),
    commands.ChangeRegion(region=Region(id="key", prompt="a blue key", guidance_scale=7.0)),
    commands.ChangeRegion(region=Region(id="key", prompt="a blue key", window=(6, 9))),
    commands.ChangeRegion(region=Region(id="key", prompt="a [blue|red] key")),
    commands.PaintRegion(id="key", patch=SMALL, left=40, top=20),
    commands.PaintRegion(id="key", patch=SMALL, left=4, top=4, erase=True),
    commands.AddRegion(region=Region(id="two", prompt="a rose"), mask=SMALL),
    commands.RemoveRegion(id="key"),
    commands.SetRegionRules(mode="latent"),
    commands.SetRegionRules(common_prompt="in gold"),
    commands.SetPrompt(text=""),
]


@pytest.mark.parametrize(("sampler", "acts"), [("euler", False), ("euler-ancestral", True)])
def test_beside_given_noise_a_regions_seed_acts_on_the_noise_of_steps_alone(sampler, acts, quick, settings):
    noise = sample_noise([99], 0, (4, 8, 8))

    def final(seed):
        session = Session(quick, "a red rose", seed=1, num_steps=6, sampler=sampler, width=64, height=64, initial_noise=noise)
        session.regions.add("a blue key", (0.0, 0.0, 0.5, 1.0), seed=seed)
        return session.run().latent

    assert final(5).equal(final(6)) is not acts


@pytest.mark.parametrize("command", EDITS, ids=lambda one: one.kind)
def test_every_edit_acts_from_the_next_step_on_and_changes_nothing_before(command, quick, settings):
    plain, edited = (with_key(quick, settings) for _ in range(2))
    for cursor in (plain, edited):
        go_to(cursor, 5)
    apply(edited, command)
    finish(plain), finish(edited)
    same = [one == other for one, other in zip(way(plain), way(edited), strict=True)]
    assert same == [True] * 6 + [False] * 7


def test_a_seed_acts_on_the_noise_of_steps_and_of_a_new_start(quick, settings):
    """Of samplers that add noise; the start's noise is drawn already where a run has begun."""
    seeded = commands.ChangeRegion(region=KEY.model_copy(update={"seed": 99}))
    plain, other = (with_key(quick, settings.model_copy(update={"sampler": "euler-ancestral"})) for _ in range(2))
    apply(other, seeded)
    finish(plain), finish(other)
    assert not torch.equal(latent(plain), latent(other))
    apply(other, commands.StartOver())
    apply(plain, commands.StartOver())
    difference = (latent(plain) - latent(other)).abs().amax(dim=(0, 1, 2))
    assert difference[:4].min() > 0.0 and difference[4:].max() == 0.0


def test_order_matters_where_the_upper_one_rules(quick, settings):
    ends = []
    for ids in (("key", "two"), ("two", "key")):
        cursor = with_key(quick, settings)
        apply(cursor, commands.AddRegion(region=Region(id="two", prompt="a rose"), mask=LEFT))
        apply(cursor, commands.SetRegionRules(overlap="z-order"))
        apply(cursor, commands.ReorderRegions(ids=ids))
        assert tuple(one.id for one in cursor.settings.regions) == ids
        ends.append(finish(cursor))
    assert not torch.equal(*ends)


def test_strokes_paint_and_erase_where_they_are(quick, settings):
    cursor = with_key(quick, settings)
    apply(cursor, commands.PaintRegion(id="key", patch=Mask.from_array(np.full((4, 4), 0.5)), left=30, top=10))
    painted = values(cursor)
    assert painted[10:14, 32:34].tolist() == [[pytest.approx(0.5, abs=0.01)] * 2] * 4  # the part beyond the left half
    assert painted[:, :32].min() == 1.0  # what is whole stays whole
    apply(cursor, commands.PaintRegion(id="key", patch=SMALL, left=60, top=60))  # the rest of it lies beside the picture
    assert values(cursor)[60:, 60:].min() == 1.0
    apply(cursor, commands.PaintRegion(id="key", patch=Mask.rectangle(64, 64, (0.0, 0.0, 1.0, 1.0)), erase=True))
    assert values(cursor).max() == 0.0
    apply(cursor, commands.PaintRegion(id="key", patch=SMALL, left=4000, top=4000))
    assert values(cursor).max() == 0.0
    finish(cursor)


def test_a_region_may_be_nowhere_until_it_is_painted(quick, settings):
    plain, cursor = begin(quick, settings), begin(quick, settings)
    apply(cursor, commands.AddRegion(region=KEY))
    go_to(plain, 4), go_to(cursor, 4)
    assert torch.equal(latent(plain), latent(cursor))
    apply(cursor, commands.PaintRegion(id="key", patch=SMALL, left=8, top=8))
    assert values(cursor).sum() == 64.0
    assert not torch.equal(finish(plain), finish(cursor))


def test_a_small_mask_is_brought_to_the_picture_before_it_is_painted_on(quick, settings):
    cursor = begin(quick, settings)
    apply(cursor, commands.AddRegion(region=KEY, mask=Mask.from_array(np.eye(2))))
    apply(cursor, commands.PaintRegion(id="key", patch=SMALL, left=40, top=0))
    assert values(cursor)[:32, :32].min() == 1.0 and values(cursor)[32:, :32].max() == 0.0
    assert values(cursor)[:8, 40:48].min() == 1.0


def test_rewinds_branches_undo_and_redo_know_regions(quick, settings):
    cursor = with_key(quick, settings)
    go_to(cursor, 6)
    before = finish(cursor)
    cursor.rewind(6)
    apply(cursor, commands.RemoveRegion(id="key"))
    other = finish(cursor)
    assert not torch.equal(before, other)
    cursor.undo()
    assert [one.id for one in cursor.settings.regions] == ["key"]
    assert torch.equal(finish(cursor), before)
    cursor.rewind(4)
    assert [one.id for one in cursor.settings.regions] == ["key"]
    cursor.rewind(2)
    assert cursor.settings.regions == ()


def test_the_patches_of_a_stroke_are_one_change(quick, settings):
    def paint(left, stroke):
        apply(cursor, commands.PaintRegion(id="key", patch=SMALL, left=left, stroke=stroke))

    cursor = begin(quick, settings)
    apply(cursor, commands.AddRegion(region=KEY, mask=Mask.from_array(np.zeros((64, 64)))))
    for left, stroke in ((0, 1), (8, 1), (16, 1), (24, 2), (32, None), (40, None)):
        go_to(cursor, left // 8)  # steps may lie between them
        paint(left, stroke)
    painted = []
    while cursor.settings.regions:
        painted.append((values(cursor).sum() / 64.0, cursor.node.step))
        cursor.undo()
    assert painted == [(6.0, 5), (5.0, 5), (4.0, 4), (3.0, 3), (0.0, 0)]
    for _ in range(2):
        cursor.redo()
    assert values(cursor).sum() / 64.0 == 3.0
    # what comes after something was taken back is a change of its own, and so is what comes after another change
    cursor.undo()
    cursor.redo()
    paint(48, 1)
    apply(cursor, commands.SetPrompt(text="a rose"))
    paint(56, 1)
    found = []
    for _ in range(3):
        cursor.undo()
        found.append(values(cursor).sum() / 64.0)
    assert found == [4.0, 4.0, 3.0]


@pytest.mark.parametrize(
    ("command", "kind", "said"),
    [
        (ADDED, ConfigError, "a region 'key' already"),
        (commands.AddRegion(region=Region(id="two", mask="0" * 64)), ConfigError, "comes beside it"),
        (commands.ChangeRegion(region=Region(id="kye")), ConfigError, "no region 'kye': did you mean 'key'"),
        (commands.RemoveRegion(id="two"), ConfigError, "no region 'two'"),
        (commands.PaintRegion(id="two", patch=SMALL), ConfigError, "no region 'two'"),
        (commands.ReorderRegions(ids=("key", "key")), ConfigError, "every region once"),
        (commands.ReorderRegions(ids=()), ConfigError, "every region once"),
        (commands.ChangeRegion(region=Region(id="key", window=(5, 5))), ConfigError, "stop one that lies behind it"),
        (commands.ChangeRegion(region=Region(id="key", loras=({"name": "ink"},))), ConfigError, "no adapter 'ink' at hand"),
    ],
    ids=str,
)
def test_what_cannot_be_done_changes_nothing(command, kind, said, quick, settings):
    with refused(with_key(quick, settings), kind, said) as cursor:
        apply(cursor, command)


def test_there_is_an_end_to_regions(quick, settings):
    cursor = begin(quick, settings)
    for number in range(64):
        apply(cursor, commands.AddRegion(region=Region(id=str(number), prompt=f"thing {number}"), mask=SMALL))
    cursor.step()
    assert bool(torch.isfinite(latent(cursor)).all())
    with pytest.raises(NotNow, match="At most 64 regions"):
        apply(cursor, ADDED)


def test_what_must_be_encoded_is_known_before(settings):
    size = settings.size

    def texts(command, settings=settings):
        found, _ = foresee(settings, command)
        assert {one for _, one in found} <= {size}
        return [words.text for words, _ in found]

    assert texts(commands.SetPrompt(text="[a cat:a dog:4]")) == ["a cat", "", "a dog"]
    assert texts(ADDED) == ["a red rose", "a blue key", ""]
    assert texts(commands.AddRegion(region=KEY)) == ["a red rose", "a blue key", ""]  # it will be painted some time
    assert texts(commands.Pause()) == [] == texts(commands.RemoveRegion(id="key"))
    assert texts(commands.ChangeRegion(region=KEY)) == []  # there is no such region, which it will be told


def test_a_model_without_words_draws_regions_by_estimates_alone(quick, settings, monkeypatch):
    from dataclasses import replace

    monkeypatch.setattr(quick.unet, "config", replace(quick.unet.config, attention="plain", context_width=None))
    with pytest.raises(Unsupported, match="choose the mode 'latent'"):
        apply(begin(quick, settings), ADDED)


# --- from Python -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def session(quick):
    return Session(quick, "a red rose", seed=3, num_steps=8)


def test_regions_from_python(session):
    regions = session.regions
    assert regions.add("a blue key", (0.0, 0.0, 0.5, 1.0), strength=1.5) == "1"
    assert regions.add("a rose", np.ones((8, 8)), id="rose") == "rose"
    assert regions.add("nowhere yet") == "2"
    assert [one.id for one in regions] == ["1", "rose", "2"] and len(regions) == 3
    assert (regions["1"].prompt, regions["1"].strength, regions[1].id) == ("a blue key", 1.5, "rose")
    regions.change("1", prompt="a green key", window=(0, 4))
    assert (regions["1"].prompt, regions["1"].strength, regions["1"].window) == ("a green key", 1.5, (0, 4))
    assert regions.mask("2") is None
    regions.paint("2", (0.25, 0.25, 0.5, 0.5))
    assert regions.mask("2").to_array().sum() == 256.0
    regions.paint("2", np.array([[1.0, 0.0], [0.0, 0.0]]))  # brought to the picture's size
    assert regions.mask("2").to_array().sum() == 1024.0
    regions.reorder(["rose", "2", "1"])
    regions.remove("rose")
    assert repr(regions) == "<Regions 2: 'nowhere yet', 1: 'a green key'>"
    regions.rules(overlap="z-order", mode="latent", common_prompt="in gold")
    settings = session.settings
    assert (settings.overlap, settings.region_mode, settings.common_prompt) == ("z-order", "latent", "in gold")
    with pytest.raises(ConfigError, match="no region 'rose'"):
        regions.paint("rose", (0.0, 0.0, 1.0, 1.0))
    with pytest.raises(ConfigError, match="strength cannot be -1"):
        regions.change("1", strength=-1)
    with pytest.raises(ConfigError, match="colour"):
        regions.change("1", colour="red")


@pytest.mark.parametrize("name", ["picture.png", "session.ildm"])
def test_files_carry_regions(session, quick, tmp_path, name):
    session.step()
    session.regions.add("a blue key", (0.0, 0.0, 0.5, 1.0), seed=5)
    session.step().regions.paint("1", (0.5, 0.5, 1.0, 1.0))
    session.run()
    (session.save if name.endswith("png") else session.export)(tmp_path / name)
    if name.endswith("png"):
        call = read_call(tmp_path / name)
        assert call["regions"] == [{"id": "1", "prompt": "a blue key", "seed": 5}] and call["overlap"] == "normalise"
    again = Session.load(tmp_path / name, quick)
    assert list(again.regions) == list(session.regions)
    assert again.regions.mask("1") == session.regions.mask("1")
    assert torch.equal(again.rewind(1).run().latent, session.latent)


# --- found by a word ---------------------------------------------------------------------------------------------------------


def test_a_word_becomes_a_region_that_is_an_ordinary_one(model):
    session = Session(model, "a red rose", seed=3, num_steps=6)
    with pytest.raises(NotNow, match="make a few steps first"):
        session.regions.add_from_word("rose")
    session.step().step()
    before = session.latent
    assert session.regions.add_from_word("rose", strength=2.0) == "1"
    assert torch.equal(session.latent, before) and session.step_index == 2  # nothing was made anew
    region, mask = session.regions["1"], session.regions.mask("1").to_array()
    assert (region.prompt, region.strength, mask.shape) == ("rose", 2.0, (64, 64))
    assert mask.max() > 0.9 and mask.min() < 0.1
    session.regions.paint("1", (0.0, 0.0, 1.0, 1.0))
    session.run()
    with pytest.raises(ConfigError, match="'key' is no word of the prompt 'a red rose'"):
        session.regions.add_from_word("key")
    assert session.regions.add_from_word("red rose", "a blue key") == "2"  # of a finished picture, too
    assert session.regions["2"].prompt == "a blue key"


def test_a_word_of_a_region_is_found_too(model):
    session = Session(model, "", seed=3, num_steps=6)
    session.regions.add("a blue key", (0.0, 0.0, 0.5, 1.0))
    session.step()
    assert session.regions.add_from_word("key") == "2"


def test_a_heat_map_becomes_a_mask():
    heat = torch.full((8, 8), 0.1)
    heat[2:5, 3:6] = 0.9
    coarse = torch.nn.functional.avg_pool2d(heat[None, None], 2)[0, 0]
    mask = mask_of_heat(mean_map([heat, coarse], (8, 8)), (64, 64)).to_array()
    assert mask[20:36, 28:44].min() > 0.9
    assert mask[48:].max() == 0.0 and mask[:, :8].max() == 0.0
    edge = mask[28, 12:30]
    assert ((edge > 0.05) & (edge < 0.95)).any()  # it is soft
    assert mask_of_heat(torch.ones(4, 4), (16, 16)).to_array().min() == 1.0
