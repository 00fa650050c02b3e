"""How a VAE fails: a code that says nothing or too much, a prior with holes, blur."""

from __future__ import annotations

from simulacra.diagnosis.failure import Detector, Failure

FAILURES: dict[str, Failure] = {}
DETECTORS: tuple[tuple[tuple[str, ...], Detector], ...] = ()
