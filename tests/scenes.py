"""Pictures of which the truth is known: exact sub-pixel shifts, exact signal-to-noise ratios."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semwatchd.core.image import ImageFacts, SemImage
from semwatchd.offline.bench.scenes import Scene, grains, holes, lines

if TYPE_CHECKING:
    from semwatchd.core.image import Pixels

__all__ = ["Scene", "as_image", "grains", "holes", "lines", "photographed"]

Floats = NDArray[np.float64]


def photographed(
    signal: Floats, snr: float, seed: int, *, gain: float = 1.0, offset: float = 0.0
) -> NDArray[np.uint8]:
    """Eight bits with white noise such that ``var(signal) / var(noise)`` is exactly ``snr``."""
    noise = np.random.default_rng(seed).standard_normal(signal.shape)
    noise *= np.sqrt(signal.var() / snr) / noise.std()
    return np.clip(np.rint((signal + noise) * gain + offset), 0, 255).astype(np.uint8)


def line_noise(shape: tuple[int, int], alike: float, seed: int) -> Floats:
    """Noise of variance 1 from a detector of first order: neighbours on a line have that covariance."""
    white = np.random.default_rng(seed).standard_normal(shape)
    turn = np.cos(2 * np.pi * np.fft.rfftfreq(shape[1]))
    response = np.sqrt((1 - alike**2) / (1 - 2 * alike * turn + alike**2))
    noise: Floats = np.fft.irfft(np.fft.rfft(white, axis=1) * response, shape[1], axis=1)
    return noise


def as_image(pixels: Pixels) -> SemImage:
    """A picture about which nothing but its pixels is known."""
    rows, columns = pixels.shape
    facts = ImageFacts(
        width=columns, height=rows, dtype=str(pixels.dtype), pages=1, compression="none", sha256="0" * 64
    )
    return SemImage(pixels=pixels, facts=facts)
