"""What was asked for and what happened, in words. What people wrote is quoted, so that no letter of it can steer a terminal."""

from ildm.session.words import asked, happened, regions  # noqa: F401 they say how each kind of message is told
from ildm.session.words.base import in_words, quoted

__all__ = ["in_words", "quoted"]
