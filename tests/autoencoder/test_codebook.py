"""Quantisation: which entry, which gradients, and parity with an independent implementation."""

import pytest
import torch
from diffusers import VQModel
from diffusers.models.autoencoders.vae import VectorQuantizer

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.codebook import VQBottleneck
from ildm.autoencoder.config import AutoencoderConfig
from ildm.checkpoint.autoencoder_layout import diffusers_autoencoder
from ildm.core.errors import ConfigError


@pytest.fixture
def bottleneck():
    torch.manual_seed(0)
    bottleneck = VQBottleneck(6, 3, 32).double()
    torch.nn.init.normal_(bottleneck.codebook.weight)
    return bottleneck


@pytest.fixture
def features():
    return torch.randn(2, 6, 4, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_each_cell_becomes_the_nearest_entry(bottleneck, features):
    codes = bottleneck.posterior(features)
    distances = torch.cdist(codes.latent.movedim(1, -1).reshape(-1, 3), bottleneck.codebook.weight.float())
    assert torch.equal(codes.indices.flatten(), distances.argmin(dim=1))
    assert torch.equal(codes.entries.movedim(1, -1).reshape(-1, 3), bottleneck.codebook.weight[codes.indices.flatten()])
    # an entry is its own nearest
    assert torch.equal(bottleneck.nearest(codes.entries), codes.indices)


def test_what_is_not_quantised_yet_is_the_latent(bottleneck, features):
    codes = bottleneck.posterior(features)
    assert torch.equal(codes.mode, codes.latent) and torch.equal(codes.sample(torch.randn_like(codes.latent)), codes.latent)
    # and decoding quantises it, so that it is all the same how far from its entries a sample lies
    assert torch.allclose(bottleneck(codes.latent.double()), bottleneck(codes.entries))
    assert not torch.allclose(codes.latent.double(), codes.entries)


def test_gradients_pass_as_if_nothing_was_quantised(bottleneck):
    raw = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    towards = torch.randn(2, 6, 4, 5, dtype=torch.float64)
    (bottleneck(raw) * towards).sum().backward()
    expected = torch.einsum("bfhw,fcij->bchw", towards, bottleneck.from_latent.weight)
    assert torch.allclose(raw.grad, expected)
    assert bottleneck.codebook.weight.grad is None


def test_the_penalty_is_that_of_an_independent_implementation(bottleneck, features):
    peer = VectorQuantizer(32, 3, beta=0.25, legacy=False).double()
    peer.embedding.weight.data.copy_(bottleneck.codebook.weight.data)
    latent = bottleneck.to_latent(features).detach().float().double().requires_grad_()
    _, loss, (_, _, indices) = peer(latent)
    loss.backward()

    ours = bottleneck.posterior(features)
    ours.latent.retain_grad()
    ours.penalty().sum().div(ours.latent.numel()).backward()
    assert torch.equal(ours.indices.flatten(), indices.flatten())
    assert torch.allclose(ours.penalty().sum() / ours.latent.numel(), loss)
    assert torch.allclose(ours.latent.grad.double(), latent.grad, rtol=1e-5)
    assert torch.allclose(bottleneck.codebook.weight.grad, peer.embedding.weight.grad, rtol=1e-5)


def test_commitment_weighs_on_the_latent_and_not_on_the_entries(bottleneck, features):
    def gradients(**options):
        bottleneck.zero_grad()
        codes = bottleneck.posterior(features)
        codes.latent.retain_grad()
        codes.penalty(**options).sum().backward()
        entries = bottleneck.codebook.weight.grad
        return codes.latent.grad, torch.zeros(()) if entries is None else entries.clone()

    latent, entries = gradients(commitment=0.25)
    stronger, same = gradients(commitment=1.0)
    assert torch.allclose(stronger, 4 * latent) and torch.equal(same, entries)
    only, none = gradients(commitment=0.25, moves_entries=False)
    assert torch.equal(only, latent) and not none.any()


@pytest.mark.parametrize("width", [3, 5], ids=["same", "wider"])
def test_a_whole_autoencoder_is_that_of_an_independent_implementation(width):
    torch.manual_seed(0)
    peer = VQModel(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 16),
        layers_per_block=1,
        latent_channels=width,
        vq_embed_dim=3,
        num_vq_embeddings=64,
        norm_num_groups=8,
    ).double()
    config = AutoencoderConfig(channels=(8, 16), num_res_blocks=1, latent_channels=3, feature_channels=width, codebook_size=64)
    ours = Autoencoder(config).double()
    for module in ours.modules():
        if isinstance(module, torch.nn.GroupNorm):
            module.num_groups = 8
    theirs = peer.state_dict()
    named = {piece.ours: theirs.pop(piece.theirs[0]) for piece in diffusers_autoencoder(config)}
    assert not theirs
    ours.load_state_dict({name: value.reshape(ours.state_dict()[name].shape) for name, value in named.items()})
    images = torch.rand(2, 3, 16, 16, dtype=torch.float64) * 2 - 1
    with torch.no_grad():
        latent = peer.encode(images).latents
        assert torch.allclose(ours.posterior(images).mode.double(), latent, atol=1e-6)
        assert torch.allclose(ours.reconstruct(latent), peer.decode(latent).sample, atol=1e-10)


def test_a_codebook_of_one_is_refused():
    with pytest.raises(ConfigError, match="2 entries or more"):
        AutoencoderConfig(codebook_size=1)


def test_the_codebook_is_of_the_decoder_and_not_of_the_encoder():
    torch.manual_seed(0)
    model = Autoencoder(AutoencoderConfig(channels=(8, 8), num_res_blocks=1, codebook_size=16))
    assert "bottleneck.codebook.weight" in dict(model.decoding_parameters())
    encoder, whole = model.encoder_fingerprint(), model.fingerprint()
    with torch.no_grad():
        model.bottleneck.codebook.weight.add_(1.0)
    assert model.encoder_fingerprint() == encoder and model.fingerprint() != whole
