"""Signal-to-noise ratio of a single frame: variance of the signal over variance of the noise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from semwatchd.imaging.checks import require_frame

if TYPE_CHECKING:
    from semwatchd.imaging.differences import Pixels


def image_variance(pixels: Pixels) -> float:
    """Return the population variance of a frame, grey levels squared, 0 or more.

    From the sums of grey levels and their squares, exact for integers; a float frame has its mean taken off
    first. (OpenCV's ``meanStdDev`` loses 2 % of a 16-bit frame's variance where the pedestal is large.)
    """
    require_frame(pixels)
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
