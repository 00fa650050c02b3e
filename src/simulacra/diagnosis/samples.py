"""Fresh samples of a model for its diagnosis: what they look like, and what a question to the model adds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from simulacra.diagnosis.portrait import Portrait


@dataclass(frozen=True)
class Samples:
    """Samples of a model, drawn afresh.

    Args:
        portrait: Of the samples as a person would draw them.
        others: Portraits of other draws, by name. Of a VAE, "rebuilt" (held-out examples encoded, a latent drawn, and
            its mean decoded) and "prior" (latents of the prior decoded likewise). Of a diffusion model, "doubled" (with
            twice the sampling steps) and, where samples are guided, "unguided" (with guidance_scale 1).
        figures: What else was asked of the model, by name. "moved": mean distance between a sample and the one that
            twice the sampling steps make of the same latent, over the mean distance of two real examples; "copies":
            share of the samples nearer to a training example than 99 % of the held-out ones are.
        options: Options that the samples were drawn with, such as guidance_scale and sampling_steps.
    """

    portrait: Portrait
    others: dict[str, Portrait] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
