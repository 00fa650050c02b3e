"""What a report shows of images: samples beside real ones, their nearest training images, their timeline, class shares.

Images are shown as they are: every data pixel becomes a square block of screen pixels, never smoothed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from simulacra.data.drawing import Picture, Sheet

NUM_SAMPLES = 64  # in the large sheet
_PATIENCE = 3.0  # seconds to draw again all that were evaluated, for the sake of those nearest to training images
MOST_FRAMES = 12
_WIDEST = 330  # data pixels of a sheet: a phone still shows each as at least one of its own
_FRAME_NUMBERS = 80_000  # of one timeline frame; the page's size rests on it
_CHANNELS = (1, 2, 3, 4)  # grey, colour, and each with alpha, which is not shown
_LARGEST_TILE = 96  # data pixels a side; larger images are reduced, as only the eye reads them here


def num_samples(evaluation: Any) -> int:
    """Samples that `pictures` can use: all that were evaluated if they are drawn quickly, else a sheet."""
    return evaluation.n if evaluation.timing.get("sample", np.inf) < _PATIENCE else NUM_SAMPLES


def pictures(samples: np.ndarray, dataset: Any, details: dict[str, Any] | None = None) -> list[Picture]:
    """Samples beside real images, and beside their nearest training images where `details` names those.

    Args:
        samples: What the model made, (n, H, W) or with channels first or last; by the evaluation's seed, so that row
            i is sample i of `details`.
        dataset: The Dataset that it learned.
        details: `Evaluation.details`; "nearest" holds pairs of samples and training images.
    """
    look = Look(dataset.train.values)
    columns = look.columns(8)
    count = min(columns * 8, NUM_SAMPLES, len(samples), len(dataset.holdout.values))
    found = [
        Picture("Samples", f"{count} samples of the model, not selected.", look.sheet(samples[:count], columns)),
        Picture(
            "Real data",
            f"{count} held-out images, not selected: what a perfect model would show.",
            look.sheet(dataset.holdout.values[:count], columns),
        ),
    ]
    near = (details or {}).get("nearest", {})
    for title, pairs, which in (
        ("Nearest training images", near.get("first", []), "samples, not selected,"),
        ("The samples nearest to training images", near.get("closest", []), "samples that come nearest to any,"),
    ):
        pairs = [pair for pair in pairs if pair["sample"] < len(samples)]
        if pairs:
            caption = (
                f"{{}} {which} each above the training image nearest to it in feature space. "
                "Many pairs of the same picture would mean that the model repeats its training data."
            )
            found.append(neighbours(samples, pairs, dataset, title=title, caption=caption))
    return found


def neighbours(
    samples: np.ndarray, pairs: Sequence[dict[str, Any]], dataset: Any, *, title: str, caption: str
) -> Picture:
    """Samples above their nearest training images.

    Args:
        samples: (n, ...), like the training images.
        pairs: Rows of `samples` and of the training split that belong together, as "sample" and "train".
        dataset: The Dataset that the model learned.
        title: Of the picture.
        caption: Of the picture, with {} for the number of pairs.
    """
    look = Look(dataset.train.values)
    columns = look.columns(8)
    pairs = pairs[: 2 * columns]
    tiles = [
        look.tiles(samples[[pair["sample"] for pair in pairs]]),
        look.tiles(dataset.train.values[[pair["train"] for pair in pairs]]),
    ]
    rows = [tile[start : start + columns] for start in range(0, len(pairs), columns) for tile in tiles]
    return Picture(title, caption.format(len(pairs)), Sheet(_grid(rows, columns, group=2)))


def frames(snapshots: Sequence[np.ndarray], dataset: Any) -> list[Sheet]:
    """One sheet for each snapshot: the same latents through the model as it learns."""
    look = Look(dataset.train.values)
    side = int(np.clip(np.sqrt(_FRAME_NUMBERS / look.numbers), 2, look.columns(8)))
    return [look.sheet(values[: side * side], side) for values in snapshots]


def insight(model: Any, dataset: Any, samples: np.ndarray) -> list[Picture]:
    """Images have no exact density to hold a model's inside against."""
    return []


class Look:
    """How images of one data set become tiles: their channel layout, the range of their values, their size.

    Args:
        like: The training images, (n, H, W), (n, H, W, C) or (n, C, H, W) with C from 1 to 4.
    """

    def __init__(self, like: np.ndarray) -> None:
        self.channels_first = like.ndim == 4 and like.shape[-1] not in _CHANNELS and like.shape[1] in _CHANNELS
        low, high = float(like.min()), float(like.max())
        if like.dtype == np.uint8 and high > 127:
            low, high = 0.0, 255.0
        self.low, self.span = low, (high - low) or 1.0
        first = self.tiles(like[:1])[0]
        self.height, self.width, self.numbers = first.shape[0], first.shape[1], first.size

    def columns(self, most: int) -> int:
        """Tiles that fit side by side."""
        return int(np.clip(_WIDEST // (self.width + 1), 2, most))

    def tiles(self, values: np.ndarray) -> list[np.ndarray]:
        """Each image as uint8, (H, W, 1) grey or (H, W, 3) colour."""
        values = np.asarray(values)
        if values.ndim == 3:
            values = values[..., None]
        elif self.channels_first:
            values = np.moveaxis(values, 1, -1)
        values = values[..., : 3 if values.shape[-1] >= 3 else 1]
        scaled = np.nan_to_num(
            (values.astype(np.float64) - self.low) / self.span * 255.0
        )  # a broken model may give nan
        pixels = scaled.clip(0, 255).round().astype(np.uint8)
        if max(pixels.shape[1:3]) <= _LARGEST_TILE:
            return list(pixels)
        return [_reduced(image) for image in pixels]

    def sheet(self, values: np.ndarray, columns: int) -> Sheet:
        """The images in rows of `columns`."""
        tiles = self.tiles(values)
        return Sheet(_grid([tiles[k : k + columns] for k in range(0, len(tiles), columns)], columns))


def _reduced(image: np.ndarray) -> np.ndarray:
    """The image with its longer side at the largest that a tile may have."""
    height, width = image.shape[:2]
    scale = _LARGEST_TILE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).resize(size, Image.Resampling.BOX)
    )
    return small.reshape(size[1], size[0], -1)


def _grid(rows: list[list[np.ndarray]], columns: int, *, group: int = 1) -> np.ndarray:
    """Rows of tiles with see-through lines between them, wider after every `group` rows: (height, width, 2 or 4)."""
    height, width, channels = rows[0][0].shape
    gap, wide = 1, (1 if group == 1 else max(3, height // 6))
    tops = [k * (height + gap) + (k // group) * (wide - gap) for k in range(len(rows))]
    across = min(columns, max(len(row) for row in rows))
    page = np.zeros((tops[-1] + height, across * (width + gap) - gap, channels + 1), np.uint8)
    for top, row in zip(tops, rows, strict=True):
        for k, tile in enumerate(row):
            left = k * (width + gap)
            page[top : top + height, left : left + width, :-1] = tile
            page[top : top + height, left : left + width, -1] = 255
    return page
