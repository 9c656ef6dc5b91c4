"""What must fall, falls; what must not, does not."""

import copy

import torch

from ildm.core.randomness import generator, step_stream
from ildm.training.denoising import CaptionedLatents, losses
from ildm.training.optimizer import OptimizerConfig

FAST = OptimizerConfig(learning_rate=3e-3, warmup_steps=5)


def blobs():
    """Four latents, one per caption."""
    axis = torch.linspace(-1, 1, 8)
    shapes = [torch.sin(3 * axis[:, None] * k) + torch.cos(2 * axis[None] * k) for k in (1, 2, 3, 4)]
    return torch.stack([shape.expand(4, 8, 8) for shape in shapes])


def trained(stage_two, latents, steps, **changes):
    task = stage_two(latents.repeat(4, 1, 1, 1), optimizer=FAST, **changes)
    batches = task.batches(0)
    for step in range(steps):
        task.train_step(step, next(batches))
    return task


def loss_on(task, latents, captions):
    torch.manual_seed(0)
    with torch.no_grad():
        return float(
            losses(task.networks, task.config, CaptionedLatents(latents, captions), generator(1, 1), task.auxiliary).denoising
        )


def test_stage_two_learns_its_latents_and_not_others(stage_two):
    latents = blobs().repeat(4, 1, 1, 1)
    captions = [f"{text}" for text in ("a red rose", "a blue key", "a small house", "some grapes on a table")] * 4
    task = trained(stage_two, blobs(), 40, dropout=0.0)
    learned = loss_on(task, latents, captions)
    other = loss_on(task, torch.randn(latents.shape, generator=torch.Generator().manual_seed(5)), captions)
    assert learned < 0.5 * other


def test_the_caption_matters_and_a_shuffled_one_does_worse(stage_two):
    latents = blobs().repeat(4, 1, 1, 1)
    captions = ["a red rose", "a blue key", "a small house", "some grapes on a table"] * 4
    task = trained(stage_two, blobs(), 50, dropout=0.0)
    shuffled = captions[1:] + captions[:1]
    assert loss_on(task, latents, captions) < 0.9 * loss_on(task, latents, shuffled)


def test_every_parameter_of_both_networks_learns(stage_two):
    task = stage_two(dropout=0.0)
    # output convolutions start at zero and hide what is behind them, so look after a few steps
    batches = task.batches(0)
    for step in range(3):
        task.train_step(step, next(batches))
    task.networks.zero_grad()
    losses(task.networks, task.config, next(batches), generator(0, 9), task.auxiliary).denoising.backward()
    silent = {name for name, value in task.networks.named_parameters() if value.grad is None or not value.grad.any()}
    # unused positions and words see no gradient as a whole only when no caption holds them
    assert silent == set(), silent


def test_condition_dropout_happens_at_its_rate():
    from ildm.conditioning.dropout import drop_prompts

    kept = drop_prompts(["x"] * 20_000, 0.1, torch.Generator().manual_seed(0))
    assert abs(kept.count("") / 20_000 - 0.1) < 0.01
    assert drop_prompts(["x"] * 9, 0.0, torch.Generator()) == ["x"] * 9 and drop_prompts(["x"], 1.0, torch.Generator()) == [""]


def test_stage_one_learns_to_reconstruct(stage_one):
    task = stage_one(optimizer=FAST)
    axis = torch.linspace(-1, 1, 32)
    images = torch.stack([(axis[:, None] * k).sin() * (axis[None] + k).cos() for k in range(1, 9)])[:, None].repeat(1, 3, 1, 1)
    errors = [float(task.train_step(step, images)["absolute"]) for step in range(40)]
    assert errors[-1] < 0.5 * errors[0]


def test_stage_one_follows_the_gradient_of_the_published_loss(stage_one):
    """The step walks each network back once; the plain way, term by term through the whole graph, must give the same."""
    task = stage_one(precision="float32")
    step, images = 4, next(task.batches(0))
    model, critic, settings = copy.deepcopy(task.autoencoder), copy.deepcopy(task.discriminator), task.config.loss
    likelihood = copy.deepcopy(task.likelihood)

    posterior = model.posterior(images)
    noise = torch.randn(posterior.mode.shape, generator=generator(task.config.seed, step_stream(step)))
    reconstructions = model.reconstruct(posterior.sample(noise))
    nll, _ = likelihood(reconstructions, images)
    generator_loss = -critic(reconstructions).mean()
    wanted, given = (torch.autograd.grad(term, model.last_layer, retain_graph=True)[0].norm() for term in (nll, generator_loss))
    strength = settings.discriminator_scale(step) * settings.discriminator_weight * wanted / (given + 1e-4)
    total = nll + settings.penalty_weight * posterior.penalty().mean() + strength.detach() * generator_loss
    trained = [*model.parameters(), likelihood.logvar]
    direct = torch.cat([gradient.flatten() for gradient in torch.autograd.grad(total, trained)])

    metrics = task.train_step(step, images)
    taken = torch.cat([value.grad.flatten() for value in (*task.autoencoder.parameters(), task.likelihood.logvar)])
    assert strength > 0
    assert torch.allclose(metrics["gradient_norm"], direct.norm(), rtol=1e-4)
    assert torch.allclose(metrics["loss"], total, rtol=1e-5)
    assert torch.allclose(taken / taken.norm(), direct / direct.norm(), atol=1e-5)
