"""Frames as a blunter spot would have made them. A network that knew one spot alone takes blur for depth."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

REACH = 4.0  # the blur's kernel ends after so many of its widest standard deviations
SHARPEST_PX = 0.05  # a kernel that changes nothing


def refocused(grey: Tensor, noise: Tensor, sigma_px: Tensor, widest_px: float) -> Tensor:
    """Blur each frame by its own Gaussian, and put back the noise that the blur took.

    A real spot blurs before the electrons are counted: its noise stays white, and tells nothing of the blur.

    Parameters
    ----------
    grey
        (n, 1, rows, columns) float32.
    noise
        Of the same shape: noise as that in ``grey``, but independent of it.
    sigma_px
        (n,) standard deviations, from 0 to ``widest_px``.
    """
    return _blurred(grey, sigma_px, widest_px) + _missing(noise, sigma_px)


def noise_weights(dice: torch.Generator, weights: Tensor) -> Tensor:
    """Weigh the frames of each scene so that their sum is noise, as strong as in their average.

    ``weights`` (scenes, shots) are those of the average, of three frames or more. What is returned is at
    right angles to them: its noise is independent. It sums to 0: the scene itself falls out.
    """
    free = torch.randn(weights.shape, generator=dice)
    free -= free.mean(1, keepdim=True)
    uneven = weights - weights.mean(1, keepdim=True)
    along = (free * uneven).sum(1, keepdim=True) / uneven.square().sum(1, keepdim=True).clamp_min(1e-9)
    free -= along * uneven
    scale: Tensor = torch.linalg.vector_norm(weights, dim=1) / torch.linalg.vector_norm(free, dim=1)
    return free * scale[:, None]


def _blurred(grey: Tensor, sigma_px: Tensor, widest_px: float) -> Tensor:
    count, reach = len(grey), math.ceil(REACH * widest_px)
    place = torch.arange(-reach, reach + 1, device=grey.device)
    kernels = torch.exp(-0.5 * (place / sigma_px.clamp_min(SHARPEST_PX)[:, None]).square())
    kernels /= kernels.sum(1, keepdim=True)
    frames = functional.pad(grey.transpose(0, 1), (reach,) * 4, mode="reflect")  # each frame is a channel
    frames = functional.conv2d(frames, kernels[:, None, None, :], groups=count)
    return functional.conv2d(frames, kernels[:, None, :, None], groups=count).transpose(0, 1)


def _missing(noise: Tensor, sigma_px: Tensor) -> Tensor:
    """Filter noise to what together with blurred noise is as strong at every frequency as before."""
    rows, columns = noise.shape[-2:]
    along_y = torch.fft.fftfreq(rows, device=noise.device)[:, None]
    along_x = torch.fft.rfftfreq(columns, device=noise.device)
    square = along_y.square() + along_x.square()
    power_left = torch.exp(-((2 * math.pi * sigma_px[:, None, None, None]) ** 2) * square)
    spectrum: Tensor = torch.fft.rfft2(noise) * (1 - power_left).sqrt()
    missing: Tensor = torch.fft.irfft2(spectrum, (rows, columns))
    return missing
