"""A model of our own with every part at toy size; its weights are random but fixed."""

from dataclasses import replace

import torch
from torch import nn

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.latent_space import LatentSpace
from ildm.conditioning.text import TextConditioner
from ildm.conditioning.tokenizer import Tokenizer
from ildm.core.config import to_json
from ildm.core.manifest import Defaults, LatentSpaceFields, Manifest
from ildm.denoiser.unet import UNet
from ildm.diffusion.path import LinearInterpolation
from ildm.model import Model
from ildm.recipes.emoji_tiny import recipe


def build_model(path=None):
    tiny = recipe()
    torch.manual_seed(0)
    space = LatentSpace(channels=4, stride=8, scale=(1.5,) * 4, shift=(0.1,) * 4)
    tokenizer = Tokenizer.train(["a red rose", "a blue key"], vocabulary_size=300, max_tokens=16)
    graph = replace(tiny.denoiser, context_width=32, pooled_width=32)
    unet = UNet(graph)
    for parameter in unet.parameters():
        # output layers start at zero, and a network that says nothing tests nothing
        if not parameter.any():
            nn.init.normal_(parameter, std=0.05)
    path = path or LinearInterpolation()
    manifest = Manifest(
        name="toy",
        image_size=(64, 64),
        prediction="velocity",
        path=to_json(path),
        latent_space=LatentSpaceFields(channels=4, stride=8, scale=space.scale, shift=space.shift),
        autoencoder={},
        denoiser={},
        defaults=Defaults(num_steps=4, guidance_scale=2.0),
        concepts=("rose", "key"),
    )
    conditioner = TextConditioner(replace(tiny.text, max_tokens=16), tokenizer)
    model = Model(manifest, Autoencoder(tiny.autoencoder, space), unet, conditioner, path)
    for part in (model.autoencoder, model.unet, model.conditioner):
        part.requires_grad_(False).eval()
    return model
