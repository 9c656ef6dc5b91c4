"""A whole run: what is refused before it begins, what survives its accidents, and where it ends."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

from ildm.checkpoint.load import load
from ildm.core.config import from_json, override, to_json
from ildm.core.errors import ConfigError, DataError
from ildm.core.fingerprint import fingerprint
from ildm.recipes import find_recipe
from ildm.recipes.emoji_tiny import recipe
from ildm.training import run_folder
from ildm.training.pipeline import Run
from ildm.training.recipe import Recipe
from ildm.training.run_folder import BEGUN, held
from ildm.training.stopping import Stop

SHORT = (
    "stage_one.loop.steps=2", "stage_two.loop.steps=2", "stage_one.batch_size=4", "stage_two.batch_size=8", "num_latents=32",
    "stage_one.loop.log_every=1", "stage_two.loop.log_every=1", "stage_one.loss.discriminator_weight=0",
)  # fmt: skip


def short(*more):
    return override(recipe(), [*SHORT, *more], derived=Recipe.DERIVED)


def run_in(folder, chosen):
    return Run(chosen, folder, torch.device("cpu"), Stop())()


@pytest.fixture
def finished(tmp_path):
    assert run_in(tmp_path, short()) == tmp_path / "model"
    return tmp_path


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("stage_two.batch_size=0", "batch_size of at least 1"),
        ("stage_two.dropout=2", r"dropout in \[0, 1\]"),
        ("stage_two.ema_decay=5", "ema_decay"),
        ("stage_one.crop=0", "crop of at least 1"),
        ("stage_one.crop=1000", "at most data.size 64"),
        ("stage_one.crop=20", "a multiple of the autoencoder's stride 8"),
        ("sampling.sampler=heunn", "Unknown sampler 'heunn': did you mean 'heun'"),
        ("sampling.num_steps=-3", "num_steps of at least 1"),
        ("sampling.guidance_scale=-1", "guidance_scale of at least 0"),
        ("stage_two.optimizer.learning_rate=NaN", "takes a number"),
        ("denoiser.norm_groups=0", "norm_groups of at least 1"),
        ("denoiser.channels=[]", "one level or more"),
        ("autoencoder.channels=[]", "one level or more"),
        ("text.num_heads=0", "text encoder has a width, depth, heads"),
        ("workers=-1", "workers and num_latents are 0 or more"),
        ("denoiser.in_channels=16", "denoiser.in_channels follows from autoencoder.latent_channels"),
        ("name=../evil", r"The name of a run .* but '\.\./evil' was given"),
    ],
)
def test_nonsense_is_refused_before_anything_is_trained(setting, told):
    with pytest.raises(ConfigError, match=told):
        short(setting)


def test_a_size_that_the_networks_cannot_halve_is_refused():
    with pytest.raises(ConfigError, match=r"data\.size is a multiple of 32 .* 104 was given: try 96"):
        override(find_recipe("images"), ["data.size=104"])


def test_a_recipe_says_what_its_parts_settle():
    chosen = short("autoencoder.latent_channels=6", "text.width=64")
    graph = to_json(chosen)["denoiser"]
    assert (graph["in_channels"], graph["out_channels"], graph["context_width"], graph["pooled_width"]) == (6, 6, 64, 64)
    assert short("text=null").denoiser.context_width is None
    assert from_json(Recipe, to_json(chosen)) == chosen


def test_a_refused_run_leaves_no_trace(tmp_path):
    images = override(find_recipe("images"), ["data.name=not-there"])
    with pytest.raises(DataError, match="not-there"):
        run_in(tmp_path, images)
    assert not any(tmp_path.iterdir())


def test_a_lost_export_is_made_again(finished):
    shutil.rmtree(finished / "model")
    run_in(finished, short())
    assert (finished / "model" / "model.json").is_file()


def test_what_a_warm_start_begins_with_keeps_its_licence(finished, tmp_path):
    from ildm.checkpoint.native import load_native

    source = load_native(finished / "model")
    source.manifest = source.manifest.model_copy(update={"licence": "CC-BY-4.0", "attribution": "Drawings by A. Painter."})
    chosen = replace(short(), attribution="Trained on sprites.")
    folder = Run(chosen, tmp_path / "warm", torch.device("cpu"), Stop(), source)()
    manifest = json.loads((folder / "model.json").read_text())
    assert manifest["licence"] == "CC-BY-4.0"
    assert manifest["attribution"] == "Trained on sprites. Drawings by A. Painter."


def test_a_run_goes_on_with_what_it_was_begun_with(finished, tmp_path):
    """Its words are read as before, and nothing else is taken for what it began with."""
    other, begun = tmp_path / "other", load(finished / "model", dtype="float32")
    chosen = short("name=other", "text.vocabulary_size=400")
    Run(chosen, other, torch.device("cpu"), Stop(), begun)()
    vocabulary = (other / "model" / "tokenizer.json").read_bytes()
    assert (other / "tokenizer.json").read_bytes() == (finished / "tokenizer.json").read_bytes()
    with pytest.raises(ConfigError, match="was begun with --init-from emoji-tiny: say so again, or choose another --name"):
        run_in(other, chosen)
    longer = override(chosen, ["stage_two.loop.steps=3"])
    Run(longer, other, torch.device("cpu"), Stop(), begun)()
    assert (other / "model" / "tokenizer.json").read_bytes() == vocabulary
    with pytest.raises(ConfigError, match="was begun without --init-from: leave it out"):
        Run(short(), finished, torch.device("cpu"), Stop(), begun)()
    newer = replace(begun, manifest=begun.manifest.model_copy(update={"files": {"unet": "0" * 64}}))
    with pytest.raises(ConfigError, match="with --init-from emoji-tiny, which was another model then: put that back"):
        Run(longer, other, torch.device("cpu"), Stop(), newer)()


def test_a_run_from_before_that_was_kept_goes_on(finished):
    (finished / BEGUN).unlink()
    assert run_in(finished, short("stage_two.loop.steps=3")) == finished / "model"
    assert (finished / BEGUN).is_file()
    (finished / BEGUN).write_text("[]")
    with pytest.raises(ConfigError, match=r"begun\.json cannot be read \(it is no JSON object\)"):
        run_in(finished, short())


def test_two_programs_do_not_train_one_run(finished, monkeypatch):
    monkeypatch.setattr(run_folder, "PATIENCE", 0.2)
    with held(finished), pytest.raises(ConfigError, match=r"Another program is training in .* choose another --name"):
        run_in(finished, short("stage_two.loop.steps=3"))
    assert run_in(finished, short("stage_two.loop.steps=3")) == finished / "model"


def test_other_data_are_another_run(finished):
    with pytest.raises(ConfigError, match=r"begun with other settings \(data\.seed\)"):
        run_in(finished, short("data.seed=5"))
    begun = json.loads((finished / BEGUN).read_text())
    (finished / BEGUN).write_text(json.dumps(begun | {"data": "0" * 64}))
    with pytest.raises(ConfigError, match=r"The data of the run in .* have changed since it was begun"):
        run_in(finished, short())


def test_a_finished_first_stage_takes_no_more_steps(finished):
    with pytest.raises(ConfigError, match="is finished, so it cannot have another number of steps"):
        run_in(finished, short("stage_one.loop.steps=4"))
    assert json.loads((finished / "recipe.json").read_text())["stage_one"]["loop"]["steps"] == 2


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["text.vocabulary_size=100"], "text.vocabulary_size must be above 259"),
        (["stage_two.seed=99999999999999999999"], "A seed is a whole number"),
        (["stage_one.loop.save_every=-1"], "save_every and sample_every are 0 or more"),
        (["stage_two.optimizer.warmup_steps=-5"], "warmup_steps takes a number of at least 0"),
        (["stage_one.discriminator_channels=0"], "at least 1 channel"),
    ],
)
def test_what_would_end_hours_later_is_told_at_once(settings, told, tmp_path):
    with pytest.raises(ConfigError, match=told):
        run_in(tmp_path / "run", short(*settings))
    assert not (tmp_path / "run").exists()


def test_text_is_taken_as_it_is():
    said = "Photos by Ann, Bob and Eve"
    assert short(f"attribution={said}").attribution == said
    assert short("licence=null").licence == "null" and short('summary="in quotes, too"').summary == "in quotes, too"


def test_a_damaged_recipe_is_told(finished):
    (finished / "recipe.json").write_text('{"name": ')
    with pytest.raises(ConfigError, match="it is not known what the run there is"):
        run_in(finished, short())


@pytest.mark.parametrize("record", ["stage_one/metrics.jsonl", "stage_two/samples/00000002.png"])
def test_records_that_cannot_be_written_do_not_end_a_training(record, tmp_path, capsys):
    place = tmp_path / record
    place.parent.mkdir(parents=True)
    place.symlink_to("/dev/full")
    assert run_in(tmp_path, short()) == tmp_path / "model"
    assert "training goes on without them" in capsys.readouterr().err


def test_a_whole_run_resumes_exactly(tmp_path):
    """Stopped in stage two and called again, or never stopped: the same weights."""
    chosen = short("stage_two.loop.steps=4")
    run_in(tmp_path / "whole", chosen)
    run_in(tmp_path / "halves", override(chosen, ["stage_two.loop.steps=2"]))
    run_in(tmp_path / "halves", chosen)
    whole, halves = (
        torch.load(tmp_path / name / "stage_two" / "state.pt", weights_only=True)["task"]["networks"]
        for name in ("whole", "halves")
    )
    assert all(torch.equal(whole[name], halves[name]) for name in whole)


def test_a_decoder_is_refined_under_its_denoiser(finished, tmp_path):
    initial = load(finished / "model", device="cpu", dtype="float32")
    chosen = short("stage_one.decoder_only=true", "stage_two.loop.steps=0")
    folder = Run(chosen, tmp_path / "refined", torch.device("cpu"), Stop(), initial)()
    refined = load(folder, device="cpu", dtype="float32")
    before, after = initial.autoencoder, refined.autoencoder
    assert after.encoder_fingerprint() == before.encoder_fingerprint()
    assert after.fingerprint() != before.fingerprint()
    assert not (tmp_path / "refined" / "latents").exists()
    assert fingerprint(refined.unet, refined.conditioner) == fingerprint(initial.unet, initial.conditioner)
    assert refined.manifest.training["started_with"] == initial.manifest.training
    assert initial.manifest.training["stage_two_steps"] == 2 and initial.manifest.training["processes"] == 1


def test_a_decoder_becomes_deeper_under_its_denoiser(finished, tmp_path):
    initial = load(finished / "model", device="cpu", dtype="float32")
    depths = [2, 3] + [2] * (len(initial.autoencoder.config.channels) - 2)
    settings = ["stage_one.decoder_only=true", "stage_two.loop.steps=0", f"autoencoder.decoder_res_blocks={depths}"]
    folder = Run(short(*settings), tmp_path / "deeper", torch.device("cpu"), Stop(), initial)()
    deeper = load(folder, device="cpu", dtype="float32").autoencoder
    assert deeper.config.decoder_depths == tuple(depths)
    assert deeper.encoder_fingerprint() == initial.autoencoder.encoder_fingerprint()
    new = [
        one
        for name, one in deeper.named_parameters()
        if name not in initial.autoencoder.state_dict() and "conv2.weight" in name
    ]
    assert len(new) == 1 and new[0].abs().max() > 0.0, "what is new has learned"
    with pytest.raises(ConfigError, match=r"train the new ones with --set stage_one\.decoder_only=true"):
        Run(short(settings[2]), tmp_path / "taken", torch.device("cpu"), Stop(), initial)()
    shallower = [f"autoencoder.decoder_res_blocks={[1] * len(depths)}", *settings[:2]]
    with pytest.raises(ConfigError, match="has another graph than the recipe's"):
        Run(short(*shallower), tmp_path / "shallower", torch.device("cpu"), Stop(), initial)()


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("stage_one.loop.steps=0", "there is no autoencoder"),
        ("stage_one.decoder_only=true", "there is no encoder"),
        ("stage_two.loop.steps=0", "there is no denoiser"),
    ],
)
def test_what_a_recipe_leaves_out_must_be_given(setting, told, tmp_path):
    with pytest.raises(ConfigError, match=f"{told}: give one with --init-from"):
        run_in(tmp_path / "run", short(setting))
    assert not (tmp_path / "run").exists()


def test_a_discriminator_that_would_never_act_is_refused(tmp_path):
    def acting_from(start, steps):
        return short(
            "stage_one.loss.discriminator_weight=0.5",
            f"stage_one.loss.discriminator_start={start}",
            f"stage_one.loop.steps={steps}",
        )

    with pytest.raises(ConfigError, match=r"discriminator_start is 2, but stage one ends after 2 steps.* start before 2"):
        run_in(tmp_path / "late", acting_from(2, steps=2))
    assert not (tmp_path / "late").exists()
    run_in(tmp_path / "run", acting_from(1, steps=2))
    logged = [json.loads(line) for line in (tmp_path / "run" / "stage_one" / "metrics.jsonl").read_text().splitlines()]
    assert ["discriminator_loss" in one for one in logged] == [False, True]
    # a run that is there may be ended earlier than was planned, as long as there is no autoencoder
    shutil.rmtree(tmp_path / "run" / "autoencoder")
    assert run_in(tmp_path / "run", acting_from(1, steps=1)) == tmp_path / "run" / "model"


def test_a_run_from_before_a_key_was_there_goes_on(finished):
    path = finished / "recipe.json"
    fields = json.loads(path.read_text())
    del fields["stage_one"]["decoder_only"]
    path.write_text(json.dumps(fields))
    assert run_in(finished, short()) == finished / "model"
    assert json.loads(path.read_text())["stage_one"]["decoder_only"] is False
