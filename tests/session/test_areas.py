"""Parts of a picture that are locked, made anew or judged, and runs that start from a picture."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from steered import EVERYWHERE, INSIDE, UPPER_LEFT, begin, finish, go_to, latent, refused

from ildm.core import extensions
from ildm.core.errors import DataError
from ildm.core.picture import to_bytes, to_picture
from ildm.core.randomness import sample_noise
from ildm.sampler.state import SamplerState
from ildm.session import commands
from ildm.session.applying import apply
from ildm.session.cursor import Cursor
from ildm.session.editing import changed
from ildm.session.holds import hold
from ildm.session.refusals import NotNow
from ildm.session.run import Run
from ildm.session.settings import Region
from ildm.session.wire import Mask

NAMES = extensions.names("ildm.samplers")


# --- areas ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_what_is_locked_stays_bit_for_bit(name, quick, settings):
    cursor = go_to(begin(quick, settings, sampler=name), 5)
    source = cursor.run.estimate(cursor.position.node)
    apply(cursor, commands.LockArea(area=UPPER_LEFT))
    apply(cursor, commands.SetPrompt(text="a blue key"))
    final = finish(cursor)
    assert final[..., INSIDE].equal(source[..., INSIDE])
    free = go_to(begin(quick, settings, sampler=name), 5)
    apply(free, commands.SetPrompt(text="a blue key"))
    assert (finish(free) - source)[..., INSIDE].abs().max() > 1e-3
    assert (final - source)[..., ~INSIDE].abs().max() > 1e-3


def test_a_lock_fades_with_its_mask(quick, settings):
    """Half inside, a place is held for half of the steps and then free."""
    cursor = go_to(begin(quick, settings), 2)
    source = cursor.run.estimate(cursor.position.node)
    soft = np.full((8, 8), 128, np.uint8)
    soft[:4] = 255
    apply(cursor, commands.LockArea(area=Mask.from_array(soft)))
    run, held = cursor.run, cursor.run.steering._holds(cursor.settings)
    for step in range(2, 12):
        now = hold(run.state(cursor.position.node), held).latent
        _, alpha, sigma = run.state(cursor.position.node).schedule.at(step)
        expected = alpha * source + sigma * held[0].noise
        assert now[..., :4, :].equal(expected[..., :4, :])
        assert now[..., 4:, :].equal(expected[..., 4:, :]) == (step <= 6)
        cursor.step()
    assert latent(cursor)[..., :4, :].equal(source[..., :4, :])


def test_several_locks_hold_together(quick, settings):
    cursor = go_to(begin(quick, settings), 3)
    first = cursor.run.estimate(cursor.position.node)
    apply(cursor, commands.LockArea(area=UPPER_LEFT))
    go_to(cursor, 7)
    second = cursor.run.estimate(cursor.position.node)
    apply(cursor, commands.LockArea(area=Mask.rectangle(64, 64, (0.5, 0.5, 1.0, 1.0))))
    final = finish(cursor)
    assert final[..., :4, :4].equal(first[..., :4, :4])
    assert final[..., 4:, 4:].equal(second[..., 4:, 4:])


def test_what_is_released_goes_on_freely(quick, settings):
    cursor = go_to(begin(quick, settings), 3)
    source = cursor.run.estimate(cursor.position.node)
    apply(cursor, commands.LockArea(area=Mask.rectangle(64, 64, (0.0, 0.0, 1.0, 0.5))))
    go_to(cursor, 6)
    apply(cursor, commands.ReleaseArea(area=Mask.rectangle(8, 8, (0.0, 0.0, 0.5, 1.0))))
    assert len(cursor.settings.holds) == 1
    final = finish(cursor)
    assert final[..., :4, 4:].equal(source[..., :4, 4:])
    assert (final - source)[..., :4, :4].abs().min() > 0.0


@pytest.mark.parametrize("area", [None, EVERYWHERE, UPPER_LEFT], ids=["all", "everywhere", "it"])
def test_a_lock_that_holds_nothing_more_is_gone(area, quick, settings):
    cursor = go_to(begin(quick, settings), 3)
    apply(cursor, commands.LockArea(area=UPPER_LEFT))
    apply(cursor, commands.ReleaseArea(area=area))
    assert cursor.settings.holds == ()
    assert finish(cursor).equal(finish(begin(quick, settings)))


@pytest.mark.parametrize(("name", "strength"), [*((name, 0.4) for name in NAMES), ("unipc", 1.0), ("ddpm", 1.0)])
def test_an_area_of_a_finished_run_is_made_anew_and_the_rest_stays(name, strength, quick, settings):
    cursor = begin(quick, settings, sampler=name)
    before = finish(cursor)
    apply(cursor, commands.RedoArea(area=UPPER_LEFT, strength=strength))
    assert cursor.node.step == 12 - round(12 * strength)
    after = finish(cursor)
    assert after[..., ~INSIDE].equal(before[..., ~INSIDE])
    assert (after - before)[..., INSIDE].abs().min() > 0.0
    assert (cursor.settings.seed, cursor.settings.start.seed) == (7, 8)
    cursor.rewind(12)
    apply(cursor, commands.RedoArea(area=UPPER_LEFT, strength=strength, seed=1))
    assert (cursor.settings.seed, cursor.settings.start.seed) == (7, 1)
    third = finish(cursor)
    assert third[..., ~INSIDE].equal(before[..., ~INSIDE])
    assert (third - after)[..., INSIDE].abs().max() > 1e-3


def test_an_area_is_made_anew_even_where_another_start_followed(quick, settings):
    """The finished state of a branch is as finished when a later start lies behind it."""
    cursor = begin(quick, settings)
    before = finish(cursor)
    apply(cursor, commands.RedoArea(area=UPPER_LEFT))
    cursor.step()
    cursor.rewind(12)
    assert latent(cursor).equal(before)
    apply(cursor, commands.RedoArea(area=UPPER_LEFT, seed=77))
    assert finish(cursor)[..., ~INSIDE].equal(before[..., ~INSIDE])


@pytest.mark.parametrize("finished", [True, False])
def test_what_is_locked_stays_when_an_area_around_it_is_made_anew(finished, quick, settings):
    cursor = go_to(begin(quick, settings), 6)
    apply(cursor, commands.LockArea(area=Mask.rectangle(64, 64, (0.0, 0.0, 0.25, 0.5))))
    source = cursor.run.estimate(cursor.position.node)
    if finished:
        finish(cursor)
    before = cursor.run.estimate(cursor.position.node)
    apply(cursor, commands.RedoArea(area=UPPER_LEFT))
    after = finish(cursor)
    assert after[..., :4, :2].equal(source[..., :4, :2])
    assert (after - before)[..., :4, 2:4].abs().min() > 0.0


def test_all_of_a_locked_area_is_let_go_before_it_is_made_anew(quick, settings):
    cursor = go_to(begin(quick, settings), 3)
    apply(cursor, commands.LockArea(area=Mask.rectangle(64, 64, (0.0, 0.0, 1.0, 0.5))))
    before = finish(cursor)
    for command in (commands.RedoArea(area=UPPER_LEFT), commands.DislikeArea(area=UPPER_LEFT)):
        with refused(cursor, NotNow, "All of this area is kept as it is: let it go first"):
            apply(cursor, command)
    apply(cursor, commands.ReleaseArea(area=UPPER_LEFT))
    apply(cursor, commands.RedoArea(area=UPPER_LEFT))
    after = finish(cursor)
    assert after[..., ~INSIDE].equal(before[..., ~INSIDE])
    assert (after - before)[..., INSIDE].abs().min() > 0.0


def test_what_is_kept_keeps_its_pixels(quick, settings):
    """Its latents are the same; a decoder alone would show them otherwise beside others."""
    cursor = begin(quick, settings)
    finish(cursor)
    before = np.asarray(cursor.run.picture(cursor.position.node)).astype(int)
    apply(cursor, commands.RedoArea(area=UPPER_LEFT))
    final = finish(cursor)
    after = np.asarray(cursor.run.picture(cursor.position.node)).astype(int)
    decoded = np.asarray(to_picture(to_bytes(cursor.run.model.decode(final))[0])).astype(int)
    free = np.zeros((64, 64), bool)
    free[:32, :32] = True
    assert (after == before)[~free].all()
    assert (decoded != before)[~free].any()
    assert (after != before)[free].any()


def test_one_area_made_anew_after_another_leaves_the_rest_its_pixels(quick, settings):
    cursor = begin(quick, settings)
    finish(cursor)
    before = np.asarray(cursor.run.picture(cursor.position.node))
    lower_right = Mask.rectangle(64, 64, (0.5, 0.5, 1.0, 1.0))
    for area in (UPPER_LEFT, lower_right):
        apply(cursor, commands.RedoArea(area=area))
        finish(cursor)
    after = np.asarray(cursor.run.picture(cursor.position.node))
    assert (after[:32, 32:] == before[:32, 32:]).all() and (after[32:, :32] == before[32:, :32]).all()
    assert (after[32:, 32:] != before[32:, 32:]).any()


def test_a_picture_of_which_all_is_kept_is_its_source(quick, settings):
    cursor = begin(quick, settings)
    finish(cursor)
    before = np.asarray(cursor.run.picture(cursor.position.node))
    apply(cursor, commands.LockArea(area=EVERYWHERE))
    apply(cursor, commands.StartOver(seed=11))
    finish(cursor)
    assert (np.asarray(cursor.run.picture(cursor.position.node)) == before).all()


@pytest.mark.parametrize("name", NAMES)
def test_in_mid_run_the_rest_comes_back_to_where_it_was(name, quick, settings):
    cursor = go_to(begin(quick, settings, sampler=name), 8)
    before = latent(cursor)
    final = finish(begin(quick, settings, sampler=name))
    apply(cursor, commands.RedoArea(area=UPPER_LEFT, strength=0.7))
    assert cursor.node.step == 4
    run = cursor.run
    go_to(cursor, 8)
    after = hold(run.state(cursor.position.node), run.steering._holds(cursor.settings)).latent
    assert (after - before)[..., ~INSIDE].abs().max() < 1e-5
    assert (after - before)[..., INSIDE].abs().min() > 1e-4
    # from there on it is free, and ends near where it would have; the new content beside it is seen
    assert not finish(cursor)[..., ~INSIDE].equal(final[..., ~INSIDE])


def test_another_picture_is_asked_for_in_the_words_in_force(quick, settings):
    """A dislike of the whole goes back to where it acts, and takes along what was said since."""
    cursor = go_to(begin(quick, settings), 6)
    apply(cursor, commands.SetPrompt(text="a blue key"))
    apply(cursor, commands.AddRegion(region=Region(id="r", prompt="a rose"), mask=UPPER_LEFT))
    apply(cursor, commands.LockArea(area=Mask.rectangle(64, 64, (0.5, 0.5, 1.0, 1.0))))
    before = finish(cursor)
    apply(cursor, commands.DislikeArea())
    assert (cursor.node.step, cursor.settings.prompt) == (4, "a blue key")
    assert [region.prompt for region in cursor.settings.regions] == ["a rose"]
    after = finish(cursor)
    assert after[..., 4:, 4:].equal(before[..., 4:, 4:])
    assert not after[..., :4, :4].equal(before[..., :4, :4])


def test_however_small_a_lock_is_it_holds_whole_cells(quick, settings):
    cursor = begin(quick, settings)
    before = finish(cursor)
    apply(cursor, commands.LockArea(area=Mask.rectangle(64, 64, (0.3, 0.3, 0.33, 0.33))))
    apply(cursor, commands.StartOver(seed=99))
    after = finish(cursor)
    assert (after == before).all(dim=1).nonzero().tolist() == [[0, 2, 2]]


def test_other_content_is_other_content_over_noise_that_was_given_too(quick, settings):
    def redone(seed):
        run = Run(quick)
        noise = run.blobs.put_latent(sample_noise([99], 0, (4, 8, 8)))
        cursor = Cursor.begin(run, changed(settings, initial_noise=noise))
        finish(cursor)
        apply(cursor, commands.RedoArea(area=UPPER_LEFT, seed=seed))
        return finish(cursor)

    assert not redone(3)[..., INSIDE].equal(redone(4)[..., INSIDE])
    assert redone(3).equal(redone(3))


# --- new starts -----------------------------------------------------------------------------------------------------------------


def png(size=(64, 64), form="PNG", colour=(200, 30, 90)):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, form)
    return file.getvalue()


def test_starting_over_is_a_run_of_its_own(quick, settings):
    cursor = go_to(begin(quick, settings), 5)
    apply(cursor, commands.LockArea(area=UPPER_LEFT))
    apply(cursor, commands.LikeArea())
    cursor.step()
    liked = cursor.settings.feedback
    apply(cursor, commands.StartOver(seed=11, width=96, height=32))
    assert (cursor.node.step, cursor.node.parent, cursor.position.branch) == (0, 6, 1)
    assert cursor.settings == changed(settings, seed=11, width=96, height=32, feedback=liked)
    assert finish(cursor).equal(finish(begin(quick, settings, seed=11, width=96, height=32)))


def test_what_is_locked_outlives_a_new_start(quick, settings):
    cursor = go_to(begin(quick, settings), 5)
    apply(cursor, commands.RedoArea(area=UPPER_LEFT, strength=0.5))  # holds the rest for a while, which is no lock
    apply(cursor, commands.LockArea(area=UPPER_LEFT))
    source = cursor.run.estimate(cursor.position.node)
    apply(cursor, commands.StartOver(seed=11))
    assert [one.locked for one in cursor.settings.holds] == [True]
    final = finish(cursor)
    assert final[..., INSIDE].equal(source[..., INSIDE])
    assert not final[..., ~INSIDE].equal(source[..., ~INSIDE])


def test_what_was_free_stays_free_when_there_are_to_be_more_steps(quick, settings):
    """A map of 0.6 frees its cells at 0.4 of the run; 14 of 20 steps are 0.7 of it, however many are to come."""

    def begun():
        cursor = begin(quick, settings, num_steps=20)
        apply(cursor, commands.StartFromImage(image=png(), strength=0.6))
        return go_to(cursor, 14)

    cursor = begun()
    before = latent(cursor)
    apply(cursor, commands.SetNumSteps(num_steps=40))
    state, holds = cursor.run.state(cursor.position.node), cursor.run.steering._holds(cursor.settings)
    assert hold(state, holds).latent.equal(before)
    cursor.step()
    state = cursor.run.state(cursor.position.node)
    assert (state.step, state.schedule.num_steps) == (15, 40)
    assert state.schedule.share(15) == pytest.approx(0.7 + 0.3 / 26)
    assert hold(state, holds).latent.equal(state.latent)
    revived = SamplerState.from_bytes(state.to_bytes())
    assert revived.schedule.shares.equal(state.schedule.shares)
    assert not finish(cursor).equal(finish(begun()))


def test_a_picture_to_start_from_is_turned_upright_and_laid_on_white(quick, settings):
    upright = Image.new("RGB", (64, 64), "blue")
    upright.paste("red", (0, 0, 64, 20))
    turned, file = upright.rotate(90, expand=True), io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    turned.save(file, "PNG", exif=exif)
    clear = io.BytesIO()
    Image.new("RGBA", (64, 64), (0, 0, 0, 0)).save(clear, "PNG")

    def source(data):
        cursor = begin(quick, settings)
        apply(cursor, commands.StartFromImage(image=data, strength=0.0))
        return latent(cursor)

    plain = io.BytesIO()
    upright.save(plain, "PNG")
    assert source(file.getvalue()).equal(source(plain.getvalue()))
    assert source(clear.getvalue()).equal(source(png(colour=(255, 255, 255))))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_run_starts_from_any_picture(form, quick, settings):
    cursor = go_to(begin(quick, settings), 5)
    apply(cursor, commands.StartFromImage(image=png((300, 200), form), strength=0.5))
    assert cursor.node.step == 6
    picture = cursor.run.picture(cursor.position.node)
    assert picture.size == (64, 64)
    assert torch.isfinite(finish(cursor)).all()


@pytest.mark.parametrize(
    "data",
    [b"no picture", png()[:60], png(form="JPEG")[:200], b"GIF89a" + bytes(40), png(form="BMP")],
    ids=["words", "cut", "cut too", "gif", "bmp"],
)
def test_what_is_no_picture_is_refused(data, quick, settings):
    with refused(go_to(begin(quick, settings), 5), DataError, "PNG, JPEG or WebP") as cursor:
        apply(cursor, commands.StartFromImage(image=data))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_damaged_picture_is_refused_or_read(form, quick, settings):
    """Never anything but a sentence, wherever a byte is wrong."""
    data, cursor = png(form=form), begin(quick, settings)
    for place in range(0, len(data), max(1, len(data) // 40)):
        damaged = bytearray(data)
        damaged[place] ^= 0x55
        try:
            apply(cursor, commands.StartFromImage(image=bytes(damaged), strength=0.0))
        except DataError as error:
            assert "\n" not in str(error)


def test_a_transparent_picture_is_an_area_by_its_alpha():
    from ildm.session.area import as_mask

    clear = Image.new("RGBA", (8, 8), (255, 255, 255, 0))
    clear.paste((0, 0, 0, 255), (0, 0, 4, 8))
    assert as_mask(clear, 64, 64).to_array()[:, :4].min() == 1.0 and as_mask(clear, 64, 64).to_array()[:, 4:].max() == 0.0
    opaque = Image.new("RGB", (8, 8), (255, 255, 255))
    assert as_mask(opaque, 64, 64).to_array().min() == 1.0
