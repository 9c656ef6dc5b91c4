"""Stage one's loss: its formula, and which parameters each term reaches."""

import pytest
import torch

from ildm.autoencoder.discriminator import PatchDiscriminator
from ildm.autoencoder.loss import (
    NegativeLogLikelihood,
    ReconstructionLossConfig,
    adaptive_weight,
    discriminator_accuracy,
    hinge_loss,
)
from ildm.autoencoder.perceptual import perceptual_distance


@pytest.fixture(scope="module")
def perceptual():
    return perceptual_distance("squeezenet")


@pytest.fixture
def reconstructions(autoencoder, images):
    autoencoder.zero_grad()
    return autoencoder.reconstruct(autoencoder.posterior(images).sample(torch.randn(4, 3, 8, 8)))


def reached(loss, named):
    """The names of the parameters that receive a gradient which is not zero."""
    named = dict(named)
    gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True, retain_graph=True)
    return {name for name, gradient in zip(named, gradients, strict=True) if gradient is not None and bool(gradient.any())}


def everything(autoencoder, likelihood, discriminator):
    parts = {"autoencoder": autoencoder, "likelihood": likelihood, "discriminator": discriminator}
    return {f"{part}.{name}": value for part, module in parts.items() for name, value in module.named_parameters()}


def test_every_term_reaches_its_parameters_and_only_those(autoencoder, images, reconstructions, perceptual):
    likelihood, discriminator = NegativeLogLikelihood(perceptual), PatchDiscriminator(8, 1)
    named = everything(autoencoder, likelihood, discriminator)
    # the key of an attention has no bias gradient: a constant added to all scores changes no softmax
    mute = {name for name in named if name.endswith("to_k.bias")}
    coders = {name for name in named if name.startswith("autoencoder.")} - mute
    frozen = {f"likelihood.{name}" for name, _ in likelihood.named_parameters() if name != "logvar"}
    critic = {name for name in named if name.startswith("discriminator.")}

    loss, _ = likelihood(reconstructions, images)
    trainable = {name: value for name, value in named.items() if name not in frozen}
    assert reached(loss, trainable) - mute == coders | {"likelihood.logvar"}
    assert not any(named[name].requires_grad for name in frozen)

    distance = perceptual(reconstructions, images).sum()
    assert reached(distance, trainable) - mute == coders, "the perceptual term must train the whole autoencoder"

    generator_loss = -discriminator(reconstructions).mean()
    assert coders <= reached(generator_loss, trainable)

    judged = hinge_loss(discriminator(images), discriminator(reconstructions.detach()))
    # a bias in front of a batch norm's mean is not there; the last bias cancels when both margins are active
    assert reached(judged, trainable) <= critic and len(reached(judged, trainable)) >= len(critic) - 1

    encoder = {name for name in coders if ".encoder." in name or "to_moments" in name}
    penalty = autoencoder.posterior(images).penalty().mean()
    assert reached(penalty, trainable) - mute == encoder


def test_the_likelihood_is_the_published_formula(images):
    likelihood = NegativeLogLikelihood(None)
    with torch.no_grad():
        likelihood.logvar.fill_(0.3)
    other = images.flip(0)
    loss, parts = likelihood(other, images)
    error = (images - other).abs()
    expected = (error / torch.tensor(0.3).exp() + 0.3).sum() / 4
    assert torch.allclose(loss, expected) and torch.allclose(parts["absolute"], error.mean())


def test_logvar_learns_the_scale_of_the_error(images):
    likelihood = NegativeLogLikelihood(None)
    optimizer = torch.optim.Adam([likelihood.logvar], 0.05)
    other = images + 0.2
    for _ in range(300):
        optimizer.zero_grad()
        likelihood(other, images)[0].backward()
        optimizer.step()
    assert abs(likelihood.logvar.exp() - 0.2) < 0.01


def test_adaptive_weight_is_the_ratio_of_both_terms_gradients_at_the_last_layer(autoencoder, images, reconstructions):
    terms = ((images - reconstructions).abs().sum(), -PatchDiscriminator(8, 1)(reconstructions).mean())
    layer = autoencoder.last_layer
    wanted, given = (torch.autograd.grad(term, layer, retain_graph=True)[0].norm() for term in terms)
    pulls = [torch.autograd.grad(term, reconstructions, retain_graph=True)[0] for term in terms]
    weight = adaptive_weight(reconstructions, *pulls, layer)
    assert torch.allclose(weight, wanted / (given + 1e-4)) and not weight.requires_grad


def test_adaptive_weight_is_clamped():
    layer = torch.nn.Parameter(torch.ones(1, 3, 1, 1))
    output = layer * torch.ones(1, 3, 8, 8)
    assert adaptive_weight(output, torch.full_like(output, 1e9), torch.full_like(output, 1e-9), layer) == 1e4


def test_the_discriminator_comes_in_by_its_schedule():
    config = ReconstructionLossConfig(discriminator_start=10, discriminator_ramp=4)
    assert [config.discriminator_scale(step) for step in (0, 9, 10, 11, 13, 99)] == [0.0, 0.0, 0.25, 0.5, 1.0, 1.0]
    assert ReconstructionLossConfig(discriminator_weight=0.0).discriminator_scale(10**9) == 0.0


def test_accuracy_tells_guessing_from_winning():
    assert discriminator_accuracy(torch.ones(8), -torch.ones(8)) == 1.0
    assert discriminator_accuracy(torch.ones(8), torch.ones(8)) == 0.5
