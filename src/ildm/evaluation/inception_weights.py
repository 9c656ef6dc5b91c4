"""The one published file of weights that makes a FID a FID: where it is looked for, and how it is read.

It does not come with ildm, nor with a package: whoever has it puts it into torch's cache or says where it is.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ildm.core.errors import CheckpointError, ConfigError
from ildm.core.files import sha256
from ildm.evaluation.inception import Convolution, Inception

# one file under the names that two programs save it as
NAMES = ("pt_inception-2015-12-05-6726825d.pth", "weights-inception-2015-12-05-6726825d.pth")
WEIGHTS_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
_NORM_EPS = 1e-3

# the published names of the convolutions, in the order in which ours stand in the network
_STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")
_AT_35 = ("1x1", "5x5_1", "5x5_2", "3x3dbl_1", "3x3dbl_2", "3x3dbl_3", "_pool")
_TO_17 = ("3x3", "3x3dbl_1", "3x3dbl_2", "3x3dbl_3")
_AT_17 = ("1x1", *(f"7x7_{n}" for n in (1, 2, 3)), *(f"7x7dbl_{n}" for n in (1, 2, 3, 4, 5)), "_pool")
_TO_8 = ("3x3_1", "3x3_2", *(f"7x7x3_{n}" for n in (1, 2, 3, 4)))
_AT_8 = ("1x1", "3x3_1", "3x3_2a", "3x3_2b", "3x3dbl_1", "3x3dbl_2", "3x3dbl_3a", "3x3dbl_3b", "_pool")
_BLOCKS = (
    dict.fromkeys(("5b", "5c", "5d"), _AT_35)
    | {"6a": _TO_17}
    | dict.fromkeys(("6b", "6c", "6d", "6e"), _AT_17)
    | {"7a": _TO_8}
    | dict.fromkeys(("7b", "7c"), _AT_8)
)
PUBLISHED = (*_STEM, *(f"Mixed_{block}.branch{branch}" for block, branches in _BLOCKS.items() for branch in branches))


def find_inception(named: Path | None = None) -> Path | None:
    """The file that a person named, else the one in torch's cache; None where neither is there.

    Raises:
        ConfigError: when the file that was named does not exist.
    """
    if named is not None:
        if not named.is_file():
            raise ConfigError(
                f"There is no file {named}, which should hold the weights of Inception-v3: give the path of {NAMES[0]}."
            )
        return named
    return next((path for path in (_cache() / name for name in NAMES) if path.is_file()), None)


def missing_inception() -> str:
    """Why there is no FID, and how to have one, in a sentence."""
    return (
        f"FID and the Inception score need the published weights of Inception-v3, which are not here: put {NAMES[0]} into {_cache()}, "
        "or give its path as --inception."
    )


def load_inception(path: Path, device: str | torch.device = "cpu") -> Inception:
    """The pretrained network, frozen, in evaluation mode.

    Raises:
        CheckpointError: when the file is not the published one, so that its figures would be no FID, or cannot be read.
    """
    try:
        found = sha256(path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}): give the path of {NAMES[0]}.") from error
    if found != WEIGHTS_SHA256:
        raise CheckpointError(
            f"{path} is damaged or another network's, for its SHA-256 begins with {found[:8]} and that of the published weights of "
            f"Inception-v3 with {WEIGHTS_SHA256[:8]}: fetch {NAMES[0]} anew, or take the file away to do without a FID."
        )
    network = Inception()
    network.load_state_dict(_folded(torch.load(path, map_location="cpu", weights_only=True), network))
    # channels-last nearly halves the time on a CPU
    return network.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _cache() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def _folded(published: dict[str, Tensor], network: Inception) -> dict[str, Tensor]:
    """The published tensors under our names, each batch norm folded into the convolution before it."""
    ours = [name for name, module in network.named_modules() if isinstance(module, Convolution)]
    # the classifier's bias stays behind: no figure here uses it
    folded = {"classifier.weight": published["fc.weight"]}
    for name, theirs in zip(ours, PUBLISHED, strict=True):
        scale = published[f"{theirs}.bn.weight"] / (published[f"{theirs}.bn.running_var"] + _NORM_EPS).sqrt()
        folded[f"{name}.weight"] = published[f"{theirs}.conv.weight"] * scale[:, None, None, None]
        folded[f"{name}.bias"] = published[f"{theirs}.bn.bias"] - published[f"{theirs}.bn.running_mean"] * scale
    return folded
