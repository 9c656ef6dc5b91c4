"""The parts of `tools/one_gpu` compute what the library's own training computes; only how fast is otherwise."""

import random
import sys
import threading
from dataclasses import replace
from importlib import import_module
from types import SimpleNamespace

import pytest
import torch

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.loss import NegativeLogLikelihood
from ildm.autoencoder.perceptual import perceptual_distance
from ildm.conditioning.grounding import NOTHING, PADDING
from ildm.conditioning.label import LabelConditioner, LabelConfig
from ildm.conditioning.layout import LayoutConditioner, LayoutConfig, read_layout
from ildm.conditioning.text import TextConditioner, TextEncoderConfig
from ildm.conditioning.tokenizer import Tokenizer
from ildm.core.randomness import generator
from ildm.core.share import Share
from ildm.data.cells import fill_cells
from ildm.data.concepts import all_concepts, concepts_by_label
from ildm.data.mentions import mentions_of
from ildm.data.opening import open_dataset
from ildm.data.telling import Layouts, pixels_of
from ildm.denoiser.attention import attend_regions
from ildm.denoiser.unet import UNet
from ildm.diffusion.weighting import TimeDistribution
from ildm.recipes import find_recipe
from ildm.training.auxiliary import Auxiliary
from ildm.training.denoising import CaptionedLatents, Networks, losses
from ildm.training.grounding import grounds
from ildm.training.in_places import bind
from ildm.training.optimizer import Optimizer, OptimizerConfig


@pytest.fixture(scope="module")
def one_gpu(repository):
    """`one_gpu(name)` is a module of the folder, which is gone from the path afterwards."""
    folder = repository / "tools" / "one_gpu"
    names = {path.stem for path in folder.glob("*.py")}
    others = {name: sys.modules.pop(name) for name in names & sys.modules.keys() - {"__main__"}}
    sys.path.insert(0, str(folder))
    yield import_module
    sys.path.remove(str(folder))
    for name in names & sys.modules.keys() - {"__main__"}:
        del sys.modules[name]
    sys.modules.update(others)


class Net(torch.nn.Module):
    """Hidden matrices of two shapes, two of one shape, and ends that no Muon follows."""

    def __init__(self):
        super().__init__()
        self.token_embedding = torch.nn.Embedding(7, 8)
        self.first, self.second, self.norm = torch.nn.Linear(8, 8), torch.nn.Linear(8, 8), torch.nn.LayerNorm(8)
        self.kernel, self.conv_out = torch.nn.Conv2d(8, 4, 3, padding=1), torch.nn.Conv2d(4, 6, 1)

    def forward(self, tokens):
        x = self.norm(self.second(self.first(self.token_embedding(tokens)).tanh()))
        return (self.conv_out(self.kernel(x.mT.unflatten(-1, (3, 3))).tanh()) - 1.0).square().mean()


def test_the_optimizer_follows_as_the_librarys(one_gpu):
    config = OptimizerConfig(
        learning_rate=1e-2, hidden_learning_rate=3e-2, weight_decay=0.1, clip_norm=0.05, warmup_steps=2, decay="linear"
    )
    torch.manual_seed(0)
    ours, theirs = Net(), Net()
    theirs.load_state_dict(ours.state_dict())
    begun = {name: one.clone() for name, one in ours.state_dict().items()}
    fast, slow = (
        one_gpu("optimizer").Optimizer(ours.named_parameters(), config, 0.5),
        Optimizer(theirs.named_parameters(), config, 6),
    )
    for step in range(6):
        tokens = torch.randint(7, (4, 9), generator=torch.Generator().manual_seed(step))
        fast.rate.fill_(config.scale(step, 6))
        norm = fast.step(torch.autograd.grad(ours(tokens), fast.parameters))
        assert float(norm) == pytest.approx(float(slow.update(theirs(tokens), step)), rel=1e-2)
    for (name, one), other in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        moved, apart = (one - begun[name]).abs().mean(), (one - other).abs().mean()
        # torch's Muon makes matrices orthogonal in bfloat16
        assert moved > 0.0 and apart < (0.1 if one.ndim > 1 else 0.01) * moved, name


def test_the_way_back_leads_to_the_averages_of_what_was_kept(one_gpu):
    net = Net()
    optimizer = one_gpu("optimizer").Optimizer(net.named_parameters(), OptimizerConfig(learning_rate=0.1), 0.9)

    def follow():
        optimizer.step(torch.autograd.grad(net(torch.arange(7)[None].repeat(1, 2)[:, :9]), optimizer.parameters))

    follow()
    optimizer.swap()
    averages = [one.clone() for one in net.parameters()]
    optimizer.swap()
    kept = optimizer.state()
    follow()
    optimizer.load_state(kept)
    optimizer.settle()
    assert all(torch.equal(one, average) for one, average in zip(net.parameters(), averages, strict=True))


def test_images_and_latents_shrink_and_turn_together(one_gpu):
    latents = torch.randn(8, 2, 6, 6)
    images = latents[:, :1].repeat(1, 3, 1, 1).repeat_interleave(4, -1).repeat_interleave(4, -2)
    small, grids = one_gpu("stage_one").shrunk_and_turned(images, latents, 3)
    assert small.shape == (8, 3, 12, 12) and grids.shape == (8, 2, 3, 3)
    for turn in range(4):
        rows = slice(2 * turn, 2 * turn + 2)
        for made, given, size in ((small, images, 12), (grids, latents, 3)):
            plain = torch.nn.functional.interpolate(given[rows], (size, size), mode="bilinear", antialias=True)
            assert torch.equal(made[rows].rot90(-turn, (-2, -1)), plain)


@pytest.mark.parametrize("backbone", ["none", "squeezenet"])
def test_the_first_stages_error_is_the_librarys(one_gpu, backbone):
    autoencoder = Autoencoder(find_recipe("emoji-tiny").autoencoder).eval()
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    raw = autoencoder.posterior(images).mode.detach()
    perceptual = perceptual_distance(backbone, 2)
    with torch.no_grad():
        found = one_gpu("stages").StageOneLoss(autoencoder, 0.0, perceptual, 0.3).error(raw, images)
        with torch.autocast("cpu", torch.bfloat16):
            rebuilt = autoencoder.reconstruct(raw)
        wanted, _ = NegativeLogLikelihood(perceptual, 0.3)(rebuilt.float(), images)
    assert found.item() == pytest.approx(wanted.item(), rel=0.01)


def test_a_pool_is_as_full_as_its_first_gap(one_gpu):
    scenes = one_gpu("scenes")
    pool = scenes.reserve(6 * scenes.GROUP, 8, 2, 1, {}, 3)
    assert pool.count == 0
    pool.done[:] = (2, 1, 1)  # groups 0 and 3, 1, 2
    assert pool.count == 4 * scenes.GROUP
    pool.done[:] = len(pool.images)
    assert pool.count == len(pool.images)


@pytest.mark.parametrize(
    ("reader", "prompts"),
    [
        (lambda: LayoutConditioner(LayoutConfig(names=("fox", "key"), width=8, depth=1)), ["fox 0.1 0.1 0.5 0.5", ""]),
        (lambda: LabelConditioner(LabelConfig(count=3, names=("fox", "key"), unconditional=2)), ["key", ""]),
    ],
    ids=["layout", "class"],
)
def test_numbers_tell_what_prompts_tell(one_gpu, reader, prompts):
    telling = one_gpu("telling")
    networks = Networks(UNet(find_recipe("unconditional-tiny").denoiser), reader())
    tokens = torch.tensor([telling.numbers(networks.conditioner, prompt) for prompt in prompts])
    assert tokens[1].tolist() == telling.nothing(networks.conditioner)
    same(telling.condition(networks, tokens, tokens >= 0, torch.zeros(2, 1)), networks.condition(prompts))


def test_captions_in_numbers_tell_what_they_tell_in_words(one_gpu):
    telling = one_gpu("telling")
    prompts = ["a red rose on a plain blue background", ""]
    tokenizer = Tokenizer.train(prompts, vocabulary_size=300, max_tokens=24)
    config = TextEncoderConfig(width=8, depth=1, num_heads=2, max_tokens=24, vocabulary_size=300)
    networks = Networks(UNet(find_recipe("unconditional-tiny").denoiser), TextConditioner(config, tokenizer))
    expected = networks.condition(prompts)
    tokens, mask = tokenizer(prompts)
    length = expected.context.shape[1]
    same(telling.condition(networks, tokens[:, :length], mask[:, :length], torch.zeros(2, 1)), expected)


def test_captions_tell_what_they_name(one_gpu):
    plan = find_recipe("emoji-tiny")
    data = open_dataset(replace(plan.data, length=4))
    samples = [data[index] for index in range(4)]
    words = [caption for sample in samples for caption in sample.captions]
    tokenizer = Tokenizer.train(words, vocabulary_size=400, max_tokens=40)
    tell = one_gpu("telling").Captions(tokenizer, mentions_of(data, range(len(all_concepts()) + 1)), levels=2)
    told = tell(samples, random.Random(0))
    assert all(told[name].shape == (4, *shape) for name, (shape, _) in tell.kept.items())
    areas = told["areas"].astype(int)
    assert (abs(areas.sum(axis=1) - 255) <= 2).all(), "the shares of all texts are the whole"
    assert areas.shape[2] == 16 * 16 + 8 * 8
    for sample, texts, places in zip(samples, told["spoken"], areas, strict=True):
        said = [bool((row != tokenizer([""])[0][0].numpy()).any()) for row in texts[1:]]
        assert sum(said) == len(sample.objects) == sum(row.any() for row in places[1:])
    for sample, tokens, named in zip(samples, told["tokens"], told["named"], strict=True):
        shown = {1 + concepts_by_label()[thing.concept].index for thing in sample.objects}
        for row, numbers in zip(tokens, named, strict=True):
            assert set(numbers.tolist()) == {NOTHING, PADDING} | shown
            assert ((numbers == PADDING) == (row == tokenizer([""])[0][0, -1].item())).all()


@pytest.mark.parametrize("told", ["text", "layout"])
def test_stage_two_costs_what_the_librarys_does(one_gpu, told, monkeypatch):
    plan = find_recipe("emoji-tiny" if told == "text" else "layout-tiny")
    dataset = open_dataset(replace(plan.data, length=4))
    plan = plan.settled(dataset)
    plan = replace(
        plan, stage_two=replace(plan.stage_two, alignment=0.1, grounding=0.1, placing=0.1, dropout=0.0, precision="bfloat16")
    )
    samples = [dataset[index] for index in range(4)]
    maps = torch.stack([torch.from_numpy(fill_cells(sample.semantic_map, (8, 8))) for sample in samples]).long()
    mentions = mentions_of(dataset, range(len(all_concepts()) + 1))
    torch.manual_seed(0)
    if told == "text":
        prompts = [sample.captions[0] for sample in samples]
        tokenizer = Tokenizer.train(prompts, vocabulary_size=400, max_tokens=plan.text.max_tokens)
        reader = TextConditioner(plan.text, tokenizer)
        named = reader.named(prompts, [mentions.find(one, maps.unique().tolist()) for one in prompts])
        tokens, mask = (one[:, : named.shape[1]] for one in tokenizer(prompts))
    else:
        prompts = [Layouts(plan.condition.layout.max_objects)(sample)[0] for sample in samples]
        reader = plan.condition.conditioner()
        tokens = torch.tensor([reader.tokens.encode(read_layout(one)) for one in prompts])
        named, mask = torch.zeros_like(tokens), tokens >= 0
    networks = Networks(UNet(plan.denoiser), reader)
    auxiliary = Auxiliary(plan.stage_two, plan.denoiser, len(all_concepts()) + 1, grounded=True)
    latents = torch.randn(4, plan.denoiser.in_channels, 8, 8)
    t = torch.rand(4, dtype=torch.float64)
    noise = torch.randn_like(latents)
    monkeypatch.setattr(TimeDistribution, "sample", lambda *_: t)
    monkeypatch.setattr(Share, "randn", lambda *_: noise)
    expected = losses(
        networks,
        plan.stage_two,
        CaptionedLatents(latents, prompts, maps),
        generator(0, 0),
        auxiliary,
        grounds(reader, mentions),
    )
    ours = one_gpu("stages").StageTwoLoss(networks, auxiliary, helped=True)
    found = ours(latents, tokens, named, mask, torch.zeros(4, 1), maps, t.float(), noise)
    for value, wanted in zip((found.denoising, *found.beside), (expected.denoising, *expected.beside), strict=True):
        assert value.item() == pytest.approx(wanted.item(), rel=1e-3)
        assert value.item() > 0.0


def test_every_task_is_told_what_its_recipe_tells_it(one_gpu):
    telling = one_gpu("telling")
    plans = {}
    for name in ("layout", "class", "semantic-map", "super-resolution", "inpainting", "unconditional"):
        plan = find_recipe(f"{name}-tiny")
        plans[name] = plan.settled(open_dataset(plan.data))
    data = plans["layout"].data
    samples = [open_dataset(replace(data, length=4))[index] for index in range(4)]
    tell = telling.Tasks(plans)
    told = tell(samples, random.Random(0))
    assert set(told) == set(tell.kept)
    for name, rows in told.items():
        shape, kind = tell.kept[name]
        assert torch.as_tensor(rows).shape == (4, *shape), name
        assert torch.as_tensor(rows).numpy().astype(kind).tolist() == torch.as_tensor(rows).tolist(), name
    layouts = plans["layout"].condition.conditioner().tokens
    words = Layouts(plans["layout"].condition.layout.max_objects)
    expected = [layouts.encode(read_layout(words(sample)[0])) for sample in samples]
    assert told["layout"][:, 0].tolist() == expected
    hint = plans["semantic-map"].condition.make_hint()
    maps = torch.stack([pixels_of(hint)(sample, random.Random(0)) for sample in samples])
    assert told["semantic-map"].tolist() == hint.features(maps, telling.unneeded, (16, 16)).tolist()
    assert told["single"] == [len(sample.objects) == 1 for sample in samples]


def test_weights_travel_in_parts_and_keep_the_encoders_name(one_gpu, tmp_path, monkeypatch):
    parts = one_gpu("parts")
    autoencoder = Autoencoder(find_recipe("emoji-tiny").autoencoder)
    autoencoder.fit_latent_space([torch.rand(2, 3, 32, 32)])
    monkeypatch.setattr(parts, "_LARGEST", 20_000)
    parts.write_autoencoder(tmp_path, autoencoder)
    assert len(list(tmp_path.glob("autoencoder-*.safetensors"))) > 1
    again = parts.read_autoencoder(tmp_path)
    assert again.encoder_fingerprint() == autoencoder.encoder_fingerprint()
    halved = Autoencoder(again.config, again.latent_space)
    halved.load_state_dict({name: one.half().float() for name, one in again.state_dict().items()})
    assert halved.encoder_fingerprint() != again.encoder_fingerprint()
    rounded = [one.encoder_fingerprint(rounded_to=torch.float16) for one in (halved, again)]
    assert rounded[0] == rounded[1]


def test_the_recipe_travels_with_the_parts(one_gpu, tmp_path):
    plan = one_gpu("recipe").recipe(12, 64, 300, every_concept=False, begun=True, decoder=(3, 2, 2), perceptual=0.05, seed=5)
    one_gpu("parts").write_recipe(tmp_path, "text", plan)
    again = one_gpu("parts").read_recipe(tmp_path, "text")
    assert again == plan and again.autoencoder.decoder_depths == (3, 2, 2) and again.data.seed == 5
    assert (again.stage_one.loss.backbone, again.stage_one.loss.perceptual_weight) == ("lite2", 0.05)


def same(ours, theirs):
    for name in ("context", "context_mask", "pooled", "label"):
        one, other = getattr(ours, name), getattr(theirs, name)
        assert (one is None) == (other is None), name
        if one is not None:
            seen = slice(None) if theirs.context_mask is None or name != "context" else theirs.context_mask
            torch.testing.assert_close(one[seen], other[seen], msg=name)


def test_words_in_their_places_cost_what_the_librarys_do(one_gpu):
    plan = find_recipe("emoji-tiny")
    dataset = open_dataset(replace(plan.data, length=4, max_objects=2))
    plan = plan.settled(dataset)
    samples = [dataset[index] for index in range(4)]
    mentions = mentions_of(dataset, range(len(all_concepts()) + 1))
    prompts = [sample.captions[0] for sample in samples]
    tokenizer = Tokenizer.train(prompts, vocabulary_size=400, max_tokens=plan.text.max_tokens)
    torch.manual_seed(0)
    networks = Networks(UNet(plan.denoiser), TextConditioner(plan.text, tokenizer))
    with torch.no_grad():
        for weight in networks.parameters():  # layers that begin as zero hide what is behind them
            weight.add_(0.1 * torch.randn_like(weight))
    told = one_gpu("telling").Captions(tokenizer, mentions, plan.denoiser.levels)(samples, random.Random(0))
    spoken, areas = (torch.from_numpy(told[name]) for name in ("spoken", "areas"))
    mask = spoken != int(tokenizer([""])[0][0, -1])
    latents, t = torch.randn(4, plan.denoiser.in_channels, 16, 16), torch.rand(4, dtype=torch.float64)
    noise = torch.randn_like(latents)
    ours = one_gpu("stages").InPlacesLoss(networks, networks.unet.grids((16, 16)))
    found = ours(latents, spoken.long(), mask, areas, t.float(), noise)
    weights = (
        areas[..., :256].float().unflatten(2, (16, 16)) / areas[..., :256].float().sum(dim=1).unflatten(1, (16, 16))[:, None]
    )
    texts = [[tokenizer._inner.decode(row).strip() for row in rows] for rows in spoken.tolist()]
    share = t.float()[:, None, None, None]
    with torch.autocast("cpu", torch.bfloat16):
        conditioning = bind(networks.conditioner, texts, list(weights))
        output = networks.unet((1 - share) * latents + share * noise, 1000 * t.float(), conditioning)
    wanted = (output.float() - (noise - latents)).square().mean()
    assert found.denoising.item() == pytest.approx(wanted.item(), rel=1e-3)
    words = networks.conditioner.encoder.token_embedding.weight
    own, theirs = (torch.autograd.grad(loss, words)[0] for loss in (found.denoising, wanted))
    assert float((own - theirs).norm()) < 0.1 * float(theirs.norm()), "what is said where is learned from alike"


@pytest.fixture
def second(one_gpu):
    """A small text model's training on four scenes at a time."""
    plan = find_recipe("emoji-tiny")
    plan = plan.settled(open_dataset(plan.data))
    bound = {"alignment": 0.1, "grounding": 0.3, "placing": 0.5, "in_places": 0.4}
    plan = replace(plan, stage_two=replace(plan.stage_two, **bound))
    tokenizer = Tokenizer.train(["a red rose on a plain sky"], vocabulary_size=300, max_tokens=plan.text.max_tokens)
    networks = Networks(UNet(plan.denoiser), TextConditioner(plan.text, tokenizer))
    second = one_gpu("stage_two").SecondStage("text", plan, networks, tokens=16, cells=16, batch=4, compiled=False)
    lessons = one_gpu("stage_two").Lessons(
        torch.randn(8, plan.denoiser.in_channels, 16, 16), torch.randint(3, 200, (8, 4, 16)), torch.randint(2, (8, 4, 16)),
        torch.zeros(8, 1), torch.randint(2, (8, 16, 16)), torch.randint(3, 200, (8, 5, 16)),
        torch.full((8, 5, 16 * 16 + 8 * 8), 51, dtype=torch.uint8),
    )  # fmt: skip
    second.take(lessons)
    return second


def test_each_kind_of_step_teaches_and_tells_what_it_should(second):
    """With help, without, and with words in their places: error, naming, grounding, placing, the gradient's norm, error in places."""
    told, networks = [], second.networks
    for step in second._steps.values():
        second._sums.zero_()
        before = [one.detach().clone() for one in networks.parameters()]
        second.optimizer.rate.fill_(1.0)
        step()
        told.append((second._sums > 0.0).tolist())
        assert any(not one.equal(other) for one, other in zip(before, networks.parameters(), strict=True))
    assert told == [
        [True, True, True, True, True, False],
        [True, False, False, True, True, False],
        [False, False, False, False, True, True],
    ]
    assert [second._is_apart(step) for step in range(5)] == [False, False, True, False, True]


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"alignment": 0.1, "in_places": 0.4}, ["with help", "without", "with words in their places"]),
        ({"grounding": 0.3}, ["with help", "without"]),
        ({"placing": 0.5}, ["without"]),
        ({}, ["without"]),
    ],
)
def test_only_kinds_of_steps_that_there_are_get_compiled(one_gpu, changes, kinds):
    none = {"alignment": 0.0, "grounding": 0.0, "placing": 0.0, "in_places": 0.0}
    assert one_gpu("stage_two").kinds(replace(find_recipe("emoji-tiny").stage_two, **{**none, **changes})) == kinds


def test_what_other_processes_compile_is_waited_for(second, monkeypatch):
    happened = []

    class Event:
        def __init__(self, place):
            self.place = place

        def wait(self, _):
            happened.append(f"{self.place} is in the cache")

    compile_one = second.compile
    monkeypatch.setattr(second, "compile", lambda place: happened.append(place) or compile_one(place))
    second.prepare([Event(1), Event(2)])
    assert happened == [0, "1 is in the cache", 1, "2 is in the cache", 2]
    assert len(second._recorded) == 3


def test_whoever_waits_for_what_cannot_be_compiled_is_told(one_gpu, monkeypatch):
    roles = one_gpu("roles")
    told = [threading.Event(), threading.Event()]

    def fail(*_):
        raise RuntimeError("there is no memory left")

    monkeypatch.setattr(roles, "_text_stage", fail)
    monkeypatch.setattr(roles.os, "nice", lambda _: None)
    with pytest.raises(RuntimeError, match="no memory"):
        roles.compile_text(None, None, SimpleNamespace(compiled=told, scenes=None), None, 2)
    assert [event.is_set() for event in told] == [False, True]


def test_attention_that_is_compiled_does_what_it_does_otherwise(monkeypatch):
    random = torch.Generator().manual_seed(0)
    query = torch.randn(3, 2, 16, 5, generator=random)
    key, value = (torch.randn(6, 2, 4, 5, generator=random) for _ in range(2))
    mask, weights = torch.rand(6, 1, 1, 4, generator=random) > 0.2, torch.rand(6, 16, 1, generator=random)
    plain = attend_regions(query, key, value, mask, weights, (2, 2, 2))
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    torch.testing.assert_close(attend_regions(query, key, value, mask, weights, (2, 2, 2)), plain)
    uneven = attend_regions(query, key, value, mask, weights, (1, 2, 3))
    monkeypatch.undo()
    assert uneven.equal(attend_regions(query, key, value, mask, weights, (1, 2, 3)))
