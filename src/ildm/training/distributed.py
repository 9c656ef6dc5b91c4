"""Several processes that train one model together, each on a part of every batch, as torchrun starts them.

Process groups and devices are Accelerate's. Gradients are averaged after the backward pass instead of during it by torch's wrapper around
a module: a stage calls the parts of its networks one by one, and takes gradients at other places than the weights.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[reportPrivateImportUsage]  # they are documented

from ildm.core.device import pick_device
from ildm.core.errors import ConfigError, IldmError
from ildm.core.share import Share
from ildm.training.world import ALONE, Made, Told, World

PATIENCE = timedelta(minutes=30)
"""How long one process waits for the others in the middle of its work."""

_BUCKET = 2**24  # numbers sent at once
_POLL = 0.05  # seconds between two looks whether the first process is done


class Distributed(World):
    """One of several processes.

    Args:
        share: this process's part of every batch; as many parts as processes.
        store: where processes leave each other notes.
    """

    def __init__(self, share: Share, store: Store) -> None:
        self.share = share
        self._store = store
        self._calls = count()

    def mean(self, values: Tensor) -> Tensor:
        """See `World`."""
        return self._reduced(values, "mean")

    def total(self, values: Tensor) -> Tensor:
        """See `World`."""
        return self._reduced(values, "sum")

    def gather(self, values: Tensor) -> Tensor:
        """See `World`."""
        from accelerate.utils import gather

        with self._among_others():
            gathered: Any = gather(values.detach())
        return gathered

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """See `World`."""
        gradients = [one.grad for one in parameters if one.grad is not None]
        for bucket in _buckets(gradients):
            averaged = self.mean(torch.cat([gradient.flatten() for gradient in bucket]))
            parts = averaged.split([gradient.numel() for gradient in bucket])
            for gradient, part in zip(bucket, parts, strict=True):
                gradient.copy_(part.view_as(gradient))

    def average(self, figures: Mapping[str, float]) -> dict[str, float]:
        """See `World`."""
        averaged = self.mean(torch.tensor(list(figures.values()), dtype=torch.float64))
        return dict(zip(figures, averaged.tolist(), strict=True))

    def agree(self, reason: str | None) -> str | None:
        """See `World`."""
        from accelerate.utils import gather_object

        # on the CPU, so that no process waits for its GPU
        if not self.total(torch.tensor(0 if reason is None else 1)):
            return None
        with self._among_others():
            return next(one for one in gather_object([reason]) if one is not None)

    def once(self, work: Callable[[], Told]) -> Told:
        """See `World`."""
        key = f"once/{next(self._calls)}"
        if self.is_first:
            try:
                value = work()
            except BaseException as error:
                self._store.set(key, json.dumps({"error": str(error)}))
                raise
            self._store.set(key, json.dumps({"value": value}))
            return value
        with self._among_others():
            # not in a collective operation, which would end this process after a while
            while not self._store.check([key]):
                time.sleep(_POLL)
            told = json.loads(self._store.get(key))
        if "error" in told:
            raise IldmError(told["error"])
        return told["value"]

    def after_first(self, work: Callable[[], Made]) -> Made:
        """See `World`."""
        made: list[Made] = []
        self.once(lambda: made.append(work()))
        return made[0] if self.is_first else work()

    def speaks_first(self) -> bool:
        """Whether nobody has told yet what went wrong; asked once, by each process that ends early."""
        try:
            return self._store.add("told", 1) == 1
        except RuntimeError:  # the process that kept the notes is gone
            return True

    def _reduced(self, values: Tensor, reduction: str) -> Tensor:
        from accelerate.utils import reduce

        with self._among_others():
            reduced: Any = reduce(values.detach(), reduction)
        return reduced

    @contextmanager
    def _among_others(self) -> Generator[None]:
        """Within, a process that is gone is told in a sentence."""
        try:
            yield
        except RuntimeError as error:
            said = str(error).splitlines()[0].rpartition("] ")[2].rstrip(".")
            raise IldmError(
                f"Process {self.share.number} (from 0) of the {self.share.count} that train together has lost another one ({said}): "
                "the same command goes on from the last saved state."
            ) from error


@contextmanager
def joined(device: str | None = None, *, patience: timedelta = PATIENCE) -> Generator[tuple[World, torch.device]]:
    """All processes that torchrun started, and the device of this one; a process that was started plainly is alone.

    Of an error on one process or on all, within, one sentence is told; the other processes end with the same exit code.

    Args:
        device: see `ildm.core.device.pick_device`; with several GPUs each process takes the one of its number.
        patience: how long a process waits for the others in the middle of its work.

    Raises:
        ConfigError: when there is no such device, or there are fewer GPUs than processes, or Accelerate is not installed.
    """
    chosen, number = pick_device(device), os.environ.get("WORLD_SIZE", "1")
    if number == "1":
        yield ALONE, chosen
        return
    state = _begin(chosen, patience)
    store = PrefixStore(f"ildm/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", _notes(patience))
    world = Distributed(Share(state.process_index, state.num_processes), store)
    try:
        yield world, chosen if chosen.type == "cpu" else state.device
        world.agree(None)  # nobody leaves while another one still has something to ask
    except (IldmError, OSError):
        speaks = world.speaks_first()
        if chosen.type == "cpu":  # NCCL would wait for the others
            state.destroy_process_group()
        if not speaks:
            sys.exit(2)
        raise
    state.destroy_process_group()


def _begin(device: torch.device, patience: timedelta) -> Any:
    """Accelerate's state of this process, with its process group."""
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise ConfigError("Several processes train together with the package accelerate: pip install 'ildm[train]'.") from error
    # its functions keep the group that is there when they are first imported, by whatever in torch: one that is kept cannot be
    # destroyed, and its threads abort the process when they let go of a tensor while Python is on its way out
    import torch.distributed.nn.functional  # pyright: ignore[reportUnusedImport]

    # where nothing says how many threads to use, torch's own choice stays
    os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))
    if device.type == "cpu":
        return PartialState(cpu=True, timeout=patience)
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if device.type != "cuda":
        raise ConfigError(f"Several processes train on CUDA GPUs or on CPUs, but the device is {device}: add --device cpu.")
    if here > torch.cuda.device_count():
        raise ConfigError(
            f"Each process needs a GPU of its own, but {here} processes were started for {torch.cuda.device_count()}: "
            "take a smaller --nproc-per-node, or add --device cpu."
        )
    # what is on a GPU goes from GPU to GPU, what the program itself asks goes from host to host
    return PartialState(backend="cuda:nccl,cpu:gloo", timeout=patience)


def _notes(patience: timedelta) -> Store:
    """What torchrun keeps for its processes, or the first process where there is no torchrun."""
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    return TCPStore(host, port, is_master=False, timeout=patience, wait_for_workers=False)


def _buckets(gradients: list[Tensor]) -> Generator[list[Tensor]]:
    """The gradients in order, in lists of about `_BUCKET` numbers."""
    bucket: list[Tensor] = []
    numbers = 0
    for gradient in gradients:
        bucket.append(gradient)
        numbers += gradient.numel()
        if numbers >= _BUCKET:
            yield bucket
            bucket, numbers = [], 0
    if bucket:
        yield bucket
