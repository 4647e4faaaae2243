"""How sharp a frame is: the classic figure, and one that noise does not fool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semwatchd.imaging.checks import require_frame
from semwatchd.imaging.differences import DifferenceTable, Kernel, kernel_energy, pairs
from semwatchd.imaging.noise import NoiseVariance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semwatchd.imaging.differences import Pixels

SOBEL_X: Kernel = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))
SOBEL_Y: Kernel = ((-1.0, -2.0, -1.0), (0.0, 0.0, 0.0), (1.0, 2.0, 1.0))


def laplacian_variance(pixels: Pixels, table: DifferenceTable) -> float:
    """Variance of the 4-neighbour Laplacian, in grey levels squared, 0 or more.

    Given for comparison with other tools. On a raw SEM frame it is mostly ``20 * sigma**2`` of noise, and
    can order a focus series wrongly; alarm on :func:`tenengrad` less its noise instead.

    It is that of a frame mirrored about its outermost pixels, as OpenCV does it, but without filtering: a sum
    of squared differences in the frame, from the table, and of those that only the mirror adds.

    References
    ----------
    Pech-Pacheco et al. 2000, 10.1109/ICPR.2000.903548.
    """
    require_frame(pixels, 4)
    axial, double, diagonal = (
        sum(table[lag] * pairs(pixels.shape, lag) for lag in lags)
        for lags in (((0, 1), (1, 0)), ((0, 2), (2, 0)), ((1, 1), (1, -1)))
    )
    edges = _edges(pixels)
    axial_edge = sum(_energy(outer - inner) for outer, inner in edges)
    diagonal_edge = sum(
        _energy(inner[:-1] - outer[1:]) + _energy(inner[1:] - outer[:-1]) for outer, inner in edges
    )
    # The mirrored corner's diagonal lies between the second pixels of two edges, which hold it twice.
    corner = sum(_energy(inner[[0, -1]] - outer[[1, -2]]) for outer, inner in edges) / 2
    energy = 4 * (2 * axial + axial_edge) - double - (2 * diagonal + diagonal_edge + corner)
    mean = sum(float((inner - outer).sum()) for outer, inner in edges) / pixels.size
    return max(0.0, energy / pixels.size - mean * mean)


def _energy(difference: NDArray[np.float64]) -> float:
    return float(difference @ difference)


def _edges(pixels: Pixels) -> tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]:
    """Outermost and next line of each side."""
    both = (pixels[:2], pixels[:-3:-1], pixels.T[:2], pixels.T[:-3:-1])
    return tuple((outer, inner) for outer, inner in (lines.astype(np.float64) for lines in both))


def tenengrad(table: DifferenceTable) -> float:
    """Mean of ``Gx**2 + Gy**2`` (3 x 3 Sobel, unnormalised), in grey levels squared, 0 or more.

    References
    ----------
    Tenenbaum 1970; Krotkov 1988, 10.1007/BF00127822; compared by Groen et al. 1985,
    10.1002/cyto.990060202.
    """
    return max(0.0, kernel_energy(table, SOBEL_X) + kernel_energy(table, SOBEL_Y))


def tenengrad_corrected(tenengrad_raw: float, noise: NoiseVariance) -> float:
    """Give the part of the Tenengrad that the specimen made, grey levels squared, 0 or more.

    White noise adds ``24 * sigma**2``, the sum of all squared taps of both kernels; noise that is alike along
    the scan line adds what the kernels' autocorrelation makes of it. Keeps the ratio of a sharp to a blurred
    frame at an SNR of 1 as it is without noise. 0 where noise would have made more than there is: nothing but
    noise, or a picture compressed with loss, whose noise is no longer that of a detector.
    """
    of_noise = 24 * noise.along_y + 16 * noise.covariance_1 - 8 * noise.covariance_2
    return max(0.0, tenengrad_raw - of_noise)


def brenner(table: DifferenceTable) -> float:
    """Mean squared difference between pixels 2 apart, along x plus along y; grey levels squared, 0 or more.

    References
    ----------
    Brenner et al. 1976, 10.1177/24.1.1254907, who looked along one axis only.
    """
    return table[0, 2] + table[2, 0]


def brenner_corrected(brenner_raw: float, noise: NoiseVariance) -> float:
    """Give Brenner's figure less what noise adds to it, ``4 * sigma**2`` if it is white; 0 or more."""
    return max(0.0, brenner_raw - (4 * noise.along_y - 2 * noise.covariance_2))
