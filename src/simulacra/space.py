"""What one example looks like to a model: the only thing that families and kinds of data share."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Space:
    """The space in which a model lives.

    Args:
        shape: Shape of the continuous part of one example: (2,), (1, 28, 28); () if there is none.
        categories: Number of values of each discrete variable: (9, 16, 2); () if there are none.
        num_classes: Number of labels to condition on; 0 if there are none.
    """

    shape: tuple[int, ...]
    categories: tuple[int, ...] = ()
    num_classes: int = 0

    @property
    def dim(self) -> int:
        """Numbers in the continuous part of one example."""
        return prod(self.shape) if self.shape else 0

    @property
    def width(self) -> int:
        """Numbers that one example takes when its discrete variables are written one-hot."""
        return self.dim + sum(self.categories)

    @property
    def x_shape(self) -> tuple[int, ...]:
        """Shape of `Batch.x` behind the batch axis: `shape`, or (0,) if there is no continuous part."""
        return self.shape or (0,)


class Batch(NamedTuple):
    """Examples in model space: NumPy arrays from a codec, tensors inside training.

    Args:
        x: Continuous part, about unit scale, float (B, *shape); (B, 0) if there is none.
        c: Discrete part, integers (B, len(categories)); (B, 0) if there is none.
        label: Class ids, integers (B,); None where there are none.
    """

    x: Any
    c: Any
    label: Any = None

    @property
    def size(self) -> int:
        """Number of examples, B."""
        return len(self.x)

    def rows(self, index: Any) -> Batch:
        """The examples that `index` selects (a slice, a mask or integers)."""
        return Batch(self.x[index], self.c[index], None if self.label is None else self.label[index])


class Known(NamedTuple):
    """Parts of an example that are given: inpainting a picture, imputing in a table.

    Args:
        batch: The examples; only the given parts of them are read.
        x_mask: bool, shape of `batch.x`, True where given.
        c_mask: bool, shape of `batch.c`, True where given.
    """

    batch: Batch
    x_mask: Tensor
    c_mask: Tensor
