"""`ildm.load`: a shipped name, a run, a folder or a file to a `Model`."""

from __future__ import annotations

from pathlib import Path

from ildm.checkpoint.format import CheckpointFormat
from ildm.checkpoint.loose_parts import read_autoencoder_file, read_unet_file
from ildm.checkpoint.named import find_named, known_names
from ildm.checkpoint.native import MANIFEST
from ildm.checkpoint.tensors import refuse_pickle
from ildm.core import extensions
from ildm.core.arguments import check_arguments
from ildm.core.errors import CheckpointError, nearest
from ildm.core.manifest import Manifest
from ildm.diffusion.prediction import Prediction
from ildm.model import Model

PICKLES = (".ckpt", ".pt", ".pth", ".bin")


def load(
    source: str | Path,
    *,
    device: str | None = None,
    dtype: str | None = None,
    prediction: Prediction | None = None,
    unet: str | Path | None = None,
    vae: str | Path | None = None,
    compiled: bool = False,
) -> Model:
    """Load a model.

    Args:
        source: a shipped name ("emoji-scenes"), the name of a run, a native or diffusers folder, a Stable Diffusion
            `.safetensors` file, or what an installed checkpoint format reads.
        device: "cpu", "cuda", ...; None = a GPU when there is one.
        dtype: "float32", "bfloat16" or "float16"; None = the measured default of the device.
        prediction: what the network predicts: "epsilon", "velocity" or "data", where the files do not say; None = what they say.
        unet: a file that holds only a U-Net, to be used in place of the model's.
        compiled: compile the U-Net, at the first step of each size, which takes a minute or more and a C++ compiler.
        vae: a file or folder that holds an autoencoder, to be used in place of the model's.

    Raises:
        CheckpointError: when there is no such model, or it is damaged or of a kind that is not known.
        ConfigError: for an unknown device or dtype, or where what the network predicts cannot be known and was not said, or was said
            otherwise than the files do.
    """
    check_arguments(source=source, unet=unet, vae=vae)
    path = locate(source)
    model = find_format(path).load(path, prediction=prediction)
    if unet is not None:
        model.unet = read_unet_file(Path(unet).expanduser(), model.unet.config)
    if vae is not None:
        model.autoencoder = read_autoencoder_file(Path(vae).expanduser(), model.autoencoder.latent_space)
    if unet is not None or vae is not None:
        # the checksums are of files that are not all in use now: `Model.hash` is to name these weights
        model.manifest = model.manifest.model_copy(update={"files": {}, "first_stage": None})
    return model.to(device, dtype, compiled=compiled)


def describe(source: str | Path, *, prediction: Prediction | None = None) -> Manifest:
    """What a model says about itself; its weights are not read.

    Raises:
        CheckpointError, ConfigError: as `load`.
    """
    path = locate(source)
    return find_format(path).describe(path, prediction=prediction)


def locate(source: str | Path) -> Path:
    """The path behind a name or a path.

    Raises:
        CheckpointError: when there is nothing; the nearest known name is named.
    """
    named = find_named(str(source))
    if named is not None:
        return named
    path = Path(source).expanduser()
    if path.exists():
        return path
    raise CheckpointError(
        f"There is no model {str(source)!r}: {nearest(str(source), known_names())} A model folder or file also serves."
    )


def find_format(path: Path) -> CheckpointFormat:
    """The format that a path is in.

    Raises:
        CheckpointError: when no installed format recognises it.
    """
    formats: dict[str, CheckpointFormat] = extensions.load_all("ildm.checkpoints")
    for checkpoint_format in formats.values():
        if checkpoint_format.recognises(path):
            return checkpoint_format
    if path.is_file():
        refuse_pickle(path)
        if path.suffix.lower() in PICKLES:
            raise CheckpointError(f"{path} is no .safetensors file: convert it with a tool you trust.")
    raise CheckpointError(
        f"{path} is not a model that this program knows: expected a folder with {MANIFEST} or model_index.json, or a "
        "Stable Diffusion .safetensors file."
    )
