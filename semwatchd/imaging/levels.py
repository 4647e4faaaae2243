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
FINE_PX = 640  #: the finest copy's longer side; with noise there is little to gain from more pixels
COARSE_PX = 128  #: the coarsest copy's longer side


def levels_of(frame: Pixels) -> tuple[Frame, ...]:
    """Halve a checked picture again and again, normalised, finest first; nothing of one without contrast."""
    while max(frame.shape) > FINE_PX and min(frame.shape) >= 2 * MIN_SIZE_PX:
        frame = _halved(frame)
    std = math.sqrt(image_variance(frame))
    if std <= 1e-6 * cv2.norm(frame, cv2.NORM_INF):
        return ()
    centred = np.subtract(frame, np.float32(cv2.mean(frame)[0]), dtype=np.float32)
    levels = [np.multiply(centred, np.float32(1 / std), out=centred)]
    while max(levels[-1].shape) > COARSE_PX and min(levels[-1].shape) >= 2 * MIN_SIZE_PX:
        levels.append(_halved(levels[-1]))
    return tuple(levels)


def _halved(pixels: P) -> P:
    """Average 2 x 2 pixels; an odd last row or column is left out, so that a shift halves exactly."""
    rows, columns = pixels.shape[0] // 2, pixels.shape[1] // 2
    even = pixels[: 2 * rows, : 2 * columns]
    return cast("P", cv2.resize(even, (columns, rows), interpolation=cv2.INTER_AREA))
