"""The grey levels of a frame: moments, percentiles, entropy, saturation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from semwatchd.imaging.checks import require_frame

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
    dark_tail: float | None  #: 5th less 1st percentile over the contrast, 0 or more; None without contrast
    bright_tail: float | None  #: 99th less 95th percentile over the contrast, 0 or more
    skewness: float | None  #: above 0 with a bright tail; None without spread
    kurtosis: float | None  #: 1 or more, 3 for a bell curve; None without spread
    entropy_bits: float  #: Shannon entropy of the levels, 0 up to the bit depth
    level_step: float | None  #: greatest common divisor of the gaps between levels; None for float
    saturated_low_ratio: float | None  #: share of pixels at 0; None for float, which has no limit
    saturated_high_ratio: float | None  #: share of pixels at the largest value that the file's bits can give


def grey_levels(pixels: Pixels) -> GreyLevels:
    """Histogram of a frame without its empty bins: exact for integers, every value its own for float."""
    require_frame(pixels)
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
    contrast = percentiles[3] - percentiles[1]
    low, high = _saturated(grey, dtype)
    skewness, kurtosis = _shape(grey.levels - mean, share)
    return Intensity(
        mean=mean,
        std=float(np.sqrt(share @ np.square(grey.levels - mean))),
        min=float(grey.levels[0]),
        max=float(grey.levels[-1]),
        percentiles=percentiles,
        contrast=contrast,
        dark_tail=_over(percentiles[1] - percentiles[0], contrast),
        bright_tail=_over(percentiles[4] - percentiles[3], contrast),
        skewness=skewness,
        kurtosis=kurtosis,
        entropy_bits=_entropy_bits(grey, dtype),
        level_step=_level_step(grey.levels, dtype),
        saturated_low_ratio=low,
        saturated_high_ratio=high,
    )


def saturated_share(grey: GreyLevels, dtype: np.dtype[np.generic]) -> float:
    """Share of pixels at either end of the scale, 0..1; 0 for float, which has no limit."""
    return sum(share or 0.0 for share in _saturated(grey, dtype))


def _percentiles(grey: GreyLevels) -> tuple[float, ...]:
    """Find the smallest levels that at least so many percent of the pixels do not exceed."""
    reached = np.cumsum(grey.counts)
    ranks = np.array(PERCENTS) / 100 * reached[-1]
    return tuple(float(level) for level in grey.levels[np.searchsorted(reached, ranks)])


def _over(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _shape(from_mean: NDArray[np.float64], share: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Skewness and kurtosis; scaled first, because fourth powers of large float levels leave the range."""
    size = float(np.abs(from_mean).max())
    if size == 0:
        return None, None
    scaled = from_mean / size
    square = np.square(scaled)
    variance = float(share @ square)
    return float(share @ (square * scaled)) / variance**1.5, float(share @ np.square(square)) / variance**2


def _level_step(levels: NDArray[np.float64], dtype: np.dtype[np.generic]) -> float | None:
    if len(levels) == 1 or not np.issubdtype(dtype, np.integer):
        return None
    return float(np.gcd.reduce(np.diff(levels.astype(np.int64))))


def _saturated(grey: GreyLevels, dtype: np.dtype[np.generic]) -> tuple[float | None, float | None]:
    """Share of pixels at the lowest and at the highest level that the file's bits can give."""
    if not np.issubdtype(dtype, np.integer):
        return None, None
    step = int(_level_step(grey.levels, dtype) or 1)  # 8 bits in 16 may end at 65280
    top = (1 << 8 * dtype.itemsize) - 1
    low, high = (grey.counts[grey.levels == end].sum() for end in (0, top // step * step))
    return float(low / grey.counts.sum()), float(high / grey.counts.sum())


def _entropy_bits(grey: GreyLevels, dtype: np.dtype[np.generic]) -> float:
    counts = grey.counts
    if not np.issubdtype(dtype, np.integer):
        counts, _ = np.histogram(grey.levels, bins=FLOAT_BINS, weights=counts)
    share = counts[counts > 0] / counts.sum()
    return max(0.0, float(-(share @ np.log2(share))))
