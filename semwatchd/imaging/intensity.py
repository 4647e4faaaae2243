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

    Row = NDArray[np.float64]

PERCENTS = (1, 5, 50, 95, 99)
FLOAT_BINS = 256  #: float frames have no levels of their own; this many make their entropy comparable
RANKED = (
    1 << 18
)  #: pixels of a float frame that percentiles are taken from; more are ranked no better than 0.1 %


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grey:
    """Which grey levels occur, and how often."""

    levels: Row  #: of integers those that occur, ascending; of float one for each pixel
    share: Row  #: of the pixels that each stands for
    percentiles: tuple[float, ...]
    in_bins: Row  #: share of the pixels in each bin that entropy is taken over; none is empty


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
    levels: int | None  #: how many different ones occur; None for float, where nearly every pixel has its own
    level_step: float | None  #: greatest common divisor of the gaps between levels; None for float
    saturated_low_ratio: float | None  #: share of pixels at 0; None for float, which has no limit
    saturated_high_ratio: float | None  #: share of pixels at the largest value that the file's bits can give


def intensity(pixels: Pixels) -> Intensity:
    """Statistics of all pixels, but for a large float frame's percentiles, for which every few rows do.

    Parameters
    ----------
    pixels
        (rows, columns), finite.
    """
    require_frame(pixels)
    integers = pixels.dtype != np.float32
    grey = _of_integers(pixels) if integers else _of_float(pixels)
    lowest, highest = float(grey.levels.min()), float(grey.levels.max())
    mean = min(highest, max(lowest, float(grey.levels @ grey.share)))  # a constant's, in spite of rounding
    from_mean = grey.levels - mean
    first, fifth, _, ninety_fifth, ninety_ninth = grey.percentiles
    contrast = ninety_fifth - fifth
    step = _level_step(grey.levels) if integers else None
    low, high = _saturated(grey, pixels.dtype, step) if integers else (None, None)
    skewness, kurtosis = _shape(from_mean, grey.share)
    return Intensity(
        mean=mean,
        std=float(np.sqrt(grey.share @ np.square(from_mean))),
        min=lowest,
        max=highest,
        percentiles=grey.percentiles,
        contrast=contrast,
        dark_tail=_over(fifth - first, contrast),
        bright_tail=_over(ninety_ninth - ninety_fifth, contrast),
        skewness=skewness,
        kurtosis=kurtosis,
        entropy_bits=max(0.0, float(-(grey.in_bins @ np.log2(grey.in_bins)))),
        levels=len(grey.levels) if integers else None,
        level_step=step,
        saturated_low_ratio=low,
        saturated_high_ratio=high,
    )


def saturated_share(found: Intensity) -> float:
    """Share of pixels at either end of the scale, 0..1; 0 for float, which has no limit."""
    return (found.saturated_low_ratio or 0.0) + (found.saturated_high_ratio or 0.0)


def _of_integers(pixels: Pixels) -> _Grey:
    size = 1 << 8 * pixels.dtype.itemsize
    histogram = cv2.calcHist([pixels], [0], None, [size], [0, size]).ravel()
    occurring = np.flatnonzero(histogram)
    levels, counts = occurring.astype(np.float64), histogram[occurring].astype(np.float64)
    reached = np.cumsum(counts)
    percentiles = levels[np.searchsorted(reached, np.array(PERCENTS) / 100 * pixels.size)]
    share = counts / pixels.size
    return _Grey(levels=levels, share=share, percentiles=tuple(percentiles.tolist()), in_bins=share)


def _of_float(pixels: Pixels) -> _Grey:
    levels = pixels.ravel().astype(np.float64)
    some = pixels[:: max(1, pixels.size // RANKED)].ravel()
    # The smallest values that at least so many percent of the pixels do not exceed.
    ranks = [max(0, -(-percent * some.size // 100) - 1) for percent in PERCENTS]
    percentiles = np.partition(some, ranks)[ranks]
    counts, _ = np.histogram(levels, bins=FLOAT_BINS)  # of float32 some ranges cannot be cut into so many
    return _Grey(
        levels=levels,
        share=np.full(levels.size, 1 / levels.size),
        percentiles=tuple(percentiles.tolist()),
        in_bins=counts[counts > 0] / levels.size,
    )


def _over(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _shape(from_mean: Row, share: Row) -> tuple[float | None, float | None]:
    """Skewness and kurtosis; scaled first, because fourth powers of large float levels leave the range."""
    size = float(np.abs(from_mean).max())
    if size == 0:
        return None, None
    scaled = from_mean / size
    square = np.square(scaled)
    variance = float(share @ square)
    return float(share @ (square * scaled)) / variance**1.5, float(share @ np.square(square)) / variance**2


def _level_step(levels: Row) -> float | None:
    return float(np.gcd.reduce(np.diff(levels.astype(np.int64)))) if len(levels) > 1 else None


def _saturated(grey: _Grey, dtype: np.dtype[np.generic], step: float | None) -> tuple[float, float]:
    """Share of pixels at the lowest and at the highest level that the file's bits can give."""
    apart = int(step or 1)  # 8 bits in 16 may end at 65280
    top = (1 << 8 * dtype.itemsize) - 1
    low, high = (float(grey.share[grey.levels == end].sum()) for end in (0, top // apart * apart))
    return low, high
