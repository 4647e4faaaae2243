from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from semwatchd.imaging.differences import squared_differences
from semwatchd.imaging.noise import noise_variance
from semwatchd.imaging.sharpness import laplacian_variance, tenengrad, tenengrad_corrected
from tests.real_data import REAL, needs_real_data
from tests.scenes import grains, holes, line_noise, photographed

Floats = NDArray[np.float64]

SHARP_TO_BLURRED = (1.0, 1.5, 2.0, 3.0)  # PSF in px


def corrected(pixels: np.typing.NDArray[np.uint8]) -> float:
    table = squared_differences(pixels)
    return tenengrad_corrected(tenengrad(table), noise_variance(table))


@pytest.mark.parametrize("shape", [(16, 16), (17, 40), (5, 4)])
def test_laplacian_variance_counts_the_border_as_opencv_does(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, shape).astype(np.uint8)
    classic = cv2.Laplacian(pixels, cv2.CV_64F).var()
    assert laplacian_variance(pixels, squared_differences(pixels)) == pytest.approx(classic, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("psf_px", [1.0, 4.0])
def test_laplacian_variance_is_the_classic_one(dtype: type[np.generic], psf_px: float) -> None:
    pixels = holes(psf_px=psf_px).frame().astype(dtype)
    depth = cv2.CV_32F if dtype == np.float32 else cv2.CV_64F
    classic = cv2.Laplacian(pixels, depth).astype(np.float64).var()
    assert laplacian_variance(pixels, squared_differences(pixels)) == pytest.approx(classic, rel=1e-3)


def test_tenengrad_is_the_mean_squared_sobel_gradient() -> None:
    pixels = photographed(holes(512).frame(), 10, seed=1)
    gx, gy = (cv2.Sobel(pixels, cv2.CV_64F, *order) for order in ((1, 0), (0, 1)))
    assert tenengrad(squared_differences(pixels)) == pytest.approx(np.mean(gx**2 + gy**2), rel=0.01)


@pytest.mark.parametrize("snr", [1, 5, 20])
def test_corrected_tenengrad_orders_a_focus_series_in_noise(snr: float) -> None:
    sharpest = holes(512, psf_px=1.0).frame()
    sigma = float(np.sqrt(sharpest.var() / snr))
    series = [holes(512, psf_px=psf).frame() for psf in SHARP_TO_BLURRED]
    scores = [corrected(photographed(f, f.var() / sigma**2, seed=3)) for f in series]
    assert scores == sorted(scores, reverse=True)


def scanned(signal: Floats, sigma: float, seed: int, alike: float) -> NDArray[np.uint8]:
    noisy = signal + sigma * line_noise(signal.shape, alike, seed)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


@cache
def in_and_out_of_focus(scene: type) -> tuple[Floats, Floats]:
    """Half the contrast, so that noise at an SNR of 1 is not cut off at black and white."""
    sharp, blurred = (128 + (scene(1024, psf_px=psf).frame() - 120) / 2 for psf in (1.0, 3.0))
    return sharp, blurred


@pytest.mark.parametrize("scene", [holes, grains], ids=["holes", "grains"])
@pytest.mark.parametrize("alike", [0.0, 0.3, 0.5])
@pytest.mark.parametrize(("snr", "within"), [(1, 0.1), (5, 0.03), (20, 0.015)])
def test_noise_leaves_the_ratio_of_sharp_to_blurred_as_it_was(
    scene: type, alike: float, snr: float, within: float
) -> None:
    sharp, blurred = in_and_out_of_focus(scene)
    sigma = float(sharp.std() / np.sqrt(snr))
    clean = corrected(scanned(sharp, 0, 0, 0)) / corrected(scanned(blurred, 0, 0, 0))
    noisy = [
        corrected(scanned(sharp, sigma, seed, alike)) / corrected(scanned(blurred, sigma, seed + 9, alike))
        for seed in range(3)
    ]
    assert float(np.mean(noisy)) == pytest.approx(clean, rel=within)


def test_pure_noise_has_no_corrected_sharpness() -> None:
    noise = np.random.default_rng(0).normal(128, 20, (512, 512)).astype(np.uint8)
    raw = tenengrad(squared_differences(noise))
    assert abs(corrected(noise)) < 0.02 * raw


def test_gain_multiplies_by_its_square_and_mirroring_changes_nothing() -> None:
    pixels = holes().frame().astype(np.float32)
    score = tenengrad(squared_differences(pixels))
    assert tenengrad(squared_differences(2 * pixels)) == pytest.approx(4 * score, rel=1e-5)
    assert tenengrad(squared_differences(np.fliplr(pixels))) == pytest.approx(score, rel=1e-5)


@needs_real_data
def test_a_real_focus_triple_is_ordered_right() -> None:
    names = ("focus_plus5um.png", "focus_base.png", "focus_minus5um.png")
    frames = [cv2.imread(str(REAL / name), cv2.IMREAD_GRAYSCALE) for name in names]
    best, middle, worst = (corrected(f[:670].astype(np.uint8)) for f in frames if f is not None)
    assert best > 2 * middle > 2.5 * worst
