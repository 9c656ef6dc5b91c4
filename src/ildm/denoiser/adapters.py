"""The adapters at work in a model: set live, where strengths cost nothing to change, or merged into the weights; cleared without a trace.

Text encoders are changed like the U-Net: they are handed in as modules, and nothing here knows more of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock

import torch
from torch import Tensor, nn

from ildm.core.errors import ConfigError, nearest
from ildm.core.types import Worn
from ildm.denoiser.blocks import Upsample
from ildm.denoiser.low_rank import Adapted, Layer, LowRank, Strength, change_to


@dataclass(frozen=True, eq=False, kw_only=True)
class Adapter:
    """Low-rank changes to many layers of a model that act together.

    Args:
        name: for people.
        changes: by the dotted name of the layer in the model, "unet.conv_in" for example; alpha / rank is in them.
    """

    name: str
    changes: Mapping[str, LowRank] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Spot:
    """Where a layer stands.

    Args:
        parent, name: whose child it is, and under which name.
        module: the child: the layer itself, or the upsampling that reads the layer's weight in its own way.
        layer: whose weight is changed.
    """

    parent: nn.Module
    name: str
    module: nn.Module
    layer: Layer


class Adapters:
    """The one place that puts adapters into a model and takes them out.

    Live and merged adapters add up. Both ways change only what the adapters name: live, a layer moves into an `Adapted`; merged, its
    weight gets other values, and the tensor with its own values is kept until they are cleared. What was computed before with a text
    encoder or a prepared network is not computed anew: encode prompts again after a change.

    Args:
        parts: the model's networks by the first word of the names in `Adapter.changes`.
        changed: called after layers or weights have changed, which copies made for inference do not see. Not called when only
            strengths have.
    """

    def __init__(self, parts: Mapping[str, nn.Module], *, changed: Callable[[], object] = lambda: None) -> None:
        self._parts = dict(parts)
        self._changed = changed
        self._locks = {part: RLock() for part in ("unet", "conditioner")}
        self._live: dict[Adapter, dict[str, Strength]] = {}
        self._set: dict[Adapter, float] = {}
        self._named: dict[str, Adapter] = {}
        self._spots: dict[str, Spot] = {}
        self._originals: dict[str, Tensor] = {}

    @property
    def strengths(self) -> dict[Adapter, float]:
        """The live adapters at work and their strengths; those at rest are left out."""
        return {adapter: value for adapter, value in self._set.items() if value != 0}

    @property
    def names(self) -> list[str]:
        """Of the adapters that single calls can wear."""
        return list(self._named)

    def add(self, adapter: Adapter) -> None:
        """Have an adapter at hand, at rest, for single calls to wear it by its name.

        Raises:
            ConfigError: when it does not fit the model, or there is another one of its name.
        """
        if self._named.get(adapter.name, adapter) is not adapter:
            raise ConfigError(f"There is another adapter {adapter.name!r} at hand: give one of them another name.")
        self.set({**self._set, adapter: self._set.get(adapter, 0.0)})
        self._named[adapter.name] = adapter

    def check(self, worn: Worn) -> None:
        """Check that adapters can be worn.

        Raises:
            ConfigError: naming one that is not at hand.
        """
        for name, _ in worn:
            if name not in self._named:
                raise ConfigError(f"There is no adapter {name!r} at hand: {nearest(name, self._named)}")

    @contextmanager
    def resting(self) -> Iterator[None]:
        """No call wears anything meanwhile, on whichever thread; those that would, wait."""
        with self._locks["unet"], self._locks["conditioner"]:
            yield

    @contextmanager
    def wearing(self, worn: Worn, part: str) -> Iterator[None]:
        """Let adapters act in one of the networks for a while, beside those that are set.

        Args:
            part: "unet" or "conditioner". Each is worn by one thread at a time; others wait.

        Raises:
            ConfigError: for an adapter that is not at hand.
        """
        if not worn:
            yield
            return
        self.check(worn)
        with self._locks[part], self._strengthened(worn, part):
            yield

    @contextmanager
    def _strengthened(self, worn: Worn, part: str) -> Iterator[None]:
        changed = [(self._live[self._named[name]], value) for name, value in worn]
        former = [(strengths[part], strengths[part].value) for strengths, _ in changed if part in strengths]
        try:
            for strengths, value in changed:
                if part in strengths:
                    strengths[part].value += value
            yield
        finally:
            for strength, value in reversed(former):
                strength.value = value

    def set(self, strengths: Mapping[Adapter, float]) -> None:
        """Let exactly these adapters act live, at these strengths (negative ones act the other way round).

        The first time an adapter is named its layers are changed. From then on it stays at hand: at rest when it is not named, at no
        cost, and at work again when it is, for the price of a few assignments.

        Raises:
            ConfigError: when an adapter does not fit the model or a strength is no number; nothing is changed then.
        """
        self._check(strengths)
        new = [adapter for adapter in strengths if adapter not in self._live]
        for adapter in new:
            self._attach(adapter)
        self._set = {adapter: float(strengths.get(adapter, 0.0)) for adapter in self._live}
        for adapter, parts in self._live.items():
            for strength in parts.values():
                strength.value = self._set[adapter]
        if new:
            self._changed()

    def merge(self, strengths: Mapping[Adapter, float]) -> None:
        """Let the weights be those of the model plus exactly these adapters at these strengths. It costs no time per step.

        Raises:
            ConfigError: when an adapter does not fit the model or a strength is no number; nothing is changed then.
        """
        self._check(strengths)
        names = dict.fromkeys(name for adapter in strengths for name in adapter.changes)
        merged = {name: self._merged(name, strengths) for name in names}
        self._restore()
        for name, tensor in merged.items():
            weight = self._spot(name).layer.weight
            self._originals[name] = weight.data
            weight.data = tensor
        self._changed()

    def clear(self) -> None:
        """Take every adapter out. Modules, parameters and their values are again those of before, bit by bit."""
        if not self._live and not self._originals:
            return
        for name in dict.fromkeys(name for adapter in self._live for name in adapter.changes):
            spot = self._spot(name)
            setattr(spot.parent, spot.name, spot.module)
        self._live.clear()
        self._set.clear()
        self._named.clear()
        self._restore()
        self._spots.clear()
        self._changed()

    def _attach(self, adapter: Adapter) -> None:
        strengths = {name.partition(".")[0]: Strength() for name in adapter.changes}
        for name, pair in adapter.changes.items():
            spot = self._spot(name)
            adapted = getattr(spot.parent, spot.name)
            if not isinstance(adapted, Adapted):
                adapted = Adapted(spot.module)
                setattr(spot.parent, spot.name, adapted)
            adapted.changes.append(change_to(spot.module, pair.to(spot.layer.weight), strengths[name.partition(".")[0]]))
        self._live[adapter] = strengths

    @torch.inference_mode(False)
    @torch.no_grad()
    def _merged(self, name: str, strengths: Mapping[Adapter, float]) -> Tensor:
        original = self._original(name)
        total = original.to(torch.promote_types(original.dtype, torch.float32), copy=True)
        for adapter, strength in strengths.items():
            if name in adapter.changes:
                total.add_(adapter.changes[name].to(total).product(), alpha=float(strength))
        return total.to(original.dtype)

    def _original(self, name: str) -> Tensor:
        """A weight's own values, on its device and in its format: the model may have moved since it was merged."""
        weight = self._spot(name).layer.weight.data
        return self._originals.get(name, weight).to(weight)

    def _restore(self) -> None:
        for name in self._originals:
            self._spot(name).layer.weight.data = self._original(name)
        self._originals.clear()

    def _spot(self, name: str) -> Spot:
        """Where a layer stands; where it stood while it is inside an `Adapted`."""
        if name not in self._spots:
            self._spots[name] = self._find(name)
        return self._spots[name]

    def _find(self, name: str) -> Spot:
        part, *path = name.split(".")
        modules = [self._parts[part]]
        for step in path:
            modules.append(modules[-1].get_submodule(step))
        layer = modules[-1]
        if not isinstance(layer, Layer):
            raise AttributeError(name)
        if isinstance(modules[-2], Upsample):
            return Spot(modules[-3], path[-2], modules[-2], layer)
        return Spot(modules[-2], path[-1], layer, layer)

    def _check(self, strengths: Mapping[Adapter, float]) -> None:
        for adapter, strength in strengths.items():
            if not math.isfinite(strength):
                raise ConfigError(f"The strength of the adapter {adapter.name!r} must be a number, but {strength} was given.")
            if adapter not in self._live:
                _refuse_misfits(adapter.name, [name for name, pair in adapter.changes.items() if not self._fits(name, pair)])

    def _fits(self, name: str, pair: LowRank) -> bool:
        try:
            return pair.shape == tuple(self._spot(name).layer.weight.shape)
        except (AttributeError, KeyError):
            return False


def _refuse_misfits(adapter: str, misfits: Iterable[str]) -> None:
    names = sorted(misfits)
    if names:
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        raise ConfigError(
            f"The adapter {adapter!r} does not fit this model, which has no place for its changes to {shown}: "
            "it was read for another model; read its file for this one."
        )
