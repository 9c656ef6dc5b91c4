"""Pictures of several prompts drawn by a whole model."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image
from toy import build_model

from ildm.conditioning.composition import Composition
from ildm.conditioning.inpainting import Inpainting, InpaintingConfig
from ildm.conditioning.regions import Mode, Region
from ildm.core.errors import ConfigError
from ildm.denoiser.adapters import Adapter
from ildm.denoiser.low_rank import LowRank
from ildm.denoiser.unet import UNet
from ildm.following import Following

LEFT = torch.zeros(64, 64)
LEFT[:, :32] = 1.0
RIGHT = 1.0 - LEFT
WHOLE = torch.ones(5, 7)
MODES = get_args(Mode)


def pixels(images):
    return np.stack([np.asarray(image, dtype=np.int16) for image in images])


@pytest.mark.parametrize("mode", MODES)
def test_one_region_everywhere_is_the_plain_run_bit_for_bit(model, mode):
    plain = pixels(model.generate("a red rose", seed=[3, 4], negative_prompt="a blue key"))
    whole = [Region(prompt="a red rose", mask=WHOLE)]
    assert np.array_equal(
        pixels(model.generate("", seed=[3, 4], negative_prompt="a blue key", regions=whole, region_mode=mode)), plain
    )


def test_a_region_changes_its_own_area_most(model):
    plain = pixels(model.generate("a red rose", seed=3))
    regions = [Region(prompt="a blue key", mask=LEFT)]
    there = pixels(model.generate("a red rose", seed=3, regions=regions, region_mode="latent"))
    change = np.abs(there - plain).mean(axis=(0, 1, 3))
    assert change[:32].mean() > 1.2 * change[32:].mean()
    attended = pixels(model.generate("a red rose", seed=3, regions=regions))
    assert not np.array_equal(attended, plain) and not np.array_equal(attended, there)


@pytest.mark.parametrize("mode", MODES)
def test_many_pictures_draw_what_single_ones_draw(model, mode):
    regions = [Region(prompt="a blue key", mask=LEFT, seed=11, strength=2.0), Region(prompt="[a cat|a dog]", mask=RIGHT)]
    prompts, seeds = ["a red rose", "", "a red rose"], [1, 2, 3]
    settings = {"regions": regions, "region_mode": mode, "sampler": "euler-ancestral"}
    together = pixels(model.generate(prompts, seed=seeds, **settings))
    alone = np.concatenate([pixels(model.generate(p, seed=s, **settings)) for p, s in zip(prompts, seeds, strict=True)])
    assert np.abs(together - alone).max() <= 1


def test_each_of_several_pictures_is_drawn_by_what_it_is_shown(model):
    """With one plan that several share, and not with the first one's picture."""
    torch.manual_seed(1)
    unet = UNet(replace(model.unet.config, concat_channels=5))
    for weight in unet.parameters():
        if not weight.any():
            torch.nn.init.normal_(weight, std=0.05)
    shown = replace(model, unet=unet.requires_grad_(False).eval(), hint=Inpainting(InpaintingConfig(channels=4)))
    pictures, hole = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue", "red")], Image.new("L", (64, 64))
    hole.paste(255, (16, 16, 48, 48))

    def latents(places):
        given = [pictures[place] for place in places]
        beside = shown.beside(given, [hole] * len(given), (64, 64), len(given))
        plan = Composition(prompt="a red rose AND a blue key", guidance_scale=3.0)
        following, solver = Following(shown, [plan] * len(given), (64, 64), beside=beside), shown.sampler("ddim")
        state = solver.init(following.noise(places), shown.schedule(3), places)
        with torch.inference_mode():
            while not state.done:
                state = following.step(solver, state)
        return state.latent

    together = latents([0, 1, 2])
    for place in range(3):
        torch.testing.assert_close(together[place], latents([place])[0], atol=1e-4, rtol=0)


def test_prompts_that_change_are_drawn_by_what_they_say_at_each_step(model):
    half = model.generate(["a red rose", "[a red rose:a blue key:0.5]", "[a red rose:a blue key:99]"], seed=1, num_steps=6)
    assert np.array_equal(half[0], half[2])
    assert not np.array_equal(half[0], half[1])
    alternating = pixels(model.generate("[a red rose|a blue key]", seed=1, num_steps=6))
    assert not np.array_equal(alternating[0], half[0])


def test_composed_prompts(model):
    """`AND` adds the guidance of all; one that weighs 1 and one that weighs nothing is the first alone."""
    plain, composed = (
        pixels(model.generate(text, seed=1, guidance_scale=3.0)) for text in ("a red rose", "a red rose AND a blue key :0.0")
    )
    assert np.abs(plain - composed).max() <= 1
    both = pixels(model.generate("a red rose AND a blue key", seed=1, guidance_scale=3.0))
    assert np.abs(plain - both).max() > 1


def test_a_region_seed_changes_its_area_alone_at_the_start(model):
    region = Region(prompt="a red rose", mask=LEFT)
    noises = []
    for seed in (None, 5, 6):
        composition = Composition(guidance_scale=2.0, regions=(replace(region, seed=seed),))
        noises.append(Following(model, [composition], (64, 64)).noise([5]))
    torch.testing.assert_close(noises[0], noises[1], atol=1e-6, rtol=0)
    difference = (noises[2] - noises[0]).abs().amax(dim=(0, 1, 2))
    assert difference[:4].min() > 0 and difference[4:].max() == 0


# --- adapters ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def adapted():
    """A model with two adapters at hand whose effect is known: one makes the first channel of its data estimate brighter, one darker."""
    model = build_model()
    layer = model.unet.conv_out
    for name, sign in (("up", 1.0), ("down", -1.0)):
        down = torch.zeros(1, *layer.weight.shape[1:])
        down[0, :, 1, 1] = 1.0
        up = torch.zeros(layer.weight.shape[0], 1, 1, 1)
        up[0] = 0.02 * sign
        model.adapters.add(Adapter(name=name, changes={"unet.conv_out": LowRank(down, up)}))
    return model


def estimate_of(model, regions, mode="latent"):
    """The latent's first channel after a whole run."""
    from ildm.session.session import Session

    session = Session(model, "a red rose", seed=3, num_steps=6)
    session.regions.rules(mode=mode)
    for region in regions:
        session.regions.add(region.prompt, region.mask.numpy(), loras=[{"name": n, "strength": s} for n, s in region.adapters])
    return session.run().latent[0, 0]


def test_each_region_moves_in_the_direction_of_its_own_adapter(adapted):
    words = "a red rose"
    plain = estimate_of(adapted, [])
    expected = {}
    for name in ("up", "down"):
        (adapter,) = (one for one in adapted.adapters._named.values() if one.name == name)
        adapted.adapters.set({adapter: 1.0})
        expected[name] = estimate_of(adapted, []) - plain
        adapted.adapters.set({})
    assert (expected["up"] * expected["down"]).sum() < 0
    both = estimate_of(
        adapted,
        [
            Region(prompt=words, mask=LEFT, adapters=(("up", 1.0),)),
            Region(prompt=words, mask=RIGHT, adapters=(("down", 1.0),)),
        ],
    )
    assert bool(torch.isfinite(both).all())
    moved = both - plain
    for name, columns in (("up", slice(0, 4)), ("down", slice(4, 8))):
        along = torch.nn.functional.cosine_similarity(moved[:, columns].flatten(), expected[name][:, columns].flatten(), dim=0)
        assert along > 0.9, name
    assert adapted.adapters.strengths == {}


def test_a_region_everywhere_with_an_adapter_is_the_model_with_it(adapted):
    (up,) = (one for one in adapted.adapters._named.values() if one.name == "up")
    adapted.adapters.set({up: 0.5})
    plain = pixels(adapted.generate("a red rose", seed=3))
    adapted.adapters.set({})
    whole = [Region(prompt="a red rose", mask=WHOLE, adapters=(("up", 0.5),))]
    assert np.array_equal(pixels(adapted.generate("", seed=3, regions=whole, region_mode="latent")), plain)


def test_adapters_of_regions_that_cannot_act_are_told(adapted):
    parts = [Region(prompt="a red rose", mask=LEFT, adapters=(("up", 1.0),)), Region(prompt="a red rose", mask=RIGHT)]
    with pytest.raises(ConfigError, match="choose the mode 'latent'"):
        adapted.generate("", seed=3, regions=parts)
    with pytest.raises(ConfigError, match="no adapter 'upp' at hand: did you mean 'up'"):
        adapted.generate("", seed=3, regions=[replace(parts[0], adapters=(("upp", 1.0),))], region_mode="latent")
    with pytest.raises(ConfigError, match="another adapter 'up'"):
        adapted.adapters.add(Adapter(name="up", changes={}))


@pytest.mark.parametrize("mode", MODES)
def test_generate_and_a_session_draw_the_same_regions(model, mode):
    """Soft overlapping masks of odd sizes, one of them thin, with a seed: bit for bit."""
    from ildm.session.session import Session

    generator = torch.Generator().manual_seed(0)
    soft, line = (torch.rand(33, 21, generator=generator) * 255).round() / 255, torch.zeros(64, 64)
    line[:, 40:43] = 1.0
    regions = [Region(prompt="a blue key", mask=soft, seed=9), Region(prompt="a red rose", mask=line, strength=0.5)]
    drawn = pixels(model.generate("a rose", seed=3, regions=regions, region_mode=mode, sampler="euler-ancestral"))
    session = Session(model, "a rose", seed=3, sampler="euler-ancestral")
    session.regions.rules(mode=mode)
    for one in regions:
        session.regions.add(one.prompt, one.mask.numpy(), seed=one.seed, strength=one.strength)
    assert np.array_equal(pixels([session.run().image()]), drawn)
