"""Signal-to-noise ratio of a single frame: variance of the signal over variance of the noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from semwatchd.imaging.differences import Pixels

#: Variogram at lag 0 from lags 1..10: Savitzky-Golay (5 points, cubic), then the natural cubic spline
#: through the even function. Both steps are linear, so together they are one row of weights.
SAVGOL_SPLINE_WEIGHTS = (
    *(1.42067, -0.33480, -0.27695, 0.26778, -0.08199),
    *(0.00671, -0.00181, 0.00048, -0.00011, 0.00001),
)


def image_variance(pixels: Pixels) -> float:
    """Return the population variance of a frame, grey levels squared, 0 or more.

    From the sums of grey levels and their squares, exact for integers; a float frame has its mean taken off
    first. (OpenCV's ``meanStdDev`` loses 2 % of a 16-bit frame's variance where the pedestal is large.)
    """
    frame = pixels - np.float32(cv2.mean(pixels)[0]) if pixels.dtype == np.float32 else pixels
    mean = cv2.mean(frame)[0]
    return max(0.0, cv2.norm(frame, cv2.NORM_L2SQR) / frame.size - mean * mean)


def snr_ratio(image_variance: float, noise_variance: float) -> float | None:
    """``var(signal) / var(noise)``, 0 or more; None where no noise was found."""
    if not noise_variance > 0:
        return None
    return max(0.0, image_variance - noise_variance) / noise_variance


def snr_db(ratio: float | None) -> float | None:
    """``10 * log10(ratio)``; None where there is no ratio, or no signal."""
    return 10 * math.log10(ratio) if ratio else None


def variogram_y(pixels: Pixels, lags: int) -> list[float]:
    """``mean((I(y) - I(y + k))**2) / 2`` for k = 1..lags along the slow axis, grey levels squared."""
    pairs = ((pixels[:-lag], pixels[lag:]) for lag in range(1, lags + 1))
    return [cv2.norm(here, there, cv2.NORM_L2SQR) / here.size / 2 for here, there in pairs]


def noise_variance_savgol_spline(variogram: Sequence[float]) -> float:
    """Noise variance by the published method, to cross-check the shorter one in :mod:`noise`.

    The lag 0 is filled in by interpolating the even function; extrapolating from one side, as the text
    of the method may also be read, is wrong by a quarter on average.

    Parameters
    ----------
    variogram
        Ten values, lags 1..10.

    References
    ----------
    Sim et al. 2015, 10.1111/jmi.12227.
    """
    return sum(w * g for w, g in zip(SAVGOL_SPLINE_WEIGHTS, variogram, strict=True))
