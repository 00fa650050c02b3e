"""How a GAN fails: its game out of balance, modes lost, samples that do not settle."""

from __future__ import annotations

from simulacra.diagnosis.failure import Detector, Failure

FAILURES: dict[str, Failure] = {}
DETECTORS: tuple[tuple[tuple[str, ...], Detector], ...] = ()
