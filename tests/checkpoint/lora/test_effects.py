"""An adapter does in networks and text encoders what diffusers makes of it."""

import warnings

import pytest
import torch
from torch import nn

from ildm.checkpoint.lora import read_lora
from ildm.core.types import Conditioning

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from diffusers import StableDiffusionXLPipeline

import clip_peers
from lora_files import changed, filled, kohya, model_of, pairs_for, papers_names, same, scaled, write
from unet_peers import make_unet

PROMPTS = ["a photo of a red cat", "the dog!"]
TIMES = torch.tensor([10.0, 700.0])


def test_text_encoders_are_changed_and_restored(clip_pair_folders, toy, tmp_path):
    pipeline, conditioner = clip_peers.double(clip_pair_folders, clip_peers.PAIRS[0])
    model = model_of(toy.unet, conditioner.double())
    encoders = pipeline.text_encoder, pipeline.text_encoder_2
    pairs = [pairs_for(encoder, seed=place, only="layers" if place == 0 else "") for place, encoder in enumerate(encoders)]
    wrapped = [
        {name if name.startswith("text_") else f"text_model.{name}": pair for name, pair in each.items()} for each in pairs
    ]
    file = kohya(wrapped[0], "lora_te1_") | kohya(wrapped[1], "lora_te2_")
    adapter = read_lora(write(tmp_path / "kohya.safetensors", file), model)
    assert len(adapter.changes) == len(pairs[0]) + len(pairs[1])
    names = ("text_encoder.{}.lora_linear_layer.down.weight", "text_encoder.{}.lora_linear_layer.up.weight")
    # transformers has taken `text_model.` away from models without projection
    other = scaled(pairs[0], *names) | scaled(wrapped[1], *(name.replace("encoder", "encoder_2") for name in names))
    assert same(read_lora(write(tmp_path / "diffusers.safetensors", other), model), adapter, 1e-6)
    with torch.no_grad():
        before = model.conditioner(PROMPTS)
        modules = [(name, id(module)) for name, module in model.conditioner.named_modules()]
        weights = {name: tensor.clone() for name, tensor in model.conditioner.state_dict().items()}
        for encoder, each in zip(encoders, pairs, strict=True):
            encoder.load_state_dict(changed(encoder, each, 0.6).float().state_dict())
        wanted = pipeline.encode_prompt(PROMPTS, device="cpu", do_classifier_free_guidance=False)
        adapters = model.adapters
        adapters.set({adapter: 0.6})
        live = model.conditioner(PROMPTS)
        adapters.clear()
        adapters.merge({adapter: 0.6})
        merged = model.conditioner(PROMPTS)
        adapters.clear()
        after = model.conditioner(PROMPTS)
    assert clip_peers.relative_error(before.context, live.context) > 0.1
    assert clip_peers.relative_error(live.context, wanted[0]) <= 1e-5
    assert clip_peers.relative_error(live.pooled[:, : wanted[2].shape[1]], wanted[2]) <= 1e-5
    assert clip_peers.relative_error(live.context, merged.context) <= 1e-10
    assert torch.equal(after.context, before.context) and torch.equal(after.pooled, before.pooled)
    assert modules == [(name, id(module)) for name, module in model.conditioner.named_modules()]
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.conditioner.state_dict().items())


def test_a_model_draws_with_it_and_then_without(sd, tmp_path):
    """The prepared network is made anew when layers change, and only then."""
    peer, model = sd
    adapter = read_lora(write(tmp_path / "file.safetensors", kohya(pairs_for(peer))), model)
    adapters = model.adapters
    noised, conditioning = torch.randn(2, 4, 8, 8), Conditioning(context=torch.randn(2, 5, 16))
    outputs, networks = [], []
    for act in (dict, lambda: adapters.set({adapter: 1.0}), lambda: adapters.set({adapter: 0.5}), adapters.clear):
        act()
        outputs.append(model._predict(noised, TIMES, conditioning))
        networks.append(model._network)
    assert torch.equal(outputs[0], outputs[3])
    assert not torch.allclose(outputs[0], outputs[1]) and not torch.allclose(outputs[1], outputs[2])
    assert networks[0] is not networks[1] and networks[1] is networks[2] and networks[2] is not networks[3]


def their_output(peer, noised, context, pooled=None):
    # the peer makes its pooled vector of text features and six embedded numbers
    more = {} if pooled is None else {"added_cond_kwargs": {"text_embeds": pooled, "time_ids": torch.ones(2, 6)}}
    with torch.no_grad():
        return peer(noised, TIMES, encoder_hidden_states=context, **more).sample


def test_what_pefts_files_hold_is_what_it_computes(tmp_path):
    peft = pytest.importorskip("peft")
    peer = make_unet("SD 1, one block a level")
    model = model_of(filled(peer))
    settings = peft.LoraConfig(
        r=3,
        lora_alpha=5,
        rank_pattern={"to_k": 2},
        alpha_pattern={"to_k": 7, "proj_out": 1},
        target_modules=list(pairs_for(peer)),
    )
    peer.add_adapter(settings)
    torch.manual_seed(0)
    for name, weight in peer.named_parameters():
        if "lora_" in name:
            nn.init.normal_(weight, std=0.2)
    peer.save_lora_adapter(str(tmp_path))
    adapters = model.adapters
    adapters.set({read_lora(tmp_path / "pytorch_lora_weights.safetensors", model): 1.0})
    noised, context = torch.randn(2, 4, 8, 8), torch.randn(2, 5, 16)
    wanted = their_output(peer, noised, context)
    found = model._predict(noised, TIMES, Conditioning(context=context))
    assert (found - wanted).norm() <= 1e-5 * wanted.norm()


def test_kohyas_files_do_in_diffusers_what_they_do_here(tmp_path):
    """Two at once. Only the U-Net: transformers loses a text encoder's own weights when it is given an adapter without a file."""
    pytest.importorskip("peft")
    peer = make_unet("XL, one block a level")
    model = model_of(filled(peer))
    # diffusers heeds alphas of files with kohya's names only where they do not differ
    files = [
        write(
            tmp_path / f"{name}.safetensors",
            kohya(papers_names(pairs_for(peer, seed=seed, alpha=2.0, only="blocks"), model.unet.config)),
        )
        for seed, name in enumerate("ab")
    ]
    strengths = (0.8, -0.3)
    model.adapters.set(dict(zip((read_lora(file, model) for file in files), strengths, strict=True)))
    for file in files:
        tensors, alphas = StableDiffusionXLPipeline.lora_state_dict(str(file), unet_config=peer.config)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peer.load_lora_adapter(tensors, network_alphas=alphas, adapter_name=file.stem, prefix="unet")
    peer.set_adapters(["a", "b"], list(strengths))
    noised, context, pooled = torch.randn(2, 4, 8, 8), torch.randn(2, 5, 8), torch.randn(2, 4)
    wanted = their_output(peer, noised, context, pooled)
    told = torch.cat([pooled, peer.add_time_proj(torch.ones(12)).reshape(2, -1)], dim=1)
    found = model._predict(noised, TIMES, Conditioning(context=context, pooled=told))
    assert (found - wanted).norm() <= 1e-5 * wanted.norm()


def test_a_text_encoder_that_peft_saved_is_read(clip_pair_folders, toy, tmp_path):
    peft = pytest.importorskip("peft")
    pipeline, conditioner = clip_peers.single(
        clip_peers.GRAPHS[1], clip_pair_folders[0], padding="<|endoftext|>", activation="quick_gelu"
    )
    settings = peft.LoraConfig(r=3, lora_alpha=5, target_modules=["q_proj", "out_proj", "fc2"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrapped = peft.get_peft_model(pipeline.text_encoder, settings)
    for name, weight in wrapped.named_parameters():
        if "lora_" in name:
            nn.init.normal_(weight, std=0.2)
    wrapped.save_pretrained(str(tmp_path))
    model = model_of(toy.unet, conditioner)
    adapters = model.adapters
    with torch.no_grad():
        wanted, _ = pipeline.encode_prompt(PROMPTS, "cpu", 1, False)
        adapters.set({read_lora(tmp_path / "adapter_model.safetensors", model): 1.0})
        assert clip_peers.relative_error(model.conditioner(PROMPTS).context, wanted) <= 1e-5
