from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semwatchd.imaging.differences import squared_differences
from semwatchd.imaging.noise import noise_variance
from semwatchd.imaging.snr import (
    SAVGOL_SPLINE_WEIGHTS,
    image_variance,
    noise_variance_savgol_spline,
    snr_db,
    snr_ratio,
    variogram_y,
)
from tests.scenes import Scene, grains, holes, photographed


def savgol_then_spline(variogram: np.typing.NDArray[np.float64]) -> float:
    """The published procedure: smooth lags 1..10, then a natural spline through the even function."""
    lags = np.arange(1.0, 11.0)
    smoothed = np.empty(10)
    for i in range(10):
        first = min(max(i - 2, 0), 5)
        window = slice(first, first + 5)
        smoothed[i] = np.polyval(np.polyfit(lags[window] - lags[i], variogram[window], 3), 0.0)
    x = np.concatenate((-lags[::-1], lags))
    return natural_spline(x, np.concatenate((smoothed[::-1], smoothed)), 0.0)


def natural_spline(x: np.typing.NDArray[np.float64], y: np.typing.NDArray[np.float64], at: float) -> float:
    h = np.diff(x)
    system, right = np.eye(len(x)), np.zeros(len(x))
    for i in range(1, len(x) - 1):
        system[i, i - 1 : i + 2] = h[i - 1], 2 * (h[i - 1] + h[i]), h[i]
        right[i] = 6 * ((y[i + 1] - y[i]) / h[i] - (y[i] - y[i - 1]) / h[i - 1])
    bend = np.linalg.solve(system, right)
    i = int(np.searchsorted(x, at)) - 1
    a, b = (x[i + 1] - at) / h[i], (at - x[i]) / h[i]
    curved = ((a**3 - a) * bend[i] + (b**3 - b) * bend[i + 1]) * h[i] ** 2 / 6
    return float(a * y[i] + b * y[i + 1] + curved)


def test_the_published_weights_are_those_of_the_published_procedure() -> None:
    weights = [savgol_then_spline(np.eye(10)[lag]) for lag in range(10)]
    assert weights == pytest.approx(SAVGOL_SPLINE_WEIGHTS, abs=1e-5)


@pytest.mark.parametrize("scene", [holes(512), grains(512)], ids=["holes", "grains"])
@pytest.mark.parametrize("snr", [1, 2, 5, 10, 20])
def test_a_known_ratio_comes_back(scene: Scene, snr: float) -> None:
    pixels = photographed(scene.frame(), snr, seed=int(snr))
    noise = noise_variance(squared_differences(pixels)).along_y
    assert snr_ratio(image_variance(pixels), noise) == pytest.approx(snr, rel=0.06)


def test_the_short_method_agrees_with_the_published_one() -> None:
    pixels = photographed(grains(512).frame(), 5, seed=1)
    published = noise_variance_savgol_spline(variogram_y(pixels, 10))
    assert noise_variance(squared_differences(pixels)).along_y == pytest.approx(published, rel=0.02)


def test_variance_survives_a_large_pedestal() -> None:
    pixels = np.random.default_rng(0).normal(60000, 3, (500, 500)).astype(np.uint16)
    assert image_variance(pixels) == pytest.approx(pixels.astype(np.float64).var(), rel=1e-4)


def test_ten_decibels_are_a_factor_of_ten() -> None:
    assert snr_db(100.0) == pytest.approx(20.0)


def test_no_noise_and_no_signal_have_no_number() -> None:
    assert snr_ratio(10.0, 0.0) is None
    assert snr_ratio(10.0, -0.1) is None
    assert snr_ratio(9.9, 10.0) == 0.0
    assert snr_db(0.0) is None
    assert snr_db(None) is None


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.floats(0.1, 10), st.floats(-50, 50))
def test_gain_and_offset_do_not_matter(gain: float, offset: float) -> None:
    frame = photographed(grains(128).frame(), 5, seed=1).astype(np.float32)
    changed = (gain * frame + offset).astype(np.float32)
    plain, other = (
        snr_ratio(image_variance(f), noise_variance(squared_differences(f)).along_y) for f in (frame, changed)
    )
    assert other == pytest.approx(plain, rel=1e-3)
