"""Muon for convolutions (Jordan et al., 2024, https://kellerjordan.github.io/posts/muon/).

Each step moves a weight by a matrix whose singular values are nearly equal, so directions of which the loss
rarely speaks are learned as fast as the loud ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

WEIGHT_DECAY = 0.01


class ConvolutionMuon(torch.optim.Muon):
    """Torch's Muon, which takes matrices, for weights (outputs, inputs, rows, columns).

    A weight is the matrix of outputs by everything that an output sums over; its memory must be laid out
    channels last. The rate is on AdamW's scale.
    """

    def __init__(self, weights: Iterable[Tensor], rate: float) -> None:
        self._weights = list(weights)
        # A view of the same memory: moving the matrix moves the weight.
        matrices = [nn.Parameter(_sums(weight.detach()).view(len(weight), -1)) for weight in self._weights]
        super().__init__(matrices, rate, WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # noqa: ANN401 — as torch has it
        """Move the weights by their gradients."""
        for matrix, weight in zip(self.param_groups[0]["params"], self._weights, strict=True):
            matrix.grad = None if weight.grad is None else _sums(weight.grad).flatten(1)
        return super().step(closure)  # type: ignore[no-untyped-call]

    def zero_grad(self, set_to_none: bool = True) -> None:  # noqa: FBT001, FBT002 — as torch has it
        """Forget the gradients."""
        for weight in self._weights:
            weight.grad = None
        super().zero_grad(set_to_none)


def is_mixing(weight: Tensor) -> bool:
    """Say whether a weight mixes channels: what Muon is for; a first and a last layer do not."""
    return weight.ndim == 4 and min(weight.shape[:2]) > 1


def _sums(weight: Tensor) -> Tensor:
    """Bring what an output sums over behind it, in the order of channels-last memory."""
    return weight.permute(0, 2, 3, 1)
