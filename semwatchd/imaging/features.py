"""What a frame looks like, as one flat vector to learn from. No feature depends on gain or offset."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semwatchd.imaging.differences import DifferenceTable, Lag

    Floats = NDArray[np.float32]
    Power = NDArray[np.float64]

# Half octaves from the lowest frequency that a tile of 256 px tells of.
BAND_EDGES = tuple(2.0 ** (step / 2 - 7) for step in range(13))  #: cycles/px, 1/128 to 1/2
FAINTEST_DB = -120.0  #: what a band without power is given
DIRECTIONS_DEG = (0, 45, 90, 135)
DIRECTION_BAND = (1 / 64, 1 / 4)  #: cycles/px
CORRELATION_LAGS: tuple[Lag, ...] = (
    *((0, 1), (0, 2), (0, 3), (1, 0), (2, 0), (3, 0)),
    *((1, 1), (1, -1), (2, 2), (2, -2)),
)
TONES = 8  #: of the co-occurrence matrix, over the mean and two standard deviations to each side
PATTERNS = 10  #: uniform local patterns of eight neighbours: 0 to 8 brighter ones in a row, and all others
CELLS = 8  #: along each axis
MIN_COARSE = 16  #: rows and columns of the coarse frame that textures need


@dataclass(frozen=True, slots=True)
class Feature:
    """One number of the vector."""

    name: str
    unit: str
    low: float
    high: float
    meaning: str
    source: str = ""


HARALICK = "Haralick et al. 1973, doi:10.1109/TSMC.1973.4309314"
OJALA = "Ojala et al. 2002, doi:10.1109/TPAMI.2002.1017623"


def _bands() -> tuple[Feature, ...]:
    edges = pairwise(BAND_EDGES)
    return tuple(
        Feature(
            *(f"power_db_{number:02d}", "dB", FAINTEST_DB, 0),
            f"Share of all power at {low:.4f} to {high:.4f} cycles/px; `null` where tiles are too small for "
            "it.",
        )
        for number, (low, high) in enumerate(edges, 1)
    )


def _textures() -> tuple[Feature, ...]:
    return tuple(
        Feature(f"tones_{what}_{axis}", unit, 0, high, f"{meaning}, neighbours along {axis}.", HARALICK)
        for axis in ("x", "y")
        for what, unit, high, meaning in (
            ("contrast", "1", (TONES - 1) ** 2, "Mean squared difference of tones"),
            ("homogeneity", "1", 1, "Mean of 1 / (1 + squared difference of tones)"),
            ("energy", "1", 1, "Sum of squared shares of the pairs of tones"),
            ("entropy", "bit", 2 * math.log2(TONES), "Entropy of the pairs of tones"),
        )
    )


#: Names, units, ranges and meanings of what :func:`features` gives, in its order.
FEATURES: tuple[Feature, ...] = (
    *_bands(),
    *(
        Feature(
            *(f"direction_{angle:03d}", "1", 0, 1),
            f"Share of the power from 1/64 to 1/4 cycles/px that varies along {angle}° from +x towards +y.",
        )
        for angle in DIRECTIONS_DEG
    ),
    *(
        Feature(
            *(f"correlation_{down}_{right}".replace("-", "m"), "1", -1, 1),
            f"Correlation of pixels {down} down and {right} right of each other.",
        )
        for down, right in CORRELATION_LAGS
    ),
    *_textures(),
    *(
        Feature(
            *(f"pattern_{number}", "1", 0, 1),
            f"Share of pixels with {number} brighter neighbours in a row."
            if number < PATTERNS - 1
            else "Share of pixels with brighter and darker neighbours in turns.",
            OJALA,
        )
        for number in range(PATTERNS)
    ),
    Feature("unevenness_level", "1", 0, 1, "Spread of the means of 8 x 8 cells over that of all pixels."),
    Feature("unevenness_contrast", "1", 0, 8, "Spread of the deviations of 8 x 8 cells over their mean."),
)


def features(power: Power, table: DifferenceTable, variance: float, coarse: Floats) -> list[float | None]:
    """Describe a frame by numbers, one for each of :data:`FEATURES`.

    Parameters
    ----------
    power
        As :func:`~semwatchd.imaging.spectrum.tile_power` gives it.
    table
        As :func:`~semwatchd.imaging.differences.squared_differences` gives it.
    variance
        Of all pixels, grey levels squared.
    coarse
        The frame at a quarter of its resolution. Textures are taken from it, because in the frame itself
        noise would make them.

    Returns
    -------
    None for what cannot be told: everything of a constant frame, textures of frames below 64 px.
    """
    if not variance > 0:
        return [None] * len(FEATURES)
    return [
        *_band_shares(power),
        *_direction_shares(power),
        *(max(-1.0, min(1.0, 1 - table[lag] / (2 * variance))) for lag in CORRELATION_LAGS),
        *_coarse_features(coarse),
    ]


def _coarse_features(coarse: Floats) -> list[float | None]:
    deviation = float(coarse.std())
    if min(coarse.shape) < MIN_COARSE or not deviation > 0:
        return [None] * (8 + PATTERNS + 2)
    scaled = (coarse - np.float32(coarse.mean())) * np.float32(TONES / 4 / deviation) + np.float32(TONES / 2)
    tones = np.clip(scaled, 0, TONES - 1).astype(np.uint8)
    along_x, along_y = _co_occurrence(tones[:, :-1], tones[:, 1:]), _co_occurrence(tones[:-1], tones[1:])
    return [*along_x, *along_y, *_pattern_shares(coarse), *_unevenness(coarse, deviation)]


def _band_shares(power: Power) -> list[float | None]:
    """Share of each band in dB. Rings below the first band belong to the window."""
    band, weight, _ = _plane(len(power))
    totals = np.bincount(band, (power * weight).ravel(), len(BAND_EDGES) + 1)[1:-1]
    present = np.bincount(band, minlength=len(BAND_EDGES) + 1)[1:-1] > 0
    share = np.maximum(totals / totals.sum(), 10 ** (FAINTEST_DB / 10)) if totals.sum() > 0 else totals
    if not share.any():
        return [None] * len(totals)
    return [10 * math.log10(s) if there else None for s, there in zip(share, present, strict=True)]


def _direction_shares(power: Power) -> list[float | None]:
    _, weight, sector = _plane(len(power))
    totals = np.bincount(sector, (power * weight).ravel(), len(DIRECTIONS_DEG) + 1)[:-1]
    whole = float(totals.sum())
    return [float(total) / whole if whole > 0 else None for total in totals]


@lru_cache(maxsize=8)
def _plane(tile: int) -> tuple[NDArray[np.intp], Power, NDArray[np.intp]]:
    """Band and direction of each coefficient of the half plane, and how often it stands in the full plane.

    Band 0 and the last are none, and so is the last direction.
    """
    fy, fx = np.fft.fftfreq(tile)[:, None], np.fft.rfftfreq(tile)[None]
    radius = np.hypot(fy, fx)
    band = np.digitize(radius * (1 + 1e-9), BAND_EDGES).ravel()
    weight = np.full(radius.shape, 2.0)
    weight[:, [0, -1]] = 1.0
    step = 180 / len(DIRECTIONS_DEG)
    sector = np.rint(np.degrees(np.arctan2(fy, fx)) / step).astype(np.intp) % len(DIRECTIONS_DEG)
    sector[(radius < DIRECTION_BAND[0]) | (radius > DIRECTION_BAND[1])] = len(DIRECTIONS_DEG)
    return band, weight, sector.ravel()


def _co_occurrence(here: NDArray[np.uint8], there: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """Contrast, homogeneity, energy and entropy of the pairs of tones."""
    pairs = here * np.uint8(TONES) + there
    counts = cv2.calcHist([pairs], [0], None, [TONES * TONES], [0, TONES * TONES]).ravel().astype(np.float64)
    share = counts / counts.sum()
    tone = np.arange(TONES)
    apart = np.square(tone[:, None] - tone[None]).ravel()
    seen = share[share > 0]
    return (
        float(share @ apart),
        float(share @ (1 / (1 + apart))),
        float(share @ share),
        max(0.0, float(-(seen @ np.log2(seen)))),
    )


def _pattern_shares(coarse: Floats) -> list[float]:
    """Histogram of uniform patterns, whichever way they are turned."""
    rows, columns = coarse.shape
    middle = coarse[1:-1, 1:-1]
    code = np.zeros(middle.shape, np.uint8)
    around = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))
    for bit, (down, right) in enumerate(around):
        brighter = cv2.compare(
            coarse[down : rows - 2 + down, right : columns - 2 + right], middle, cv2.CMP_GT
        )
        cv2.bitwise_or(code, cv2.bitwise_and(brighter, np.full_like(code, 1 << bit)), dst=code)
    codes = cv2.calcHist([code], [0], None, [256], [0, 256]).ravel()
    shares = np.bincount(_uniform_patterns(), codes, PATTERNS) / middle.size
    return [float(share) for share in shares]


@lru_cache(maxsize=1)
def _uniform_patterns() -> NDArray[np.intp]:
    """Count the brighter neighbours of each code, or name it mixed where they do not stand in a row."""
    bits = np.array([[code >> bit & 1 for bit in range(8)] for code in range(256)])
    changes = np.count_nonzero(bits != np.roll(bits, 1, axis=1), axis=1)
    return np.where(changes <= 2, bits.sum(axis=1), PATTERNS - 1)


def _unevenness(coarse: Floats, deviation: float) -> tuple[float, float]:
    rows, columns = (length // CELLS * CELLS for length in coarse.shape)
    centred = coarse[:rows, :columns] - np.float32(coarse.mean())
    mean, square = (
        cv2.resize(part, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
        for part in (centred, centred * centred)
    )
    within = np.sqrt(np.maximum(square - mean * mean, 0))
    level, inside = float(mean.std()) / deviation, float(within.mean())
    return min(level, 1.0), float(within.std()) / inside if inside > 0 else 0.0
