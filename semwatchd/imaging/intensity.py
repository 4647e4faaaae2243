"""The grey levels of a frame: moments, percentiles, entropy, saturation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semwatchd.imaging.differences import Pixels

PERCENTS = (1, 5, 50, 95, 99)
FLOAT_BINS = 256  #: float frames have no levels of their own; this many make their entropy comparable


@dataclass(frozen=True, slots=True, kw_only=True)
class GreyLevels:
    """Which grey levels occur, and how often."""

    levels: NDArray[np.float64]  #: ascending, each occurring at least once
    counts: NDArray[np.float64]  #: pixels of each level


@dataclass(frozen=True, slots=True, kw_only=True)
class Intensity:
    """All in grey levels unless said otherwise."""

    mean: float
    std: float
    min: float
    max: float
    percentiles: tuple[float, ...]  #: at PERCENTS; each is a level that occurs
    contrast: float  #: 95th less 5th percentile
    entropy_bits: float  #: Shannon entropy of the levels, 0 up to the bit depth
    saturated_low_ratio: float | None  #: share of pixels at 0; None for float, which has no limit
    saturated_high_ratio: float | None  #: share of pixels at the type's largest value


def grey_levels(pixels: Pixels) -> GreyLevels:
    """Histogram of a frame without its empty bins: exact for integers, every value its own for float."""
    if pixels.dtype == np.float32:
        values, occurrences = np.unique(pixels, return_counts=True)
        return GreyLevels(levels=values.astype(np.float64), counts=occurrences.astype(np.float64))
    size = 1 << 8 * pixels.dtype.itemsize
    histogram = cv2.calcHist([pixels], [0], None, [size], [0, size]).ravel()
    levels = np.flatnonzero(histogram)
    return GreyLevels(levels=levels.astype(np.float64), counts=histogram[levels].astype(np.float64))


def intensity(grey: GreyLevels, dtype: np.dtype[np.generic]) -> Intensity:
    """Statistics of a frame from its histogram; ``dtype`` is the frame's and sets where it saturates."""
    share = grey.counts / grey.counts.sum()
    mean = float(grey.levels @ grey.counts / grey.counts.sum())
    percentiles = _percentiles(grey)
    low, high = _saturated(grey.levels, share, dtype)
    return Intensity(
        mean=mean,
        std=float(np.sqrt(share @ np.square(grey.levels - mean))),
        min=float(grey.levels[0]),
        max=float(grey.levels[-1]),
        percentiles=percentiles,
        contrast=percentiles[PERCENTS.index(95)] - percentiles[PERCENTS.index(5)],
        entropy_bits=_entropy_bits(grey, dtype),
        saturated_low_ratio=low,
        saturated_high_ratio=high,
    )


def _percentiles(grey: GreyLevels) -> tuple[float, ...]:
    """Find the smallest levels that at least so many percent of the pixels do not exceed."""
    reached = np.cumsum(grey.counts)
    ranks = np.array(PERCENTS) / 100 * reached[-1]
    return tuple(float(level) for level in grey.levels[np.searchsorted(reached, ranks)])


def _saturated(
    levels: NDArray[np.float64], share: NDArray[np.float64], dtype: np.dtype[np.generic]
) -> tuple[float | None, float | None]:
    if not np.issubdtype(dtype, np.integer):
        return None, None
    top = (1 << 8 * dtype.itemsize) - 1
    return float(share[levels == 0].sum()), float(share[levels == top].sum())


def _entropy_bits(grey: GreyLevels, dtype: np.dtype[np.generic]) -> float:
    counts = grey.counts
    if not np.issubdtype(dtype, np.integer):
        counts, _ = np.histogram(grey.levels, bins=FLOAT_BINS, weights=counts)
    share = counts[counts > 0] / counts.sum()
    return max(0.0, float(-(share @ np.log2(share))))
