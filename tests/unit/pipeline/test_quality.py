from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from semwatchd.pipeline.catalogue import CATALOGUE, names
from semwatchd.pipeline.quality import (
    features_stage,
    intensity_stage,
    scan_stage,
    sharpness_stage,
    spectrum_stage,
)
from semwatchd.pipeline.stage import Analysis, run_stages
from tests.scenes import as_image, grains, line_noise, photographed

ALL = {name for stage in CATALOGUE if stage not in {"drift", "similarity"} for name in names(stage)}


def analysed(pixels: NDArray[Any]) -> Analysis:
    stages = (intensity_stage(), sharpness_stage(), spectrum_stage(), scan_stage(), features_stage())
    return run_stages(as_image(pixels), stages)


def test_an_ordinary_picture_has_every_number_and_no_warning() -> None:
    analysis = analysed(photographed(grains(512).frame(), 5, seed=1))
    assert set(analysis.values) == ALL
    assert analysis.warnings == ()
    missing = {name for name, value in analysis.values.items() if value is None}
    assert missing == {"sharpness.resolution_nm"}, "the pixel size is not known"
    assert analysis.values["snr.valid"] == 1
    assert analysis.values["snr.ratio"] == pytest.approx(5, rel=0.05)
    assert analysis.values["snr.db"] == pytest.approx(10 * math.log10(5), abs=0.2)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.sampled_from([np.uint8, np.uint16, np.float32]),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.integers(0, 3),
    st.sampled_from([1.0, 1e-30, 1e30, math.nan, math.inf, -math.inf]),
    st.integers(0, 1000),
)
def test_whatever_the_pixels_numbers_are_finite_or_none(
    dtype: type[np.generic], shape: tuple[int, int], levels: int, odd: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, levels + 1, shape).astype(dtype)
    if dtype == np.float32:
        pixels[rng.random(shape) < 0.3] = odd
    analysis = analysed(pixels)
    assert set(analysis.values) == ALL
    assert all(value is None or math.isfinite(value) for value in analysis.values.values())
    json.dumps(dict(analysis.values), allow_nan=False)


@pytest.mark.parametrize("shape", [(1, 1), (15, 400), (400, 15)])
def test_a_tiny_picture_is_not_measured_and_says_so_once(shape: tuple[int, int]) -> None:
    analysis = analysed(np.ones(shape, np.uint8))
    assert set(analysis.values.values()) == {None}
    assert sum("smaller than 16 px" in warning for warning in analysis.warnings) == 1


def test_a_constant_picture_has_levels_but_no_ratio() -> None:
    analysis = analysed(np.full((64, 64), 200, np.uint16))
    assert analysis.values["intensity.mean"] == 200
    assert analysis.values["intensity.std"] == 0
    assert analysis.values["intensity.entropy_bits"] == 0
    assert analysis.values["noise.sigma"] == 0
    assert analysis.values["snr.ratio"] is None
    assert any("same value" in warning for warning in analysis.warnings)
    assert any("noise below detection" in warning for warning in analysis.warnings)


def test_a_few_pixels_without_a_number_do_not_spoil_the_rest() -> None:
    clean = photographed(grains().frame(), 5, seed=1).astype(np.float32)
    holed = clean.copy()
    holed[40:43, 50], holed[7, 7] = np.nan, np.inf
    whole, patched = analysed(clean), analysed(holed)
    for name in ("intensity.mean", "sharpness.tenengrad", "snr.ratio"):
        assert patched.values[name] == pytest.approx(whole.values[name], rel=0.02)
    assert any("4 pixels are not finite" in warning for warning in patched.warnings)


def test_a_picture_of_nothing_but_nan_has_no_numbers() -> None:
    analysis = analysed(np.full((32, 32), np.nan, np.float32))
    assert set(analysis.values.values()) == {None}


def smeared(share: float) -> NDArray[np.uint8]:
    noisy = grains(512).frame() + 16 * line_noise((512, 512), share, seed=0)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def test_noise_smeared_a_little_is_a_fact_and_no_warning() -> None:
    analysis = analysed(smeared(0.3))
    assert analysis.warnings == ()
    assert analysis.values["noise.sigma"] == pytest.approx(16, rel=0.03)
    assert analysis.values["noise.axes_ratio"] == pytest.approx(0.78, abs=0.03)
    assert analysis.values["snr.valid"] == 1


def test_a_detector_too_slow_for_the_scan_is_warned_of() -> None:
    analysis = analysed(smeared(0.8))
    assert any("detector is too slow" in warning for warning in analysis.warnings)
    assert analysis.values["snr.valid"] == 0


def test_noise_stronger_along_the_scan_line_is_no_detectors_doing() -> None:
    analysis = analysed(np.ascontiguousarray(smeared(0.3).T))
    assert any("averaged or interpolated" in warning for warning in analysis.warnings)
    assert analysis.values["snr.valid"] == 0


def test_saturation_that_cuts_off_noise_is_warned_of() -> None:
    bright = photographed(grains(256).frame(), 5, seed=1, offset=110)
    assert any("saturated" in warning for warning in analysed(bright).warnings)


def test_no_number_leaves_its_range() -> None:
    limits = {m.name: (m.low, m.high) for stage in CATALOGUE.values() for m in stage}
    frames: list[NDArray[Any]] = [photographed(grains(256).frame(), snr, seed=1) for snr in (0.01, 1, 100)]
    for frame in (*frames, np.zeros((64, 64), np.uint8), np.eye(80, dtype=np.float32)):
        for name, value in analysed(frame).values.items():
            low, high = limits[name]
            assert value is None or low is None or value >= low, name
            assert value is None or high is None or value <= high, name


def test_a_length_is_given_in_nanometres_where_the_pixel_size_is_known() -> None:
    image = as_image(photographed(grains(512).frame(), 5, seed=1))
    image = replace(image, facts=replace(image.facts, pixel_size_nm=2.5))
    values = run_stages(image, (sharpness_stage(),)).values
    assert values["sharpness.resolution_nm"] == pytest.approx(2.5 * (values["sharpness.resolution_px"] or 0))


def test_pure_noise_has_a_ratio_near_zero() -> None:
    noise = np.random.default_rng(0).normal(128, 20, (256, 256)).astype(np.uint8)
    ratio = analysed(noise).values["snr.ratio"]
    assert ratio is not None
    assert 0 <= ratio < 0.05


def test_a_gradient_that_noise_accounts_for_is_none_and_is_warned_of() -> None:
    noise = np.random.default_rng(3).normal(128, 20, (256, 256)).astype(np.uint8)
    analysis = analysed(noise)
    assert analysis.values["sharpness.tenengrad_corrected"] == 0
    assert any("noise accounts for all gradients" in warning for warning in analysis.warnings)


@pytest.mark.parametrize("factor", [256, 257])
def test_eight_bits_in_sixteen_are_noticed(factor: int) -> None:
    frame = photographed(grains().frame(), 5, seed=1, offset=80).astype(np.uint16) * factor
    analysis = analysed(frame)
    assert any(f"grey levels, {factor} apart" in warning for warning in analysis.warnings)
    assert analysis.values["intensity.level_step"] == factor
    assert analysis.values["intensity.levels"] == len(np.unique(frame))
    assert analysis.values["intensity.saturated_high_ratio"] == np.mean(frame == frame.max()) > 0


def test_shaking_lines_are_warned_of() -> None:
    still = grains(512).frame()
    frequency = np.fft.rfftfreq(512)
    offsets = np.sin(2 * np.pi * 0.21 * np.arange(512))[:, None]
    shaken = np.fft.irfft(np.fft.rfft(still, axis=1) * np.exp(-2j * np.pi * frequency * offsets), 512, axis=1)
    analysis = analysed(photographed(shaken, 20, seed=1))
    assert any("once in 4.7" in warning for warning in analysis.warnings)
    assert analysis.values["scan.vibration_cycles_per_line"] == pytest.approx(0.21, abs=0.002)
