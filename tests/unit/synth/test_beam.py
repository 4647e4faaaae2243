from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from semwatchd.synth.beam import Scan, emission, frame_signal, scan
from semwatchd.synth.surface import ContactHoles, Grid, contact_holes

STILL = Scan(rows=256, columns=256, jitter_px=0.0, detector_grey=0.0)
FLAT = np.ones((300, 300), np.float32)


@pytest.fixture(scope="module")
def holes() -> NDArray[np.float32]:
    grid = Grid(rows=300, columns=300, pixel_size_nm=1.0)
    depth_nm = contact_holes(
        np.random.default_rng(0), grid, ContactHoles(pitch_nm=50, radius_nm=15, depth_nm=80)
    )
    return emission(depth_nm, 1.0)


def phase_slope(
    first: NDArray[np.float32], second: NDArray[np.float32], axis: int, highest: int = 24
) -> float:
    """Shift from the phase of the low frequencies of the mean profiles, weighted by their power."""
    window = np.hanning(first.shape[axis])
    spectra = [np.fft.rfft((p - p.mean()) * window) for p in (a.mean(axis=1 - axis) for a in (first, second))]
    cross = (spectra[1] * spectra[0].conj())[1:highest]
    frequency = np.arange(1, highest) / first.shape[axis]
    weight = np.abs(cross)
    return float(-np.sum(weight * frequency * np.angle(cross)) / np.sum(weight * 2 * np.pi * frequency**2))


@pytest.mark.parametrize(("dx", "dy"), [(0.4, 0.0), (0.0, -0.3), (1.75, 2.25), (-2.4, 1.1)])
def test_the_content_moves_by_what_was_asked(holes: NDArray[np.float32], dx: float, dy: float) -> None:
    rng = np.random.default_rng(1)
    at_rest = frame_signal(rng, holes, STILL)
    moved = frame_signal(rng, holes, STILL, (dx, dy))
    assert phase_slope(at_rest, moved, axis=1) == pytest.approx(dx, abs=0.05)
    assert phase_slope(at_rest, moved, axis=0) == pytest.approx(dy, abs=0.05)


def test_a_whole_pixel_shift_is_exact(holes: NDArray[np.float32]) -> None:
    rng = np.random.default_rng(1)
    at_rest = frame_signal(rng, holes, STILL)
    moved = frame_signal(rng, holes, STILL, (3.0, -2.0))
    assert np.array_equal(moved[:-2, 3:], at_rest[2:, :-3])


def test_jitter_and_drift_leave_the_mean_shift_alone(holes: NDArray[np.float32]) -> None:
    shaky = replace(STILL, jitter_px=0.3, drift_px=0.8)
    at_rest = frame_signal(np.random.default_rng(2), holes, STILL)
    shaken = frame_signal(np.random.default_rng(2), holes, shaky)
    assert phase_slope(at_rest, shaken, axis=1) == pytest.approx(0.0, abs=0.05)
    top = phase_slope(at_rest[:64], shaken[:64], axis=1)
    bottom = phase_slope(at_rest[-64:], shaken[-64:], axis=1)
    assert bottom - top == pytest.approx(0.8 * 0.75, abs=0.15)  # between the centres of the two quarters


@pytest.mark.parametrize("dose", [15.0, 60.0, 240.0])
def test_shot_noise_follows_the_dose(dose: float) -> None:
    settings = replace(STILL, dose=dose)
    grey = scan(np.random.default_rng(3), FLAT, settings).astype(np.float64)
    rounding = 1 / 12
    assert grey.mean() == pytest.approx(settings.black_grey + settings.flat_grey, abs=0.5)
    assert grey.var() - rounding == pytest.approx(settings.flat_grey**2 / dose, rel=0.03)


def test_detector_noise_adds_to_shot_noise() -> None:
    settings = replace(STILL, dose=100.0, detector_grey=5.0)
    grey = scan(np.random.default_rng(4), FLAT, settings).astype(np.float64)
    assert grey.var() - 1 / 12 == pytest.approx(settings.flat_grey**2 / 100 + 25, rel=0.03)


def test_the_snr_is_signal_variance_over_noise_variance(holes: NDArray[np.float32]) -> None:
    settings = replace(STILL, dose=80.0, flat_grey=70.0)
    signal = frame_signal(np.random.default_rng(5), holes, settings)
    expected = signal.var() / (signal.mean() / 80)
    first, second = (scan(np.random.default_rng(seed), holes, settings).astype(np.float64) for seed in (6, 7))
    shared = np.corrcoef(first.ravel(), second.ravel())[0, 1]  # var(signal) / var(all)
    assert shared / (1 - shared) == pytest.approx(expected, rel=0.05)


def test_sixteen_bits_use_the_same_grey_scale(holes: NDArray[np.float32]) -> None:
    eight = scan(np.random.default_rng(8), holes, STILL)
    sixteen = scan(np.random.default_rng(8), holes, replace(STILL, bits=16))
    assert eight.dtype == np.uint8
    assert sixteen.dtype == np.uint16
    assert np.abs(sixteen / 257 - eight).max() <= 0.5 + 1e-3


def test_edges_are_brighter_and_floors_darker_than_flat_ground() -> None:
    grid = Grid(rows=128, columns=128, pixel_size_nm=1.0)
    depth_nm = contact_holes(
        np.random.default_rng(9), grid, ContactHoles(pitch_nm=64, radius_nm=15, depth_nm=80)
    )
    electrons = emission(depth_nm, 1.0)
    wall = (depth_nm > 20) & (depth_nm < 60)
    assert electrons[wall].mean() > 1.3
    assert electrons[depth_nm > 79].mean() < 0.9
    assert electrons[0, 0] == pytest.approx(1.0, abs=0.02)


def test_flat_ground_emits_one() -> None:
    assert emission(np.zeros((32, 32), np.float32), 1.0) == pytest.approx(1.0)


def test_a_shift_beyond_the_scene_is_refused(holes: NDArray[np.float32]) -> None:
    with pytest.raises(ValueError, match="leaves its scene"):
        scan(np.random.default_rng(0), holes, STILL, (30.0, 0.0))
