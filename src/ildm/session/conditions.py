"""Encoded prompts, made once each, and beside the loop when there is somebody to make them."""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import Executor, Future
from threading import Lock

from ildm.conditioning.composition import Words
from ildm.core.errors import ConfigError
from ildm.core.types import Conditioning
from ildm.model import Model

Key = tuple[Words, tuple[int, int]]
"""Words and the (width, height) they are drawn at: some encoders are told."""


BUDGET = 256 * 2**20


class Conditions:
    """A model's conditionings of prompts, the most recent ones kept.

    Args:
        executor: encodes ahead of need; None = everything is encoded when it is needed.
        kept: how many stay whatever their size.
        budget: bytes that they may take beyond that.
    """

    def __init__(self, model: Model, executor: Executor | None = None, *, kept: int = 64, budget: int = BUDGET) -> None:
        self._model = model
        self._executor = executor
        self._kept, self._budget = kept, budget
        self._sizes: dict[Key, int] = {}
        self._made: OrderedDict[Key, Future[Conditioning]] = OrderedDict()
        self._lock = Lock()

    def prepare(self, words: Words, size: tuple[int, int]) -> Future[Conditioning]:
        """Begin to encode words, or find it begun. An error is the future's."""
        key = (words, size)
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
            future: Future[Conditioning] = Future()
            self._made[key] = future
            while len(self._made) > self._kept and sum(self._sizes.values()) > self._budget:
                self._sizes.pop(self._made.popitem(last=False)[0], None)
        if self._executor is None:
            self._encode(key, future)
            return future
        try:
            self._executor.submit(self._encode, key, future)
        except RuntimeError:  # it is being shut down, and nobody will come to it
            self._fail(key, future, ConfigError("The engine has been closed."))
        return future

    def get(self, words: Words, size: tuple[int, int]) -> Conditioning:
        """The conditioning of words, waited for.

        Raises:
            ConfigError: when the model cannot take it.
        """
        return self.prepare(words, size).result()

    def _encode(self, key: Key, future: Future[Conditioning]) -> None:
        words, size = key
        try:
            conditioning = self._model.condition([words.text], size, words.adapters)
            with self._lock:
                self._sizes[key] = _size(conditioning)
            future.set_result(conditioning)
        except BaseException as error:
            self._fail(key, future, error)

    def _fail(self, key: Key, future: Future[Conditioning], error: BaseException) -> None:
        with self._lock:
            self._made.pop(key, None)  # what went wrong once may go right later
        future.set_exception(error)


def _size(conditioning: Conditioning) -> int:
    """Bytes of its tensors."""
    sizes: list[int] = []
    conditioning.map(lambda tensor: sizes.append(tensor.nbytes) or tensor)
    return sum(sizes)
