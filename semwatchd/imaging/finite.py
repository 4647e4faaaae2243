"""Float frames may hold NaN, infinities and nonsense; arithmetic must not meet them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from semwatchd.imaging.checks import require_samples

if TYPE_CHECKING:
    from semwatchd.imaging.differences import Pixels

#: Squares of larger values, summed over a frame, leave the range of a float32.
LARGEST = 1e15


@dataclass(frozen=True, slots=True)
class FiniteFrame:
    """A frame that can be computed with."""

    pixels: Pixels
    replaced: int  #: pixels that held no usable number and now hold the median of the others


def finite_frame(pixels: Pixels) -> FiniteFrame | None:
    """Replace NaN, infinities and values beyond 1e15 by the median of the rest; None if there is no rest.

    Integer frames come back as they are.
    """
    require_samples(pixels)
    if pixels.dtype != np.float32:
        return FiniteFrame(pixels, 0)
    usable = np.abs(pixels) <= LARGEST
    replaced = int(pixels.size - np.count_nonzero(usable))
    if replaced == pixels.size:
        return None
    if not replaced:
        return FiniteFrame(pixels, 0)
    median = np.median(pixels[usable])
    return FiniteFrame(np.where(usable, pixels, median).astype(np.float32), replaced)
