"""Adapters of both programs' making, text encoders and all, do in a whole model what they do in the peer's own pipeline."""

import copy
import json
import warnings

import lora_files
import pipelines
import pytest
import torch

import ildm
from ildm.checkpoint.lora import read_lora
from ildm.core.randomness import sample_noise

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
PROMPT, NEGATIVE, SEED = "a red fox, very bright!", "blue", 3
NUM_STEPS, GUIDANCE = 4, 3.0
LATENT = (4, pipelines.SIDE // 4, pipelines.SIDE // 4)
TEXTS = {"SD 1": {"text_encoder": "lora_te_"}, "XL": {"text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"}}
TARGETS = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]


@pytest.fixture(scope="module", params=TEXTS)
def saved(request, tmp_path_factory):
    """(family, a pipeline, its folder)."""
    folder = tmp_path_factory.mktemp("pipeline")
    pipeline = pipelines.make_pipeline(request.param, folder)
    return request.param, pipeline, pipelines.save(pipeline, folder / "saved")


def kohya_file(pipeline, family, path):
    """All linear layers of the encoders, and the U-Net's attentions, by names with underscores."""
    # diffusers heeds alphas of such files only where they do not differ
    file = lora_files.kohya(lora_files.pairs_for(pipeline.unet, alpha=2.0, only="attentions"))
    for seed, (part, prefix) in enumerate(TEXTS[family].items()):
        pairs = lora_files.pairs_for(getattr(pipeline, part), seed=seed, alpha=2.0, only="layers")
        wrapped = {name if name.startswith("text_") else f"text_model.{name}": pair for name, pair in pairs.items()}
        file |= lora_files.kohya(wrapped, prefix)
    return lora_files.write(path / "kohya.safetensors", file)


def peft_file(pipeline, family, path):
    """As PEFT makes the pairs and diffusers' pipeline writes them down, ranks and alphas beside them."""
    import peft

    torch.manual_seed(0)
    layers, noted = {}, {}
    for place, part in enumerate(("unet", *TEXTS[family])):
        network = copy.deepcopy(getattr(pipeline, part))
        targets = ["to_q", "to_k", "to_v", "to_out.0"] if part == "unet" else TARGETS
        settings = peft.LoraConfig(r=3 + place, lora_alpha=5, alpha_pattern={targets[0]: 7}, target_modules=targets)
        network.add_adapter(settings)
        for name, weight in network.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(weight, std=0.12)
        layers[f"{part}_lora_layers"] = peft.get_peft_model_state_dict(network)
        noted[f"{part}_lora_adapter_metadata"] = json.loads(json.dumps(network.peft_config["default"].to_dict(), default=list))
    pipeline.save_lora_weights(path, **layers, **noted)
    return path / "pytorch_lora_weights.safetensors"


@pytest.fixture(scope="module", params=[kohya_file, peft_file], ids=["kohya", "PEFT"])
def adapted(request, saved, tmp_path_factory):
    """(pipeline with the adapter at strength 0.8, our model without, the adapter)."""
    family, maker, folder = saved
    path = request.param(maker, family, tmp_path_factory.mktemp("lora"))
    pipeline, model = pipelines.load(folder), ildm.load(folder, dtype="float32")
    before = {name: tensor.clone() for name, tensor in pipeline.text_encoder.state_dict().items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # with its economical way transformers loses a text encoder's own weights
        pipeline.load_lora_weights(str(path), adapter_name="style", low_cpu_mem_usage=False)
    after = {name.replace(".base_layer.", "."): tensor for name, tensor in pipeline.text_encoder.state_dict().items()}
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    pipeline.set_adapters(["style"], [0.8])
    return pipeline, model, read_lora(path, model)


def their_text(pipeline):
    """(tokens, pooled or None)."""
    if hasattr(pipeline, "text_encoder_2"):
        tokens, _, pooled, _ = pipeline.encode_prompt(PROMPT, device="cpu", do_classifier_free_guidance=False)
        return tokens, pooled
    return pipeline.encode_prompt(PROMPT, "cpu", 1, False)[0], None


def their_latent(pipeline):
    settings = {"num_inference_steps": NUM_STEPS, "guidance_scale": GUIDANCE, "negative_prompt": NEGATIVE}
    return pipeline(PROMPT, latents=sample_noise([SEED], 0, LATENT), output_type="latent", **settings).images


def our_latent(model, monkeypatch):
    decoded = []
    monkeypatch.setattr(model, "decode", lambda latents: decoded.append(latents) or torch.zeros(1, 3, 8, 8))
    model.generate(PROMPT, negative_prompt=NEGATIVE, num_steps=NUM_STEPS, guidance_scale=GUIDANCE, seed=SEED)
    return decoded[0]


def relative(actual, expected):
    return float((actual - expected).norm() / expected.norm())


def test_text_and_latent_are_the_peers(adapted, monkeypatch):
    pipeline, model, adapter = adapted
    with torch.no_grad():
        tokens, pooled = their_text(pipeline)
    latent = their_latent(pipeline)
    plain = model.condition([PROMPT]), our_latent(model, monkeypatch)
    for apply in (model.adapters.set, model.adapters.merge):
        apply({adapter: 0.8})
        text = model.condition([PROMPT])
        assert relative(text.context, tokens) <= 1e-5
        assert pooled is None or relative(text.pooled[:, : pooled.shape[1]], pooled) <= 1e-5
        assert relative(our_latent(model, monkeypatch), latent) <= 1e-5
        model.adapters.clear()
    assert relative(plain[0].context, tokens) > 0.05
    assert relative(plain[1], latent) > 0.01
    assert torch.equal(model.condition([PROMPT]).context, plain[0].context)
    assert torch.equal(our_latent(model, monkeypatch), plain[1])
