"""Text encoders of Stable Diffusion with random weights: diffusers' pipeline, and our conditioner with the same weights."""

import warnings

import torch

from ildm.conditioning.clip import ClipConditioner, ClipConfig
from ildm.conditioning.clip_encoder import ClipEncoderConfig
from ildm.conditioning.clip_pair import ClipPairConditioner, ClipPairConfig
from ildm.conditioning.clip_tokenizer import ClipTokenizer

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from diffusers import (
        StableDiffusionPipeline,
        StableDiffusionXLImg2ImgPipeline,
        StableDiffusionXLPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

GRAPHS = [(16, 2, 2, 32), (24, 3, 3, 40), (32, 5, 4, 128)]  # width, depth, heads, feed-forward width
SIZE_WIDTH = 16
# first: width, depth, heads, feed-forward width; second: the same; width of the projection
PAIRS = [((16, 3, 2, 32), (24, 4, 3, 48), 20), ((24, 2, 3, 40), (16, 3, 2, 64), 16), ((32, 4, 4, 64), (40, 2, 5, 80), 12)]


def their_encoder(graph, *, activation, vocabulary_size, projection=None, seed=0):
    """transformers' text model with weights large enough that every part of it matters."""
    width, depth, heads, inside = graph
    config = CLIPTextConfig(
        vocab_size=vocabulary_size,
        hidden_size=width,
        intermediate_size=inside,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        hidden_act=activation,
        projection_dim=projection or width,
        bos_token_id=vocabulary_size - 2,
        eos_token_id=vocabulary_size - 1,
    )
    model = (CLIPTextModelWithProjection if projection else CLIPTextModel)(config).eval()
    noise = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.normal_(std=0.3, generator=noise)
            if "norm" in name and name.endswith("weight"):
                weight.add_(1)
    return model


def our_config(graph, *, activation, vocabulary_size, projection=None, more_layers=0):
    width, depth, heads, inside = graph
    return ClipEncoderConfig(
        width=width,
        depth=depth + more_layers,
        num_heads=heads,
        feed_forward_width=inside,
        activation=activation,
        projection_width=projection,
        vocabulary_size=vocabulary_size,
    )


def copy_weights(theirs, ours):
    """Fill our encoder; what it has more of stays as it is, of what theirs has nothing may be left over."""
    named = {
        name if "text_" in name.split(".")[0] else f"text_model.{name}": value for name, value in theirs.state_dict().items()
    }
    missing, left_over = ours.load_state_dict(named, strict=False)
    assert not left_over
    return missing


def relative_error(ours, reference):
    return float((ours - reference).norm() / reference.norm())


def single(graph, folder, *, padding, activation, more_layers=0, seed=0, **settings):
    """diffusers' pipeline and our conditioner, with the same weights."""
    theirs_tokenizer = CLIPTokenizer.from_pretrained(str(folder))
    size = len(theirs_tokenizer)
    encoder = their_encoder(graph, activation=activation, vocabulary_size=size, seed=seed)
    pipeline = StableDiffusionPipeline(
        vae=None,
        text_encoder=encoder,
        tokenizer=theirs_tokenizer,
        unet=None,
        scheduler=None,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    config = ClipConfig(
        encoder=our_config(graph, activation=activation, vocabulary_size=size, more_layers=more_layers),
        padding=padding,
        **settings,
    )
    conditioner = ClipConditioner(config, ClipTokenizer.from_folder(folder, padding=padding)).eval()
    missing = copy_weights(encoder, conditioner.encoder)
    assert bool(missing) == bool(more_layers)
    return pipeline, conditioner


def _their_unet(context, pooled):
    return UNet2DConditionModel(
        block_out_channels=(8,),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D",),
        norm_num_groups=4,
        attention_head_dim=2,
        cross_attention_dim=context,
        addition_embed_type="text_time",
        addition_time_embed_dim=SIZE_WIDTH,
        projection_class_embeddings_input_dim=pooled,
    ).eval()


def double(folders, graph, *, refiner=False, seed=0, zero_empty=True):
    """diffusers' pipeline and our conditioner, with the same weights."""
    tokenizers = [CLIPTokenizer.from_pretrained(str(folder)) for folder in folders]
    size = len(tokenizers[0])
    first, second, projection = graph
    graphs = [None if refiner else (first, "quick_gelu", None), (second, "gelu", projection)]
    theirs, ours = [], []
    for place, described in enumerate(graphs):
        if described is None:
            theirs.append(None)
            ours.append(None)
            continue
        shape, activation, width = described
        settings = {"activation": activation, "vocabulary_size": size, "projection": width}
        theirs.append(their_encoder(shape, seed=seed + place, **settings))
        ours.append(our_config(shape, **settings))
    config = ClipPairConfig(
        first=ours[0],
        second=ours[1],
        size_width=SIZE_WIDTH,
        zero_empty=zero_empty,
        aesthetic_score=6.0 if refiner else None,
    )
    kind = StableDiffusionXLImg2ImgPipeline if refiner else StableDiffusionXLPipeline
    pipeline = kind(
        vae=None,
        text_encoder=theirs[0],
        text_encoder_2=theirs[1],
        tokenizer=None if refiner else tokenizers[0],
        tokenizer_2=tokenizers[1],
        unet=_their_unet(config.context_width, config.pooled_width),
        scheduler=None,
        add_watermarker=False,
        force_zeros_for_empty_prompt=zero_empty,
        **({"requires_aesthetics_score": True} if refiner else {}),
    )
    paddings = (config.first_padding, config.second_padding)
    read = [ClipTokenizer.from_folder(folder, padding=padding) for folder, padding in zip(folders, paddings, strict=True)]
    conditioner = ClipPairConditioner(config, None if refiner else read[0], read[1]).eval()
    if not refiner:
        assert not copy_weights(theirs[0], conditioner.first)
    assert not copy_weights(theirs[1], conditioner.second)
    return pipeline, conditioner
