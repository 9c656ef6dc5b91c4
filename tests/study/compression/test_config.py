"""The arms are what they say: the strides of the paper, denoisers of one size, and steps that both tables can be read at."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.core.config import from_json, override, to_json
from ildm.core.errors import ConfigError
from ildm.denoiser.unet import UNet
from ildm.study.compression.config import CompressionConfig, arms, default, equal_compute, equal_steps, tiny
from ildm.study.compression.sizing import count_parameters, denoiser, grids
from ildm.study.operations import autoencoder_training, denoiser_training, denoising


@pytest.fixture(scope="module")
def all_arms():
    return arms(default())


def test_every_factor_is_an_arm_of_each_bottleneck_and_pixels_are_one(all_arms):
    assert [arm.name for arm in all_arms] == ["f1-pixels"] + [
        f"f{factor}-{kind}" for factor in (2, 4, 8, 16, 32) for kind in ("kl", "vq")
    ]


def test_first_stages_have_the_factor_as_their_stride(all_arms):
    config = default()
    for arm in all_arms:
        assert arm.side == config.data.size // arm.factor
        if arm.autoencoder is None:
            assert arm.kind == "pixels" and arm.denoiser.in_channels == 3
            continue
        images = torch.zeros(1, 3, 64, 64)
        latents = Autoencoder(arm.autoencoder).encode(images)
        assert latents.shape == (1, arm.denoiser.in_channels, arm.side, arm.side)
        assert (arm.autoencoder.codebook_size is None) == (arm.kind == "kl")


def test_denoisers_have_about_as_many_parameters(all_arms):
    counts = [count_parameters(arm.denoiser) for arm in all_arms]
    assert all(abs(count / default().parameters - 1) <= 0.1 for count in counts)
    assert max(counts) <= 1.1 * min(counts)


@pytest.mark.parametrize("place", [0, 3, -1])
def test_parameters_are_counted_rightly(all_arms, place):
    graph = all_arms[place].denoiser
    assert count_parameters(graph) == sum(one.numel() for one in UNet(graph).parameters())


def test_attention_is_where_grids_have_sixteen_cells_or_fewer(all_arms):
    for arm in all_arms:
        sides = grids(arm.side)
        assert [depth > 0 for depth in arm.denoiser.depths] == [side <= 16 for side in sides]
        assert len(sides) == arm.denoiser.levels and sides[-1] >= 2


def test_all_arms_train_alike_but_for_what_a_codebook_is_charged(all_arms):
    plain = {replace(arm.stage_one, loss=replace(arm.stage_one.loss, penalty_weight=0.0)) for arm in all_arms if arm.stage_one}
    assert len(plain) == 1
    weights = {arm.name: arm.stage_one.loss.penalty_weight for arm in all_arms if arm.stage_one}
    assert weights["f8-kl"] == weights["f32-kl"] == 1e-6
    assert weights["f8-vq"] == 48.0


def test_smaller_latents_cost_less(all_arms):
    kl = [arm.operations for arm in all_arms if arm.kind != "vq"]
    assert kl == sorted(kl, reverse=True) and kl[0] > 10 * kl[3]


def test_equal_compute_is_equal(all_arms):
    config = default()
    reference = next(arm for arm in all_arms if arm.name == "f8-kl")
    assert equal_compute(config, reference) == equal_steps(config)
    spent = [equal_compute(config, arm)[-1] * arm.operations for arm in all_arms]
    assert max(spent) <= 1.01 * min(spent)
    short = config.with_steps(10, 10)
    # two thirds of a step of f 1 would be as much
    assert equal_compute(short, all_arms[0])[-1] == 0 and equal_compute(short, reference)[-1] == 10


def test_operations_are_those_of_the_products():
    """One convolution's worth, by hand: a U-Net's first kernel over all positions, twice for multiplying and adding."""
    small, large = denoiser(3, 8, 3, 1_000_000), denoiser(4, 8, 3, 1_000_000)
    assert small.channels == large.channels
    ends = 2 * 2 * 9 * small.channels[0] * 64
    assert denoising(large, 8) - denoising(small, 8) == ends
    assert 2.5 < denoiser_training(small, 8) / denoising(small, 8) <= 3.0


def test_an_autoencoder_costs_more_on_larger_images(all_arms):
    graph = all_arms[-1].autoencoder
    assert graph is not None
    assert 3.5 < autoencoder_training(graph, 128) / autoencoder_training(graph, 64) < 4.5


def test_a_denoiser_that_cannot_be_had_is_told():
    with pytest.raises(ConfigError, match="No denoiser for latents of 64x64 has 5,000 weights within 10 %"):
        denoiser(3, 64, 3, 5_000)


@pytest.mark.parametrize("make", [default, tiny])
def test_a_configuration_survives_json(make):
    config = make()
    assert from_json(CompressionConfig, json.loads(json.dumps(to_json(config)))) == config


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("factors=3,8", "f is one of 1, 2, 4, 8, 16, 32, but 3 was given"),
        ("factors=8,8", "factors names one thing or more, each once"),
        ("bottlenecks=kl,fsq", "bottlenecks is one of kl, vq, not 'fsq'"),
        ("widths=16,16", "f = 32 needs 5 widths"),
        ("data.max_objects=2", "data.max_objects stays 1"),
        ("stage_two.loop.steps=1", "stage_two.loop.steps at least 2"),
        ("stage_two.optimizer.decay=linear", "stage_two.optimizer.decay stays none"),
        ("stage_two.dropout=0.1", "stage_two.dropout 0"),
        ("judging.num_images=5", "num_images of at least 10"),
        ("judging.sampler=eular", "did you mean 'euler'"),
        ("judging.num_image=5", "did you mean 'num_images'"),
    ],
)
def test_bad_settings_are_told(setting, sentence):
    with pytest.raises(ConfigError, match=sentence):
        override(default(), [setting])
