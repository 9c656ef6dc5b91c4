"""Fingerprints of results: what a log says of a picture, and a replay compares."""

from __future__ import annotations

import hashlib

from PIL import Image as PILImage

from ildm.core.types import Latent


def latent_hash(latent: Latent) -> str:
    """The SHA-256 of a latent's float32 bytes."""
    return hashlib.sha256(latent.detach().float().cpu().contiguous().numpy().tobytes()).hexdigest()


def picture_hash(picture: PILImage.Image) -> str:
    """The SHA-256 of a picture's size and RGB rows."""
    return hashlib.sha256(f"{picture.width}x{picture.height}:".encode() + picture.convert("RGB").tobytes()).hexdigest()
