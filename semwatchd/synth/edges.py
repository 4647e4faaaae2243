"""Edges as lithography leaves them: self-affine roughness on straight and closed contours.

The power spectral density is that of Palasantzas (1993, doi:10.1103/PhysRevB.48.14472).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Roughness:
    """Self-affine edge roughness: standard deviation, correlation length and Hurst exponent."""

    sigma_nm: float = 1.0
    xi_nm: float = 20.0
    hurst: float = 0.7


def rough_edges(
    rng: np.random.Generator, count: int, rows: int, step_nm: float, roughness: Roughness
) -> NDArray[np.float32]:
    """Offsets of straight edges, one per row and edge.

    Twice the rows are made and half kept, so that the first and the last row are not neighbours.

    Returns
    -------
    (count, rows) float32, nm, with the asked standard deviation in expectation.
    """
    samples = 2 * rows
    density = spectral_density(np.fft.rfftfreq(samples, step_nm), roughness)
    return _realised(rng, count, density, samples, roughness.sigma_nm)[:, :rows]


def rough_contours(
    rng: np.random.Generator, count: int, points: int, radius_nm: float, roughness: Roughness
) -> NDArray[np.float32]:
    """Radial offsets of closed contours with the same spectral density along the circumference.

    Returns
    -------
    (count, points) float32, nm, at equal angles from 0 to 2 pi.
    """
    density = spectral_density(np.fft.rfftfreq(points, 2 * np.pi * radius_nm / points), roughness)
    return _realised(rng, count, density, points, roughness.sigma_nm)


def spectral_density(
    frequency_per_nm: NDArray[np.floating[Any]], roughness: Roughness
) -> NDArray[np.float64]:
    """Give the shape of the power spectrum at ascending frequencies: 1 at low ones, 0 at the ends."""
    density = (1 + (2 * np.pi * frequency_per_nm * roughness.xi_nm) ** 2) ** -(0.5 + roughness.hurst)
    density[0] = density[-1] = 0.0  # the mean is the pattern's, and the last term would have no phase
    return np.asarray(density)


def _realised(
    rng: np.random.Generator, count: int, density: NDArray[np.float64], samples: int, sigma_nm: float
) -> NDArray[np.float32]:
    """Draw series of that density whose expected standard deviation is ``sigma_nm``."""
    parts = rng.standard_normal((2, count, density.size))
    spectrum = np.sqrt(density / 2) * (parts[0] + 1j * parts[1])
    variance = 2.0 * density.sum() / samples**2
    series = np.fft.irfft(spectrum, samples) * (sigma_nm / np.sqrt(variance))
    return np.asarray(series, dtype=np.float32)
