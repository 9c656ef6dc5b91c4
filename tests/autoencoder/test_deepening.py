"""A deeper decoder begins as the one that was there."""

import pytest
import torch

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.config import AutoencoderConfig
from ildm.autoencoder.deepening import deepens, take_weights
from ildm.autoencoder.latent_space import LatentSpace
from ildm.checkpoint.diffusers_autoencoder import autoencoder_to_diffusers
from ildm.core.errors import CheckpointError, ConfigError

FORMER = AutoencoderConfig(channels=(8, 16), num_res_blocks=1, latent_channels=3, fold=2)


def graph(*depths, **changes):
    fields = {"channels": (8, 16), "num_res_blocks": 1, "latent_channels": 3, "fold": 2, "decoder_res_blocks": depths or None}
    return AutoencoderConfig(**(fields | changes))


def test_levels_are_named_from_the_images_side():
    decoder = Autoencoder(graph(4, 3)).decoder
    assert [len(level.resnets) for level in decoder.levels] == [3, 4], "it is walked from the latent's"
    assert FORMER.decoder_depths == (2, 2)


def test_more_blocks_draw_what_was_drawn_and_can_learn(images):
    torch.manual_seed(0)
    former, deeper = Autoencoder(FORMER), Autoencoder(graph(4, 2))
    former.fit_latent_space([images])
    take_weights(deeper, former)
    latents = former.encode(images)
    assert torch.equal(deeper.encode(images), latents) and torch.equal(deeper.decode(latents), former.decode(latents))
    assert deeper.encoder_fingerprint() == former.encoder_fingerprint()
    new = [name for name in deeper.state_dict() if name not in former.state_dict()]
    weights = dict(deeper.named_parameters())
    last = [weights[name] for name in new if name.endswith("conv2.weight")]
    loss = (deeper.reconstruct(deeper.latent_space.denormalise(latents)) - images).square().mean()
    assert len(last) == 2 and all(one.abs().max() > 0.0 for one in torch.autograd.grad(loss, last))


@pytest.mark.parametrize(
    ("config", "fits"),
    [
        (graph(2, 2), True),
        (graph(3, 2), True),
        (graph(2, 1), False),
        (graph(3, 2, latent_channels=4), False),
        (graph(3, 2, 2, channels=(8, 16, 16)), False),
    ],
    ids=["as it was", "deeper", "shallower", "other latents", "another level"],
)
def test_only_a_deeper_decoder_deepens(config, fits):
    assert deepens(config, FORMER) == fits


@pytest.mark.parametrize("depths", [(2,), (2, 0)])
def test_every_level_has_a_block(depths):
    with pytest.raises(ConfigError, match=r"at least 1 block for each of autoencoder\.channels"):
        graph(*depths)


def test_diffusers_has_no_place_for_more_blocks_in_the_decoder():
    plain = graph(2, 2, fold=1)
    assert autoencoder_to_diffusers(plain, LatentSpace.identity(3, 2), sample_size=32)["layers_per_block"] == 1
    with pytest.raises(CheckpointError, match="one residual block more per level in its decoder"):
        autoencoder_to_diffusers(graph(3, 2, fold=1), LatentSpace.identity(3, 2), sample_size=32)
