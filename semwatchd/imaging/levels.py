"""Smaller and smaller copies of a picture: the coarse ones are searched, the fine ones say where exactly."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar, cast

import cv2
import numpy as np

from semwatchd.imaging.snr import image_variance

if TYPE_CHECKING:
    from semwatchd.imaging.correlation import Frame
    from semwatchd.imaging.differences import Pixels

    P = TypeVar("P", bound=Pixels)

MIN_SIZE_PX = 16  #: below this no window leaves enough structure
FINE_PX = 320  #: the finest copy's longer side; with noise a shift gains little from more pixels
COARSE_PX = 128  #: the coarsest copy's longer side


def levels_of(frame: Pixels, fine_px: int = FINE_PX) -> tuple[Frame, ...]:
    """Halve a checked picture again and again, normalised, finest first; nothing of one without contrast."""
    while _may_be_halved(frame, 2 * fine_px):
        frame = _halved(frame)
    if _may_be_halved(frame, fine_px):
        frame = _smoothed_and_halved(frame)
    std = math.sqrt(image_variance(frame))
    if std <= 1e-6 * cv2.norm(frame, cv2.NORM_INF):
        return ()
    centred = np.subtract(frame, np.float32(cv2.mean(frame)[0]), dtype=np.float32)
    levels = [np.multiply(centred, np.float32(1 / std), out=centred)]
    while _may_be_halved(levels[-1], COARSE_PX):
        levels.append(_halved(levels[-1]))
    return tuple(levels)


def _may_be_halved(pixels: Pixels, longest_px: int) -> bool:
    longest, shortest = int(max(pixels.shape)), int(min(pixels.shape))
    return longest > longest_px and shortest >= 2 * MIN_SIZE_PX


def _halved(pixels: P) -> P:
    """Average 2 x 2 pixels."""
    even = _even(pixels)
    return cast("P", cv2.resize(even, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))


def _smoothed_and_halved(pixels: P) -> P:
    """Take every second pixel of a picture smoothed over five.

    What is too fine for the copy would appear in it as something coarser, at another place for every shift.
    An average of 2 x 2 lets so much of it through that a sharp picture's shift is told twice as badly.
    """
    return cast("P", cv2.pyrDown(_even(pixels)))


def _even(pixels: P) -> P:
    """Leave out an odd last row or column, so that a shift halves exactly."""
    rows, columns = pixels.shape
    return cast("P", pixels[: rows - rows % 2, : columns - columns % 2])
