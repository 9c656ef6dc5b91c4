"""Who may come in. A request must be addressed to this server by one of its names, come from one of its own pages or from a program, and
belong to a user.

People open a link with a one-time token, and get a cookie; programs send a bearer token. On the loopback address too: other programs
and other people's pages reach that as well.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ildm.studio.refusals import Refused

OWNER = ""
"""The person whose server it is: sessions of the command line are theirs, too."""
COOKIE_DAYS = 30
LAUNCH_SECONDS = 24 * 3600.0
MOST_LAUNCHES = 256
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_CHANGING_TYPES = ("application/json", "image/png", "image/jpeg", "image/webp")
_NO_ACCESS = (
    "This server does not know you: open the address it printed when it started, or a new one from `ildm studio --link`; "
    "programs send their token as 'Authorization: Bearer ...'."
)


@dataclass(frozen=True)
class Visitor:
    """Who a request belongs to; `by_cookie` when a browser says so."""

    user: str
    by_cookie: bool


class Access:
    """The rules of one server.

    Args:
        hosts: names and ports it is reached by, such as "127.0.0.1:8188"; compared exactly, but for a port that its scheme has anyway.
        origins: of its own pages, such as "http://127.0.0.1:8188".
        tokens: of programs, by user.
        secret: signs cookies; kept from one start to the next, so that pages stay signed in.
        port: part of the cookie's name, since browsers share cookies between ports.
    """

    def __init__(
        self, *, hosts: Iterable[str], origins: Iterable[str], tokens: Mapping[str, str], secret: bytes, port: int
    ) -> None:
        self.hosts = frozenset(spelt for host in hosts for spelt in _spellings(host.lower()))
        self._origins = frozenset(parsed for parsed in map(_parse_origin, origins) if parsed is not None)
        self._tokens = {user: _digest(token) for user, token in tokens.items()}
        self._secret = secret
        self._launches: dict[bytes, tuple[str, float]] = {}
        self.port = port
        self.cookie = f"ildm-{port}"

    # --- what a request says -----------------------------------------------------------------------------------------------

    def check_host(self, hosts: Iterable[str]) -> None:
        """Refuse what is addressed to somebody else: a page whose name was made to point here (DNS rebinding).

        Raises:
            Refused: then.
        """
        named = list(hosts)
        if len(named) != 1 or named[0].lower() not in self.hosts:
            raise Refused("forbidden", "This server is not known by that name: use the address it printed when it started.")

    def check_origin(self, origins: Iterable[str], *, by_cookie: bool) -> None:
        """Refuse what another page asks for. A browser says which page it is; a program has none.

        Raises:
            Refused: for another page, for "null", and for a browser that says nothing.
        """
        said = list(origins)
        if not said and not by_cookie:
            return
        if len(said) != 1 or _parse_origin(said[0]) not in self._origins:
            raise Refused("forbidden", "Only this server's own pages may ask for that.")

    def visitor(self, authorization: str | None, cookies: Mapping[str, str]) -> Visitor:
        """Who it is.

        Raises:
            Refused: when nobody knows.
        """
        if authorization is not None:
            kind, _, token = authorization.partition(" ")
            if kind.lower() == "bearer":
                user = self._user_of(token.strip())
                if user is not None:
                    return Visitor(user, by_cookie=False)
            raise Refused("no-access", _NO_ACCESS)
        user = self._read_cookie(cookies.get(self.cookie, ""))
        if user is None:
            raise Refused("no-access", _NO_ACCESS)
        return Visitor(user, by_cookie=True)

    def lets_in(self, cookies: Mapping[str, str]) -> bool:
        """Whether a browser is known."""
        return self._read_cookie(cookies.get(self.cookie, "")) is not None

    # --- how people get in -------------------------------------------------------------------------------------------------

    def new_launch(self, user: str = OWNER) -> str:
        """A token that is good for one visit, within a day."""
        now = time.time()
        self._launches = {key: kept for key, kept in self._launches.items() if kept[1] > now}
        while len(self._launches) >= MOST_LAUNCHES:
            del self._launches[next(iter(self._launches))]
        token = secrets.token_urlsafe(32)
        self._launches[_digest(token)] = (user, now + LAUNCH_SECONDS)
        return token

    def redeem(self, token: str) -> str:
        """A cookie's value for such a token, which is used up.

        Raises:
            Refused: when it is none, or was used before.
        """
        user, until = self._launches.pop(_digest(token), (OWNER, 0.0))
        if until < time.time():
            raise Refused("no-access", "This link has been used already, or is too old. " + _NO_ACCESS)
        return self._write_cookie(user)

    def _user_of(self, token: str) -> str | None:
        digest, found = _digest(token), None
        for user, known in self._tokens.items():
            # all of them, so that the time says nothing
            if hmac.compare_digest(digest, known):
                found = user
        return found

    def _write_cookie(self, user: str) -> str:
        said = f"{user.encode().hex()}.{int(time.time()) + COOKIE_DAYS * 86400}.{secrets.token_hex(8)}"
        return f"{said}.{self._sign(said, user)}"

    def _read_cookie(self, value: str) -> str | None:
        said, _, signature = value.rpartition(".")
        try:
            name, until, _ = said.split(".")
            user = bytes.fromhex(name).decode()
        except ValueError:
            return None
        if not hmac.compare_digest(signature.encode(), self._sign(said, user).encode()):
            return None
        return user if int(until) > time.time() else None

    def _sign(self, said: str, user: str) -> str:
        # with the user's token, so that whose token is changed or taken away is out with every browser, too
        return hmac.new(self._secret + self._tokens.get(user, b""), said.encode(), hashlib.sha256).hexdigest()


def check_content_type(value: str | None) -> None:
    """Refuse a change that a plain form could send, and what is of no use here.

    Raises:
        Refused: then.
    """
    kind = (value or "").partition(";")[0].strip().lower()
    if kind not in _CHANGING_TYPES:
        has = repr(kind[:60]) if kind else "none"
        raise Refused(
            "wrong-type",
            f"What changes something has a Content-Type of {', '.join(_CHANGING_TYPES)}, but this request has {has}: give it one.",
        )


def _spellings(host: str) -> tuple[str, ...]:
    """As browsers say it: without the port of HTTP or HTTPS."""
    name, _, port = host.rpartition(":")
    return (host, name) if name and port in ("80", "443") else (host,)


def _parse_origin(text: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None for what is no origin, or is more than one."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    is_whole = text.lower() == f"{parts.scheme}://{parts.netloc}".lower()
    if not is_whole or parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname.lower(), port or (443 if parts.scheme == "https" else 80)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
