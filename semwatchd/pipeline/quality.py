"""The stages that look at one picture alone: grey levels, sharpness with noise, spectrum."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from semwatchd.imaging.differences import squared_differences
from semwatchd.imaging.finite import finite_frame
from semwatchd.imaging.intensity import PERCENTS, grey_levels, intensity
from semwatchd.imaging.noise import noise_variance
from semwatchd.imaging.sharpness import laplacian_variance, tenengrad, tenengrad_corrected
from semwatchd.imaging.snr import image_variance, snr_db, snr_ratio
from semwatchd.imaging.spectrum import averaged_in_rings, summarise, tile_power
from semwatchd.pipeline.stage import Measured, Picture, Stage

MIN_SIZE_PX = 16  #: on anything smaller these numbers describe the border, not the specimen

#: Noise that is white looks the same along both axes; a larger difference means the detector smears it
#: along the scan line (or structure finer than two pixels), and the x value is not to be trusted.
AXES_AGREE_WITHIN = 0.10

FEW_LEVELS = 256  #: a 16-bit frame with no more levels than this carries 8 bits

INTENSITY = (
    *("intensity.mean", "intensity.std", "intensity.min", "intensity.max"),
    *(f"intensity.p{percent:02d}" for percent in PERCENTS),
    *("intensity.contrast", "intensity.entropy_bits"),
    *("intensity.saturated_low_ratio", "intensity.saturated_high_ratio"),
)
SHARPNESS = (
    *("sharpness.laplacian_variance", "sharpness.tenengrad", "sharpness.tenengrad_corrected"),
    *("noise.sigma", "noise.sigma_x", "snr.ratio", "snr.db", "snr.ratio_x"),
)
SPECTRUM = (
    *("spectrum.noise_floor", "spectrum.high_frequency_ratio", "spectrum.centroid_cycles_per_px"),
    *("spectrum.bandwidth_cycles_per_px", "spectrum.slope"),
)


def intensity_stage() -> Stage:
    """Grey-level statistics; see :class:`~semwatchd.imaging.intensity.Intensity` for units."""
    return _stage("intensity", INTENSITY, _measure_intensity)


def sharpness_stage() -> Stage:
    """Sharpness, noise and SNR, from one table of squared differences.

    ``noise.sigma`` and ``snr.*`` are taken along the slow axis (y); ``noise.sigma_x`` and
    ``snr.ratio_x`` along the scan line, for comparison.
    """
    return _stage("sharpness", SHARPNESS, _measure_sharpness)


def spectrum_stage() -> Stage:
    """Summary of the power spectrum; see :class:`~semwatchd.imaging.spectrum.SpectrumSummary` for units."""
    return _stage("spectrum", SPECTRUM, _measure_spectrum)


def _stage(name: str, names: tuple[str, ...], measure: Callable[[Picture], Measured]) -> Stage:
    """Make a stage that measures what can be measured and says why where it cannot."""

    def guarded(picture: Picture) -> Measured:
        if min(picture.image.pixels.shape) < MIN_SIZE_PX:
            return _nothing(names, f"the picture is smaller than {MIN_SIZE_PX} px and was not measured")
        frame = picture.of(finite_frame)
        if frame is None:
            return _nothing(names, "no pixel holds a finite number; nothing was measured")
        if not frame.replaced:
            return measure(picture)
        measured = measure(Picture(replace(picture.image, pixels=frame.pixels)))
        notice = f"{frame.replaced} pixels are not finite; the median of the others was used for them"
        return replace(measured, warnings=(notice, *measured.warnings))

    return Stage(name=name, measure=guarded)


def _nothing(names: tuple[str, ...], why: str) -> Measured:
    return Measured(values=dict.fromkeys(names), warnings=(why,))


def _measure_intensity(picture: Picture) -> Measured:
    grey, pixels = picture.of(grey_levels), picture.image.pixels
    found = intensity(grey, pixels.dtype)
    numbers = (
        *(found.mean, found.std, found.min, found.max),
        *found.percentiles,
        *(found.contrast, found.entropy_bits),
        *(found.saturated_low_ratio, found.saturated_high_ratio),
    )
    values = dict(zip(INTENSITY, numbers, strict=True))
    warnings = []
    if len(grey.levels) == 1:
        warnings.append("every pixel has the same value")
    elif pixels.dtype == np.uint16 and len(grey.levels) <= FEW_LEVELS:
        warnings.append(f"16-bit picture with only {len(grey.levels)} grey levels")
    return Measured(values=values, warnings=tuple(warnings))


def _measure_sharpness(picture: Picture) -> Measured:
    table, pixels = picture.of(squared_differences), picture.image.pixels
    noise = noise_variance(table)
    variance = image_variance(pixels)
    ratio, ratio_x = snr_ratio(variance, noise.along_y), snr_ratio(variance, noise.along_x)
    sigma, sigma_x = math.sqrt(max(noise.along_y, 0.0)), math.sqrt(max(noise.along_x, 0.0))
    gradient = tenengrad(table)
    numbers = (
        *(laplacian_variance(pixels, table), gradient, tenengrad_corrected(gradient, sigma)),
        *(sigma, sigma_x, ratio, snr_db(ratio), ratio_x),
    )
    values = dict(zip(SHARPNESS, numbers, strict=True))
    return Measured(values=values, warnings=tuple(_noise_warnings(ratio, ratio_x)))


def _noise_warnings(ratio: float | None, ratio_x: float | None) -> list[str]:
    if ratio is None or ratio_x is None:
        return ["noise below detection: no signal-to-noise ratio along at least one axis"]
    if ratio == 0:
        return ["nothing but noise: no signal was found"]
    if abs(ratio_x - ratio) > AXES_AGREE_WITHIN * ratio:
        return [f"signal-to-noise ratio differs between the axes: {ratio:.3g} along y, {ratio_x:.3g} along x"]
    return []


def _measure_spectrum(picture: Picture) -> Measured:
    found = summarise(averaged_in_rings(picture.of(tile_power)))
    numbers = (
        *(found.noise_floor, found.high_frequency_ratio, found.centroid_cycles_per_px),
        *(found.bandwidth_cycles_per_px, found.slope),
    )
    return Measured(values=dict(zip(SPECTRUM, numbers, strict=True)))
