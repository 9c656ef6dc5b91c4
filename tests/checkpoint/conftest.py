"""Tiny random networks made by independent implementations."""

import os
import warnings

import pytest
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
AUTOENCODERS = {
    "f = 4": {"channels": (32, 64, 64), "layers": 1, "latent": 3},
    "f = 8": {"channels": (32, 32, 64, 64), "layers": 2, "latent": 4},
    "f = 2, no attention": {"channels": (32, 64), "layers": 2, "latent": 8, "attention": False},
}


def pytest_generate_tests(metafunc):
    """Tests that take `unet` or `vae` run for every case."""
    for name, cases in (("unet", UNETS), ("convertible_unet", CONVERTIBLE), ("vae", AUTOENCODERS)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, list(cases), indirect=True, scope="module")


@pytest.fixture(scope="module")
def unet(request):
    """A random network of another's making; zeros are filled in, so that every weight counts."""
    torch.manual_seed(0)
    return _awake(UNETS[request.param]()).eval()


@pytest.fixture(scope="module")
def convertible_unet(request):
    """The same of those that have single files."""
    torch.manual_seed(0)
    return _awake(UNETS[request.param]()).eval()


@pytest.fixture(scope="module")
def vae(request):
    """A random `AutoencoderKL`."""
    settings = AUTOENCODERS[request.param]
    levels = len(settings["channels"])
    torch.manual_seed(0)
    return diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=settings["channels"],
        layers_per_block=settings["layers"],
        latent_channels=settings["latent"],
        mid_block_add_attention=settings.get("attention", True),
    ).eval()


def _awake(network):
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return network
