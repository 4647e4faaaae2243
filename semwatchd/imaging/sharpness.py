"""How sharp a frame is: the classic figure, and one that noise does not fool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from semwatchd.imaging.differences import DifferenceTable, kernel_energy

if TYPE_CHECKING:
    from semwatchd.imaging.differences import Pixels

SOBEL_X = np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
SOBEL_Y = SOBEL_X.T

#: What white noise of variance 1 adds to the Tenengrad: the sum of all squared taps of both kernels.
TENENGRAD_NOISE_GAIN = float(np.square(SOBEL_X).sum() + np.square(SOBEL_Y).sum())


def laplacian_variance(pixels: Pixels) -> float:
    """Variance of the 4-neighbour Laplacian, in grey levels squared, 0 or more.

    Given for comparison with other tools. On a raw SEM frame it is mostly ``20 * sigma**2`` of noise, and
    can order a focus series wrongly; alarm on :func:`tenengrad` less its noise instead. It is filtered, not
    read off the table of differences: on a smooth frame the border pixels would cost that 10 % and more.

    References
    ----------
    Pech-Pacheco et al. 2000, 10.1109/ICPR.2000.903548.
    """
    depth = cv2.CV_16S if pixels.dtype == np.uint8 else cv2.CV_32F
    response = cv2.Laplacian(pixels, depth)
    mean = cv2.sumElems(response)[0] / response.size
    return max(0.0, cv2.norm(response, cv2.NORM_L2SQR) / response.size - mean * mean)


def tenengrad(table: DifferenceTable) -> float:
    """Mean of ``Gx**2 + Gy**2`` (3 x 3 Sobel, unnormalised), in grey levels squared, 0 or more.

    References
    ----------
    Tenenbaum 1970; Krotkov 1988, 10.1007/BF00127822; compared by Groen et al. 1985,
    10.1002/cyto.990060202.
    """
    return max(0.0, kernel_energy(table, SOBEL_X) + kernel_energy(table, SOBEL_Y))


def tenengrad_corrected(tenengrad_raw: float, noise_sigma: float) -> float:
    """``mean(Gx**2 + Gy**2) - 24 * sigma**2``: the part of the Tenengrad that the specimen made.

    Keeps the ratio of a sharp to a blurred frame at an SNR of 1 as it is without noise. Grey levels
    squared; slightly below 0 where there is nothing but noise.
    """
    return tenengrad_raw - TENENGRAD_NOISE_GAIN * noise_sigma * noise_sigma
