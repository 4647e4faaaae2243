"""Do two pictures, laid over each other, look alike?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

if TYPE_CHECKING:
    from semwatchd.imaging.band import Floats
    from semwatchd.imaging.correlation import Frame

LEAST_QUALITY = 0.3  #: pictures less alike than this have not been found again


def likeness(reference: Frame, moved: Frame, shift: Floats) -> float:
    """Normalised cross-correlation of what both frames show, ``moved`` laid over ``reference``."""
    (rows, y), (columns, x) = map(_laid, reference.shape, shift.tolist())
    size = columns.stop - columns.start, rows.stop - rows.start
    if min(size) < 2:
        return 0.0
    a = _centred(reference[rows, columns])
    b = _centred(cast("Frame", cv2.getRectSubPix(moved, size, (x, y))))
    norm = math.sqrt(float(a @ a) * float(b @ b))
    return min(1.0, max(-1.0, float(a @ b) / norm)) if norm > 0 else 0.0


def _centred(part: Frame) -> Frame:
    return np.subtract(part, np.float32(cv2.mean(part)[0])).ravel()


def _laid(length: int, shift: float) -> tuple[slice, float]:
    """Pixels of the reference that ``moved`` shows too, between its own pixels, and their middle there."""
    start, stop = max(0, math.ceil(-shift)), min(length, math.floor(length - 1 - shift) + 1)
    return slice(start, stop), (start + stop - 1) / 2 + shift
