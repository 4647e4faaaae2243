from __future__ import annotations

import numpy as np
import pytest

from semwatchd.imaging.spectrum import radial_spectrum, summarise, tile_power, tile_size
from tests.scenes import grains, holes, photographed


def white(sigma: float, shape: tuple[int, int] = (512, 512)) -> np.typing.NDArray[np.float32]:
    return np.random.default_rng(0).normal(100, sigma, shape).astype(np.float32)


def test_white_noise_has_its_variance_at_every_frequency() -> None:
    spectrum = radial_spectrum(white(5.0, (1024, 1024)))
    assert spectrum.power == pytest.approx(25.0, rel=0.35)  # the lowest rings hold few coefficients
    assert np.average(spectrum.power, weights=spectrum.count) == pytest.approx(25.0, rel=0.02)


def test_white_noise_in_numbers() -> None:
    found = summarise(radial_spectrum(white(5.0)))
    assert found.noise_floor == pytest.approx(25.0, rel=0.03)
    assert found.high_frequency_ratio == pytest.approx(0.75, abs=0.02)
    assert found.bandwidth_cycles_per_px is None


@pytest.mark.parametrize("axis", [0, 1])
def test_a_grating_shows_at_its_frequency_whichever_way_it_runs(axis: int) -> None:
    phase = 2 * np.pi * np.arange(512) / 16
    grating = np.broadcast_to(np.cos(phase if axis else phase[:, None]), (512, 512))
    spectrum = radial_spectrum((100 + 50 * grating).astype(np.float32))
    total = spectrum.power * spectrum.count
    assert spectrum.frequency[total.argmax()] == pytest.approx(1 / 16)
    assert total.sum() == pytest.approx(1250 * 256**2, rel=0.02)


def test_blur_lowers_centroid_and_bandwidth() -> None:
    sharp, blurred = (
        summarise(radial_spectrum(photographed(holes(512, psf_px=psf).frame(), 20, 1))) for psf in (1.0, 3.0)
    )
    assert sharp.centroid_cycles_per_px is not None
    assert blurred.centroid_cycles_per_px is not None
    assert sharp.bandwidth_cycles_per_px is not None
    assert blurred.bandwidth_cycles_per_px is not None
    assert sharp.centroid_cycles_per_px > 1.1 * blurred.centroid_cycles_per_px
    assert sharp.bandwidth_cycles_per_px > 1.5 * blurred.bandwidth_cycles_per_px


def test_the_slope_of_a_power_law_comes_back() -> None:
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.rfftfreq(512)[None])
    frequency[0, 0] = 1
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((512, 512))) * frequency**-1.5, s=(512, 512))
    slope = summarise(radial_spectrum((field / field.std()).astype(np.float32))).slope
    assert slope == pytest.approx(-3.0, abs=0.3)


@pytest.mark.parametrize(
    ("shape", "tile"), [((1024, 2048), 256), ((255, 600), 128), ((16, 16), 16), ((17, 99), 16)]
)
def test_small_frames_get_small_tiles(shape: tuple[int, int], tile: int) -> None:
    assert tile_size(shape) == tile
    assert summarise(radial_spectrum(white(5.0, shape))).noise_floor == pytest.approx(25.0, rel=0.5)


def test_a_constant_has_no_spectrum() -> None:
    found = summarise(radial_spectrum(np.full((64, 64), 9, np.uint8)))
    assert found.noise_floor == 0
    assert found.high_frequency_ratio is None
    assert found.slope is None


def test_mirroring_changes_nothing() -> None:
    frame = photographed(grains(256).frame(), 5, 1)
    assert radial_spectrum(np.fliplr(frame)).power == pytest.approx(radial_spectrum(frame).power, rel=0.05)


def test_the_power_of_tiles_is_that_of_plain_transforms() -> None:
    frame = photographed(grains(256).frame(), 5, 1)[:, :224]
    window = np.outer(np.hanning(129)[:-1], np.hanning(129)[:-1])
    tiles = [frame[y : y + 128, x : x + 128] * window for y in (0, 128) for x in (0, 96)]
    plain = np.mean([np.abs(np.fft.rfft2(tile)) ** 2 for tile in tiles], axis=0) / np.sum(window**2)
    told = np.s_[2:-1, 2:]  # what lies nearer to the origin belongs to the window
    assert tile_power(frame)[told] == pytest.approx(plain[told], rel=1e-3, abs=1e-3)


def test_a_large_frame_is_told_from_a_sample_of_it() -> None:
    frame = white(5.0, (1500, 1500))
    assert tile_power(frame)[2:-1, 2:].mean() == pytest.approx(25.0, rel=0.02)
    assert summarise(radial_spectrum(frame)).noise_floor == pytest.approx(25.0, rel=0.02)
