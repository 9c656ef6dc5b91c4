"""U-Nets of diffusers, tiny and random, of every family that is read."""

import os
import warnings

import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import diffusers

DOWN = {"C": "CrossAttnDownBlock2D", "D": "DownBlock2D", "A": "AttnDownBlock2D", "R": "ResnetDownsampleBlock2D"}
UP = {"C": "CrossAttnUpBlock2D", "D": "UpBlock2D", "A": "AttnUpBlock2D", "R": "ResnetUpsampleBlock2D"}


def conditional(kinds, *, layers=2, groups=8, **options):
    """A `UNet2DConditionModel`; `kinds` has C (cross-attention) or D (none) per level."""
    return diffusers.UNet2DConditionModel(
        block_out_channels=(32, 64, 96)[: len(kinds)],
        layers_per_block=layers,
        down_block_types=tuple(DOWN[kind] for kind in kinds),
        up_block_types=tuple(UP[kind] for kind in reversed(kinds)),
        norm_num_groups=groups,
        **options,
    )


def unconditional(kinds, *, layers=2, **options):
    """A `UNet2DModel`; `kinds` has A (attention), D (none) or R (none, residual resampling) per level."""
    return diffusers.UNet2DModel(
        in_channels=4,
        out_channels=4,
        block_out_channels=(32, 64, 96)[: len(kinds)],
        layers_per_block=layers,
        down_block_types=tuple(DOWN[kind] for kind in kinds),
        up_block_types=tuple(UP[kind] for kind in reversed(kinds)),
        norm_num_groups=8,
        norm_eps=1e-5,
        freq_shift=0,
        **options,
    )


LINEAR = {"use_linear_projection": True}
XL = {"addition_embed_type": "text_time", "addition_time_embed_dim": 6, "projection_class_embeddings_input_dim": 40}
UNETS = {
    "SD 1": lambda: conditional("CCD", cross_attention_dim=24, attention_head_dim=4),
    "SD 1, one block a level": lambda: conditional("CD", layers=1, cross_attention_dim=16, attention_head_dim=2),
    "SD 1, three blocks a level": lambda: conditional("CCD", layers=3, cross_attention_dim=40, attention_head_dim=8),
    "SD 2": lambda: conditional("CCD", cross_attention_dim=24, attention_head_dim=(4, 8, 12), **LINEAR),
    "SD 2, one block a level": lambda: conditional("CD", layers=1, cross_attention_dim=8, attention_head_dim=(2, 4), **LINEAR),
    "SD 2, attention throughout": lambda: conditional("CC", cross_attention_dim=24, attention_head_dim=(4, 4), **LINEAR),
    "XL": lambda: conditional(
        "DCC", cross_attention_dim=24, attention_head_dim=(4, 8, 12), transformer_layers_per_block=(1, 2, 3), **LINEAR, **XL
    ),
    "XL, two levels": lambda: conditional(
        "DC", cross_attention_dim=16, attention_head_dim=(4, 8), transformer_layers_per_block=(1, 4), **LINEAR, **XL
    ),
    "XL, one block a level": lambda: conditional(
        "DCC",
        layers=1,
        cross_attention_dim=8,
        attention_head_dim=(2, 4, 6),
        transformer_layers_per_block=(1, 1, 2),
        **LINEAR,
        **XL,
    ),
    "inpainting": lambda: conditional("CD", in_channels=9, cross_attention_dim=24, attention_head_dim=4),
    "LCM": lambda: conditional("CD", cross_attention_dim=24, attention_head_dim=8, time_cond_proj_dim=10),
    "class": lambda: conditional("CD", cross_attention_dim=24, attention_head_dim=4, num_class_embeds=7),
    "scale and shift": lambda: conditional(
        "CD", cross_attention_dim=24, attention_head_dim=4, resnet_time_scale_shift="scale_shift"
    ),
    "LDM": lambda: unconditional("DA", attention_head_dim=8),
    "LDM, three levels": lambda: unconditional("DAD", layers=1, attention_head_dim=16),
    "LDM, residual resampling": lambda: unconditional("RA", attention_head_dim=8, upsample_type="resnet"),
}
# diffusers converts single files of no other kind
CONVERTIBLE = [name for name in UNETS if not name.startswith("LDM") and name not in ("class", "LCM")]


def make_unet(kind):
    """Zeros are filled in, so that every weight counts."""
    torch.manual_seed(0)
    network = UNETS[kind]()
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return network.eval()
