"""Latent consistency models: the guidance scale goes into the network, which is then evaluated once a step."""

import importlib
import json
from dataclasses import replace

import pipelines
import pytest
import safetensors.torch
import torch

import ildm
from ildm.checkpoint.convert import convert
from ildm.checkpoint.load import describe
from ildm.checkpoint.loose_parts import read_unet_file
from ildm.core.errors import CheckpointError, ConfigError, ShapeError
from ildm.core.randomness import sample_noise, step_stream
from ildm.core.types import Conditioning
from ildm.denoiser.guidance import Projection, Told
from ildm.denoiser.inputs import check_inputs

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
PROMPT, SEED, NUM_STEPS = "a red fox, very bright!", 3, 4
LATENT = (4, pipelines.SIDE // 4, pipelines.SIDE // 4)
UNET, TOLD = "model.diffusion_model.", "time_embed.cond_proj.weight"


@pytest.fixture(scope="module", params=["LCM", "LCM XL"])
def saved(request, tmp_path_factory):
    """(pipeline, its folder)."""
    folder = tmp_path_factory.mktemp("pipeline")
    pipeline = pipelines.make_pipeline(request.param, folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline, pipelines.save(pipeline, folder / "saved")


@pytest.fixture(scope="module")
def model(saved):
    """Ours, in float32; tests leave it as it is."""
    return ildm.load(saved[1], dtype="float32")


@pytest.fixture(scope="module")
def converted(saved, tmp_path_factory):
    """The model after native, diffusers, single file and native again: those four places."""
    folder = tmp_path_factory.mktemp("converted")
    places = [folder / "native", folder / "diffusers", folder / "single.safetensors", folder / "again"]
    source = saved[1]
    for place, kind in zip(places, ("native", "diffusers", "single-file", "native"), strict=True):
        assert convert(source, place, kind) == []
        source = place
    return places


def theirs(pipeline, monkeypatch, **settings):
    drawn = iter([sample_noise([SEED], step_stream(step), LATENT) for step in range(NUM_STEPS)])
    module = importlib.import_module(type(pipeline.scheduler).__module__)
    monkeypatch.setattr(module, "randn_tensor", lambda *_, **__: next(drawn))
    start = sample_noise([SEED], 0, LATENT)
    settings |= {"num_inference_steps": NUM_STEPS, "output_type": "latent"}
    return pipeline(PROMPT, latents=start, **settings).images


def ours(model, monkeypatch, **settings):
    """The final latent, and how many samples the network was given."""
    decoded, given = [], []
    predict = model._predict
    with monkeypatch.context() as patch:
        patch.setattr(model, "decode", lambda latents: decoded.append(latents) or torch.zeros(1, 3, 8, 8))
        patch.setattr(model, "_predict", lambda noised, *others: given.append(len(noised)) or predict(noised, *others))
        model.generate(PROMPT, seed=SEED, **settings)
    return decoded[0], given


@pytest.mark.parametrize("scale", [None, 2.3, 1.0])
def test_the_latent_is_the_peers(scale, saved, model, monkeypatch):
    pipeline = saved[0]
    latent, given = ours(model, monkeypatch, guidance_scale=scale)
    expected = theirs(pipeline, monkeypatch, guidance_scale=8.5 if scale is None else scale)
    assert (latent - expected).abs().max() <= 1e-4 * max(1.0, expected.abs().max())
    assert given == [1] * NUM_STEPS
    assert (latent - theirs(pipeline, monkeypatch, guidance_scale=5.0)).abs().max() > 1e-3


def test_another_sampler_tells_it_too(model, monkeypatch):
    """As the peer's plain pipeline, which also takes such networks."""
    latents = [ours(model, monkeypatch, sampler="ddim", guidance_scale=scale) for scale in (1.0, 8.5)]
    assert all(given == [1] * NUM_STEPS for _, given in latents)
    assert (latents[0][0] - latents[1][0]).abs().max() > 1e-3


def test_the_round_trip_is_exact_and_opens_at_the_peers(saved, converted, monkeypatch):
    folder = saved[1]
    first, second, single, last = converted
    for path in first.iterdir():
        assert path.read_bytes() == (last / path.name).read_bytes(), path.name
    index = [json.loads((place / "model_index.json").read_text())["_class_name"] for place in (folder, second)]
    assert index[0] == index[1]
    assert UNET + TOLD in safetensors.torch.load_file(single)
    before, after = (theirs(pipelines.load(place), monkeypatch, guidance_scale=4.0) for place in (folder, second))
    assert torch.equal(before, after)


def test_it_says_so_of_itself(saved, converted):
    for place in (saved[1], *converted[:3]):
        found = describe(place)
        assert found.denoiser["guidance_width"] == 32
        assert (found.defaults.sampler, found.defaults.num_steps, found.defaults.guidance_scale) == ("lcm", NUM_STEPS, 8.5)


def test_a_bare_single_file_is_understood(saved, model, converted, tmp_path):
    tensors = safetensors.torch.load_file(converted[2])
    bare = tmp_path / "bare.safetensors"
    safetensors.torch.save_file(tensors, bare)
    found, wanted = describe(bare), describe(saved[1])
    assert (found.denoiser, found.prediction, found.path) == (wanted.denoiser, wanted.prediction, wanted.path)
    assert (found.defaults.sampler, found.defaults.num_steps, found.defaults.guidance_scale) == ("lcm", NUM_STEPS, 8.5)
    weights = model.unet.state_dict()
    assert all(torch.equal(value, weights[key]) for key, value in ildm.load(bare, dtype="float32").unet.state_dict().items())
    safetensors.torch.save_file(tensors | {UNET + TOLD: torch.ones(64)}, bare)
    with pytest.raises(CheckpointError, match="of another form"):
        describe(bare)


def test_a_unet_alone_stands_for_one_that_is_not_told(saved, model, converted, tmp_path):
    tensors = safetensors.torch.load_file(converted[2])
    plain = tmp_path / "plain.safetensors"
    safetensors.torch.save_file({name: value for name, value in tensors.items() if name != UNET + TOLD}, plain)
    without = ildm.load(plain, dtype="float32")
    assert not without.is_told_guidance
    weights = model.unet.state_dict()
    for file in (saved[1] / "unet" / "diffusion_pytorch_model.safetensors", converted[2]):
        found = read_unet_file(file, without.unet.config)
        assert found.config == model.unet.config
        assert all(torch.equal(value, weights[key]) for key, value in found.state_dict().items())


def test_what_needs_a_second_estimate_is_refused(model):
    for settings in ({"guidance_rescale": 0.7}, {"guidance_projection": Projection()}):
        with pytest.raises(ConfigError, match=r"is told its guidance scale and evaluated once, .* rescale or project by"):
            model.generate(PROMPT, seed=SEED, **settings)
    with pytest.raises(ConfigError, match=r"is told its guidance scale and evaluated once, .* leave the negative prompt out"):
        model.generate(PROMPT, seed=SEED, negative_prompt="blue")


def test_half_precision_tells_the_scale_in_full(saved, monkeypatch):
    """Thousandths of a scale are more digits than bfloat16 has."""
    model = ildm.load(saved[1], dtype="bfloat16")
    told = []
    embed = type(model.unet)._guidance_waves
    monkeypatch.setattr(type(model.unet), "_guidance_waves", lambda unet, scale: told.append(scale) or embed(unet, scale))
    ours(model, monkeypatch, guidance_scale=7.301)
    assert all(scale.dtype == torch.float32 and float(scale) == pytest.approx(7.301, abs=1e-5) for scale in told)
    assert told


def test_a_scale_that_acts_in_an_interval_is_told_there_alone():
    told = []

    def denoiser(noised, t, conditioning):
        told.append(conditioning.guidance.tolist())
        return noised

    times = torch.tensor([0.9, 0.5, 0.1], dtype=torch.float64)
    Told(denoiser, 4.0, (0.4, 0.6))(torch.zeros(3, 4, 2, 2), times, Conditioning())
    assert told == [[1.0, 4.0, 1.0]]
    with pytest.raises(ConfigError, match="two rising times"):
        Told(denoiser, 4.0, (0.6, 0.4))


def test_a_network_that_is_told_nothing_says_so(model, shapes_unchecked):
    unet = model.unet
    with pytest.raises(ShapeError, match=r"needs a conditioning with `guidance`.*built with guidance_width"):
        check_inputs(unet.config, torch.zeros(1, *LATENT), torch.ones(1), model_inputs(unet.config))
    with pytest.raises(ConfigError, match="guidance_width is even and 4 or more"):
        replace(unet.config, guidance_width=5)


def model_inputs(config):
    """All that the network takes but the scale."""
    pooled = None if config.pooled_width is None else torch.zeros(1, config.pooled_width)
    return Conditioning(context=torch.zeros(1, 3, config.context_width), pooled=pooled)
