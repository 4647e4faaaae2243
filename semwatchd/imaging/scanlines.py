"""What goes wrong from one scan line to the next: displaced lines, vibration, banding, charging."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from semwatchd.imaging.checks import require_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semwatchd.imaging.differences import Pixels

    Floats = NDArray[np.float32]
    Row = NDArray[np.float64]

THIN = 4  #: one sample stands for so many columns: a line moves as a whole
WEIGHTS = (0.114, 0.587, 0.299)  #: of the first three of them, as of blue, green and red in a grey level
THIN_NOISE = sum(weight * weight for weight in WEIGHTS)  #: variance of a sample's noise over a pixel's
AS_IT_IS = np.ones(1)
BOTH_NEIGHBOURS = np.array([0.5, 0.0, 0.5])
AGAINST_NEIGHBOURS = np.array([-0.5, 1.0, -0.5])
SECOND_DIFFERENCE_GAIN = float(np.square(AGAINST_NEIGHBOURS).sum())  #: its variance, of white noise of 1
SLOPE = np.array([1.0, -8.0, 0.0, 8.0, -1.0]) / 12  #: exact for a polynomial of fourth degree
SLOPE_NOISE_GAIN = float(np.square(SLOPE).sum()) / 2  #: of the slope of two lines' mean
FLAT = 1e-6  #: relative; a smaller slope is rounding
LOCATED_PX = 0.5  #: a line's displacement must be told at least this well, in the median
#: Vibration slower than this cannot be told from the specimen's slanted edges.
SLOWEST_CYCLES_PER_LINE = 0.1
NEIGHBOURS = 32  #: frequencies whose median power is the background of a line in the spectrum
MIN_ROWS = 64
MIN_THIN = 8  #: rows, and columns of the thinned frame


@dataclass(frozen=True, slots=True, kw_only=True)
class LineShifts:
    """Displacement of each line against the mean of its two neighbours, along x, in px of the frame."""

    shift_px: Row
    sigma_px: Row  #: one standard deviation, from what the displacement leaves unexplained
    weight: Row  #: how much structure each line has to be located by


@dataclass(frozen=True, slots=True, kw_only=True)
class Vibration:
    """The strongest periodic displacement of the lines along x."""

    amplitude_px: float
    cycles_per_line: float  #: 0.1..0.5
    prominence: float  #: its power over that of its neighbourhood; up to about 15 by chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Charging:
    """How the brightness of the lines changes over the frame, grey levels."""

    slope: float  #: of the straight line through the means of all lines, times the height: last less first
    banding: float  #: standard deviation of a line's mean against its neighbours, less what noise makes of it


def thinned(pixels: Pixels) -> Pixels:
    """All rows, and for every four columns a weighted mean of three; grey levels, as uint8 or float32.

    Weights and groups of four are those of a colour picture turned grey, for OpenCV does nothing faster: a
    third of the time of a mean of two columns, and less noise.

    Parameters
    ----------
    pixels
        At least 4 px along both axes.
    """
    require_frame(pixels, THIN)
    rows, columns = pixels.shape
    whole = cast("Pixels", np.ascontiguousarray(pixels[:, : columns - columns % THIN]))
    thin = cv2.cvtColor(whole.reshape(rows, columns // THIN, THIN), cv2.COLOR_BGRA2GRAY)
    return cast("Pixels", thin if thin.dtype == np.uint8 else np.asarray(thin, dtype=np.float32))


def line_shifts(thin: Pixels) -> LineShifts | None:
    """Locate each line between its neighbours by least squares on the slope of the grey levels.

    Parameters
    ----------
    thin
        As :func:`thinned` gives it.

    Returns
    -------
    None where the lines have too little structure to be located within half a pixel, and on tiny frames.

    References
    ----------
    Lucas & Kanade 1981, in one dimension; noise in the slope, which would shorten every shift, is taken off.
    """
    if thin.shape[0] < MIN_THIN or thin.shape[1] < MIN_THIN:
        return None
    slope = _filtered(thin, SLOPE, BOTH_NEIGHBOURS)
    change = _filtered(thin, AS_IT_IS, AGAINST_NEIGHBOURS)
    energy = _row_dot(slope, slope)
    if not energy.mean() > slope.shape[1] * (FLAT * float(np.abs(thin[0]).max())) ** 2:
        return None
    brighter = _row_mean(change)  # as a whole, which is no displacement
    common = _row_dot(slope, change) - brighter * slope.shape[1] * _row_mean(slope)
    changed = _row_dot(change, change) - slope.shape[1] * np.square(brighter)
    left_over = np.maximum(changed - _square_over(common, energy), 0.0)
    noise = left_over / slope.shape[1] / SECOND_DIFFERENCE_GAIN
    weight = energy - slope.shape[1] * noise * SLOPE_NOISE_GAIN
    usable = np.maximum(weight, 1e-3 * float(energy.mean()) + 1e-30)
    sigma_px = THIN * np.sqrt(noise * SECOND_DIFFERENCE_GAIN * energy) / usable
    if 2 * np.count_nonzero(sigma_px < LOCATED_PX) <= len(sigma_px) or not weight.mean() > 0:
        return None
    shift_px = -THIN * common / usable
    return LineShifts(shift_px=shift_px, sigma_px=sigma_px, weight=np.maximum(weight, 0.0))


def jitter_px(lines: LineShifts) -> float:
    """Give the standard deviation of the lines' random displacement along x, in px, 0 or more.

    What noise adds is taken off. Rough edges of the specimen count as jitter, the less the more edges a line
    crosses.
    """
    excess = np.square(lines.shift_px) - np.square(lines.sigma_px)
    variance = _average(excess, lines.weight) / SECOND_DIFFERENCE_GAIN
    return math.sqrt(max(variance, 0.0))


def vibration(lines: LineShifts) -> Vibration | None:
    """Find the strongest line in the spectrum of the lines' displacement; None below 64 lines.

    Vibration slower than 0.1 cycles per line cannot be told from slanted edges and is not looked for. Times
    the line frequency of the scan, the frequency is in Hz.
    """
    rows = len(lines.shift_px)
    if rows < MIN_ROWS:
        return None
    window, frequency, gain = _sines(rows)
    limit = 4 * math.sqrt(_average(np.square(lines.shift_px), lines.weight))
    spectrum = np.fft.rfft(np.clip(lines.shift_px, -limit, limit) * window)[-len(frequency) :]
    amplitude = np.abs(spectrum) * gain
    power = np.square(amplitude)
    prominence = power / _background(power)
    strongest = int(prominence.argmax())
    return Vibration(
        amplitude_px=float(amplitude[strongest]),
        cycles_per_line=float(frequency[strongest]),
        prominence=float(prominence[strongest]),
    )


def charging(thin: Pixels, noise_variance: float) -> Charging:
    """Tell how the brightness of the lines drifts and jumps; the specimen's own changes are part of it.

    Parameters
    ----------
    thin
        As :func:`thinned` gives it; at least 3 rows.
    noise_variance
        Of white noise in the frame, grey levels squared.
    """
    level = _row_mean(thin)
    rows = len(level)
    position = np.arange(rows) - (rows - 1) / 2
    slope = float(position @ level / (position @ position)) * (rows - 1)
    jumps = level[1:-1] - (level[:-2] + level[2:]) / 2
    noise = max(noise_variance, 0.0) * THIN_NOISE / thin.shape[1]
    variance = float(np.square(jumps).mean()) / SECOND_DIFFERENCE_GAIN - noise
    return Charging(slope=slope, banding=math.sqrt(max(variance, 0.0)))


def _background(power: Row) -> Row:
    """Mean power around each frequency that a strong line does not lift: from the median of blocks."""
    block = min(NEIGHBOURS, len(power))
    parts = power[: len(power) // block * block].reshape(-1, block)
    lower, upper = (block - 1) // 2, block // 2
    medians = np.sort(parts, axis=1)[:, [lower, upper]].mean(axis=1) / math.log(2)  # of exponential power
    middles = (np.arange(len(parts)) + 0.5) * block
    background: Row = np.interp(np.arange(len(power)) + 0.5, middles, medians)
    return np.maximum(background, 1e-12)


@lru_cache(maxsize=8)
def _sines(rows: int) -> tuple[Row, Row, Row]:
    """Window for so many lines, frequencies looked at, and the amplitude that a unit of spectrum means."""
    window, frequency = np.hanning(rows), np.fft.rfftfreq(rows).astype(np.float64)
    frequency = frequency[frequency >= SLOWEST_CYCLES_PER_LINE]
    # The mean of both neighbours takes this share of a sine away, the more the slower it is.
    seen = 1 - np.cos(2 * np.pi * frequency)
    return window, frequency, 2 / window.sum() / seen


def _average(values: Row, weights: Row) -> float:
    return float(values @ weights / weights.sum())


def _filtered(thin: Pixels, along_x: Row, along_y: Row) -> Floats:
    """Filter and cut off what the frame's edge has made up."""
    return cast("Floats", cv2.sepFilter2D(thin, cv2.CV_32F, along_x, along_y))[1:-1, 2:-2]


def _row_dot(a: Floats, b: Floats) -> Row:
    return np.asarray(np.vecdot(a, b), dtype=np.float64)


def _row_mean(lines: Pixels) -> Row:
    return np.asarray(cv2.reduce(lines, 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F), dtype=np.float64).ravel()


def _square_over(a: Row, b: Row) -> Row:
    return np.square(a) / np.maximum(b, 1e-30)
