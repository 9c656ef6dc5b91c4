"""Whole tiny Stable Diffusion models of diffusers' making."""

import json
import warnings

import torch

from ildm.conditioning.clip_tokenizer import ClipTokenizer
from ildm.conditioning.clip_vocabulary import own_vocabulary

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import diffusers
    import transformers

BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
SIDE = 32  # pixels
TEXT = {"num_attention_heads": 2, "num_hidden_layers": 3, "vocab_size": 49408, "bos_token_id": 49406, "eos_token_id": 49407}
FAMILIES = ("SD 1", "SD 1 inpainting", "SD 2, velocity", "XL")


def tokenizer(folder, padding):
    folder.mkdir(parents=True)
    ClipTokenizer(own_vocabulary(), padding=padding).write_folder(folder)
    return transformers.CLIPTokenizer.from_pretrained(folder)


def text_encoder(width, activation, *, projected=False, layers=3):
    config = transformers.CLIPTextConfig(
        **{**TEXT, "num_hidden_layers": layers, "num_attention_heads": max(1, width // 64)},
        hidden_size=width,
        intermediate_size=2 * width,
        hidden_act=activation,
        projection_dim=width,
        pad_token_id=1,
    )
    kind = transformers.CLIPTextModelWithProjection if projected else transformers.CLIPTextModel
    return kind(config).eval()


def vae(scale):
    return diffusers.AutoencoderKL(
        block_out_channels=(32, 32, 64),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=4,
        sample_size=SIDE,
        scaling_factor=scale,
    ).eval()


def unet(width, *, xl=False, linear=False, concat=0, pooled=None, told=None):
    network = diffusers.UNet2DConditionModel(
        sample_size=SIDE // 4,
        in_channels=4 + concat,
        block_out_channels=(64, 128),
        layers_per_block=1,
        down_block_types=("DownBlock2D" if xl else "CrossAttnDownBlock2D", "CrossAttnDownBlock2D" if xl else "DownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D" if xl else "UpBlock2D", "UpBlock2D" if xl else "CrossAttnUpBlock2D"),
        cross_attention_dim=width,
        # heads as the published networks have them: 8, or as many as are 64 wide
        attention_head_dim=(1, 2) if linear else 8,
        use_linear_projection=linear,
        transformer_layers_per_block=(1, 2) if xl else 1,
        time_cond_proj_dim=told,
        **({} if pooled is None else XL_EXTRAS | {"projection_class_embeddings_input_dim": pooled}),
    ).eval()
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return network


XL_EXTRAS = {"addition_embed_type": "text_time", "addition_time_embed_dim": 256}


def make_pipeline(family, folder):
    """A random pipeline of a family, or of "LCM" or "LCM XL"; its vocabularies are CLIP's own."""
    torch.manual_seed(0)
    told = 32 if family.startswith("LCM") else None
    second = family.startswith("SD 2")
    scheduler = diffusers.DDIMScheduler(
        **BETAS,
        prediction_type="v_prediction" if second else "epsilon",
        steps_offset=1,
        set_alpha_to_one=False,
        clip_sample=False,
        timestep_spacing="leading",
    )
    if told:
        scheduler = diffusers.LCMScheduler()
    if family.endswith("XL"):
        parts = {
            "unet": unet(64 + 128, xl=True, linear=True, pooled=128 + 6 * 256, told=told),
            "vae": vae(0.13025),
            "text_encoder": text_encoder(64, "quick_gelu"),
            "text_encoder_2": text_encoder(128, "gelu", projected=True),
            "tokenizer": tokenizer(folder / "vocabulary", "<|endoftext|>"),
            "tokenizer_2": tokenizer(folder / "vocabulary_2", "!"),
        }
        return diffusers.StableDiffusionXLPipeline(**parts, scheduler=scheduler, add_watermarker=False)
    parts = {
        "unet": unet(64, linear=second, concat=5 if "inpainting" in family else 0, told=told),
        "vae": vae(0.18215),
        "text_encoder": text_encoder(64, "gelu" if second else "quick_gelu"),
        "tokenizer": tokenizer(folder / "vocabulary", "!" if second else "<|endoftext|>"),
    }
    kind = diffusers.LatentConsistencyModelPipeline if told else diffusers.StableDiffusionPipeline
    kind = diffusers.StableDiffusionInpaintPipeline if "inpainting" in family else kind
    return kind(**parts, scheduler=scheduler, safety_checker=None, feature_extractor=None, requires_safety_checker=False)


def save(pipeline, folder, *, old=False):
    """As it is shared.

    Args:
        old: as Stable Diffusion 1 was, whose scheduler does not say how timesteps are spaced: each has its own way.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline.save_pretrained(folder)
    if old:
        path = folder / "scheduler" / "scheduler_config.json"
        fields = json.loads(path.read_text())
        del fields["timestep_spacing"]
        path.write_text(json.dumps(fields))
    return folder


def load(folder):
    """A fresh pipeline out of its folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline = diffusers.DiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
