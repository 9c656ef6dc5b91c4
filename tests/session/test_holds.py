"""Known latents that later steps hold on to, against a plain loop in double precision that shares nothing with the code."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from ildm.core.randomness import sample_noise
from ildm.diffusion.path import LinearInterpolation
from ildm.diffusion.schedule import make_schedule
from ildm.sampler.state import SamplerState
from ildm.session.applying import apply
from ildm.session.commands import StartFromImage
from ildm.session.cursor import Cursor
from ildm.session.editing import changed
from ildm.session.holds import HOLD_STREAM, Held, hold, implied_noise, settle
from ildm.session.run import Run
from ildm.session.settings import Hold
from ildm.session.wire import Mask

GRID = (4, 8, 8)
STEPS = 10


@pytest.fixture
def settings(settings):
    return changed(settings, sampler="ddim", num_steps=STEPS)


@pytest.fixture
def picture():
    """A picture with something in it: 64x64, RGB."""
    rows, columns = np.mgrid[:64, :64]
    pixels = np.stack([rows * 4, columns * 4, (rows // 8 + columns // 8) % 2 * 255], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))


def png(picture):
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def finish(cursor):
    while not cursor.finished:
        cursor.step()
    return cursor.run.state(cursor.position.node).latent


def from_image(model, settings, picture, strength, change_map=None):
    cursor = Cursor.begin(Run(model), settings)
    change = None if change_map is None else Mask.from_array(change_map)
    apply(cursor, StartFromImage(image=png(picture), strength=strength, change_map=change))
    return cursor


def encoded(model, picture):
    pixels = torch.from_numpy(np.asarray(picture, np.float32) / 127.5 - 1.0).permute(2, 0, 1)[None]
    with torch.inference_mode():
        return model.encode(pixels)


@torch.inference_mode()
def plain_loop(model, settings, source, changes, *, start=0):
    """Levin & Fried's algorithm over DDIM steps, every number a double.

    Args:
        changes: [(source, map on the latent's grid, noise, until)], the last of them wins.
    """
    positive, negative = (model.condition([text], (64, 64)) for text in (settings.prompt, settings.negative_prompt))
    times = [1.0 - i / STEPS for i in range(STEPS + 1)] if isinstance(model.path, LinearInterpolation) else None
    borders = make_schedule(model.path, STEPS).times.tolist() if times is None else times
    alpha, sigma = (
        [float(f(torch.tensor(t, dtype=torch.float64))) for t in borders] for f in (model.path.alpha, model.path.sigma)
    )
    noise = sample_noise([settings.seed], 0, GRID).double()
    latent = sigma[0] * noise if source is None else alpha[start] * source.double() + sigma[start] * noise
    for i in range(start, STEPS):
        for known, change, own_noise, until in changes:
            threshold = 1.0 - change
            keep = (i / STEPS < threshold) if until is None else (threshold > 0) & (i <= until)
            latent = torch.where(keep, alpha[i] * known.double() + sigma[i] * own_noise.double(), latent)
        t = torch.tensor([borders[i]], dtype=torch.float64)
        with_prompt, without = (model.denoiser(latent, t, one) for one in (positive, negative))
        data = without + settings.guidance_scale * (with_prompt - without)
        latent = alpha[i + 1] * data + sigma[i + 1] * (latent - alpha[i] * data) / sigma[i]
    for known, change, _, until in changes:
        if until is None:
            latent = torch.where(change == 0.0, known.double(), latent)
    return latent


def on_grid(pixels):
    """The mean of every 8x8 pixels of bytes (64, 64), as a share."""
    return torch.from_numpy(pixels.astype(np.float64).reshape(8, 8, 8, 8).mean(axis=(1, 3)) / 255.0)


def shades():
    """A change map with kept, free and half-free places and soft edges."""
    rows, columns = np.mgrid[:64, :64]
    pixels = (rows * 2 + columns * 3) % 256
    pixels[:24] = 0
    pixels[40:, 24:] = 255
    return pixels.astype(np.uint8)


# --- whole runs -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["linear", "variance preserving"])
def test_a_change_map_is_differential_diffusion(path, quick, quick_published, settings, picture):
    model = quick if path == "linear" else quick_published
    final = finish(from_image(model, settings, picture, 1.0, shades()))
    source, change = encoded(model, picture), on_grid(shades())
    noise = sample_noise([settings.seed], HOLD_STREAM, GRID)
    expected = plain_loop(model, settings, source, [(source, change, noise, None)])
    assert (final - expected).abs().max() < 1e-4
    # and it is no matter of course
    assert (plain_loop(model, settings, source, []) - expected).abs().max() > 0.1
    kept = (change == 0.0).expand(1, *GRID)
    assert kept.sum() == 4 * 3 * 8
    assert torch.equal(final[kept], source[kept])


@pytest.mark.parametrize("sampler", ["heun", "plms", "dpmpp-2m-sde", "unipc", "lcm", "euler-ancestral", "ddpm"])
def test_what_is_kept_is_the_source_whatever_the_sampler(sampler, quick, settings, picture):
    final = finish(from_image(quick, changed(settings, sampler=sampler), picture, 1.0, shades()))
    source, kept = encoded(quick, picture), (on_grid(shades()) == 0.0).expand(1, *GRID)
    assert torch.equal(final[kept], source[kept])
    assert (final[~kept] - source[~kept]).abs().min() > 0.0


def test_a_map_that_frees_nothing_gives_the_picture_back(quick, settings, picture):
    cursor = from_image(quick, settings, picture, 1.0, np.zeros((64, 64), np.uint8))
    assert torch.equal(finish(cursor), encoded(quick, picture))


@pytest.mark.parametrize("strength", [0.0, 0.001])
def test_strength_nothing_is_the_picture_itself(strength, quick, settings, picture):
    cursor = from_image(quick, settings, picture, strength)
    assert cursor.finished
    assert cursor.node.step == STEPS
    assert torch.equal(finish(cursor), encoded(quick, picture))


def test_strength_one_is_a_run_from_noise(quick, settings, picture):
    fresh = finish(Cursor.begin(Run(quick), settings))
    cursor = from_image(quick, settings, picture, 1.0)
    assert cursor.node.step == 0
    assert torch.equal(finish(cursor), fresh)


@pytest.mark.parametrize(("strength", "start"), [(0.2, 8), (0.5, 5), (0.61, 4), (0.99, 0)])
def test_strength_says_how_many_steps_are_made(strength, start, quick, settings, picture):
    cursor = from_image(quick, settings, picture, strength)
    assert cursor.node.step == start
    assert cursor.run.first_step(cursor.position.branch) == start
    change = torch.full((8, 8), round(strength * 255) / 255, dtype=torch.float64)
    noise = sample_noise([settings.seed], HOLD_STREAM, GRID)
    source = encoded(quick, picture)
    expected = plain_loop(quick, settings, source, [(source, change, noise, None)], start=start)
    assert (finish(cursor) - expected).abs().max() < 1e-4
    assert cursor.run.steps_computed == STEPS - start


def test_the_stronger_the_further_from_the_picture(quick, settings, picture):
    source = encoded(quick, picture)
    far = [float((finish(from_image(quick, settings, picture, one)) - source).abs().mean()) for one in (0.0, 0.2, 0.5, 0.9)]
    assert far == sorted(far)
    assert far[-1] > 2 * far[1] > 0.0


def test_a_map_is_multiplied_by_the_strength(quick, settings, picture):
    whole, half = np.full((64, 64), 255, np.uint8), np.full((64, 64), 128, np.uint8)
    by_strength = finish(from_image(quick, settings, picture, 128 / 255, whole))
    assert torch.equal(finish(from_image(quick, settings, picture, 1.0, half)), by_strength)


def test_a_map_may_have_any_size(quick, settings, picture):
    """A map of one cell per latent is the same as one with every pixel said, and a large one as well."""
    cells = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    pixels = cells.repeat(8, 0).repeat(8, 1)
    wanted = finish(from_image(quick, settings, picture, 1.0, pixels))
    for one in (cells, cells.repeat(32, 0).repeat(32, 1), cells.repeat(8, 0)):
        assert torch.equal(finish(from_image(quick, settings, picture, 1.0, one)), wanted)


# --- several holds --------------------------------------------------------------------------------------------------------------


def held_run(model, settings, *several):
    run = Run(model)
    holds = []
    for source, pixels, seed, noise, until in several:
        made = None if noise is None else run.blobs.put_latent(noise)
        change = run.blobs.put_mask(Mask.from_array(pixels))
        holds.append(Hold(source=run.blobs.put_latent(source), change=change, seed=seed, noise=made, until=until))
    return Cursor.begin(run, changed(settings, holds=tuple(holds)))


def test_of_two_holds_the_later_wins(quick, settings):
    first, second = (sample_noise([seed], 5, GRID) for seed in (1, 2))
    upper, left = np.full((64, 64), 255, np.uint8), np.full((64, 64), 255, np.uint8)
    upper[:32], left[:, :32] = 0, 0
    final = finish(held_run(quick, settings, (first, upper, 3, None, None), (second, left, 4, None, None)))
    assert torch.equal(final[..., :4], second[..., :4])
    assert torch.equal(final[..., :4, 4:], first[..., :4, 4:])
    changes = [
        (first, on_grid(upper), sample_noise([3], HOLD_STREAM, GRID), None),
        (second, on_grid(left), sample_noise([4], HOLD_STREAM, GRID), None),
    ]
    assert (final - plain_loop(quick, settings, None, changes)).abs().max() < 1e-4
    assert (final - plain_loop(quick, settings, None, changes[::-1])).abs().max() > 0.1


def test_a_hold_may_end_before_the_run_does(quick, settings):
    source, noise = sample_noise([1], 5, GRID), sample_noise([2], 5, GRID)
    change = np.full((64, 64), 255, np.uint8)
    change[:32] = 0
    cursor = held_run(quick, settings, (source, change, None, noise, 4))
    final = finish(cursor)
    assert (final - plain_loop(quick, settings, None, [(source, on_grid(change), noise, 4)])).abs().max() < 1e-4
    assert (final[..., :4, :] - source[..., :4, :]).abs().max() > 0.1  # nothing is written at the end
    whole = finish(held_run(quick, settings, (source, change, None, noise, None)))
    assert torch.equal(whole[..., :4, :], source[..., :4, :])


@pytest.mark.parametrize("until", [0, 3, STEPS])
def test_until_counts_the_steps_before_which_it_acts(until, quick, settings):
    source = sample_noise([1], 5, GRID)
    cursor = held_run(quick, settings, (source, np.zeros((64, 64), np.uint8), 9, None, until))
    run, noise = cursor.run, sample_noise([9], HOLD_STREAM, GRID)
    held = run.steering._holds(cursor.settings)
    for step in range(STEPS):
        state = run.state(cursor.position.node)
        _, alpha, sigma = state.schedule.at(step)
        now = hold(state, held).latent
        assert torch.equal(now, alpha * source + sigma * noise) == (step <= until), step
        cursor.step()


def test_each_seed_has_its_own_noise(quick, settings):
    source, change = sample_noise([1], 5, GRID), on_grid(np.full((64, 64), 100, np.uint8))
    pixels = np.full((64, 64), 100, np.uint8)
    one, two = (finish(held_run(quick, settings, (source, pixels, seed, None, None))) for seed in (3, 4))
    assert (one - two).abs().max() > 0.1
    for seed, final in ((3, one), (4, two)):
        noise = sample_noise([seed], HOLD_STREAM, GRID)
        expected = plain_loop(quick, settings, None, [(source, change, noise, None)])
        assert (final - expected).abs().max() < 1e-4


def test_thin_areas_reach_the_grid(quick, settings):
    """A line of one pixel frees an eighth of its cells, and no cell that it does not touch."""
    pixels = np.zeros((64, 64), np.uint8)
    pixels[20] = 255
    source = sample_noise([1], 5, GRID)
    final = finish(held_run(quick, settings, (source, pixels, 3, None, None)))
    touched = torch.zeros(8, 8, dtype=torch.bool)
    touched[2] = True
    assert torch.equal(final[..., ~touched], source[..., ~touched])
    assert (final[..., touched] - source[..., touched]).abs().min() > 0.0


# --- the pieces -----------------------------------------------------------------------------------------------------------------


def at(step, latent=None):
    schedule = make_schedule(LinearInterpolation(), 4)
    return SamplerState(torch.zeros(1, 1, 2, 2) if latent is None else latent, step, schedule, (0,))


def held_all(change, until=None):
    return Held(torch.full((1, 1, 2, 2), 8.0), torch.tensor(change), torch.full((1, 1, 2, 2), -4.0), until)


@pytest.mark.parametrize(
    ("step", "kept"), [(0, [1, 1, 1, 0]), (1, [1, 1, 0, 0]), (2, [1, 1, 0, 0]), (3, [1, 0, 0, 0]), (4, [0, 0, 0, 0])]
)
def test_a_place_is_kept_while_its_share_of_the_steps_lasts(step, kept):
    held = held_all([[0.0, 0.3], [0.75, 1.0]])
    assert held.keeps(step, step / 4).flatten().tolist() == [bool(one) for one in kept]
    latent = hold(at(step), [held]).latent
    t = 1.0 - step / 4
    assert latent.flatten().tolist() == [(1.0 - t) * 8.0 - t * 4.0 if one else 0.0 for one in kept]


def test_the_end_is_written_only_where_nothing_was_free():
    held = held_all([[0.0, 1e-7], [0.5, 1.0]])
    assert settle(at(4), [held]).latent.flatten().tolist() == [8.0, 0.0, 0.0, 0.0]
    assert settle(at(4), [replace(held, until=2)]).latent.flatten().tolist() == [0.0] * 4


def test_where_nothing_is_held_the_state_is_the_same_object():
    state = at(2)
    assert hold(state, []) is state
    assert hold(state, [held_all([[1.0, 1.0], [1.0, 1.0]])]) is state
    assert hold(state, [held_all([[0.0, 0.0], [0.0, 0.0]], until=1)]) is state


def test_what_is_held_leaves_the_rest_of_the_state():
    state = replace(at(1), estimate=torch.ones(1, 1, 2, 2), memory=(torch.ones(1, 1, 2, 2),), solver="DDIM")
    after = hold(state, [held_all([[0.0, 1.0], [1.0, 1.0]])])
    assert (after.step, after.seeds, after.solver, after.schedule) == (1, (0,), "DDIM", state.schedule)
    assert after.estimate is state.estimate
    assert after.memory is state.memory
    assert not state.latent.any()


@pytest.mark.parametrize("step", [0, 1, 3, 4])
def test_the_implied_noise_leads_back(step):
    schedule = make_schedule(LinearInterpolation(), 4)
    latent, estimate = torch.randn(2, 1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    noise = implied_noise(latent, estimate, schedule, step)
    _, alpha, sigma = schedule.at(step)
    if sigma == 0.0:
        assert not noise.any()
    else:
        assert torch.allclose(alpha * estimate + sigma * noise, latent, atol=1e-6)
