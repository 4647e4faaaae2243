"""What every measurement asks of a frame, said once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from semwatchd.imaging.differences import Pixels

SAMPLE_TYPES = (np.uint8, np.uint16, np.float32)


def require_frame(pixels: Pixels, least_px: int = 1) -> None:
    """Refuse what cannot be measured, before it becomes a wrong number.

    Parameters
    ----------
    least_px
        Rows and columns that the measurement needs.

    Raises
    ------
    TypeError
        The samples are not native uint8, uint16 or float32.
    ValueError
        The array is not (rows, columns), is too small, or holds NaN or infinity.
    """
    require_samples(pixels, least_px)
    if pixels.dtype == np.float32 and not math.isfinite(cv2.norm(pixels, cv2.NORM_L1)):
        raise ValueError("the frame holds NaN or infinity; finite_frame replaces them")


def require_samples(pixels: Pixels, least_px: int = 1) -> None:
    """Refuse the same as :func:`require_frame`, but for NaN and infinity."""
    if pixels.dtype not in SAMPLE_TYPES:
        raise TypeError(f"samples are {pixels.dtype}, not uint8, uint16 or float32; as_grey_samples converts")
    if pixels.ndim != 2:
        raise ValueError(f"a frame has rows and columns, and not the shape {pixels.shape}")
    if min(pixels.shape) < least_px:
        raise ValueError(f"a frame of {pixels.shape[1]} x {pixels.shape[0]} px; needed: {least_px} px")
