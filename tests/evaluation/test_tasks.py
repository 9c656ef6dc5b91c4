"""Every task's figures tell a model that does as it is told from one that does not listen."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from toy import build_model

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.conditioning.inpainting import Inpainting, InpaintingConfig
from ildm.conditioning.label import LabelConditioner, LabelConfig
from ildm.conditioning.layout import LayoutConditioner, LayoutConfig
from ildm.conditioning.low_resolution import LowResolution, LowResolutionConfig
from ildm.conditioning.semantic_map import SemanticMap, SemanticMapConfig
from ildm.core import extensions
from ildm.core.errors import ConfigError
from ildm.core.picture import from_picture, to_picture
from ildm.data.opening import open_dataset
from ildm.denoiser.unet import UNet
from ildm.evaluation import classical
from ildm.evaluation.evaluate import evaluate
from ildm.evaluation.metric import Estimate, EvaluationSet
from ildm.evaluation.metrics import boxes, maps
from ildm.evaluation.recogniser import Recogniser
from ildm.evaluation.sets import emoji_sets
from ildm.model import Model
from ildm.recipes import find_recipe

pytestmark = pytest.mark.usefixtures("small_looks")

STYLES = ("flat", "3d", "noto", "blob")
TASKS = ("unconditional", "class", "style", "layout", "semantic-map", "super-resolution", "inpainting")
ALL = {"kid-lite0", "fd-lite0", "fd-lite0-64", "precision", "recall", "density", "coverage", "psnr", "ssim", "lite0-distance"}
SPEED = {"images-per-second", "images-per-second-batch-8"}
WORDS = {"object-top-1", "object-top-5", "both-objects-found", "relation-right"}
HOLES = {
    f"{name}{kind}"
    for name in ("hole-lite0-distance", "hole-surroundings-lite0-distance", "seam-ratio")
    for kind in ("", "-thin", "-thick", "-box")
}
OWN = {
    "unconditional": set(),
    "class": {"class-top-1", "class-top-5"} | SPEED,
    "style": {"class-top-1"} | SPEED,
    "layout": {"box-found-top-1", "box-found-top-5", "box-iou"} | WORDS | SPEED,
    "semantic-map": {"map-agreement", "map-instance-contrast", "map-instance-top-1", "map-instance-top-5"} | WORDS | SPEED,
    "super-resolution": {f"super-resolution-{name}" for name in ("psnr", "ssim", "lite0-distance")} | SPEED,
    "inpainting": HOLES | SPEED,
}
# there are six concepts, so that five guesses are right by chance
CEILED = ("class-top-1", "box-found-top-1", "box-iou", "map-agreement", "map-instance-contrast", "map-instance-top-1")


def labels(names):
    return LabelConditioner(LabelConfig(count=len(names) + 1, names=tuple(names), unconditional=len(names)))


def condition(task, concepts):
    """What a model of this task reads, and what it is shown."""
    return {
        "unconditional": (None, None),
        "class": (labels(concepts), None),
        "style": (labels(STYLES), None),
        "layout": (LayoutConditioner(LayoutConfig(names=concepts, width=8, depth=1, num_heads=1, grid=8)), None),
        "semantic-map": (None, SemanticMap(SemanticMapConfig(names=concepts))),
        "super-resolution": (None, LowResolution(LowResolutionConfig(factor=4, stride=2))),
        "inpainting": (None, Inpainting(InpaintingConfig(channels=3))),
        "words and a hole": (SimpleNamespace(), Inpainting(InpaintingConfig(channels=3))),
    }[task]


def key(prompt, image):
    return prompt, None if image is None else image.tobytes()


def scenes_labels(scenes):
    return tuple(sorted({thing.concept for sample in scenes.real.samples for thing in sample.objects}))


def overlaps(one, other):
    return one.interval[0] <= other.interval[1] and other.interval[0] <= one.interval[1]


@pytest.fixture(scope="module")
def stand_in(fake_model, network, config):
    """Makes a model of a task: one that answers with the real render, or one that draws what it likes."""

    class StandIn(fake_model):
        def __init__(self, task, draw):
            super().__init__(draw)
            self.conditioner, self.hint = condition(task, self.manifest.concepts)

        def generate(self, prompt="", *, seed=None, image=None, mask=None, **_):
            shown = image or [None] * len(prompt)
            self.calls.append(SimpleNamespace(prompt=prompt, seed=seed, image=image, mask=mask))
            return [to_picture(self.draw(*asked)) for asked in zip(prompt, seed, shown, strict=True)]

    def made(task, listens):
        renders, answers = [], {}
        for one in emoji_sets(StandIn(task, None), network, config):
            renders += list(one.real.pixels)
            answers |= {key(ask.prompt, ask.image): pixels for ask, pixels in zip(one.asked, one.real.pixels, strict=True)}
        if listens:
            return StandIn(task, lambda prompt, _, image: answers[key(prompt, image)])
        return StandIn(task, lambda _, seed, __: renders[(7 * seed) % len(renders)])

    return made


@pytest.fixture(scope="module")
def reports(stand_in, config):
    """Every metric on a model of each task that listens, and the task's own metric on one that does not."""
    made = {}

    def report(task, listens):
        if (task, listens) not in made:
            own = config if listens else replace(config, metrics=METRICS[task], num_seeds=2 if task == "inpainting" else 1)
            made[task, listens] = evaluate(stand_in(task, listens), own)
        return made[task, listens]

    return report


METRICS = {
    "class": ("class-accuracy",),
    "layout": ("box-accuracy",),
    "semantic-map": ("map-agreement",),
    "super-resolution": ("super-resolution",),
    "inpainting": ("inpainting",),
}


@pytest.mark.parametrize("task", TASKS)
def test_each_task_has_the_figures_of_all_and_its_own(reports, task):
    found = {entry.figure.name for entry in reports(task, True).entries}
    assert found == ALL | OWN[task]


def test_every_registered_metric_is_for_some_task(reports):
    found = {entry.metric for task in TASKS for entry in reports(task, True).entries}
    # those are for captions, and for who has the weights
    assert set(extensions.names("ildm.metrics")) - found == {"background-colour", "fid", "inception-score"}


@pytest.mark.parametrize("task", ["class", "style", "layout", "semantic-map"])
def test_a_model_that_listens_reaches_the_ceiling_and_its_control_does_not(reports, task):
    for name in CEILED:
        figure = reports(task, True).find(name)
        if figure is None:
            continue
        # several scenes ask for one style, and each answer shows one of them
        assert task == "style" or figure.estimate == figure.beside["real renders"]
        [control] = [one for words, one in figure.beside.items() if words.startswith("shuffled")]
        assert control.interval[1] < figure.estimate.value
        assert figure.estimate.count >= 12 and figure.estimate.interval is not None


@pytest.mark.parametrize("task", ["class", "layout", "semantic-map"])
def test_a_model_that_does_not_listen_is_no_better_than_its_control(reports, task):
    for name in CEILED:
        figure = reports(task, False).find(name)
        if figure is None:
            continue
        [control] = [one for words, one in figure.beside.items() if words.startswith("shuffled") and "mean" not in words]
        assert overlaps(figure.estimate, control)
        assert figure.estimate.value < figure.beside["real renders"].value


@pytest.mark.parametrize(("task", "module"), [("layout", boxes), ("semantic-map", maps)])
def test_things_are_counted_with_the_images_they_are_in(monkeypatch, stand_in, network, config, task, module):
    told = []
    nothing = Estimate(value=0.0, count=1)
    for name in ("share_of_things", "mean_of_things"):
        monkeypatch.setattr(module, name, lambda values, sizes: told.append((len(values), sizes)) or nothing)
    scenes = next(emoji_sets(stand_in(task, True), network, config))
    labels = scenes_labels(scenes)
    recogniser = Recogniser(
        labels=labels, centre=torch.zeros(1280), whitening=torch.eye(1280), means=torch.rand(len(labels), 1280)
    )
    [metric] = METRICS[task]
    figures = extensions.load("ildm.metrics", metric)().compute(replace(scenes, recogniser=lambda: recogniser))
    sizes = [len(sample.objects) for sample in scenes.real.samples]
    dealt = [sizes[-1], *sizes[:-1]]
    assert [kept for _, kept in told].count(dealt) == 3 and [kept for _, kept in told].count(sizes) == 9
    assert sizes != dealt and all(count == sum(kept) for count, kept in told)
    assert all("image" in figure.how["interval"] for figure in figures)


def test_a_map_of_nothing_drawn_scores_one_half(stand_in, config):
    model = stand_in("semantic-map", True)
    model.draw = lambda *_: torch.full((3, 64, 64), 90, dtype=torch.uint8)
    report = evaluate(model, replace(config, metrics=("map-agreement",)))
    for name in ("map-agreement", "map-instance-contrast"):
        assert report.find(name).estimate.value == 0.5
    assert report.find("map-instance-top-1").estimate.value < 0.5


def test_a_model_that_shows_the_real_image_beats_both_filters(reports):
    found = {
        name: reports("super-resolution", True).find(f"super-resolution-{name}") for name in ("psnr", "ssim", "lite0-distance")
    }
    assert [figure.estimate.value for figure in found.values()] == pytest.approx([100, 1, 0])
    for words in ("minus bicubic", "minus Lanczos", "minus reconstructions of real renders"):
        assert found["psnr"].beside[words].interval[0] > 0 and found["ssim"].beside[words].interval[0] > 0
        assert found["lite0-distance"].beside[words].interval[1] < 0
    for filtered in ("bicubic", "Lanczos"):
        assert found["psnr"].beside[filtered].value > found["psnr"].beside["shuffled small pictures"].value + 3


def test_a_model_that_does_not_look_at_the_small_picture_is_as_good_as_its_control(reports):
    figure = reports("super-resolution", False).find("super-resolution-psnr")
    control = figure.beside["shuffled small pictures"]
    assert overlaps(figure.estimate, control)
    assert figure.beside["minus bicubic"].interval[1] < 0


def test_a_hole_that_shows_the_real_image_has_no_distance_and_the_real_seam(reports):
    report = reports("inpainting", True)
    for kind in ("", "-thin", "-thick", "-box"):
        distance = report.find(f"hole-lite0-distance{kind}")
        assert distance.estimate.value == pytest.approx(0, abs=1e-9)
        assert distance.estimate.count == (4 if kind else 12)
        assert report.find(f"seam-ratio{kind}").estimate.value == 1
        for filling in ("OpenCV Telea", "OpenCV Navier-Stokes"):
            assert distance.beside[filling].value > 0 and distance.beside[f"minus {filling}"].interval[1] < 0
        assert distance.beside["shuffled surroundings"].value > distance.beside["reconstructions of real renders"].value
    assert report.find("seam-ratio").beside["shuffled surroundings"].value > 1.5


def test_a_hole_that_was_filled_blindly_is_exactly_its_control(reports):
    for name in ("hole-lite0-distance", "hole-surroundings-lite0-distance", "seam-ratio"):
        figure = reports("inpainting", False).find(name)
        assert figure.estimate == figure.beside["shuffled surroundings"]
        less = figure.beside["minus shuffled surroundings, mean over 2 seeds"]
        assert (less.value, less.count, less.interval) == (0, 2, (0, 0))


@pytest.mark.parametrize("task", ["inpainting", "words and a hole"])
def test_a_hole_is_all_that_is_drawn(stand_in, network, config, task):
    model = stand_in(task, False)
    scenes = next(emoji_sets(model, network, config))
    for ask, real, drawn, other in zip(
        scenes.asked, scenes.real.pixels, scenes.generated.pixels, scenes.shuffled.pixels, strict=True
    ):
        hole = from_picture(ask.mask)[0] > 0
        assert torch.equal(from_picture(ask.image), real)
        assert torch.equal(drawn[:, ~hole], real[:, ~hole]) and torch.equal(other[:, ~hole], real[:, ~hole])
        assert not torch.equal(drawn, real)
    assert scenes.tells == {"hole"} and (scenes.prompts is None) == (task == "inpainting")
    assert [ask.hole for ask in scenes.asked[:4]] == ["thin", "thick", "box", "thin"]


def test_what_is_asked_does_not_depend_on_how_much(stand_in, network, config):
    model = stand_in("inpainting", False)
    small, large = (next(emoji_sets(model, network, replace(config, num_images=count))).asked for count in (12, 15))
    assert [ask.mask.tobytes() for ask in small] == [ask.mask.tobytes() for ask in large[:12]]


def test_further_seeds_are_others_and_stand_beside_the_first(stand_in, network, config):
    model = stand_in("class", False)
    scenes = next(emoji_sets(model, network, replace(config, num_seeds=3)))
    assert len(scenes.further) == 2 and not model.calls
    assert all(isinstance(again, EvaluationSet) and again.real is scenes.real for again in scenes.further)
    for again in (scenes, *scenes.further):
        assert len(again.generated) == 12
    seeds = [seed for call in model.calls for seed in call.seed]
    assert len(set(seeds)) == 36 and min(seeds) == 40


def test_a_model_of_one_thing_is_measured_on_scenes_of_one(stand_in, network, config):
    model = stand_in("class", False)
    model.manifest = model.manifest.model_copy(
        update={"training": {"recipe": {"data": {"kind": "emoji-scenes", "max_objects": 1}}}}
    )
    sets = list(emoji_sets(model, network, replace(config, splits=None)))
    assert {len(sample.objects) for one in sets for sample in one.real.samples} == {1}
    assert "unseen_concept_pair" not in {one.split for one in sets}


def test_styles_that_were_never_classes_are_refused(stand_in, network, config):
    with pytest.raises(ConfigError, match="no class for those of the split 'unseen_style'"):
        list(emoji_sets(stand_in("style", False), network, replace(config, splits=("unseen_style",))))


def test_a_metric_that_has_nothing_to_ask_says_so(noise_model, config):
    report = evaluate(noise_model, replace(config, metrics=("box-accuracy",)))
    assert not report.entries
    assert report.notes == ("box-accuracy asks what this model is not told, or what these sets do not show: it has no figure.",)


def test_without_opencv_one_sentence_says_what_to_install(monkeypatch, stand_in, config):
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(ConfigError, match="opencv-python-headless is not installed"):
        classical.opencv_version()
    model = stand_in("inpainting", True)
    for metrics in (("kernel-distance", "inpainting"), None):
        with pytest.raises(ConfigError, match="opencv-python-headless is not installed"):
            evaluate(model, replace(config, metrics=metrics))
    assert not model.calls
    # who has no holes needs none
    evaluate(stand_in("unconditional", True), replace(config, metrics=("inpainting", "reconstruction")))


@pytest.mark.parametrize("task", ["unconditional", "class", "layout", "semantic-map", "super-resolution", "inpainting"])
def test_real_models_of_every_task_take_what_they_are_asked(network, config, task):
    recipe = find_recipe(f"{task}-tiny")
    recipe = recipe.settled(open_dataset(recipe.data))
    toy = build_model()
    torch.manual_seed(0)
    parts = recipe.condition.conditioner(), recipe.condition.make_hint()
    manifest = toy.manifest.model_copy(update={"concepts": ()})
    autoencoder = Autoencoder(recipe.autoencoder, toy.autoencoder.latent_space)
    model = Model(manifest, autoencoder, UNet(recipe.denoiser), parts[0], toy.path, hint=parts[1])
    drawing = replace(config.drawing, num_steps=1, guidance_scale=1.0)
    for one in emoji_sets(model, network, replace(config, num_images=10, num_probes=2, drawing=drawing)):
        assert one.generated.pixels.shape == one.real.pixels.shape
