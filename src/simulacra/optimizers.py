"""How a gradient moves the weights: AdamW as torch has it, and Muon."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # chosen by its authors to be steep at 0 and near 1 after five rounds
ROUNDS = 5
MOMENTUM = 0.95
NARROWEST = 16  # rows or columns of a matrix that is worth it
LIKE_ADAM = 0.2  # root mean square of an update of Adam's, in units of the learning rate


def orthogonal(matrix: Tensor) -> Tensor:
    r"""A matrix (m, n) with its singular values brought to about 1, by five rounds of Newton and Schulz.

    .. math:: X \leftarrow a X + (b X X^T + c (X X^T)^2) X, \quad X_0 = G / \lVert G \rVert

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; Bernstein and Newhouse 2024.
    """
    a, b, c = NEWTON_SCHULZ
    tall = len(matrix) > matrix.shape[1]
    x = matrix.mT if tall else matrix
    if x.is_cuda:
        x = x.bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(ROUNDS):
        gram = x @ x.mT
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(matrix.dtype)


class Muon(torch.optim.AdamW):
    r"""Steps in which every direction of a weight matrix counts the same; AdamW for what is no matrix.

    .. math:: M \leftarrow \mu M + (1 - \mu) G, \quad U = \mathrm{orthogonal}((1 - \mu) G + \mu M), \quad
              W \leftarrow (1 - \eta \lambda) W - \eta \, 0.2 \sqrt{\max(m, n)} \, U

    The filters of a convolution are the matrix (outputs, inputs * height * width). The factor gives an update the size
    of one of Adam's, so both parts share a learning rate. Options are those of AdamW, whose betas are for biases,
    scales, embeddings and matrices narrower than 16.

    Source: Jordan et al. 2024; Liu et al. 2025, "Muon is scalable for LLM training", equation 4 for the factor.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        gradients = [
            (parameter, parameter.grad, group)
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.grad is not None and is_matrix(parameter)
        ]
        for parameter, _, _ in gradients:
            parameter.grad = None  # which AdamW passes over
        super().step(closure)
        for parameter, gradient, group in gradients:
            parameter.grad = gradient
            if not self.state[parameter]:  # AdamW wants to find a step in every state that it loads
                self.state[parameter] |= {"step": torch.zeros(()), "momentum": torch.zeros_like(parameter)}
            momentum = self.state[parameter]["momentum"].lerp_(gradient, 1 - MOMENTUM)
            matrix = gradient.lerp(momentum, MOMENTUM).flatten(1)
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            size = group["lr"] * LIKE_ADAM * max(matrix.shape) ** 0.5
            parameter.add_(orthogonal(matrix).reshape(parameter.shape), alpha=-size)


def is_matrix(parameter: Tensor) -> bool:
    """Whether a weight is a matrix, or filters that make one, of at least 16 rows and columns."""
    return parameter.ndim >= 2 and min(len(parameter), parameter[0].numel()) >= NARROWEST
