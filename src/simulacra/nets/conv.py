"""Residual convolutional networks: from a vector to a picture, and from a picture to a vector. No batch norm.

Pictures are (B, channels, height, width). From 16 pixels on they are taken apart into patches of 2 x 2, whose pixels
become channels: four times as many steps in the same minutes. Both networks halve or double the sides level by level,
between there and a map of at most 7 x 7; sides that do not divide are padded with their edge, or cropped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simulacra.nets.network import Network, exactly

SIZES: dict[str, dict[str, int]] = {  # channels of the largest map, and blocks at each size
    "tiny": {"width": 32, "depth": 1},
    "small": {"width": 64, "depth": 1},
    "base": {"width": 128, "depth": 2},
}
PATCHED = 16  # pixels a side from which on networks look at patches of 2 x 2 instead of pixels
SMALLEST = 7  # longest side of the map at the bottom: 28 -> 14 -> 7, 32 -> 16 -> 8 -> 4
WIDEST = 4  # channels of the lowest level over those of the highest


def size(sizes: dict[str, dict[str, int]], name: str) -> dict[str, int]:
    """The widths and depths of that name; "auto", where nobody has settled it, is tiny."""
    return sizes["tiny" if name == "auto" else name]


def patch(shape: Sequence[int]) -> int:
    """Side of the patches that a picture (channels, height, width) is taken apart into: 2, or 1 for a small one."""
    return 2 if max(shape[1:]) >= PATCHED else 1


def patched(shape: Sequence[int]) -> tuple[int, int, int]:
    """Shape of a picture of patches.

    >>> patched((1, 28, 28)), patched((3, 33, 20)), patched((1, 8, 8))
    ((4, 14, 14), (12, 17, 10), (1, 8, 8))
    """
    side = patch(shape)
    return shape[0] * side**2, math.ceil(shape[1] / side), math.ceil(shape[2] / side)


def levels(shape: Sequence[int]) -> int:
    """How often the sides of a picture (channels, height, width) are halved: until the longer is at most 7.

    >>> levels((1, 28, 28)), levels((3, 32, 32)), levels((1, 8, 8)), levels((3, 128, 96))
    (2, 3, 1, 5)
    """
    return max(0, math.ceil(math.log2(max(shape[1:]) / SMALLEST)))


def bottom(shape: Sequence[int]) -> tuple[int, int]:
    """Height and width of the map at the bottom."""
    scale = 2 ** levels(shape)
    return math.ceil(shape[1] / scale), math.ceil(shape[2] / scale)


def channels(shape: Sequence[int], width: int) -> list[int]:
    """Channels at each level, from the picture down: doubled at each halving, to at most four times the width.

    >>> channels((3, 32, 32), 32)
    [32, 64, 128, 128]
    """
    return [width * min(2**level, WIDEST) for level in range(levels(shape) + 1)]


def pad_to(x: Tensor, height: int, width: int) -> Tensor:
    """A picture padded at the bottom and on the right with its edge, (B, C, H, W) to (B, C, height, width)."""
    return F.pad(x, (0, width - x.shape[3], 0, height - x.shape[2]), mode="replicate")


def start_at_zero(layer: nn.Conv2d | nn.Linear) -> None:
    """Set weights and biases to zero, so that a residual branch begins as the identity."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


class ConvBlock(nn.Module):
    r"""Two convolutions beside a short cut, :math:`(s(x) + f(x)) / \sqrt 2`, at the same size, half of it or twice.

    The second convolution starts at zero, so a fresh block passes on its input. Sides are halved between the two, and
    doubled before the first.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        scale: 0.5 halves the sides (by means over 2 x 2), 2 doubles them (by copies), 1 leaves them.

    Source: He et al. 2016 (identity mappings); Zhang et al. 2019, "Fixup", for training without normalisation.
    """

    def __init__(self, inputs: int, outputs: int, *, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        between = min(inputs, outputs)  # large maps are the narrow ones, on the way down and on the way up
        self.first = nn.Conv2d(inputs, between, 3, padding=1)
        self.second = nn.Conv2d(between, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False) if inputs != outputs else nn.Identity()
        start_at_zero(self.second)

    def forward(self, x: Tensor) -> Tensor:
        skip, inner = self.skip(x), F.leaky_relu(x, 0.2)
        if self.scale == 2.0:  # the short cut's channels change while the map is small
            skip, inner = (F.interpolate(part, scale_factor=2.0, mode="nearest") for part in (skip, inner))
        inner = self.first(inner)
        if self.scale == 0.5:
            skip, inner = F.avg_pool2d(skip, 2), F.avg_pool2d(inner, 2)
        return (skip + self.second(F.leaky_relu(inner, 0.2))) * math.sqrt(0.5)


class ConvUp(Network):
    """From a vector (B, inputs) to a picture as one flat row (B, C * H * W).

    Args:
        inputs: Width of the vector.
        shape: Of the picture, (C, H, W).
        width: Channels of the largest map.
        depth: Blocks at each size.
    """

    def __init__(self, inputs: int, shape: Sequence[int], *, width: int, depth: int = 1) -> None:
        super().__init__()
        self.shape, self.patch = tuple(shape), patch(shape)
        shape = patched(shape)
        self.bottom = bottom(shape)
        falling = channels(shape, width)[::-1]
        self.first = nn.Linear(inputs, falling[0] * math.prod(self.bottom))
        blocks: list[nn.Module] = [ConvBlock(falling[0], falling[0]) for _ in range(depth)]
        for before, after in pairwise(falling):
            blocks.append(ConvBlock(before, after, scale=2.0))
            blocks += [ConvBlock(after, after) for _ in range(depth - 1)]
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Conv2d(falling[-1], shape[0], 3, padding=1)

    def forward(self, vector: Tensor) -> Tensor:
        h = self.first(vector).reshape(len(vector), -1, *self.bottom)
        h = self.blocks(h.contiguous(memory_format=torch.channels_last))
        h = exactly(self.last, F.leaky_relu(h, 0.2))
        h = F.pixel_shuffle(h, self.patch)
        return h[:, :, : self.shape[1], : self.shape[2]].flatten(1)


class ConvDown(Network):
    """From a picture as one flat row (B, C * H * W + extra) to a vector (B, outputs).

    Args:
        shape: Of the picture, (C, H, W).
        outputs: Width of the vector.
        extra: Numbers behind the picture's own, such as a one-hot label; each becomes a constant map beside it.
        width: Channels of the largest map.
        depth: Blocks at each size.
    """

    def __init__(self, shape: Sequence[int], outputs: int, *, extra: int = 0, width: int, depth: int = 1) -> None:
        super().__init__()
        self.shape, self.patch = tuple(shape), patch(shape)
        shape = patched(shape)
        self.padded = [side * 2 ** levels(shape) for side in bottom(shape)]
        rising = channels(shape, width)
        self.first = nn.Conv2d(shape[0] + extra, rising[0], 3, padding=1)
        blocks: list[nn.Module] = []
        for before, after in pairwise(rising):
            blocks += [ConvBlock(before, before) for _ in range(depth - 1)]
            blocks.append(ConvBlock(before, after, scale=0.5))
        blocks += [ConvBlock(rising[-1], rising[-1]) for _ in range(depth)]
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Linear(rising[-1] * math.prod(bottom(shape)), outputs)

    def forward(self, row: Tensor) -> Tensor:
        size = math.prod(self.shape)
        x = pad_to(row[:, :size].reshape(len(row), *self.shape), *(side * self.patch for side in self.padded))
        x = F.pixel_unshuffle(x, self.patch)
        if row.shape[1] > size:
            constant = row[:, size:, None, None].expand(-1, -1, *self.padded)
            x = torch.cat([x, constant], dim=1)
        h = self.blocks(self.first(x.contiguous(memory_format=torch.channels_last)))
        return exactly(self.last, F.leaky_relu(h, 0.2).flatten(1))
