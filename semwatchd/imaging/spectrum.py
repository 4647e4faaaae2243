"""Where a frame's power lies between coarse structure and single pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

import cv2
import numpy as np

from semwatchd.imaging.checks import require_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semwatchd.imaging.differences import Pixels

TILE_PX = 256  #: small enough for the cache, long enough for structure 100 px wide
#: Along each axis. Where there are so many along both, every other one is left out: corners and middle cost
#: half of what all nine do, and the noise floor of 1024 px is still told to 1 %.
MOST_TILES = 3

#: The Hann window spreads the tile's mean over the lowest frequencies, so these rings say nothing.
LOWEST_RING = 2
NOISE_BAND = (0.40, 0.50)  #: cycles/px; hardly any lens puts signal there
HIGH_BAND = 0.25  #: cycles/px; half of the Nyquist frequency


@dataclass(frozen=True, slots=True)
class RadialSpectrum:
    """Power per frequency, averaged over direction.

    Scaled so that white noise of variance s has a power of s at every frequency.
    """

    frequency: NDArray[np.float64]  #: cycles/px, 0 < f <= 0.5
    power: NDArray[np.float64]  #: grey levels squared times px squared
    count: NDArray[np.float64]  #: coefficients in each ring


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectrumSummary:
    """A handful of numbers for a spectrum. None where the frame has no power to speak of."""

    noise_floor: float  #: mean power at 0.4 to 0.5 cycles/px, grey levels squared times px squared
    high_frequency_ratio: float | None  #: share of all power above 0.25 cycles/px, 0..1; white noise 0.75
    centroid_cycles_per_px: float | None  #: mean frequency of the power above the floor, 0..0.5
    bandwidth_cycles_per_px: float | None  #: highest with at least twice the floor's power, 0..0.5
    slope: float | None  #: exponent of the power law followed up to the bandwidth, about -4..0


def radial_spectrum(pixels: Pixels) -> RadialSpectrum:
    """Power spectrum of a frame, averaged over direction."""
    return averaged_in_rings(tile_power(pixels))


def tile_power(pixels: Pixels) -> NDArray[np.float64]:
    """Power spectrum of a frame by Welch's method: Hann-windowed tiles, spread evenly over the frame.

    Up to 512 px they cover all of it. What lies within one coefficient of the origin belongs to the window.

    Parameters
    ----------
    pixels
        At least 16 px along both axes.

    Returns
    -------
    (tile, tile // 2 + 1) for fy = 0.. then ..-1 and fx = 0.., in grey levels squared times px squared: white
    noise of variance s has a power of s everywhere.

    References
    ----------
    Welch 1967, 10.1109/TAU.1967.1161901.
    """
    require_frame(pixels, 16)
    tile = tile_size(pixels.shape)
    window = _hann(tile)
    level = np.float32(cv2.mean(pixels[::8])[0])  # any level drops out; this one keeps the numbers small
    packed = np.zeros((tile, tile), np.float32)
    work = np.empty((tile, tile), np.float32)
    corners = _corners(pixels.shape, tile)
    for y, x in corners:
        np.subtract(pixels[y : y + tile, x : x + tile], level, out=work)
        cv2.multiply(work, window, dst=work)
        cv2.accumulateSquare(cv2.dft(work, dst=work), packed)
    scale = len(corners) * float(np.square(window, dtype=np.float64).sum())
    return _half_plane(packed.astype(np.float64)) / scale


def tile_size(shape: tuple[int, ...]) -> int:
    """Largest power of two that fits the frame, 256 px at most."""
    return min(TILE_PX, 1 << (min(shape).bit_length() - 1))


def summarise(spectrum: RadialSpectrum) -> SpectrumSummary:
    """Put a spectrum into a handful of named numbers."""
    frequency, power = spectrum.frequency, spectrum.power
    in_ring = power * spectrum.count
    outer = (frequency >= NOISE_BAND[0]) & (frequency <= NOISE_BAND[1])
    floor = float(in_ring[outer].sum() / spectrum.count[outer].sum())
    signal = np.maximum(power - floor, 0.0) * spectrum.count
    edge = _bandwidth_ring(power, floor)
    return SpectrumSummary(
        noise_floor=floor,
        high_frequency_ratio=_ratio(in_ring[frequency >= HIGH_BAND].sum(), in_ring.sum()),
        centroid_cycles_per_px=_ratio((signal * frequency).sum(), signal.sum()),
        bandwidth_cycles_per_px=None if edge is None else float(frequency[edge]),
        slope=None if edge is None else _slope(frequency[: edge + 1], power[: edge + 1]),
    )


def _half_plane(packed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Undo OpenCV's packing of squared real-DFT coefficients into power for fy = 0..n-1, fx = 0..n/2.

    A coefficient's real and imaginary part stand side by side, but in the first and last column, which
    hold fx = 0 and fx = 1/2, one above the other.
    """
    n = len(packed)
    power = np.empty((n, n // 2 + 1))
    power[:, 1:-1] = packed[:, 1:-1:2] + packed[:, 2:-1:2]
    for column, source in ((0, packed[:, 0]), (-1, packed[:, -1])):
        pairs = source[1:-1:2] + source[2:-1:2]
        power[:, column] = np.concatenate((source[:1], pairs, source[-1:], pairs[::-1]))
    return power


def averaged_in_rings(power: NDArray[np.float64]) -> RadialSpectrum:
    """Average what :func:`tile_power` returns over direction."""
    tile = len(power)
    ring, weight, count = _rings(tile)
    total = np.bincount(ring, (power * weight).ravel())
    used = slice(LOWEST_RING, tile // 2 + 1)
    frequency = np.arange(tile // 2 + 1, dtype=np.float64) / tile
    return RadialSpectrum(frequency[used], (total[: tile // 2 + 1] / count)[used], count[used])


@lru_cache(maxsize=8)
def _rings(tile: int) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Ring number of each half-plane coefficient, how often it stands in the full plane, ring sizes."""
    radius = np.hypot(np.fft.fftfreq(tile)[:, None], np.fft.rfftfreq(tile)[None]) * tile
    ring: NDArray[np.intp] = np.rint(radius).astype(np.intp).ravel()
    weight: NDArray[np.float64] = np.full((tile, tile // 2 + 1), 2.0, np.float64)
    weight[:, [0, -1]] = 1.0
    count: NDArray[np.float64] = np.bincount(ring, weight.ravel())[: tile // 2 + 1].astype(np.float64)
    return ring, weight, count


@lru_cache(maxsize=8)
def _hann(tile: int) -> NDArray[np.float32]:
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(tile) / tile)
    return np.outer(window, window).astype(np.float32)


def _corners(shape: tuple[int, ...], tile: int) -> list[tuple[int, int]]:
    """Top left corners (y, x) of the tiles."""
    down, right = (_starts(length, tile) for length in shape)
    corners = list(product(down, right))
    return corners[::2] if len(corners) == MOST_TILES**2 else corners


def _starts(length: int, tile: int) -> list[int]:
    """First pixel of each tile along an axis: as few as cover it, but not too many, evenly spread."""
    tiles = min(MOST_TILES, -(-length // tile))
    return [(length - tile) * number // max(1, tiles - 1) for number in range(tiles)]


def _bandwidth_ring(power: NDArray[np.float64], floor: float) -> int | None:
    """Last ring whose power is at least twice the floor. Not the first gap: a periodic pattern has many."""
    above = np.flatnonzero((power >= 2 * floor) & (power > 0))
    return int(above[-1]) if above.size else None


def _slope(frequency: NDArray[np.float64], power: NDArray[np.float64]) -> float | None:
    """Slope of log power over log frequency, least squares; None with fewer than three rings."""
    positive = power > 0
    if positive.sum() < 3:
        return None
    x, y = np.log(frequency[positive]), np.log(power[positive])
    x -= x.mean()
    return float(x @ y / (x @ x))


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole > 0 else None
