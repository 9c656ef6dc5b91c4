"""LoRA files of every program's making, with random changes, and the models that they are for."""

import copy
import warnings

import safetensors.torch
import torch
from torch import nn

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.config import AutoencoderConfig
from ildm.autoencoder.latent_space import LatentSpace
from ildm.checkpoint.diffusers_unet import unet_from_diffusers
from ildm.checkpoint.layout import read_layout
from ildm.checkpoint.unet_layout import diffusers_unet, ldm_unet
from ildm.core.manifest import LatentSpaceFields, Manifest
from ildm.denoiser.unet import UNet
from ildm.diffusion.path import VariancePreserving
from ildm.model import Model

with warnings.catch_warnings():
    warnings.simplefilter("ignore")


def model_of(unet, conditioner=None):
    space = {"channels": 4, "stride": 1, "scale": (1.0,) * 4, "shift": (0.0,) * 4}
    with torch.device("meta"):
        autoencoder = Autoencoder(AutoencoderConfig(channels=(32,), num_res_blocks=1), LatentSpace(**space))
    manifest = Manifest(
        name="toy",
        image_size=(8, 8),
        prediction="epsilon",
        path={},
        latent_space=LatentSpaceFields(**space),
        autoencoder={},
        denoiser={},
    )
    return Model(manifest, autoencoder, unet, conditioner, VariancePreserving())


def filled(peer):
    """Our U-Net with the peer's weights."""
    config = unet_from_diffusers(peer.config, source="the peer")
    with torch.device("meta"):
        network = UNet(config)
    network.load_state_dict(read_layout(diffusers_unet(config), peer.state_dict(), source="the peer"), assign=True)
    return network.requires_grad_(False).eval()


def pairs_for(network, *, seed=0, alpha=None, only=""):
    """A random pair and alpha for every linear layer and convolution of a peer, by its name there; ranks and alphas differ."""
    noise = torch.Generator().manual_seed(seed)
    found = {}
    for place, (name, layer) in enumerate(network.named_modules()):
        if isinstance(layer, nn.Linear | nn.Conv2d) and only in name:
            rank = 2 + place % 3
            down = torch.randn(rank, *layer.weight.shape[1:], generator=noise) * layer.weight[0].numel() ** -0.5
            up = torch.randn(len(layer.weight), rank, *(1 for _ in layer.weight.shape[2:]), generator=noise) * 0.5
            found[name] = (down, up, 1.0 + place % 5 if alpha is None else alpha)
    return found


def kohya(pairs, prefix="lora_unet_"):
    file = {}
    for name, (down, up, alpha) in pairs.items():
        layer = prefix + name.replace(".", "_")
        file |= {f"{layer}.lora_down.weight": down, f"{layer}.lora_up.weight": up, f"{layer}.alpha": torch.tensor(alpha)}
    return file


def scaled(pairs, down_name, up_name):
    """For programs that do not write alpha."""
    file = {}
    for name, (down, up, alpha) in pairs.items():
        file |= {down_name.format(name): down, up_name.format(name): up * (alpha / len(down))}
    return file


def papers_names(pairs, config):
    """The same pairs under the names of the paper's layout."""
    names = {
        theirs.theirs[0].removesuffix(".weight"): papers.theirs[0].removesuffix(".weight")
        for theirs, papers in zip(diffusers_unet(config), ldm_unet(config), strict=True)
    }
    return {names[name]: pair for name, pair in pairs.items()}


def write(path, tensors, **metadata):
    path.parent.mkdir(exist_ok=True, parents=True)
    safetensors.torch.save_file(
        {name: tensor.contiguous().clone() for name, tensor in tensors.items()}, path, metadata={"format": "pt"} | metadata
    )
    return path


def changed(network, pairs, strength):
    """A copy of a peer in fp64 with the changes in its weights, one by one."""
    network = copy.deepcopy(network).double()
    with torch.no_grad():
        for name, (down, up, alpha) in pairs.items():
            weight = network.get_submodule(name).weight
            for row in range(len(down)):
                pair = torch.outer(up[:, row].flatten().double(), down[row].flatten().double())
                weight += strength * alpha / len(down) * pair.view_as(weight)
    return network


def same(one, other, tolerance=0.0):
    return one.changes.keys() == other.changes.keys() and all(
        torch.allclose(getattr(pair, half), getattr(other.changes[name], half), rtol=tolerance, atol=0)
        for name, pair in one.changes.items()
        for half in ("down", "up")
    )
