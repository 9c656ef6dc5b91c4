"""`ildm.Session`, as the guide shows it."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import ildm
from ildm.core import extensions
from ildm.core.config import to_json
from ildm.core.errors import ConfigError, ShapeError
from ildm.core.randomness import sample_noise
from ildm.diffusion.published import Published
from ildm.model import Model
from ildm.session import commands
from ildm.session.events import StepCompleted
from ildm.session.replay import replay
from ildm.session.wire import Mask

PROMPT = "a red rose"


@pytest.fixture
def session(quick):
    return ildm.Session(quick, PROMPT, seed=7, num_steps=6)


def test_the_example_of_the_architecture(model):
    session = ildm.Session(model, "a cat on a plain green background", seed=7, num_steps=6)
    for _ in range(5):
        session.step()
    session.rewind(3)
    session.set_prompt("a lion on a plain green background")
    other = session.branch()
    session.run()
    assert isinstance(session.image(), Image.Image)
    assert session.image().size == (64, 64)
    assert session.latent.shape == (1, 4, 8, 8)
    assert session.done
    assert (other.step_index, other.done) == (3, False)
    assert other.settings.prompt == "a lion on a plain green background"
    assert other.run().latent.equal(session.latent)
    assert replay(model, session.events).exact


def test_left_alone_it_is_what_generate_makes(model):
    session = ildm.Session(
        model, PROMPT, negative_prompt="a key", num_steps=3, guidance_scale=3.0, sampler="heun", seed=5, width=96, height=32
    )
    drawn = model.generate(
        PROMPT, negative_prompt="a key", num_steps=3, guidance_scale=3.0, sampler="heun", seed=5, width=96, height=32
    )
    assert session.run().image().tobytes() == drawn[0].tobytes()
    noise = sample_noise([42], 0, (4, 8, 8))
    [drawn] = model.generate(PROMPT, num_steps=2, seed=5, initial_noise=noise)
    assert ildm.Session(model, PROMPT, num_steps=2, seed=5, initial_noise=noise).run().image().tobytes() == drawn.tobytes()


@pytest.mark.parametrize(
    ("sampler", "values"),
    [
        ("ddim", {"steps_offset": 0, "set_alpha_to_one": False}),
        ("plms", {"steps_offset": 0, "set_alpha_to_one": False}),
        ("euler", {"final_sigma_zero": False}),
    ],
)
def test_where_a_published_schedule_leaves_its_last_step_out_too(sampler, values, published):
    """A session of ten steps has ten all the same; the tenth stands still."""
    defaults = published.manifest.defaults.model_copy(update={"published": to_json(Published(**values))})
    model = replace(published, manifest=published.manifest.model_copy(update={"defaults": defaults}))
    assert model.schedule(10, manner=model.sampler(sampler).manner).num_steps == 9
    prompt = "[a red rose:a blue key:0.5]"
    [drawn] = model.generate(prompt, seed=3, num_steps=10, sampler=sampler)
    session = ildm.Session(model, prompt, seed=3, num_steps=10, sampler=sampler).run()
    assert session.step_index == 10
    assert session.image().tobytes() == drawn.tobytes()
    # another number of steps is spread over what is left, down to the same end
    longer = session.rewind(5).set_num_steps(12).run()
    assert longer.step_index == 12
    assert longer.latent.isfinite().all() and not longer.latent.equal(session.rewind(5).latent)


@pytest.mark.parametrize("name", extensions.names("ildm.samplers"))
def test_in_a_batch_it_is_drawn_alike_up_to_rounding(name, model, monkeypatch):
    latents, decode = [], Model.decode
    monkeypatch.setattr(Model, "decode", lambda self, latent: decode(self, latents.append(latent) or latent))
    prompts, seeds = ["a red rose", "a blue key", ""], [1, 2, 3]
    drawn = model.generate(prompts, seed=seeds, num_steps=8, sampler=name)
    for place, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True)):
        session = ildm.Session(model, prompt, seed=seed, num_steps=8, sampler=name).run()
        assert (session.latent - latents[0][place : place + 1]).abs().max() <= 1e-4
        apart = np.asarray(session.image(), np.int16) - np.asarray(drawn[place], np.int16)
        assert np.abs(apart).max() <= 1


def test_what_is_not_said_is_the_models_default(quick):
    defaults = quick.manifest.defaults
    settings = ildm.Session(quick).settings
    assert settings.prompt == ""
    assert (settings.num_steps, settings.guidance_scale, settings.sampler) == (4, 2.0, defaults.sampler)
    assert (settings.width, settings.height) == quick.image_size
    assert ildm.Session(quick).settings.seed != settings.seed


def test_every_method_gives_the_session_back(session):
    assert session.step() is session
    assert session.set_prompt("a").set_negative_prompt("b").set_guidance(3.0, rescale=0.2) is session
    assert session.set_sampler("euler").set_num_steps(9).step().lock((0, 0, 0.5, 0.5)).release() is session
    assert session.like().step().dislike((0.5, 0.5, 1, 1)).step().undo().redo() is session
    assert session.run().redo_area((0, 0, 0.5, 0.5)).start_over(seed=3).run().rewind(2).open(0) is session
    assert session.start_from(Image.new("RGB", (20, 20))) is session
    assert session.apply(commands.NameNode(node=0, name="first")).run() is session
    assert replay(session.model, session.events).exact


def test_where_it_stands_can_be_seen(session):
    assert (session.step_index, session.node, session.done) == (0, 0, False)
    assert repr(session) == "<Session 'a red rose': step 0 of 6, seed 7>"
    session.step().set_prompt("a key")
    assert repr(session) == "<Session 'a key': step 1 of 6, seed 7>"
    assert [event.kind for event in session.events] == ["session-opened", "step-completed", "command-applied"]
    assert session.tree.timeline.node(1).settings.prompt == PROMPT
    told = []
    session.run(progress=lambda done, of: told.append((done, of)))
    assert told == [(step, 6) for step in range(2, 7)]
    assert session.events[-1].kind == "run-finished"
    with pytest.raises(ConfigError, match="All 6 steps"):
        session.step()


def test_a_finished_picture_is_told_as_it_was_made_whatever_is_asked_of_the_next(model):
    session = ildm.Session(model, "a red rose", seed=7, num_steps=6).run()
    session.set_num_steps(3).set_prompt("a key")
    assert repr(session) == "<Session 'a red rose': step 6 of 6, seed 7>"
    session.open(2)
    session.run()
    steps = [(event.step, event.num_steps) for event in session.events if isinstance(event, StepCompleted)]
    assert steps == [(step, 6) for step in (1, 2, 3, 4, 5, 6, 3, 4, 5, 6)]


def test_a_notebook_shows_the_picture(session):
    for _ in range(3):
        with Image.open(io.BytesIO(session._repr_png_())) as shown:
            assert shown.format == "PNG"
            assert shown.convert("RGB").tobytes() == session.image().tobytes()
        session.step()
    assert not session.done


def test_branches_go_their_own_ways_on_one_tree(session):
    session.step().step()
    one, two = session.branch("first"), session.branch()
    one.set_prompt("a blue key")
    assert (session.settings.prompt, two.settings.prompt) == (PROMPT, PROMPT)
    for each in (two, session, one) * 4:
        each.step()
    assert one.done and two.done and session.done
    assert session.latent.equal(two.latent)
    assert not session.latent.equal(one.latent)
    assert one.tree is session.tree
    assert one.events == session.events
    assert [line.name for line in session.tree.timeline.branches.values()] == [None, "first", None]
    assert len(session.tree.timeline.nodes) == 3 + 3 * 4
    assert replay(session.model, session.events).exact


def test_a_branch_of_a_changed_session_has_the_change(session):
    session.step().set_guidance(5.0)
    other = session.branch()
    assert other.settings.guidance_scale == 5.0
    assert session.run().latent.equal(other.run().latent)


@pytest.mark.parametrize(
    "area",
    [
        (0.0, 0.0, 0.5, 0.5),
        np.pad(np.ones((32, 32)), ((0, 32), (0, 32))),
        np.pad(np.ones((4, 4), bool), ((0, 4), (0, 4))),
        np.pad(np.full((32, 32), 255, np.uint8), ((0, 32), (0, 32))),
        Image.fromarray(np.pad(np.full((32, 32), 255, np.uint8), ((0, 32), (0, 32)))),
        Mask.rectangle(64, 64, (0.0, 0.0, 0.5, 0.5)),
    ],
    ids=["box", "numbers", "booleans", "bytes", "picture", "mask"],
)
def test_an_area_can_be_said_in_many_ways(area, quick):
    session = ildm.Session(quick, PROMPT, seed=7, num_steps=6).step().step()
    source = session.tree.estimate(session.node)
    final = session.lock(area).set_prompt("a key").run().latent
    assert final[..., :4, :4].equal(source[..., :4, :4])
    assert (final - source)[..., 4:, :].abs().min() > 0.0
    session.release(area).redo_area(area)
    assert session.run().latent[..., 4:, :].equal(final[..., 4:, :])
    assert not session.latent[..., :4, :4].equal(final[..., :4, :4])


def test_a_session_starts_from_a_picture(session):
    picture = Image.new("RGBA", (100, 50), (200, 10, 10, 255))
    whole = session.start_from(picture, strength=0.0)
    assert whole.done
    source = whole.latent
    half = session.start_from(picture, strength=1.0, change_map=(0.0, 0.0, 1.0, 0.5)).run().latent
    assert half[..., 4:, :].equal(source[..., 4:, :])
    assert (half - source)[..., :4, :].abs().min() > 0.0


def test_a_picture_to_start_from_is_seen_as_any_other(session):
    """Upright, and its clear parts white."""
    clear = Image.new("RGBA", (20, 30), (0, 0, 0, 0))
    white = session.start_from(Image.new("RGB", (20, 30), "white"), strength=0.0).latent
    assert session.start_from(clear, strength=0.0).latent.equal(white)
    lying = Image.new("RGB", (30, 20), "white")
    lying.paste((200, 0, 0), (0, 0, 15, 20))
    lying.getexif()[0x0112] = 6  # to be turned right
    turned = session.start_from(lying, strength=0.0).latent
    printed = session.start_from(lying.convert("CMYK"), strength=0.0)
    assert printed.done
    assert turned.equal(session.start_from(lying.transpose(Image.Transpose.ROTATE_270), strength=0.0).latent)


# --- comparing ------------------------------------------------------------------------------------------------------------------


def test_a_comparison_shows_every_combination(session):
    for _ in range(4):
        session.step()
    compared = session.compare(at=2, prompt=["a red rose", "a blue key"], guidance_scale=[1.0, 2.0, 5.0])
    assert len(compared.pictures) == len(compared.branches) == 6
    assert compared.captions[0] == "prompt a red rose, guidance_scale 1.0"
    assert compared.captions[-1] == "prompt a blue key, guidance_scale 5.0"
    assert compared.columns == 3
    sheet = compared.sheet()
    assert sheet.width > 3 * 64 and sheet.height > 2 * 64
    with Image.open(io.BytesIO(compared._repr_png_())) as shown:
        assert shown.size == sheet.size
    for number, picture in zip(compared.branches, compared.pictures, strict=True):
        line = session.tree.timeline.branch(number)
        assert session.tree.picture(line.tip).tobytes() == picture.tobytes()
    assert session.tree.steps_computed == 4 + 6 * 4
    # the one that is as the session was is what the session becomes
    assert session.run().image().tobytes() == compared.pictures[1].tobytes()
    assert replay(session.model, session.events).exact


@pytest.mark.parametrize("at", [None, 1])
def test_after_a_comparison_the_session_stands_where_it_stood(at, quick):
    plain, session = (ildm.Session(quick, PROMPT, seed=7, num_steps=6).step().step().set_guidance(3.0) for _ in range(2))
    before = session.node, session.settings
    session.compare(at=at, sampler=["euler", "heun"])
    assert (session.node, session.settings) == before
    assert session.run().latent.equal(plain.run().latent)


def test_in_the_past_too(session):
    session.run().rewind(3)
    compared = session.compare(num_steps=[5, 9], columns=1)
    assert (session.step_index, compared.columns) == (3, 1)
    assert [session.tree.timeline.node(session.tree.timeline.branch(one).tip).step for one in compared.branches] == [5, 9]
    final = session.run().latent
    assert session.tree.timeline.branch(0).tip == session.node
    assert session.rewind(0).run().latent.equal(final)


# --- what people get wrong ------------------------------------------------------------------------------------------------------

BAD_ARGUMENTS = [
    ({"num_steps": 0}, ConfigError, "num_steps cannot be 0: input should be greater than or equal to 1"),
    ({"num_steps": 1001}, ConfigError, "num_steps cannot be 1001"),
    ({"guidance_scale": -1.0}, ConfigError, "guidance_scale cannot be -1.0"),
    ({"guidance_scale": float("nan")}, ConfigError, "guidance_scale cannot be nan"),
    ({"sampler": "eular"}, ConfigError, "did you mean 'euler'"),
    ({"seed": -1}, ConfigError, "A seed is a whole number from 0"),
    ({"seed": 2**60}, ConfigError, "A seed is a whole number from 0"),
    ({"width": 65}, ShapeError, "65"),
    ({"height": 5000}, ConfigError, "height cannot be 5000"),
    ({"prompt": "a" * 9000}, ConfigError, "at most 8192 characters"),
    ({"initial_noise": torch.zeros(1, 4, 8, 9)}, ShapeError, r"must be (1, 4, 8, 8) for this session, but (1, 4, 8, 9)"),
]


@pytest.mark.parametrize(
    ("values", "kind", "said"), BAD_ARGUMENTS, ids=lambda one: next(iter(one)) if isinstance(one, dict) else ""
)
def test_a_bad_beginning_is_one_sentence(values, kind, said, quick):
    with pytest.raises(kind, match=re.escape(said)) as caught:
        ildm.Session(quick, **values)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


BAD_STEPS = [
    (lambda session: session.set_prompt("a" * 9000), ConfigError, "at most 8192 characters"),
    (lambda session: session.set_guidance(-1.0), ConfigError, "scale cannot be -1.0"),
    (lambda session: session.set_guidance(1.0, rescale=2.0), ConfigError, "rescale cannot be 2.0"),
    (lambda session: session.set_sampler(""), ConfigError, "name cannot be ''"),
    (lambda session: session.set_sampler("heune"), ConfigError, "did you mean 'heun'"),
    (lambda session: session.set_num_steps(0), ConfigError, "num_steps cannot be 0"),
    (lambda session: session.set_num_steps(2), ConfigError, "2 steps are done already"),
    (lambda session: session.rewind(-1), ConfigError, "step cannot be -1"),
    (lambda session: session.rewind(3), ConfigError, "0 to 2 steps, but 3 was asked for"),
    (lambda session: session.open(-5), ConfigError, "node cannot be -5"),
    (lambda session: session.open(17), ConfigError, "no state 17"),
    (lambda session: session.branch(""), ConfigError, "name cannot be ''"),
    (lambda session: session.undo(), ConfigError, "nothing to undo"),
    (lambda session: session.start_over(seed=-3), ConfigError, "seed cannot be -3"),
    (lambda session: session.start_over(width=33), ShapeError, "33"),
    (lambda session: session.start_from(Image.new("L", (9, 9)), strength=1.5), ConfigError, "strength cannot be 1.5"),
    (lambda session: session.start_from("x.png"), ConfigError, "open the file first"),
    (lambda session: session.compare(num_steps=[8, 9], columns=-1), ConfigError, "at least 1 column, but -1"),
    (lambda session: session.compare(num_steps=range(8, 73)), ConfigError, "at most 64 pictures, but these values give 65"),
    (lambda session: session.delete_branch(0), ConfigError, "open another one first"),
    (lambda session: session.lock(["a", "b", "c", "d"]), ConfigError, "A box is (left, top, right, bottom)"),
    (lambda session: session.lock(torch.ones(8, 8)), ConfigError, "an array or a Mask, but Tensor came"),
    (lambda session: session.apply(commands.Pause()), ConfigError, "which an engine heeds"),
    (lambda session: session.lock((0.5, 0.0, 0.2, 1.0)), ConfigError, "A box is (left, top, right, bottom)"),
    (lambda session: session.lock((0.0, 0.0, 32, 32)), ConfigError, "fractions from 0 to 1"),
    (lambda session: session.lock((0.0, 0.0, float("nan"), 1.0)), ConfigError, "A box is"),
    (lambda session: session.lock((0.0, 0.5)), ConfigError, "A box is"),
    (lambda session: session.lock(np.zeros((2, 2, 3))), ShapeError, "1 to 4096 rows and columns"),
    (lambda session: session.lock(Image.new("L", (4097, 1))), ShapeError, "1 to 4096"),
    (lambda session: session.release(), ConfigError, "Nothing is locked"),
    (lambda session: session.redo_area((0, 0, 1, 1), strength=0.0), ConfigError, "strength cannot be 0.0"),
    (lambda session: session.redo_area((0, 0, 1, 1), seed=-1), ConfigError, "seed cannot be -1"),
    (lambda session: session.like(strength=11.0), ConfigError, "strength cannot be 11.0"),
    (lambda session: session.dislike(strength=0.0), ConfigError, "strength cannot be 0.0"),
    (lambda session: session.compare(), ConfigError, "lists for one or two of"),
    (lambda session: session.compare(prompt=[]), ConfigError, "lists for one or two of"),
    (lambda session: session.compare(prompt="abc"), ConfigError, "lists for one or two of"),
    (lambda session: session.compare(guidance_scale=3.0), ConfigError, "lists for one or two of"),
    (lambda session: session.compare(width=[64, 96]), ConfigError, "lists for one or two of"),
    (lambda session: session.compare(prompt=["a"], sampler=["b"], num_steps=[3]), ConfigError, "lists for one or two of"),
    (lambda session: session.compare(guidance_scale=[1.0, -1.0]), ConfigError, "guidance_scale cannot be -1.0"),
    (
        lambda session: session.compare(guidance_scale=list(range(65))),
        ConfigError,
        "at most 64 pictures, but these values give",
    ),
    (lambda session: session.compare(num_steps=[2, 9]), ConfigError, "2 steps are done already"),
    (lambda session: session.compare(at=1, sampler=["euler", "heune"]), ConfigError, "did you mean 'heun'"),
    (lambda session: session.apply(commands.Pause()), ConfigError, "pause"),
    (lambda session: session.regions.remove("a"), ConfigError, "no region 'a'"),
]


@pytest.mark.parametrize(("ask", "kind", "said"), BAD_STEPS, ids=[said for _, _, said in BAD_STEPS])
def test_what_cannot_be_done_is_one_sentence_and_changes_nothing(ask, kind, said, session, shapes_unchecked):
    session.step().step()
    before = (session.node, session.settings, session.events, dict(session.tree.timeline.branches))
    with pytest.raises(kind, match=re.escape(said)) as caught:
        ask(session)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert (session.node, session.settings, session.events, session.tree.timeline.branches) == before


def test_what_a_model_that_is_told_its_guidance_cannot_do_is_said_before_it_is_done(quick):
    class Told(Model):
        @property
        def is_told_guidance(self):
            return True

    told = Told(quick.manifest, quick.autoencoder, quick.unet, quick.conditioner, quick.path)
    told._predict = quick._predict
    session = ildm.Session(told, PROMPT, seed=7, num_steps=4).step()
    with pytest.raises(ConfigError, match="told its guidance scale"):
        session.set_guidance(3.0, rescale=0.5)
    assert session.set_guidance(3.0).run().done


def test_a_branch_on_which_another_session_stands_cannot_be_deleted(session):
    session.step()
    other = session.branch()
    with pytest.raises(ConfigError, match="Another session of this tree stands on that branch"):
        session.apply(commands.DeleteBranch(branch=1))
    other.step().set_guidance(5.0).step().apply(commands.OpenBranch(branch=0))
    session.apply(commands.DeleteBranch(branch=1))
    # what it had changed there cannot be taken back any more
    with pytest.raises(ConfigError, match="nothing to undo"):
        other.undo()
    assert session.run().latent.equal(other.run().latent)
    assert replay(session.model, session.events).exact


def test_a_model_without_words_takes_none(quick):
    silent = replace(quick, conditioner=None)
    with pytest.raises(ConfigError, match="no text encoder"):
        ildm.Session(silent, "a rose")
    with pytest.raises(ConfigError, match="no text encoder"):
        ildm.Session(silent).set_prompt("a rose")


def test_room_for_few_states_makes_no_difference(quick):
    sessions = [ildm.Session(quick, PROMPT, seed=7, num_steps=6, budget=budget) for budget in (0, 2**28)]
    for session in sessions:
        session.run().rewind(3).set_prompt("a key").run().rewind(1)
    small, large = sessions
    assert len(small.tree.snapshots) == 1
    for node in range(9):
        assert small.open(node).latent.equal(large.open(node).latent)
