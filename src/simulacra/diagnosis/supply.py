"""What is wrong with the data, seen through training: too few, duplicates, outliers, rare classes, a narrow range."""

from __future__ import annotations

from simulacra.diagnosis.failure import Detector, Failure

FAILURES: dict[str, Failure] = {}
DETECTORS: tuple[tuple[tuple[str, ...], Detector], ...] = ()
