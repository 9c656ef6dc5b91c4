"""Notices when the discriminator ruins the reconstructions, so that the loop can go back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class CollapseGuard:
    """Watches averaged metrics of stage one.

    A collapse is an absolute error far above the best one seen, or a discriminator that has won for good while the adaptive
    weight stays at its ceiling. One bad record is not enough: `patience` of them in a row are.

    Args:
        tolerance: the error may rise to this many times the best.
        patience: records in a row.
    """

    tolerance: float = 1.6
    patience: int = 3
    best: float = float("inf")
    bad: int = 0

    def judge(self, metrics: dict[str, float]) -> str | None:
        """A sentence when the stage has collapsed, else None."""
        error = metrics["absolute"]
        self.best = min(self.best, error)
        won = metrics.get("discriminator_accuracy", 0.5) > 0.995 and metrics.get("adaptive_weight", 0.0) > 9e3
        self.bad = self.bad + 1 if error > self.tolerance * self.best or won else 0
        if self.bad < self.patience:
            return None
        self.bad = 0
        if won:
            return "the discriminator has won and no longer teaches"
        return f"reconstructions fell apart (error {error:.3g}, best {self.best:.3g})"

    def state(self) -> dict[str, float]:
        """What must survive a stop."""
        return {"best": self.best, "bad": self.bad}

    def load_state(self, state: dict[str, float]) -> None:
        """Go back to what `state` returned."""
        self.best, self.bad = state["best"], int(state["bad"])
