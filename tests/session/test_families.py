"""Sessions of every checkpoint family that loads: steered, rewound, locked and replayed alike."""

import pytest
import torch
from pipelines import FAMILIES, make_pipeline, save

from ildm.checkpoint.load import load
from ildm.session.replay import replay
from ildm.session.session import Session

CORNER = (0.0, 0.0, 0.5, 0.5)


@pytest.fixture(scope="module", params=FAMILIES)
def published_model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("family")
    return load(save(make_pipeline(request.param, folder), folder / "model"), dtype="float32")


def test_a_session_draws_what_the_model_draws(published_model):
    session = Session(published_model, "a red fox", seed=5, num_steps=4, guidance_scale=4.0)
    [image] = published_model.generate("a red fox", seed=5, num_steps=4, guidance_scale=4.0)
    assert session.run().image().tobytes() == image.tobytes()


def test_it_is_steered_and_comes_back(published_model):
    session = Session(published_model, "a red fox", seed=5, num_steps=6, guidance_scale=4.0).run()
    plain = session.latent
    session.rewind(2).set_prompt("a lion").step().set_sampler("euler").set_num_steps(8)
    session.lock(CORNER)
    source = session._cursor.run.estimate(session.node)
    session.run()
    assert not torch.equal(session.latent, plain)
    assert torch.equal(session.latent[..., :4, :4], source[..., :4, :4])
    session.open(6)
    session.tree.snapshots.clear()
    assert torch.equal(session.latent, plain)
    assert replay(published_model, session.events).exact


def test_a_dislike_changes_its_area(published_model):
    session = Session(published_model, "a red fox", seed=5, num_steps=6, guidance_scale=4.0).run()
    before = session.latent
    after = session.dislike(CORNER).run().latent
    assert not torch.allclose(after[..., :4, :4], before[..., :4, :4], atol=0.1)
    assert torch.equal(after[..., 4:, :], before[..., 4:, :])


@pytest.mark.parametrize("mode", ["attention", "latent"])
def test_regions_are_drawn_painted_found_and_replayed(published_model, mode):
    session = Session(published_model, "a red fox", seed=5, num_steps=6, guidance_scale=4.0, sampler="euler")
    session.regions.rules(mode=mode, overlap="z-order")
    session.regions.add("a (blue:1.3) [cat|dog]", (0.0, 0.0, 0.5, 1.0), seed=9, strength=1.5)
    session.step().step()
    session.regions.paint("1", (0.5, 0.5, 1.0, 1.0))
    found = session.regions.add_from_word("fox", "a lion")
    assert session.regions.mask(found).to_array().max() > 0.5
    session.run()
    assert torch.isfinite(session.latent).all()
    assert replay(published_model, session.events).exact


@pytest.mark.parametrize("mode", ["attention", "latent"])
def test_one_region_everywhere_is_the_plain_prompt(published_model, mode):
    plain = Session(published_model, "a red fox", seed=5, num_steps=3, guidance_scale=4.0).run()
    whole = Session(published_model, "", seed=5, num_steps=3, guidance_scale=4.0)
    whole.regions.rules(mode=mode)
    whole.regions.add("a red fox", (0.0, 0.0, 1.0, 1.0))
    assert torch.equal(whole.run().latent, plain.latent)
