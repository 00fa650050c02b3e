"""What every whole network is: a module that may compute in a shorter float than its weights have."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Network(nn.Module):
    """A whole network, from the numbers that a family gives it to those that a loss is made of.

    With `precision` set, its convolutions and matrix products are computed in that type, but for the last (see
    `exactly`), and what comes out is float32: weights, losses, penalties and samplers never leave it.

    Attributes:
        precision: torch.bfloat16, or None to compute in the type of the weights.

    Source: Micikevicius et al. 2017, "Mixed precision training", section 3.1; Kalamkar et al. 2019 for bfloat16, whose
    range is that of float32, so that no loss needs scaling.
    """

    precision: torch.dtype | None = None

    def __call__(self, *args: Any) -> Any:
        if self.precision is None:
            return super().__call__(*args)
        with torch.autocast(args[0].device.type, dtype=self.precision):
            out = super().__call__(*args)
        return out.float()


def exactly(layer: nn.Module, h: Tensor) -> Tensor:
    """A layer in float32, whatever the network around it computes in.

    For the last one, which costs little: three digits are too few for a bright pixel, or for a large logit.
    """
    if not torch.is_autocast_enabled(h.device.type):
        return layer(h)
    with torch.autocast(h.device.type, enabled=False):
        return layer(h.float())
