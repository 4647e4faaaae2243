"""The stages that look at one picture alone: grey levels, sharpness with noise, spectrum, scan lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from semwatchd.imaging.coarse import quartered
from semwatchd.imaging.differences import squared_differences
from semwatchd.imaging.direction import spectral_shape
from semwatchd.imaging.features import features
from semwatchd.imaging.finite import finite_frame
from semwatchd.imaging.intensity import PERCENTS, Intensity, intensity
from semwatchd.imaging.noise import noise_variance
from semwatchd.imaging.resolution import edge_resolution_px
from semwatchd.imaging.sharpness import (
    brenner,
    brenner_corrected,
    laplacian_variance,
    tenengrad,
    tenengrad_corrected,
)
from semwatchd.imaging.snr import image_variance
from semwatchd.imaging.spectrum import averaged_in_rings, summarise, tile_power
from semwatchd.pipeline.catalogue import names
from semwatchd.pipeline.noisiness import noise_report
from semwatchd.pipeline.stage import Measured, Picture, Stage
from semwatchd.pipeline.steadiness import measure_scan

MIN_SIZE_PX = 16  #: on anything smaller these numbers describe the border, not the specimen

FEW_LEVELS = 256  #: a 16-bit frame with no more levels than this carries 8 bits

# Missing for a reason that lies in the kind of picture: no warning.
FLOAT_NULLS = frozenset(
    {
        "intensity.levels",
        "intensity.level_step",
        "intensity.saturated_low_ratio",
        "intensity.saturated_high_ratio",
    }
)
NOT_SHARP = (
    "noise accounts for all gradients: the picture shows nothing but noise, or was compressed with loss; "
    "sharpness.tenengrad_corrected is 0"
)
DIRECTION = frozenset({"spectrum.kurtosis", "astigmatism.ratio", "astigmatism.angle_deg"})
RESOLUTION = frozenset({"sharpness.resolution_px", "sharpness.resolution_nm"})


def intensity_stage() -> Stage:
    """Grey-level statistics; see :class:`~semwatchd.imaging.intensity.Intensity` for units."""
    return _stage("intensity", _measure_intensity)


def sharpness_stage() -> Stage:
    """Sharpness, noise and SNR, from one table of squared differences.

    ``noise.sigma`` and ``snr.*`` are taken along the slow axis (y); ``noise.sigma_x`` and
    ``snr.ratio_x`` along the scan line, for comparison.
    """
    return _stage("sharpness", _measure_sharpness)


def spectrum_stage() -> Stage:
    """Summary of the power spectrum; see :class:`~semwatchd.imaging.spectrum.SpectrumSummary` for units."""
    return _stage("spectrum", _measure_spectrum)


def scan_stage() -> Stage:
    """Jitter, vibration, banding and charging: what happens from line to line."""
    return _stage("scan", measure_scan)


def features_stage() -> Stage:
    """Describe the picture by a vector to learn from; see :data:`~semwatchd.imaging.features.FEATURES`."""
    return _stage("features", _measure_features)


def _stage(name: str, measure: Callable[[Picture], Measured]) -> Stage:
    """Make a stage that measures what can be measured and says why where it cannot."""

    def guarded(picture: Picture) -> Measured:
        if min(picture.image.pixels.shape) < MIN_SIZE_PX:
            return _nothing(name, f"the picture is smaller than {MIN_SIZE_PX} px and was not measured")
        frame = picture.of(finite_frame)
        if frame is None:
            return _nothing(name, "no pixel holds a finite number; nothing was measured")
        if not frame.replaced:
            return measure(picture)
        measured = measure(Picture(replace(picture.image, pixels=frame.pixels)))
        notice = f"{frame.replaced} pixels are not finite; the median of the others was used for them"
        return replace(measured, warnings=(notice, *measured.warnings))

    return Stage(name=name, measure=guarded)


def _nothing(stage: str, why: str) -> Measured:
    nulls = names(stage)
    return Measured(values=dict.fromkeys(nulls), warnings=(why,), expected_nulls=frozenset(nulls))


def _measure_intensity(picture: Picture) -> Measured:
    found = picture.of(intensity)
    values = {
        "intensity.mean": found.mean,
        "intensity.std": found.std,
        "intensity.min": found.min,
        "intensity.max": found.max,
        **{
            f"intensity.p{percent:02d}": level
            for percent, level in zip(PERCENTS, found.percentiles, strict=True)
        },
        "intensity.contrast": found.contrast,
        "charging.dark_tail": found.dark_tail,
        "charging.bright_tail": found.bright_tail,
        "intensity.skewness": found.skewness,
        "intensity.kurtosis": found.kurtosis,
        "intensity.entropy_bits": found.entropy_bits,
        "intensity.levels": found.levels,
        "intensity.level_step": found.level_step,
        "intensity.saturated_low_ratio": found.saturated_low_ratio,
        "intensity.saturated_high_ratio": found.saturated_high_ratio,
    }
    warnings = _level_warnings(found, picture.image.pixels.dtype)
    return Measured(values=values, warnings=warnings, expected_nulls=FLOAT_NULLS)


def _level_warnings(found: Intensity, dtype: np.dtype[np.generic]) -> tuple[str, ...]:
    if found.min == found.max:
        return ("every pixel has the same value",)
    if dtype == np.uint16 and found.levels is not None and found.levels <= FEW_LEVELS:
        levels = f"{found.levels} grey levels, {found.level_step:.0f} apart"
        return (f"16-bit picture with only {levels}: no more than 8 bits hold",)
    return ()


def _measure_sharpness(picture: Picture) -> Measured:
    table, pixels = picture.of(squared_differences), picture.image.pixels
    noise = noise_variance(table)
    gradient, difference = tenengrad(table), brenner(table)
    corrected = tenengrad_corrected(gradient, noise)
    resolution_px = edge_resolution_px(pixels, picture.of(quartered), noise.along_y)
    pixel_size_nm = picture.image.facts.pixel_size_nm
    values = {
        "sharpness.laplacian_variance": laplacian_variance(pixels, table),
        "sharpness.tenengrad": gradient,
        "sharpness.tenengrad_corrected": corrected,
        "sharpness.brenner": difference,
        "sharpness.brenner_corrected": brenner_corrected(difference, noise),
        "sharpness.resolution_px": resolution_px,
        "sharpness.resolution_nm": resolution_px and pixel_size_nm and resolution_px * pixel_size_nm,
    }
    told, warnings = noise_report(picture, noise)
    if gradient > 0 and corrected == 0:
        warnings += (NOT_SHARP,)
    return Measured(values=values | told, warnings=warnings, expected_nulls=RESOLUTION)


def _measure_spectrum(picture: Picture) -> Measured:
    power = picture.of(tile_power)
    found, shape = summarise(averaged_in_rings(power)), spectral_shape(power)
    values = {
        "spectrum.noise_floor": found.noise_floor,
        "spectrum.high_frequency_ratio": found.high_frequency_ratio,
        "spectrum.centroid_cycles_per_px": found.centroid_cycles_per_px,
        "spectrum.bandwidth_cycles_per_px": found.bandwidth_cycles_per_px,
        "spectrum.slope": found.slope,
        "spectrum.kurtosis": shape.kurtosis if shape else None,
        "astigmatism.ratio": shape.astigmatism_ratio if shape else None,
        "astigmatism.angle_deg": shape.astigmatism_angle_deg if shape else None,
    }
    return Measured(values=values, expected_nulls=DIRECTION)


def _measure_features(picture: Picture) -> Measured:
    power, table, variance, coarse = (
        picture.of(tile_power),
        picture.of(squared_differences),
        picture.of(image_variance),
        picture.of(quartered),
    )
    values = dict(zip(names("features"), features(power, table, variance, coarse), strict=True))
    return Measured(values=values, expected_nulls=frozenset(values))
