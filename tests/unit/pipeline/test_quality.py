from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from semwatchd.pipeline.quality import (
    INTENSITY,
    SHARPNESS,
    SPECTRUM,
    intensity_stage,
    sharpness_stage,
    spectrum_stage,
)
from semwatchd.pipeline.stage import Analysis, run_stages
from tests.scenes import as_image, grains, photographed

ALL = {*INTENSITY, *SHARPNESS, *SPECTRUM}


def analysed(pixels: NDArray[Any]) -> Analysis:
    return run_stages(as_image(pixels), (intensity_stage(), sharpness_stage(), spectrum_stage()))


def test_an_ordinary_picture_has_every_number_and_no_warning() -> None:
    analysis = analysed(photographed(grains(512).frame(), 5, seed=1))
    assert set(analysis.values) == ALL
    assert analysis.warnings == ()
    assert all(type(value) is float for value in analysis.values.values())
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


def test_noise_smeared_along_the_scan_line_is_warned_of() -> None:
    rng = np.random.default_rng(0)
    white = rng.standard_normal((512, 513))
    frame = grains(512).frame() + 8 * (white[:, 1:] + 0.5 * white[:, :-1])
    analysis = analysed(np.clip(frame, 0, 255).astype(np.uint8))
    assert any("differs between the axes" in warning for warning in analysis.warnings)


def test_pure_noise_has_a_ratio_near_zero() -> None:
    noise = np.random.default_rng(0).normal(128, 20, (256, 256)).astype(np.uint8)
    ratio = analysed(noise).values["snr.ratio"]
    assert ratio is not None
    assert 0 <= ratio < 0.05


def test_eight_bits_in_sixteen_are_noticed() -> None:
    frame = photographed(grains().frame(), 5, seed=1).astype(np.uint16) * 256
    assert any("grey levels" in warning for warning in analysed(frame).warnings)
