from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from semwatchd.imaging.scanlines import (
    LineShifts,
    charging,
    jitter_px,
    line_shifts,
    thinned,
    vibration,
)
from tests.scenes import Scene, grains, holes, lines, photographed

Floats = NDArray[np.float64]

SCENES = pytest.mark.parametrize(
    "scene", [holes(512), grains(512), lines(512)], ids=["holes", "grains", "lines"]
)


def displaced(signal: Floats, offsets_px: Floats) -> Floats:
    """Each line moved along x by its own offset."""
    columns = signal.shape[1]
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(columns) * offsets_px[:, None])
    return np.fft.irfft(np.fft.rfft(signal, axis=1) * turn, columns, axis=1)


def located(pixels: NDArray[np.uint8]) -> LineShifts:
    found = line_shifts(thinned(pixels))
    assert found is not None
    return found


@SCENES
@pytest.mark.parametrize("jitter", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("snr", [5, 20])
def test_the_jitter_put_in_comes_back(scene: Scene, jitter: float, snr: float) -> None:
    offsets = np.random.default_rng(0).normal(0, 1, 512) * jitter
    found = jitter_px(located(photographed(displaced(scene.frame(), offsets), snr, seed=1)))
    assert found == pytest.approx(jitter, rel=0.25, abs=0.08)


@SCENES
@pytest.mark.parametrize("cycles_per_line", [0.15, 0.4])
def test_vibration_is_found_with_its_amplitude_and_frequency(scene: Scene, cycles_per_line: float) -> None:
    offsets = 0.5 * np.sin(2 * np.pi * cycles_per_line * np.arange(512))
    found = vibration(located(photographed(displaced(scene.frame(), offsets), 20, seed=1)))
    assert found is not None
    assert found.cycles_per_line == pytest.approx(cycles_per_line, abs=1 / 512)
    assert found.amplitude_px == pytest.approx(0.5, rel=0.25)
    assert found.prominence > 15


@SCENES
@pytest.mark.parametrize("snr", [5, 20])
def test_a_still_picture_has_no_prominent_vibration(scene: Scene, snr: float) -> None:
    found = vibration(located(photographed(scene.frame(), snr, seed=1)))
    assert found is not None
    assert found.prominence < 15


def test_lines_that_cannot_be_located_are_not() -> None:
    noise = np.random.default_rng(0).normal(128, 20, (256, 256)).astype(np.uint8)
    for pixels in (noise, np.full((64, 64), 9, np.uint8), noise[:7], noise[:, :31]):
        assert line_shifts(thinned(pixels)) is None


def test_a_short_frame_has_no_vibration() -> None:
    short = located(photographed(lines(256).frame()[:60], 20, seed=1))
    assert vibration(short) is None
    assert jitter_px(short) < 0.1


def test_charging_shows_as_a_slope() -> None:
    signal = holes(512).frame()
    ramp = np.linspace(-10, 10, 512)[:, None]
    before, after = (
        charging(thinned(photographed(frame, 20, seed=1)), 0.0).slope for frame in (signal, signal + ramp)
    )
    assert after - before == pytest.approx(20, abs=0.5)


@pytest.mark.parametrize("banding", [0.0, 1.0, 4.0])
def test_bands_of_brightness_are_told_from_noise(banding: float) -> None:
    rng = np.random.default_rng(0)
    frame = 120 + 15 * rng.standard_normal((512, 512)) + banding * rng.standard_normal((512, 1))
    found = charging(thinned(np.clip(np.rint(frame), 0, 255).astype(np.uint8)), 225.0)
    assert found.banding == pytest.approx(banding, abs=0.35)
