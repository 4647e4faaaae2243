from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from semwatchd.imaging.coarse import quartered
from semwatchd.imaging.differences import squared_differences
from semwatchd.imaging.noise import noise_variance
from semwatchd.imaging.resolution import MIN_SIZE_PX, RISE, edge_resolution_px
from tests.real_data import REAL, needs_real_data
from tests.scenes import grains, holes, photographed

Floats = NDArray[np.float64]

error_function = np.vectorize(math.erf)


def discs(spot_px: float, size: int = 512) -> Floats:
    """Bright ground with dark discs whose edges are steps, blurred by a Gaussian spot."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:64, 0:64].astype(np.float64)
    cells = size // 64
    frame = np.zeros((size, size))
    for cell in range(cells * cells):
        top, left = cell // cells * 64, cell % cells * 64
        outside = np.hypot(y - rng.normal(32, 1), x - rng.normal(32, 1)) - 18
        frame[top : top + 64, left : left + 64] = error_function(outside / (math.sqrt(2) * spot_px))
    return 120 + 40 * frame


def resolved(pixels: NDArray[np.uint8]) -> float:
    found = edge_resolution_px(pixels, quartered(pixels), noise_variance(squared_differences(pixels)).along_y)
    assert found is not None
    return found


@pytest.mark.parametrize("spot_px", [0.7, 1.0, 1.5, 2.0, 3.0, 4.0])
@pytest.mark.parametrize(("snr", "within"), [(1e6, 0.03), (20, 0.07), (5, 0.1)])
def test_a_blurred_step_is_as_wide_as_it_was_made(spot_px: float, snr: float, within: float) -> None:
    assert resolved(photographed(discs(spot_px), snr, seed=1)) == pytest.approx(RISE * spot_px, rel=within)


@pytest.mark.parametrize("scene", [holes, grains], ids=["holes", "grains"])
@pytest.mark.parametrize("snr", [1, 5, 20])
def test_a_focus_series_is_ordered_in_noise(scene: type, snr: float) -> None:
    widths = [resolved(photographed(scene(512, psf_px=s).frame(), snr, seed=3)) for s in (1, 1.5, 2, 3)]
    assert widths == sorted(widths)


def test_gain_and_offset_and_orientation_do_not_matter() -> None:
    pixels = photographed(discs(1.5), 20, seed=1)
    width = resolved(pixels)
    assert resolved(pixels // 2 + 40) == pytest.approx(width, rel=0.05)
    assert resolved(np.ascontiguousarray(pixels.T)) == pytest.approx(width, rel=0.05)
    assert resolved(np.ascontiguousarray(pixels[::-1])) == pytest.approx(width, rel=0.05)


def test_where_no_edge_stands_out_there_is_no_width() -> None:
    noise = np.random.default_rng(0).normal(128, 20, (512, 512)).astype(np.uint8)
    constant, small = np.full((100, 100), 7, np.uint8), noise[: MIN_SIZE_PX - 1]
    for pixels, variance in ((noise, 400.0), (constant, 0.0), (small, 0.0)):
        assert edge_resolution_px(pixels, quartered(pixels), variance) is None


@needs_real_data
def test_a_real_focus_triple_is_ordered_right() -> None:
    names = ("focus_plus5um.png", "focus_base.png", "focus_minus5um.png")
    frames = [cv2.imread(str(REAL / name), cv2.IMREAD_GRAYSCALE) for name in names]
    best, middle, worst = (resolved(f[:670].astype(np.uint8)) for f in frames if f is not None)
    assert 1.3 * best < middle < worst / 1.2
