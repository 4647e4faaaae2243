from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from semwatchd.imaging.coarse import quartered
from semwatchd.imaging.differences import squared_differences
from semwatchd.imaging.features import FEATURES, features
from semwatchd.imaging.snr import image_variance
from semwatchd.imaging.spectrum import tile_power
from tests.scenes import grains, holes, photographed

NOISE = np.random.default_rng(0).normal(128, 20, (512, 512)).astype(np.uint8)


def vector(pixels: NDArray[Any]) -> dict[str, float | None]:
    found = features(
        tile_power(pixels), squared_differences(pixels), image_variance(pixels), quartered(pixels)
    )
    return dict(zip((feature.name for feature in FEATURES), found, strict=True))


def numbers(pixels: NDArray[Any]) -> dict[str, float]:
    return {name: value for name, value in vector(pixels).items() if value is not None}


@pytest.mark.parametrize(
    "pixels",
    [NOISE, photographed(holes(512).frame(), 5, seed=1), np.eye(256, dtype=np.float32)],
    ids=["noise", "holes", "line"],
)
def test_an_ordinary_frame_has_them_all_within_their_ranges(pixels: NDArray[Any]) -> None:
    found = numbers(pixels)
    assert set(found) == {feature.name for feature in FEATURES}
    assert all(feature.low <= found[feature.name] <= feature.high for feature in FEATURES)


def test_the_power_of_white_noise_goes_with_the_area_of_the_band() -> None:
    found = numbers(NOISE)
    octave = found["power_db_12"] - found["power_db_10"]  # two half octaves higher: four times the area
    assert octave == pytest.approx(10 * np.log10(4), abs=0.3)
    assert all(abs(value) < 0.01 for name, value in found.items() if name.startswith("correlation"))


@pytest.mark.parametrize("angle_deg", [0, 45, 90, 135])
def test_a_grating_shows_in_its_direction(angle_deg: int) -> None:
    y, x = np.mgrid[0:256, 0:256]
    turned = x * np.cos(np.deg2rad(angle_deg)) + y * np.sin(np.deg2rad(angle_deg))
    found = numbers((128 + 50 * np.cos(2 * np.pi * turned / 12)).astype(np.float32))
    assert found[f"direction_{angle_deg:03d}"] > 0.95


def test_half_turned_lines_swap_the_axes() -> None:
    frame = photographed(grains(256).frame(), 5, seed=1)
    found, turned = numbers(frame), numbers(np.ascontiguousarray(frame.T))
    for name, other in (("direction_000", "direction_090"), ("correlation_0_2", "correlation_2_0")):
        assert turned[name] == pytest.approx(found[other], rel=1e-4)
    for what in ("contrast", "homogeneity", "energy", "entropy"):
        assert turned[f"tones_{what}_x"] == pytest.approx(found[f"tones_{what}_y"], rel=1e-4)
    for number in range(10):
        assert turned[f"pattern_{number}"] == pytest.approx(found[f"pattern_{number}"], abs=1e-6)


def test_a_bright_spot_has_no_brighter_neighbours() -> None:
    frame = np.zeros((256, 256), np.uint8)
    frame[2::16, 2::16] = 200
    found = numbers(frame)
    assert found["pattern_0"] == pytest.approx(1 - 8 / 16, abs=0.02)  # flat ground, and the spots
    assert found["pattern_1"] == pytest.approx(8 / 16, abs=0.02)  # their neighbours


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.floats(0.1, 20), st.floats(-100, 100))
def test_gain_and_offset_do_not_matter(gain: float, offset: float) -> None:
    frame = photographed(grains(128).frame(), 5, seed=1).astype(np.float32)
    plain, changed = numbers(frame), numbers((gain * frame + offset).astype(np.float32))
    assert changed == pytest.approx(plain, rel=2e-3, abs=3e-3)


def test_what_cannot_be_told_is_none() -> None:
    assert set(vector(np.full((128, 128), 9, np.uint8)).values()) == {None}
    small = vector(NOISE[:32, :32])
    assert small["power_db_01"] is small["tones_energy_x"] is small["pattern_0"] is None
    assert small["power_db_12"] is not None
    assert small["correlation_0_1"] is not None
