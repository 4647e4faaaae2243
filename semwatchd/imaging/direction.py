"""How a frame's power is spread over direction: the mark that astigmatism leaves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

BAND = 0.15  #: cycles/px; noise further out would weigh most, for it is multiplied by the frequency squared
LOWEST_RING = 2  #: below is what the window makes of the tile's mean
NOISE_ROWS = 0.40  #: cycles/px along y, from where on there is nothing but noise
CORRELATED_PX = 3  #: a detector smears noise over no more than so many pixels
ONE_DIMENSIONAL = 10.0  #: ratio from where on the ellipse is that of lines, and no mark of the beam
LEAST_SIGNAL = 0.05  #: of the noise in the band; what is left of less is chance


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectralShape:
    """The ellipse of second moments of a spectrum, and how far its tails reach."""

    astigmatism_ratio: float  #: long over short axis, 1 or more
    astigmatism_angle_deg: float  #: of the short axis, along which the picture is blurred most; 0..180
    kurtosis: float | None  #: of both frequencies, 1 or more; 8 for a Gaussian; None where noise drowns it


def spectral_shape(power: Floats) -> SpectralShape | None:
    """Second and fourth moments of the power that is not noise, up to 0.15 cycles/px.

    Noise is white along y, but not always along x: it is taken from the highest frequencies along y, for each
    frequency along x.

    Parameters
    ----------
    power
        As :func:`~semwatchd.imaging.spectrum.tile_power` gives it. The angle counts from +x towards +y, which
        points down.

    Returns
    -------
    None where nothing stands out of the noise, and where the picture shows straight lines only.

    References
    ----------
    Kurtosis as a mark of sharpness: Zhang, Postek & Larrabee 1999, Image sharpness measurement in the
    scanning electron microscope, part III, Scanning 21.
    """
    plane = _plane(len(power))
    floor = plane.smoothing @ power[plane.noise_rows].mean(axis=0)
    signal = (power[plane.rows, : plane.columns] - floor) * plane.weight
    total = float(signal.sum())
    if not total > LEAST_SIGNAL * float((plane.weight * floor).sum()):
        return None
    xx, xy, yy = (float((signal * product).sum()) / total for product in plane.products)
    spread, mean = math.hypot((xx - yy) / 2, xy), (xx + yy) / 2
    long, short = mean + spread, mean - spread
    if not short * ONE_DIMENSIONAL**2 > long:
        return None
    fx2, fxy, fy2 = plane.products
    distance = (yy * fx2 - 2 * xy * fxy + xx * fy2) / (long * short)
    kurtosis = float((signal * np.square(distance)).sum()) / total
    return SpectralShape(
        astigmatism_ratio=math.sqrt(long / short),
        astigmatism_angle_deg=(math.degrees(math.atan2(2 * xy, xx - yy) / 2) + 90) % 180,
        kurtosis=kurtosis if kurtosis >= 1 else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plane:
    """What depends on the tile's size alone: the part of the half plane that is looked at."""

    rows: NDArray[np.intp]
    columns: int
    noise_rows: NDArray[np.intp]
    smoothing: Floats  #: from the noise at all fx to that in the columns, by least squares
    weight: Floats  #: how often a coefficient stands in the full plane, 0 outside the band
    products: tuple[Floats, Floats, Floats]  #: fx fx, fx fy, fy fy


@lru_cache(maxsize=8)
def _plane(tile: int) -> _Plane:
    fy, fx = np.fft.fftfreq(tile).astype(np.float64), np.fft.rfftfreq(tile).astype(np.float64)
    rows, columns = np.flatnonzero(np.abs(fy) <= BAND), int(np.count_nonzero(fx <= BAND))
    y, x = fy[rows][:, None], fx[None, :columns]
    radius = np.hypot(y, x)
    weight = np.where((radius >= LOWEST_RING / tile) & (radius <= BAND), np.where(x > 0, 2.0, 1.0), 0.0)
    products = (np.broadcast_to(x * x, radius.shape), x * y, np.broadcast_to(y * y, radius.shape))
    return _Plane(
        rows=rows,
        columns=columns,
        noise_rows=np.flatnonzero(np.abs(fy) >= NOISE_ROWS),
        smoothing=_smoothing(fx)[:columns],
        weight=weight,
        products=products,
    )


def _smoothing(fx: Floats) -> Floats:
    """Projection on the spectra of noise that is correlated over up to three pixels."""
    cosines = np.cos(2 * np.pi * np.outer(fx, np.arange(CORRELATED_PX + 1)))
    return np.asarray(cosines @ np.linalg.pinv(cosines))
