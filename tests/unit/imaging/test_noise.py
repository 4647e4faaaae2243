from __future__ import annotations

import numpy as np
import pytest

from semwatchd.imaging.differences import squared_differences
from semwatchd.imaging.noise import noise_variance, nugget
from tests.scenes import Scene, grains, holes, photographed


def test_the_nugget_is_exact_for_an_even_quartic() -> None:
    variogram = [7.0 + 3.0 * k**2 - 0.1 * k**4 for k in (1, 2, 3)]
    assert nugget(*variogram) == pytest.approx(7.0)


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


def test_a_clean_picture_has_hardly_any_noise() -> None:
    signal = grains().frame().astype(np.float32)
    assert abs(noise_variance(squared_differences(signal)).along_y) < 1e-3 * signal.var()
