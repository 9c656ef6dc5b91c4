"""Which numbers are seeds."""

from __future__ import annotations

import secrets

from ildm.core.errors import ConfigError

MAX_SEED = 2**53 - 1  # survives JSON and JavaScript unchanged


def draw_seed() -> int:
    """A seed nobody chose, short enough to read aloud."""
    return secrets.randbelow(2**32)


def check_seed(seed: int) -> int:
    """Return `seed` when it can be used.

    Raises:
        ConfigError: when it is negative or above 2**53 - 1.
    """
    if not 0 <= seed <= MAX_SEED:
        raise ConfigError(f"A seed is a whole number from 0 to {MAX_SEED}, but {seed} was given.")
    return seed
