"""A model that is shown something beside words: it acts at the next step, in replay and after a restart, and can be changed in mid-run."""

import io

import numpy as np
import pytest
import torch
from driven import done, opened
from PIL import Image

from ildm.checkpoint.load import load
from ildm.core.config import override
from ildm.core.errors import ConfigError, DataError
from ildm.recipes import find_recipe
from ildm.session.commands import Resume, ShowImage
from ildm.session.defaults import settings_for
from ildm.session.engine import Engine
from ildm.session.refusals import Unsupported
from ildm.session.run import Run as SessionRun
from ildm.session.session import Session
from ildm.session.shown import with_shown
from ildm.session.wire import Mask
from ildm.training.pipeline import Run
from ildm.training.recipe import Recipe
from ildm.training.stopping import Stop

SHORT = (
    "stage_one.loop.steps=1", "stage_two.loop.steps=1", "stage_one.batch_size=2", "stage_two.batch_size=2", "num_latents=4",
    "stage_one.loop.log_every=1", "stage_two.loop.log_every=1", "sampling.num_steps=3", "stage_one.loss.discriminator_weight=0",
)  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """One of each hint, with a last layer that does something."""
    made = {}
    for name in ("semantic-map-tiny", "super-resolution-tiny", "inpainting-tiny"):
        recipe = override(find_recipe(name), SHORT, derived=Recipe.DERIVED)
        folder = Run(recipe, tmp_path_factory.mktemp(name), torch.device("cpu"), Stop())()
        model = load(folder, device="cpu")
        torch.manual_seed(0)
        with torch.no_grad():
            model.unet.conv_out.weight.normal_(std=0.1)
        made[name] = model.to("cpu")
    return made


def png(picture):
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def picture_for(name, value):
    if name == "semantic-map-tiny":
        return Image.new("L", (64, 64), value)
    return Image.new("RGB", (64, 64), (value * 20, 0, 0))


@pytest.mark.parametrize("name", ["semantic-map-tiny", "super-resolution-tiny", "inpainting-tiny"])
def test_what_is_shown_acts_at_the_next_step_and_not_before(models, name):
    mask = (0.0, 0.0, 0.5, 1.0) if name == "inpainting-tiny" else None
    session = Session(models[name], seed=1)
    session.step()
    first = session.latent.clone()
    session.show(picture_for(name, 5), mask=mask)
    session.run()
    plain = Session(models[name], seed=1)
    plain.step()
    assert torch.equal(plain.latent, first)
    plain.run()
    assert not torch.equal(plain.latent, session.latent)
    other = Session(models[name], seed=1)
    other.step()
    other.show(picture_for(name, 9), mask=mask)
    other.run()
    assert not torch.equal(other.latent, session.latent)


@pytest.mark.parametrize("name", ["semantic-map-tiny", "inpainting-tiny"])
def test_shown_from_the_start_it_is_what_generate_draws(models, name):
    mask = None
    session = Session(models[name], seed=3, guidance_scale=1.0)
    if name == "inpainting-tiny":
        session.show(picture_for(name, 7), mask=(0.0, 0.0, 0.5, 1.0))
        mask = Image.new("L", (64, 64))
        mask.paste(255, (0, 0, 32, 64))
    else:
        session.show(picture_for(name, 7))
    [drawn] = models[name].generate(seed=3, guidance_scale=1.0, image=picture_for(name, 7), mask=mask)
    assert session.run().image().tobytes() == drawn.tobytes()
    if name == "inpainting-tiny":  # around the hole it is the picture itself
        assert drawn.crop((32, 0, 64, 64)).getcolors() == [(32 * 64, (140, 0, 0))]


def test_a_session_with_something_shown_is_replayed_from_its_file(models, tmp_path):
    model = models["semantic-map-tiny"]
    session = Session(model, seed=1)
    session.step()
    session.show(picture_for("semantic-map-tiny", 5))
    session.run()
    session.export(tmp_path / "session.ildm")
    again = Session.load(tmp_path / "session.ildm", model)
    assert torch.equal(again.latent, session.latent)
    again.rewind(1)
    again.run()
    assert torch.equal(again.latent, session.latent)


def test_it_can_be_undone_and_taken_back(models):
    session = Session(models["semantic-map-tiny"], seed=1)
    session.show(picture_for("semantic-map-tiny", 5))
    assert session.settings.shown is not None
    session.undo()
    assert session.settings.shown is None
    session.redo()
    session.show(None)
    assert session.settings.shown is None


def test_what_cannot_be_shown_is_refused_and_nothing_changes(models):
    session = Session(models["semantic-map-tiny"], seed=1)
    for picture, told in (
        (Image.new("RGB", (64, 64)), "it has colours"),
        (Image.new("L", (64, 64)), "The map is empty"),
        (Image.fromarray(np.full((64, 64), 5000, np.uint16)), "the number 5000, but this model knows"),
    ):
        with pytest.raises((ConfigError, DataError), match=told):
            session.show(picture)
    with pytest.raises(DataError, match="are no map with a class's number"):
        session.apply(ShowImage(image=b"no picture"))
    assert session.settings.shown is None


def test_a_model_of_words_alone_says_so(model):
    with pytest.raises(Unsupported, match="is shown no pictures"):
        Session(model, "a rose").apply(ShowImage(image=png(Image.new("RGB", (64, 64)))))


class Watching:
    """A previewer that makes every picture at once."""

    def __init__(self):
        self.pictures = []

    def offer(self, *given):
        drawn = torch.full((3, 32, 32), 100, dtype=torch.uint8)
        drawn[:, 12:20, 4:12] = 130
        finish = given[-1]
        self.pictures.append(drawn if finish is None else finish(drawn))


def test_a_preview_lies_in_the_picture_that_is_drawn_into(models):
    model, watching = models["inpainting-tiny"], Watching()
    red, left = png(Image.new("RGB", (64, 64), (240, 0, 0))), Mask.rectangle(64, 64, (0.0, 0.0, 0.5, 1.0))
    with Engine(model, previewer=watching) as engine:
        session_id = opened(engine, settings_for(model, num_steps=1, seed=1), paused=True)
        engine.submit(session_id, ShowImage(image=red, mask=left))
        engine.submit(session_id, Resume())
        done(engine, session_id)
    [pixels] = watching.pictures
    # outside the hole the picture, inside the drawing, whose colours meet it
    assert (pixels[:, :, 16:] == torch.tensor([240, 0, 0], dtype=torch.uint8)[:, None, None]).all()
    assert pixels[:, 2, 2].tolist() == [240, 0, 0] and pixels[1:, 16, 8].tolist() == [30, 30]


@pytest.mark.parametrize("name", ["semantic-map-tiny", "super-resolution-tiny"])
def test_other_previews_stay_as_they_are(models, name):
    model, run = models[name], SessionRun(models[name])
    shown = with_shown(model, run.blobs, settings_for(model, seed=1), ShowImage(image=png(picture_for(name, 3))))
    assert shown.shown is not None and run.preview_finish(run.begin(shown).id) is None
