"""Do two pictures, laid over each other, look alike?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from semwatchd.imaging.band import Floats
    from semwatchd.imaging.correlation import Frame

LEAST_QUALITY = 0.3  #: pictures less alike than this have not been found again


def likeness(reference: Frame, moved: Frame, shift: Floats) -> float:
    """Normalised cross-correlation of what both frames show, ``moved`` laid over ``reference``."""
    (rows, from_row, y), (columns, from_column, x) = map(_laid, reference.shape, shift.tolist())
    if min(rows.stop - rows.start, columns.stop - columns.start) < 2:
        return 0.0
    between = np.array([1 - x, x]), np.array([1 - y, y])
    back = cv2.sepFilter2D(moved[from_row, from_column], cv2.CV_32F, *between, anchor=(0, 0))
    a, b = (part - np.float32(cv2.mean(part)[0]) for part in (reference[rows, columns], back[:-1, :-1]))
    norm = cv2.norm(a) * cv2.norm(b)
    return min(1.0, max(-1.0, float(np.vdot(a, b)) / norm)) if norm > 0 else 0.0


def _laid(length: int, shift: float) -> tuple[slice, slice, float]:
    """Pixels of the reference that ``moved`` shows too, the pixels there, and how far between two of them."""
    whole = math.floor(shift)
    start, stop = max(0, -whole), min(length, length - whole - 1)
    return slice(start, stop), slice(start + whole, stop + whole + 1), shift - whole
