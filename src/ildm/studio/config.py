"""What a server is told when it starts, and what it keeps from one start to the next."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from ildm.checkpoint.named import DEFAULT_MODEL
from ildm.core.errors import ConfigError, DataError
from ildm.core.files import atomic_file, home
from ildm.studio.access import OWNER
from ildm.studio.limits import Limits

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 7877
MIN_TOKEN = 20
"""Characters of a token that somebody chose."""


@dataclass(frozen=True, kw_only=True)
class StudioConfig:
    """All of it.

    Args:
        host, port: where to listen.
        model: loaded at the start.
        device, dtype: as for `ildm.load`.
        allowed_hosts: further names it is reached by, with their ports, such as "studio.example.org:443".
        allowed_origins: of pages that a proxy serves for it, such as "https://studio.example.org".
        tokens: of programs, by user; none = the one in the person's own folder.
        folder: where it keeps what it needs; None = `ILDM_HOME/studio`.
        store: file of the sessions; None = the person's own.
        log_prompts: whether the log may name what people ask for.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    model: str = DEFAULT_MODEL
    device: str | None = None
    dtype: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    tokens: Mapping[str, str] = field(default_factory=dict[str, str])
    folder: Path | None = None
    store: Path | None = None
    limits: Limits = field(default_factory=Limits)
    log_prompts: bool = False

    def __post_init__(self) -> None:
        where = self.host or "every address"
        if not is_loopback(self.host) and not self.tokens:
            raise ConfigError(
                f'On {where} others can reach the studio, so it needs a token: write {{"": "a long secret"}} into a file '
                "and give it as --tokens FILE, or stay on 127.0.0.1."
            )
        if is_everywhere(self.host) and not self.allowed_hosts:
            raise ConfigError(
                f"On {where} the studio has no name of its own: give the one it is reached by, such as "
                "--allow-host studio.example.org:7877."
            )
        for user, token in self.tokens.items():
            if len(token) < MIN_TOKEN:
                raise ConfigError(
                    f"A token has {MIN_TOKEN} characters at least, but that of {repr(user) if user else 'the owner'} has {len(token)}."
                )

    @property
    def place(self) -> Path:
        """The folder it keeps things in."""
        return self.folder or home() / "studio"

    def hosts(self, port: int) -> tuple[str, ...]:
        """The names it is reached by."""
        own = ("127.0.0.1", "localhost", "[::1]") if is_loopback(self.host) else (_in_address(self.host),)
        if is_everywhere(self.host):
            own = ()  # pages of others reach this machine by "0.0.0.0", too, so it is no name to be known by
        return (*(f"{name}:{port}" for name in own), *self.allowed_hosts)

    def url(self, port: int) -> str:
        """Where it is reached, by the name it was given where that is one of its names."""
        if is_everywhere(self.host) and self.allowed_origins:
            return self.allowed_origins[0]
        given, names = f"{_in_address(self.host)}:{port}", self.hosts(port)
        return f"http://{given if given in names else names[0]}"

    def origins(self, port: int) -> tuple[str, ...]:
        """Of its own pages."""
        return (*(f"http://{host}" for host in self.hosts(port)), *self.allowed_origins)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def is_everywhere(host: str) -> bool:
    """Whether it stands for every address that this machine has."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return host.strip("0.") == ""  # such as "" and "0", which the system reads as 0.0.0.0


def read_tokens(path: Path) -> dict[str, str]:
    """Tokens by user, from a JSON file; "" is the person whose server it is.

    Raises:
        DataError: when it cannot be read, or is something else.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"The tokens in {path} cannot be read ({error}).") from error
    tokens = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    if not tokens or not all(isinstance(token, str) for token in tokens.values()):
        raise DataError(f'{path} holds no tokens: expected {{"name": "token", ...}}.')
    if len(set(tokens.values())) < len(tokens):
        raise DataError(f"Two users in {path} have the same token: give each one of their own.")
    return tokens


def own_token(place: Path) -> str:
    """The token of the person's own programs, made at the first start and kept where only they can read it."""
    return _kept(place / "token")


def own_secret(place: Path) -> bytes:
    """What cookies are signed with, kept likewise."""
    return _kept(place / "secret").encode()


def tokens_of(config: StudioConfig) -> dict[str, str]:
    """All tokens that are good for a server."""
    return dict(config.tokens) or {OWNER: own_token(config.place)}


def _kept(path: Path) -> str:
    with contextlib.suppress(FileNotFoundError):
        found = path.read_text("utf-8").strip()
        if len(found) >= MIN_TOKEN:
            return found
    value = secrets.token_urlsafe(32)
    with atomic_file(path) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(value + "\n")
    return value


def _in_address(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
