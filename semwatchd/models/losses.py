"""What training makes small. Every loss is a mean over all it is given, as a scalar tensor."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Adversary = Literal["bce", "lsgan"]

ROOT_FLOOR = 1e-8  # keeps the root's slope finite where nothing is wrong
GRADIENT_WEIGHT = 0.5


def adversarial(logits: Tensor, real: float, adversary: Adversary) -> Tensor:
    """How far a discriminator's logits are from calling everything real (1) or fake (0).

    ``bce`` is the original loss (Goodfellow et al., 2014), ``lsgan`` least squares (Mao et al., 2017,
    doi:10.1109/ICCV.2017.304).
    """
    target = torch.full_like(logits, real)
    if adversary == "bce":
        return functional.binary_cross_entropy_with_logits(logits, target)
    return functional.mse_loss(logits, target)


def rmse(found: Tensor, truth: Tensor) -> Tensor:
    """Root of the mean square over each image, then the mean over the images; it can be differentiated."""
    return torch.sqrt((found - truth).square().mean((1, 2, 3)) + ROOT_FLOOR).mean()


def printed_rmse(found: Tensor, truth: Tensor) -> float:
    """Return the same number by NumPy, as some codes add it to their loss: a constant without gradient."""
    error = found.detach().cpu().numpy() - truth.detach().cpu().numpy()
    return float(((error**2).mean((1, 2, 3)) ** 0.5).mean())


def huber_and_gradient(found: Tensor, truth: Tensor, delta: float) -> Tensor:
    """Huber loss in units of ``delta``, plus half the gradients' L1 distance: sharp walls in place.

    ``delta`` is the error from which on the loss grows linearly.
    """
    huber = functional.huber_loss(found, truth, delta=delta) / delta
    return huber + GRADIENT_WEIGHT * gradient_l1(found, truth)


def gradient_l1(found: Tensor, truth: Tensor) -> Tensor:
    """L1 distance of the differences between neighbours, along rows plus along columns."""
    error = found - truth
    return error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
