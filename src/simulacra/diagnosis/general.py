"""How any family fails: learning by heart, steps too large, a budget too short."""

from __future__ import annotations

from simulacra.diagnosis.failure import Detector, Failure
from simulacra.diagnosis.finding import Finding
from simulacra.diagnosis.history import History
from simulacra.diagnosis.portrait import Reference
from simulacra.diagnosis.samples import Samples

FEWEST_STEPS = 100
"""Below it nothing is said: no recipe has moved a network from its initial weights by then."""

FAILURES: dict[str, Failure] = {
    "too-short": Failure(
        title="too short to say",
        what="The run has taken too few steps for its curves to mean anything.",
        seen=f"Fewer than {FEWEST_STEPS} steps, and no divergence.",
        mend="Train longer.",
        source="",
    ),
}
DETECTORS: tuple[tuple[tuple[str, ...], Detector], ...] = ()


def too_short(history: History, samples: Samples | None, data: Reference) -> Finding | None:
    """A note where nothing can be said yet."""
    if history.status == "diverged" or history.step >= FEWEST_STEPS:
        return None
    return Finding(
        code="too-short", severity="note", advice="Train longer.",
        text=f"{history.step} steps are too few to say what goes wrong (at least {FEWEST_STEPS}).",
    )  # fmt: skip
