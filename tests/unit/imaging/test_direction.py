from __future__ import annotations

import numpy as np
import pytest

from semwatchd.imaging.direction import SpectralShape, spectral_shape
from semwatchd.imaging.spectrum import tile_power
from tests.scenes import Scene, grains, holes, line_noise, lines, photographed


def blurred(scene: Scene, sigma_px: float, across_px: float, angle_deg: float) -> Scene:
    """The scene through an elliptical spot: ``sigma_px`` wide along the angle, ``across_px`` across."""
    n = len(scene.spectrum)
    fy, fx = np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)[None]
    cos, sin = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    along, across = (fx * cos + fy * sin) * sigma_px, (fy * cos - fx * sin) * across_px
    spot = np.exp(-2 * np.pi**2 * (along**2 + across**2))
    return Scene(scene.spectrum * spot, scene.frame_px)


def shape(scene: Scene, snr: float) -> SpectralShape:
    found = spectral_shape(tile_power(photographed(scene.frame(), snr, seed=1)))
    assert found is not None
    return found


@pytest.mark.parametrize("angle_deg", [0, 30, 90, 120])
@pytest.mark.parametrize("snr", [1, 5, 20])
def test_astigmatism_shows_its_direction_and_strength(angle_deg: float, snr: float) -> None:
    found = shape(blurred(holes(512, psf_px=1.0), 2.0, 0.5, angle_deg), snr)
    off = (found.astigmatism_angle_deg - angle_deg + 90) % 180 - 90
    assert abs(off) < 3
    assert found.astigmatism_ratio == pytest.approx(1.21, abs=0.025)


@pytest.mark.parametrize("snr", [1, 5, 20])
def test_a_round_spot_has_a_ratio_near_one(snr: float) -> None:
    assert shape(blurred(holes(512, psf_px=1.0), 2.0, 2.0, 0), snr).astigmatism_ratio < 1.02


def test_noise_smeared_along_the_line_is_no_astigmatism() -> None:
    signal = holes(512).frame()
    noisy = signal + line_noise((512, 512), 0.4, seed=0) * signal.std() / np.sqrt(5)
    found = spectral_shape(tile_power(np.clip(np.rint(noisy), 0, 255).astype(np.uint8)))
    assert found is not None
    assert found.astigmatism_ratio < 1.02


@pytest.mark.parametrize("scene", [holes, grains], ids=["holes", "grains"])
@pytest.mark.parametrize("snr", [5, 20])
def test_kurtosis_falls_with_blur(scene: type, snr: float) -> None:
    series = [shape(scene(512, psf_px=psf), snr).kurtosis or 0 for psf in (1.0, 1.5, 2.0, 3.0)]
    assert series == sorted(series, reverse=True)


def test_a_gaussian_has_a_kurtosis_of_eight() -> None:
    fy, fx = np.fft.fftfreq(256)[:, None], np.fft.rfftfreq(256)[None]
    found = spectral_shape(np.exp(-0.5 * (fx**2 + fy**2) / 0.025**2))
    assert found is not None
    assert found.kurtosis == pytest.approx(8, rel=0.05)
    assert found.astigmatism_ratio == pytest.approx(1, abs=0.01)


def test_gain_and_offset_do_not_matter() -> None:
    frame = photographed(grains(256).frame(), 5, seed=1).astype(np.float32)
    plain, other = (spectral_shape(tile_power(f)) for f in (frame, (3 * frame + 50).astype(np.float32)))
    assert plain is not None
    assert other is not None
    assert other.astigmatism_ratio == pytest.approx(plain.astigmatism_ratio, rel=1e-3)
    assert other.astigmatism_angle_deg == pytest.approx(plain.astigmatism_angle_deg, abs=0.1)


def test_noise_alone_a_constant_and_straight_lines_have_no_shape() -> None:
    noise = np.random.default_rng(0).normal(128, 20, (512, 512)).astype(np.uint8)
    for pixels in (noise, np.full((64, 64), 9, np.uint8), photographed(lines(256).frame(), 20, seed=1)):
        assert spectral_shape(tile_power(pixels)) is None
