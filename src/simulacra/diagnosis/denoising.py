"""How a diffusion model fails: noise levels not learned, too coarse a walk, guidance that is too strong."""

from __future__ import annotations

from simulacra.diagnosis.failure import Detector, Failure

FAILURES: dict[str, Failure] = {}
DETECTORS: tuple[tuple[tuple[str, ...], Detector], ...] = ()
