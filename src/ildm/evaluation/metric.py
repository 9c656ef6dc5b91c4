"""What a metric is: something that looks at a set of images and yields figures.

Built-in metrics and those of other packages register alike, as an entry point of the group `ildm.metrics` that names a
class which is called without arguments:

    [project.entry-points."ildm.metrics"]
    my-metric = "my_package.my_module:MyMetric"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Protocol, runtime_checkable

from ildm.evaluation.asking import Ask
from ildm.evaluation.images import Images, Pixels
from ildm.evaluation.inception_features import InceptionFeatures
from ildm.evaluation.intervals import Interval
from ildm.evaluation.recogniser import Recogniser

Kind = Literal["scenes", "one object", "two objects"]
Generate = Callable[[Sequence[Ask]], Pixels]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number measured on a sample.

    Args:
        value: the estimate.
        count: how many images it was measured on, or what else the figure says it counts.
        interval: its 95 % confidence interval, or the range seen where the figure's `how` says so; None where none was computed.
    """

    value: float
    count: int
    interval: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One result of a metric, with what makes it readable beside it.

    Args:
        name: what was measured, such as `kid-lite0`.
        estimate: the result for the model's own images.
        beside: the same measure on other images, such as the floor of two real samples, or shuffled prompts.
        how: what one must know to measure it again, beyond the settings of the whole report.
        details: a finer table, such as the same share for each style.
    """

    name: str
    estimate: Estimate
    beside: Mapping[str, Estimate] = field(default_factory=dict)
    how: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EvaluationSet:
    """One set of scenes with the images that belong to it. Images are made when a metric first looks at them.

    Args:
        split: the split of the data it was drawn from.
        kind: whether its scenes are as the split has them, or hold exactly one or two objects.
        real: the renders.
        tells: what the model learns of a scene, see `ildm.evaluation.asking.Asking`.
        asked: what it is asked for, one for each real image.
        prompts: the words of that, for a text model the fullest caption; None for a model that takes no prompt.
        generate: makes the model's images for anything asked, with the settings of the report.
        generated: the model's images for `asked`, in the same order; outside a hole, the real image itself.
        shuffled: the same, but the model saw another scene's picture around the same hole; None where nothing has a hole.
        further: this set drawn again, with other seeds each time.
        reference: other renders of the same split, which distances are measured against.
        reconstructed: `real` after the model's autoencoder.
        recogniser: what names the objects; made when first called.
        style_recogniser: what names the styles, for a model whose classes these are.
        inception: takes the features that a FID is measured in; None where there are no weights for it.
    """

    split: str
    kind: Kind
    real: Images
    tells: frozenset[str] = frozenset()
    asked: Sequence[Ask] | None = None
    prompts: Sequence[str] | None = None
    generate: Generate | None = None
    generated: Images | None = None
    shuffled: Images | None = None
    reference: Images | None = None
    reconstructed: Images | None = None
    recogniser: Callable[[], Recogniser] | None = None
    style_recogniser: Callable[[], Recogniser] | None = None
    inception: InceptionFeatures | None = None
    further: tuple[EvaluationSet, ...] = ()

    @property
    def provides(self) -> frozenset[str]:
        """Its kind, what it tells, and the names of the parts it holds."""
        held = (part.name for part in fields(self) if getattr(self, part.name) is not None)
        return frozenset({self.kind, *self.tells, *held})


@runtime_checkable
class Metric(Protocol):
    """Computes figures from a set that provides all that it requires.

    Args:
        requires: names out of `EvaluationSet.provides`; sets that lack one of them are passed over.
    """

    requires: frozenset[str]

    def compute(self, samples: EvaluationSet) -> list[Figure]:
        """The figures of one set."""
        ...


@runtime_checkable
class CheckedMetric(Metric, Protocol):
    """A metric that may lack something: it is asked before anything is drawn, when there is a set that it can use."""

    def check(self) -> None:
        """See that the figures can be computed here.

        Raises:
            ConfigError: when not, and what to install.
        """
        ...
