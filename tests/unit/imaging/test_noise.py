from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from semwatchd.imaging.differences import squared_differences
from semwatchd.imaging.noise import (
    SAVGOL_SPLINE_WEIGHTS,
    SPLINE_LAGS,
    linear,
    nearest_neighbour,
    noise_variance,
    nugget,
    savgol_spline,
    variogram,
)
from tests.scenes import Scene, grains, holes, photographed


def savgol_then_spline(variogram: NDArray[np.float64]) -> float:
    """The published procedure: smooth lags 1..10, then a natural spline through the even function."""
    lags = np.arange(1.0, 11.0)
    smoothed = np.empty(10)
    for i in range(10):
        first = min(max(i - 2, 0), 5)
        window = slice(first, first + 5)
        smoothed[i] = np.polyval(np.polyfit(lags[window] - lags[i], variogram[window], 3), 0.0)
    x = np.concatenate((-lags[::-1], lags))
    return natural_spline(x, np.concatenate((smoothed[::-1], smoothed)), 0.0)


def natural_spline(x: NDArray[np.float64], y: NDArray[np.float64], at: float) -> float:
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


def test_the_nugget_is_exact_for_an_even_quartic() -> None:
    gammas = [7.0 + 3.0 * k**2 - 0.1 * k**4 for k in (1, 2, 3)]
    assert nugget(gammas) == pytest.approx(7.0)


@pytest.mark.parametrize("scene", [holes(512), grains(512)], ids=["holes", "grains"])
@pytest.mark.parametrize("snr", [1, 5, 20])
def test_noise_is_told_from_structure(scene: Scene, snr: float) -> None:
    signal = scene.frame()
    found = noise_variance(squared_differences(photographed(signal, snr, seed=1)))
    assert found.along_y == pytest.approx(signal.var() / snr, rel=0.04)
    assert found.along_x == pytest.approx(signal.var() / snr, rel=0.04)


def test_noise_smeared_along_the_scan_line_is_still_seen_whole_across_it() -> None:
    white = np.random.default_rng(0).standard_normal((512, 513))
    smeared = 10 * (white[:, 1:] + 0.5 * white[:, :-1]) / np.hypot(1, 0.5)
    found = noise_variance(squared_differences((100 + smeared).astype(np.float32)))
    assert found.along_y == pytest.approx(100, rel=0.03)
    assert found.along_x < 70


@pytest.mark.parametrize("scene", [holes(512), grains(512)], ids=["holes", "grains"])
def test_how_alike_noise_is_along_the_line_comes_back(scene: Scene) -> None:
    white = np.random.default_rng(0).standard_normal((512, 513))
    smeared = 20 * (white[:, 1:] + 0.5 * white[:, :-1]) / np.hypot(1, 0.5)
    found = noise_variance(squared_differences((scene.frame() + smeared).astype(np.float32)))
    assert found.covariance_1 == pytest.approx(400 * 0.5 / 1.25, abs=12)
    assert found.covariance_2 == pytest.approx(0, abs=12)


def test_a_clean_picture_has_hardly_any_noise() -> None:
    signal = grains().frame().astype(np.float32)
    assert abs(noise_variance(squared_differences(signal)).along_y) < 1e-3 * signal.var()


@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize("snr", [1, 5, 20])
def test_the_short_method_agrees_with_the_published_one(snr: float, axis: Literal["x", "y"]) -> None:
    gammas = variogram(photographed(grains(512).frame(), snr, seed=1), axis, SPLINE_LAGS)
    assert nugget(gammas) == pytest.approx(savgol_spline(gammas), rel=0.02)


def mean_error(estimator: Callable[[Sequence[float]], float]) -> float:
    """Relative, over two scenes and three ratios."""
    errors = []
    for scene in (holes(512), grains(512)):
        signal = scene.frame()
        for snr in (1, 5, 20):
            gammas = variogram(photographed(signal, snr, seed=7), "y", SPLINE_LAGS)
            errors.append(abs(estimator(gammas) / (signal.var() / snr) - 1))
    return float(np.mean(errors))


def test_the_methods_in_use_are_far_better_than_the_simple_ones() -> None:
    best = max(mean_error(nugget), mean_error(savgol_spline))
    assert best < 0.02
    assert min(mean_error(nearest_neighbour), mean_error(linear)) > 5 * best


def test_the_variogram_is_half_the_mean_squared_difference() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60)).astype(np.uint8)
    exact = pixels.astype(np.float64)
    assert variogram(pixels, "x", 2)[1] == pytest.approx(np.square(exact[:, 2:] - exact[:, :-2]).mean() / 2)
    assert variogram(pixels.T.copy(), "y", 2) == pytest.approx(variogram(pixels, "x", 2))
    assert variogram(pixels, "y", 1, every=4)[0] == pytest.approx(
        np.square(exact[1::4] - exact[:-1:4]).mean() / 2
    )
