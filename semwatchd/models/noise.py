"""Denoising without clean images: blind spots (Noise2Self) and pairs of frames (Noise2Noise).

Noise2Self: Batson and Royer, 2019, arXiv:1901.11365. Noise2Noise: Lehtinen et al., 2018, arXiv:1803.04189.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

GRID = 4  # one pixel in 4 x 4 is hidden at a time: its eight neighbours all stay visible
PHASES = GRID * GRID

Network = Callable[[Tensor], Tensor]


def blinded(frames: Tensor, phase: int) -> tuple[Tensor, Tensor]:
    """Replace one pixel in sixteen by the mean of its eight neighbours.

    Returns
    -------
    The frames, and the mask (rows, columns) of what was replaced, of the frames' dtype.
    """
    hidden = torch.zeros(frames.shape[-2:], dtype=frames.dtype, device=frames.device)
    hidden[phase // GRID :: GRID, phase % GRID :: GRID] = 1
    ring = torch.full((1, 1, 3, 3), 1 / 8, dtype=frames.dtype, device=frames.device)
    ring[..., 1, 1] = 0
    around = functional.conv2d(functional.pad(frames, (1, 1, 1, 1), mode="reflect"), ring)
    return frames * (1 - hidden) + around * hidden, hidden


def noise2self_loss(network: Network, frames: Tensor, phase: int) -> Tensor:
    """Mean squared error at the pixels the network was not shown."""
    shown, hidden = blinded(frames, phase)
    error = (network(shown) - frames) * hidden
    return error.square().sum() / (hidden.sum() * len(frames))


def noise2noise_loss(network: Network, first: Tensor, second: Tensor) -> Tensor:
    """Mean squared error against another frame of the same scene, whose noise is independent."""
    return functional.mse_loss(network(first), second)
