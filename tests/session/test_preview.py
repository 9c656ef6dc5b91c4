"""Fitted previews: they recover what is linear, learn what is not, say what does not fit, and find their way back from disk."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from PIL import Image

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.checkpoint.load import load
from ildm.checkpoint.native import PREVIEW, save_native
from ildm.conditioning.label import LabelConditioner, LabelConfig
from ildm.core.config import to_json
from ildm.core.errors import CheckpointError, ConfigError, DataError, ShapeError, StorageError
from ildm.core.files import home
from ildm.core.manifest import Defaults, SharedFirstStage
from ildm.denoiser.unet import UNet
from ildm.recipes.emoji_tiny import recipe
from ildm.session.preview import LinearConfig, LinearPreview, Preview, fidelity, fit_linear
from ildm.session.previews.files import (
    fallback_preview,
    find_preview,
    mark_of,
    place_for,
    read_preview,
    write_preview,
)
from ildm.session.previews.fit import fit_preview
from ildm.session.previews.samples import Samples, gather, usual_count
from ildm.session.previews.tiny_decoder import TinyDecoder, TinyDecoderConfig, distil

STRIDE = 8


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def linear_images(latents, matrix, bias):
    """What a decoder would make of latents if it were a linear map of each cell."""
    pixels = torch.einsum("pc,bchw->bphw", matrix, latents) + bias[:, None, None]
    return F.interpolate(pixels, scale_factor=STRIDE, mode="nearest")


class Averaging(Autoencoder):
    """A first stage that is exactly linear: cells are mixed averages, and decode to plain squares."""

    mixing = draw(4, 3, seed=9)

    def encode(self, images):
        return torch.einsum("cp,bphw->bchw", self.mixing, F.avg_pool2d(images, STRIDE))

    def decode(self, latents):
        return linear_images(latents, torch.linalg.pinv(self.mixing), torch.zeros(3))


@pytest.fixture(scope="module")
def pairs():
    """Latents and what a toy decoder makes of them: four plain squares of a cell, which no single pixel can show."""
    latents = draw(40, 4, 8, 8, seed=1)
    squares = F.pixel_shuffle(torch.einsum("pc,bchw->bphw", draw(12, 4, seed=2), latents), 2)
    images = F.interpolate(squares, scale_factor=4, mode="nearest").div(2).tanh()
    return Samples(latents=latents, images=images, origin="a test")


# --- linear ----------------------------------------------------------------------------------------------------------


def test_a_known_linear_map_is_recovered():
    matrix, bias = draw(3, 5, seed=1), draw(3, seed=2)
    latents = draw(4, 5, 8, 8)
    preview, explained = fit_linear(latents, linear_images(latents, matrix, bias))
    assert (preview.matrix - matrix).abs().max() < 1e-6 and (preview.bias - bias).abs().max() < 1e-6
    assert explained == pytest.approx(1.0, abs=1e-9)


def test_r_squared_is_the_share_that_is_explained():
    matrix, latents = torch.eye(3), draw(8, 3, 16, 16)
    noise = F.interpolate(draw(8, 3, 16, 16, seed=3), scale_factor=STRIDE, mode="nearest")
    _, explained = fit_linear(latents, linear_images(latents, matrix, torch.zeros(3)) + noise)
    assert explained == pytest.approx(0.5, abs=0.03)  # as much noise as signal


def test_channels_that_say_the_same_do_no_harm():
    single = draw(4, 1, 8, 8)
    latents = torch.cat([single, single], dim=1)
    preview, explained = fit_linear(latents, linear_images(single, torch.ones(3, 1), torch.zeros(3)))
    assert explained > 0.999 and torch.allclose(preview.matrix, torch.full((3, 2), 0.5), atol=1e-5)


def test_pixels_are_the_map_as_bytes_one_for_each_cell():
    preview = LinearPreview.of(torch.tensor([[1.0], [0.0], [-1.0]]), torch.tensor([0.0, 0.5, 0.0]))
    assert isinstance(preview, Preview)
    latent = torch.tensor([[-1.0, 0.0, 3.0]]).reshape(1, 1, 1, 3)
    assert preview(latent).tolist() == [[[0, 128, 255]], [[191, 191, 191]], [[255, 128, 0]]]
    assert LinearPreview.of(torch.ones(3, 1), torch.zeros(3), scale=4)(latent).shape == (3, 4, 12)


def test_fidelity_is_the_usual_psnr():
    preview, latents = LinearPreview.of(torch.zeros(3, 1), torch.zeros(3)), torch.zeros(2, 1, 4, 4)
    assert fidelity(preview, latents, torch.full((2, 3, 32, 32), 0.2)) == pytest.approx(20.0)
    assert fidelity(preview, latents, torch.zeros(2, 3, 32, 32)) == 99.0


@pytest.mark.usefixtures("shapes_unchecked")
def test_what_does_not_fit_is_said():
    preview = LinearPreview(LinearConfig(channels=4))
    with pytest.raises(ShapeError, match="latents of 4 channels, but 8 came"):
        preview(torch.zeros(1, 8, 4, 4))
    with pytest.raises(ShapeError, match="but 2 came: call it for each"):
        preview(torch.zeros(2, 4, 4, 4))
    with pytest.raises(ShapeError, match="more than 4 cells to be fitted to, not 4"):
        fit_linear(torch.zeros(1, 4, 2, 2), torch.zeros(1, 3, 16, 16))
    for fit in (fit_linear, lambda *pair: distil(*pair, config=TinyDecoderConfig(channels=4), steps=1)):
        with pytest.raises(ShapeError, match="2 latents and 3 images came"):
            fit(torch.zeros(2, 4, 8, 8), torch.zeros(3, 3, 64, 64))
    for make in (
        lambda: LinearConfig(channels=65),
        lambda: TinyDecoderConfig(channels=4, scale=3),
        lambda: TinyDecoderConfig(channels=4, width=1000),
    ):
        with pytest.raises(ConfigError, match=r"were given|was given"):
            make()


# --- tiny ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [4, 8, 16])
@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_a_tiny_decoder_is_tiny_and_of_the_promised_size(channels, scale):
    decoder = TinyDecoder(TinyDecoderConfig(channels=channels, scale=scale))
    assert sum(parameter.numel() for parameter in decoder.parameters()) < 60_000
    assert decoder(draw(1, channels, 8, 6)).shape == (3, 8 * scale, 6 * scale)


def test_a_short_distillation_beats_the_linear_preview_and_none_does_not(pairs):
    fitted, held_out = pairs.split(8)
    config = TinyDecoderConfig(channels=4, depth=0)
    linear, _ = fit_linear(fitted.latents, fitted.images)
    taught = distil(fitted.latents, fitted.images, config=config, steps=120)
    torch.manual_seed(0)
    psnr = {
        name: fidelity(preview, held_out.latents, held_out.images)
        for name, preview in {"linear": linear, "taught": taught, "untaught": TinyDecoder(config)}.items()
    }
    assert psnr["untaught"] < psnr["linear"] < psnr["taught"] - 2.0, psnr


def test_a_distillation_depends_on_its_seed_alone(pairs):
    arguments = {"config": TinyDecoderConfig(channels=4, width=4, fine=4), "steps": 3}
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, again, other = (distil(pairs.latents, pairs.images, **arguments, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first.head.weight, again.head.weight) and not torch.equal(first.head.weight, other.head.weight)


def test_large_latents_are_taught_in_crops_that_belong_together():
    latents, seen = draw(4, 2, 40, 24), []
    images = linear_images(latents, torch.ones(3, 2), torch.zeros(3))
    config = TinyDecoderConfig(channels=2, scale=1, width=8, depth=0)
    decoder = distil(latents, images, config=config, steps=120, progress=lambda *at: seen.append(at))
    # were latents and images cut at different places, there would be nothing to learn
    assert (decoder.images(latents) - images[:, :, ::8, ::8]).abs().mean() < 0.5 * images.abs().mean()
    assert seen[0] == (1, 120) and seen[-1] == (120, 120)


def test_a_tiny_decoder_that_is_not_better_is_not_taken(pairs):
    with pytest.raises(ConfigError, match=r"After 1 steps the tiny decoder .* is no better than a linear preview"):
        fit_preview(pairs, STRIDE, kind="tiny", steps=1)
    with pytest.raises(DataError, match="two images or more"):
        fit_preview(Samples(latents=pairs.latents[:1], images=pairs.images[:1], origin=""), STRIDE, kind="linear", steps=1)
    with pytest.raises(ConfigError, match="one step or more"):
        fit_preview(pairs, STRIDE, kind="tiny", steps=0)


def test_a_fit_tells_its_measures(pairs):
    fit = fit_preview(pairs, STRIDE, kind="linear", steps=1)
    assert fit.preview.kind == "linear" and fit.fitted_to == 35 and fit.psnr == fit.linear_psnr > 5
    assert 0 < fit.r_squared < 1 and fit.milliseconds > 0


# --- what they are fitted to -----------------------------------------------------------------------------------------


def test_a_folder_of_images_is_encoded_and_what_is_no_image_passed_over(model, tmp_path):
    for number, colour in enumerate(("red", "lime", "blue")):
        Image.new("RGB", (90, 70), colour).save(tmp_path / f"{number}.png")
    (tmp_path / "notes.txt").write_text("no picture")
    told = []
    samples = gather(model, 10, folder=tmp_path, progress=lambda *what: told.append(what))
    assert samples.latents.shape == (3, 4, 8, 8) and samples.images.shape == (3, 3, 64, 64)
    red, lime = (torch.tensor(rgb).reshape(1, 3, 1, 1).expand(1, 3, 64, 64) for rgb in ([1.0, -1, -1], [-1.0, 1, -1]))
    # every other one is an estimate
    assert torch.allclose(samples.latents[1:2], model.encode(lime), atol=1e-5)
    assert not torch.allclose(samples.latents[:1], model.encode(red), atol=1e-2)
    assert torch.allclose(samples.images, model.decode(samples.latents), atol=1e-5)
    assert told == [("encoding", 3, 3), ("decoding", 3, 3)] and str(tmp_path) in samples.origin


def test_without_data_the_model_draws_and_is_seen_at_work(model):
    samples = gather(model, 3)
    assert samples.origin == "what the model draws" and samples.latents.shape == (3, 4, 8, 8)
    assert not samples.latents.is_inference() and samples.images.isfinite().all()
    assert len(samples.latents.unique(dim=0)) == 3
    assert torch.equal(gather(model, 3).latents, samples.latents)


def without_words(model, conditioner, **graph):
    plain = replace(model.unet.config, depths=(0, 0), mid_depth=0, context_width=None, pooled_width=None)
    manifest = model.manifest.model_copy(update={"defaults": Defaults(num_steps=2, guidance_scale=1.0)})
    return replace(model, manifest=manifest, unet=UNet(replace(plain, **graph)).eval(), conditioner=conditioner)


def trained_on(model, data):
    return replace(model, manifest=model.manifest.model_copy(update={"training": {"recipe": {"data": data}}}))


def test_a_model_of_classes_that_paints_into_pictures_is_shown_both(model, tmp_path):
    classes = without_words(model, LabelConditioner(LabelConfig(count=3)), concat_channels=5, labels=3)
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    for samples in (gather(classes, 4), gather(classes, 1, folder=tmp_path)):
        assert samples.latents.shape[1:] == (4, 8, 8) and samples.latents.isfinite().all()


def test_a_model_without_words_is_shown_its_data_without_them(model):
    samples = gather(trained_on(without_words(model, None), to_json(recipe().data)), 2)
    assert samples.origin == "the model's own data" and samples.latents.isfinite().all()


def test_the_models_own_data_is_found_by_its_recipe(model):
    fields = json.loads(json.dumps(to_json(recipe().data)))
    assert gather(trained_on(model, fields), 2).origin == "the model's own data"
    for useless in (
        None,
        {"kind": "unknown"},
        fields | {"concepts": ["nothing"]},
        fields | {"size": 128},
        fields | {"sprites": 3},
    ):
        assert gather(trained_on(model, useless), 1).origin == "what the model draws", useless


def test_a_folder_that_will_not_do_is_refused(model, tmp_path):
    with pytest.raises(DataError, match="is no folder"):
        gather(model, 1, folder=tmp_path / "missing")
    with pytest.raises(DataError, match="holds no image"):
        gather(model, 1, folder=tmp_path)
    with pytest.raises(ConfigError, match="0 were asked for"):
        gather(model, 0)


def test_large_latents_need_fewer_images(model):
    assert usual_count(model) == 512
    large = replace(model, manifest=model.manifest.model_copy(update={"image_size": (512, 512)}))
    assert usual_count(large) == 32


# --- on disk ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("ILDM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def linear(value=0.5):
    return LinearPreview.of(torch.full((3, 4), value), torch.zeros(3))


def tiny():
    torch.manual_seed(3)
    return TinyDecoder(TinyDecoderConfig(channels=4, width=4, fine=4))


def with_another_autoencoder(model):
    other = copy.deepcopy(model.autoencoder)
    other.decoder.conv_in.bias += 0.5
    return replace(model, autoencoder=other)


@pytest.mark.parametrize("make", [linear, tiny])
def test_a_preview_comes_back_as_it_was(make, model, tmp_path):
    preview, latent = make(), draw(1, 4, 8, 8)
    write_preview(preview, model, tmp_path / "made" / PREVIEW)
    again = read_preview(tmp_path / "made" / PREVIEW, model)
    assert again.config == preview.config and torch.equal(again(latent), preview(latent))


def test_the_best_is_found_and_there_is_always_one(model, own_home, tmp_path):
    folder = tmp_path / "toy"
    save_native(model, folder)
    assert find_preview(model, folder).kind == "linear"  # the fallback
    write_preview(linear(), model, place_for(model, folder))
    assert find_preview(model, folder).matrix[0, 0] == 0.5 != find_preview(model).matrix[0, 0]
    write_preview(tiny(), model, home() / "previews" / f"{mark_of(model)}.safetensors")
    assert find_preview(model, folder).kind == find_preview(model).kind == "tiny"


def test_the_fallback_knows_colours(model):
    first_stage = replace(model, autoencoder=Averaging(model.autoencoder.config, model.autoencoder.latent_space))
    latents = first_stage.encode(draw(2, 3, 64, 64))
    assert fidelity(fallback_preview(first_stage), latents, first_stage.decode(latents)) > 30.0
    assert fallback_preview(model).matrix.isfinite().all()


def test_a_preview_of_another_autoencoder_is_refused_and_passed_over(model, own_home, tmp_path, caplog):
    save_native(model, tmp_path / "toy")
    other, path = with_another_autoencoder(model), tmp_path / "toy" / PREVIEW
    write_preview(linear(), model, path)
    with pytest.raises(CheckpointError, match="made for another autoencoder than that of 'toy'"):
        read_preview(path, other)
    assert find_preview(other, tmp_path / "toy").matrix[0, 0] != 0.5
    assert "passed over" in caplog.text


def test_a_model_that_borrows_a_first_stage_borrows_its_preview():
    lender = load("emoji-scenes", device="cpu")
    shared = SharedFirstStage(model="emoji-scenes", fingerprint="")
    borrower = replace(lender, manifest=lender.manifest.model_copy(update={"name": "borrower", "first_stage": shared}))
    assert find_preview(borrower).kind == find_preview(lender).kind == "tiny"
    stranger = shared.model_copy(update={"model": "nobody"})
    unknown = replace(lender, manifest=borrower.manifest.model_copy(update={"first_stage": stranger}))
    assert find_preview(unknown).kind == "linear"


def test_the_number_format_makes_no_other_autoencoder(model, tmp_path):
    write_preview(linear(), model, tmp_path / PREVIEW)
    coarse = replace(model, autoencoder=copy.deepcopy(model.autoencoder).to(torch.bfloat16))
    assert coarse.autoencoder_fingerprint != model.autoencoder_fingerprint
    assert torch.equal(read_preview(tmp_path / PREVIEW, coarse).matrix, linear().matrix)


def test_where_a_preview_belongs(model, own_home, tmp_path):
    own = own_home / "previews" / f"{mark_of(model)}.safetensors"
    save_native(model, tmp_path / "toy")
    save_native(model, own_home / "models" / "mine")
    assert place_for(model, tmp_path / "toy") == tmp_path / "toy" / PREVIEW
    assert place_for(model, "mine") == own_home / "models" / "mine" / PREVIEW
    assert place_for(model, "emoji-scenes") == own
    (tmp_path / "other.safetensors").touch()
    assert place_for(model, tmp_path / "other.safetensors") == own
    with pytest.raises(CheckpointError, match="There is no model"):
        place_for(model, "nothing-like-it")


def test_a_folder_carries_its_preview_and_stays_the_same_model(model, tmp_path):
    folder = tmp_path / "toy"
    save_native(model, folder)
    before = load(folder, device="cpu").hash
    write_preview(linear(), model, folder / PREVIEW)
    assert load(folder, device="cpu").hash == before
    save_native(model, folder)  # as the next export of a training does
    assert read_preview(folder / PREVIEW, model).kind == "linear" and load(folder, device="cpu").hash == before
    save_native(with_another_autoencoder(model), folder)
    assert not (folder / PREVIEW).exists()


def rewrite(path, change_tensors=lambda _: None, **about):
    with safetensors.safe_open(path, "pt") as file:
        header = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    change_tensors(tensors)
    safetensors.torch.save_file(tensors, path, header | about)


def flip(path):
    data = bytearray(path.read_bytes())
    data[-6] ^= 0x10
    path.write_bytes(data)


DAMAGES = {
    "a flipped bit": (flip, "SHA-256 differs"),
    "a truncated file": (lambda path: path.write_bytes(path.read_bytes()[:-9]), "truncated"),
    "no file": (lambda path: path.unlink(), "is missing"),
    "a pickle": (lambda path: path.write_bytes(b"\x80\x04more"), "pickled"),
    "other tensors": (lambda path: safetensors.torch.save_file({"a": torch.zeros(1)}, path), "no preview of this program"),
    "a later format": (lambda path: rewrite(path, format="ildm-preview-9"), "no preview of this program"),
    "an unknown kind": (lambda path: rewrite(path, kind="linear2"), "did you mean 'linear'"),
    "no configuration": (lambda path: rewrite(path, config="{"), "cannot be built"),
    "a configuration that is none": (lambda path: rewrite(path, config="3"), "cannot be built"),
    "a huge configuration": (lambda path: rewrite(path, config='{"channels": 4000000000}'), "cannot be built"),
    "an unknown key": (lambda path: rewrite(path, config='{"chanels": 4}'), "did you mean 'channels'"),
    "another shape": (lambda path: rewrite(path, config='{"channels": 5}'), "needs"),
    "a tensor too many": (lambda path: rewrite(path, lambda t: t.update(extra=torch.zeros(1))), "has no place for"),
    "no numbers": (lambda path: rewrite(path, lambda t: t["matrix"].fill_(torch.nan)), "not numbers"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told_in_one_sentence_and_passed_over(damage, model, own_home):
    act, said = DAMAGES[damage]
    path = home() / "previews" / f"{mark_of(model)}.safetensors"
    write_preview(linear(), model, path)
    act(path)
    with pytest.raises(CheckpointError, match=said) as caught:
        read_preview(path, model)
    assert "\n" not in str(caught.value)
    assert np.isfinite(find_preview(model).matrix.numpy()).all()


def test_a_full_disk_is_told(model, small_disk):
    disk = small_disk(1)
    (disk / "filler").write_bytes(b"0" * (2**20 - 4096))
    with pytest.raises(StorageError, match="No room left"):
        write_preview(TinyDecoder(TinyDecoderConfig(channels=4)), model, disk / PREVIEW)
    assert [path.name for path in disk.iterdir()] == ["filler"]
