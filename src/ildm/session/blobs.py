"""Bytes by their hash: the masks, pictures and latents that settings refer to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Set

import safetensors.torch
import torch

from ildm.core.errors import ProtocolError
from ildm.core.types import Latent
from ildm.session.wire import Mask, from_msgpack, to_msgpack

ROOM = 4 * 2**20
"""Bytes that nobody minds; beyond, what is not needed any more is looked for whenever there are twice as many as after the last time."""


class Blobs:
    """What a session holds on to beside its settings. `bytes` is how much that is."""

    def __init__(self) -> None:
        self.bytes = 0
        self._bytes: dict[str, bytes] = {}
        self._most = ROOM

    @property
    def have_grown(self) -> bool:
        """Whether it is time to `keep_only` what is needed."""
        return self.bytes > self._most

    def put(self, data: bytes) -> str:
        """Keep bytes; the same bytes once only. Returns their hash."""
        name = hashlib.sha256(data).hexdigest()
        if name not in self._bytes:
            self._bytes[name] = data
            self.bytes += len(data)
        return name

    def get(self, name: str) -> bytes:
        """The bytes of that hash.

        Raises:
            ProtocolError: when they are not here.
        """
        if name not in self._bytes:
            raise ProtocolError(f"The session refers to data {name[:12]}..., which did not come with it.")
        return self._bytes[name]

    def drop(self, names: Iterable[str]) -> None:
        """Forget bytes."""
        for name in names:
            self.bytes -= len(self._bytes.pop(name, b""))

    def keep_only(self, names: Set[str]) -> None:
        """Forget the bytes of all other hashes."""
        self.drop(self._bytes.keys() - names)
        self._most = max(ROOM, 2 * self.bytes)

    def put_mask(self, mask: Mask) -> str:
        """Keep a mask."""
        return self.put(to_msgpack(mask))

    def mask(self, name: str) -> Mask:
        """The mask of that hash."""
        return from_msgpack(Mask, self.get(name))

    def put_latent(self, latent: Latent) -> str:
        """Keep a latent, float32."""
        return self.put(safetensors.torch.save({"latent": latent.detach().float().cpu().contiguous().clone()}))

    def latent(self, name: str, device: torch.device | str = "cpu") -> Latent:
        """The latent of that hash, (batch, channels, height, width)."""
        try:
            return safetensors.torch.load(self.get(name))["latent"].to(device)
        except (KeyError, safetensors.SafetensorError) as error:
            raise ProtocolError(f"The data {name[:12]}... are no latent ({error}).") from error

    def missing(self, names: Iterable[str]) -> list[str]:
        """Which of these hashes are not here."""
        return sorted(set(names) - self._bytes.keys())

    def names(self) -> list[str]:
        """The hashes of all that is here, the oldest first."""
        return list(self._bytes)
