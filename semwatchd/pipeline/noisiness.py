"""Noise and signal-to-noise ratio of a picture, and how far the figures may be trusted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from semwatchd.imaging.intensity import intensity, saturated_share
from semwatchd.imaging.noise import SPLINE_LAGS, NoiseVariance, savgol_spline, variogram
from semwatchd.imaging.snr import snr_db, snr_ratio
from semwatchd.pipeline.stage import Picture

if TYPE_CHECKING:
    from semwatchd.core.image import Pixels

SPLINE_ROWS = 128  #: a second opinion needs no more

#: Noise along x is noise along y smeared by the detector: 0.7 to 0.9 of it on most tools, and no fault of the
#: picture. Below a half the detector settles more slowly than a pixel's dwell time, and blurs edges as well.
SLOW_DETECTOR = 0.5
#: No detector makes noise stronger along x; by so much more it is no longer chance.
STRONGER_ALONG_X = 1.1

LOWEST_SNR, HIGHEST_SNR = 0.05, 200.0  #: outside, the weaker of the two is lost in the error of the stronger
METHODS_AGREE_WITHIN = 0.10
MOST_SATURATED = 0.05  #: of the pixels; the noise variance is understated by about that share

TOO_WEAK = "noise below detection: no signal-to-noise ratio along at least one axis"
NO_SIGNAL = "nothing but noise: no signal was found"

Report = tuple[dict[str, float | None], tuple[str, ...]]


def noise_report(picture: Picture, noise: NoiseVariance) -> Report:
    """Values by name, and warnings."""
    pixels = picture.image.pixels
    grey = picture.of(intensity)
    variance = grey.std**2
    ratio = snr_ratio(variance, noise.along_y)
    ratio_spline = snr_ratio(variance, _spline_variance(pixels))
    sigma, sigma_x = (math.sqrt(max(along, 0.0)) for along in (noise.along_y, noise.along_x))
    axes_ratio = sigma_x / sigma if sigma > 0 else None
    doubts = _doubts(ratio, ratio_spline, axes_ratio, saturated_share(grey))
    values = {
        "noise.sigma": sigma,
        "noise.sigma_x": sigma_x,
        "noise.axes_ratio": axes_ratio,
        "snr.ratio": ratio,
        "snr.db": snr_db(ratio),
        "snr.ratio_x": snr_ratio(variance, noise.along_x),
        "snr.ratio_spline": ratio_spline,
        "snr.valid": float(not doubts and ratio is not None and LOWEST_SNR <= ratio <= HIGHEST_SNR),
    }
    return values, doubts


def _spline_variance(pixels: Pixels) -> float:
    every = max(1, pixels.shape[0] // SPLINE_ROWS)
    return savgol_spline(variogram(pixels, "y", SPLINE_LAGS, every))


def _doubts(
    ratio: float | None, ratio_spline: float | None, axes_ratio: float | None, saturated: float
) -> tuple[str, ...]:
    """Say what speaks against the figures, and what to do about it."""
    if ratio is None or ratio_spline is None or not axes_ratio:
        return (TOO_WEAK,)
    if ratio == 0:
        return (NO_SIGNAL,)
    if ratio > HIGHEST_SNR:
        return ()
    doubts = []
    if axes_ratio < SLOW_DETECTOR:
        doubts.append(
            f"noise along the scan line is only {axes_ratio:.2f} of that along y: the detector is too slow "
            "for this dwell time, or lines are displaced against each other; scan more slowly and compare"
        )
    elif axes_ratio > STRONGER_ALONG_X:
        doubts.append(
            f"noise along the scan line is {axes_ratio:.2f} of that along y: lines were averaged or "
            "interpolated, or the specimen has structure finer than two pixels; do not compare snr.ratio"
        )
    if abs(ratio_spline - ratio) > METHODS_AGREE_WITHIN * (1 + ratio):
        doubts.append(
            f"two ways to tell noise from structure disagree: a signal-to-noise ratio of {ratio:.3g} or "
            f"{ratio_spline:.3g}; the specimen has structure of a few pixels: do not compare snr.ratio"
        )
    if saturated > MOST_SATURATED:
        doubts.append(
            f"{saturated:.1%} of the pixels are saturated, so noise is understated: lower contrast or "
            "brightness"
        )
    return tuple(doubts)
