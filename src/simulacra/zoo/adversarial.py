"""Specimens."""

from __future__ import annotations

from simulacra.zoo.specimen import Specimen

SPECIMENS: dict[str, Specimen] = {}
