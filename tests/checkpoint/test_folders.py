"""What a diffusers folder says of itself: taken as diffusers' pipelines take it, and never for what it is not."""

import json
import shutil
import warnings
from dataclasses import replace

import numpy
import pipelines
import pytest

import ildm
from ildm.checkpoint.diffusers import save_diffusers
from ildm.checkpoint.diffusers_autoencoder import autoencoder_from_diffusers
from ildm.checkpoint.diffusers_sampler import OverriddenSettingWarning, as_drawn
from ildm.checkpoint.diffusers_scheduler import defaults_from_scheduler, path_from_scheduler
from ildm.checkpoint.diffusers_unet import unet_from_diffusers
from ildm.checkpoint.load import describe
from ildm.checkpoint.text_layout import text_from_diffusers
from ildm.core.errors import CheckpointError
from ildm.core.randomness import sample_noise
from ildm.denoiser.unet import UNet

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
STRANGE = (None, "x", [], -1, 0.5, float("nan"), {}, [1, 2], [[1]], True)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    place = tmp_path_factory.mktemp("sd")
    return pipelines.save(pipelines.make_pipeline("SD 1", place), place / "saved")


@pytest.fixture
def folder(saved, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(saved, tmp_path / "model")


def change(folder, name, **fields):
    """Set settings of a configuration; those of Ellipsis are taken out."""
    path = folder / name
    told = json.loads(path.read_text()) | fields
    path.write_text(json.dumps({key: value for key, value in told.items() if value is not ...}))


@pytest.mark.parametrize("said", [..., True])
def test_the_pipeline_of_stable_diffusion_does_not_clip_and_offsets_by_one(said, folder):
    change(folder, "scheduler/scheduler_config.json", clip_sample=said, steps_offset=0)
    with pytest.warns(
        OverriddenSettingWarning, match="draws with steps_offset=1 and clip_sample=False, as in .* StableDiffusionPipeline"
    ):
        model = ildm.load(folder, dtype="float32")
    assert model.manifest.defaults.sampler_options == {}
    noise, settings = sample_noise([1], 0, (4, 8, 8)), {"width": 32, "height": 32, "guidance_scale": 5.0}
    [drawn] = model.generate("a fox", initial_noise=noise, num_steps=6, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = pipelines.load(folder)
    expected = peer("a fox", latents=noise, num_inference_steps=6, output_type="np", **settings).images[0]
    assert numpy.abs(numpy.asarray(drawn) / 255 - expected).max() <= 0.501 / 255


def test_other_pipelines_change_nothing():
    fields = {"_class_name": "DDIMScheduler", "steps_offset": 0}
    assert as_drawn(fields, "StableDiffusionXLPipeline", source="x") == {"clip_sample": True, **fields}
    euler = {"_class_name": "EulerDiscreteScheduler", "steps_offset": 1, "clip_sample": True}
    assert "clip_sample" not in as_drawn(euler, "StableDiffusionPipeline", source="x")
    plms = {"_class_name": "PNDMScheduler", "steps_offset": 1}
    with pytest.warns(OverriddenSettingWarning, match="draws with skip_prk_steps=True"):
        assert as_drawn(plms, "StableDiffusionInpaintPipeline", source="x")["skip_prk_steps"] is True


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"in_channels": 8}, "a picture to edit, as InstructPix2Pix does, beside the latent"),
        ({"in_channels": 7, "num_class_embeds": 1000}, "a small picture, as the x4 upscaler does, beside the latent"),
        ({"in_channels": 5}, "a depth map beside the latent"),
        ({"num_class_embeds": 10}, "a class beside the prompt"),
        ({"class_embed_type": "projection", "projection_class_embeddings_input_dim": 32}, "a pooled vector, of a picture say"),
        ({"cross_attention_dim": 48}, "context of width 48, but its text encoder gives 64: they are of different models"),
    ],
)
def test_what_a_unet_reads_and_nothing_gives_is_told_at_once(fields, told, folder):
    change(folder, "unet/config.json", **fields)
    with pytest.raises(CheckpointError, match=f"The U-Net in .* reads {told}"):
        describe(folder)


def test_a_context_without_a_text_encoder_is_told(folder):
    shutil.rmtree(folder / "text_encoder")
    with pytest.raises(CheckpointError, match="reads a context, but no text encoder lies beside it"):
        describe(folder)


def test_one_width_for_every_level_is_that_width(folder):
    wanted = describe(folder).denoiser
    change(folder, "unet/config.json", cross_attention_dim=[64, 64], sample_size=[8, 8])
    assert describe(folder).denoiser == wanted


def scheduler(fields, *, source):
    path_from_scheduler(fields, source=source)
    defaults_from_scheduler(fields, guidance_scale=1.0, source=source)


@pytest.mark.filterwarnings("ignore::ildm.checkpoint.diffusers_sampler.SubstitutedSamplerWarning")
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("unet/config.json", unet_from_diffusers),
        ("vae/config.json", autoencoder_from_diffusers),
        ("text_encoder/config.json", text_from_diffusers),
        ("scheduler/scheduler_config.json", scheduler),
    ],
)
def test_a_setting_of_another_kind_is_one_sentence(name, read, saved):
    """Whatever a setting is put to, it is read as a number of the right kind, or refused: no other error comes."""
    fields = json.loads((saved / name).read_text())
    refused = 0
    for key in fields:
        for value in STRANGE:
            try:
                read({**fields, key: value}, source="config.json")
            except CheckpointError as error:
                assert str(error).startswith("config.json ") and "\n" not in str(error)
                refused += 1
        read({other: fields[other] for other in fields if other != key}, source="config.json") if name[:4] != "unet" else None
    assert refused >= 30


@pytest.mark.parametrize("told", [[], ["0"], "x", 3])
def test_names_of_classes_that_are_none_are_passed_over(told, folder):
    change(folder, "model_index.json", id2label=told)
    assert describe(folder).conditioner["kind"] == "clip"


@pytest.mark.parametrize(("beside", "kind"), [(5, "StableDiffusionInpaintPipeline"), (3, "StableDiffusionPipeline")])
def test_only_what_paints_into_pictures_is_written_as_such(beside, kind, saved, tmp_path):
    model = ildm.load(saved, dtype="float32")
    model.unet = UNet(replace(model.unet.config, concat_channels=beside))
    save_diffusers(model, tmp_path / "written")
    assert json.loads((tmp_path / "written" / "model_index.json").read_text())["_class_name"] == kind
