from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semwatchd.imaging.differences import squared_differences
from semwatchd.imaging.noise import noise_variance
from semwatchd.imaging.snr import image_variance, snr_db, snr_ratio
from tests.scenes import Scene, grains, holes, photographed


@pytest.mark.parametrize("scene", [holes(512), grains(512)], ids=["holes", "grains"])
@pytest.mark.parametrize("snr", [1, 2, 5, 10, 20])
def test_a_known_ratio_comes_back(scene: Scene, snr: float) -> None:
    pixels = photographed(scene.frame(), snr, seed=int(snr))
    noise = noise_variance(squared_differences(pixels)).along_y
    assert snr_ratio(image_variance(pixels), noise) == pytest.approx(snr, rel=0.06)


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
