"""diagnose: a run so far, its samples and real examples -> what went wrong."""

from __future__ import annotations

from simulacra.diagnosis import adversarial, denoising, general, latent, supply
from simulacra.diagnosis.failure import Detector, Failure
from simulacra.diagnosis.finding import Finding, worst_first
from simulacra.diagnosis.history import History
from simulacra.diagnosis.portrait import Reference
from simulacra.diagnosis.samples import Samples

_PARTS = (general, adversarial, latent, denoising, supply)

FAILURES: dict[str, Failure] = {code: failure for part in _PARTS for code, failure in part.FAILURES.items()}
DETECTORS: tuple[tuple[tuple[str, ...], Detector], ...] = tuple(pair for part in _PARTS for pair in part.DETECTORS)


def diagnose(history: History, samples: Samples | None, data: Reference) -> list[Finding]:
    """What went wrong in a run, worst first.

    A pure function: the same evidence gives the same findings, in whatever order samples come. A run too short to say
    anything of gives a single note that says so.

    Args:
        history: The run so far.
        samples: Fresh samples of its model; None while it trains, where only what needs none is looked for.
        data: Real examples.
    """
    short = general.too_short(history, samples, data)
    if short is not None:
        return [short]
    found = [detect(history, samples, data) for families, detect in DETECTORS if history.family in families]
    return worst_first([finding for finding in found if finding is not None])
