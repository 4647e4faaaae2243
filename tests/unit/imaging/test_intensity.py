from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semwatchd.imaging.intensity import PERCENTS, Intensity, intensity


def measured(pixels: np.typing.NDArray[np.generic]) -> Intensity:
    return intensity(pixels)  # type: ignore[arg-type] # any of the three


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.sampled_from([np.uint8, np.uint16, np.float32]),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(0, 1000),
)
def test_the_numbers_are_those_of_all_pixels(
    dtype: type[np.generic], shape: tuple[int, int], seed: int
) -> None:
    top = 255 if dtype == np.uint8 else 65535
    pixels = np.random.default_rng(seed).integers(0, top + 1, shape).astype(dtype)
    found, exact = measured(pixels), pixels.astype(np.float64)
    assert found.mean == pytest.approx(exact.mean())
    assert found.std == pytest.approx(exact.std(), abs=1e-9)
    assert (found.min, found.max) == (exact.min(), exact.max())
    assert found.percentiles == tuple(np.percentile(exact, PERCENTS, method="inverted_cdf"))


def test_entropy_of_equally_frequent_levels_is_their_logarithm() -> None:
    pixels = np.repeat(np.arange(16, dtype=np.uint8), 16).reshape(16, 16)
    assert measured(pixels).entropy_bits == pytest.approx(4.0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_saturation_is_counted_at_both_ends_of_the_type(dtype: type[np.integer]) -> None:
    pixels = np.full((10, 10), 50, dtype)
    pixels[0], pixels[1:3] = 0, np.iinfo(dtype).max
    found = measured(pixels)
    assert (found.saturated_low_ratio, found.saturated_high_ratio) == (0.1, 0.2)


def test_percentiles_of_a_large_float_frame_are_right_to_a_tenth_of_a_percent() -> None:
    pixels = np.random.default_rng(0).normal(100, 20, (1500, 1000)).astype(np.float32)
    found = measured(pixels)
    reached = [100 * np.mean(pixels <= level) for level in found.percentiles]
    assert reached == pytest.approx(PERCENTS, abs=0.2)
    assert (found.min, found.max) == (pixels.min(), pixels.max())
    assert found.mean == pytest.approx(pixels.mean(dtype=np.float64))
    assert found.std == pytest.approx(pixels.std(dtype=np.float64))


def test_float_pixels_have_no_limit_to_saturate_at() -> None:
    found = measured(np.zeros((10, 10), np.float32))
    assert (found.saturated_low_ratio, found.saturated_high_ratio) == (None, None)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_constant_has_neither_spread_nor_entropy(dtype: type[np.generic]) -> None:
    found = measured(np.full((33, 21), 201, dtype))
    assert (found.mean, found.std, found.entropy_bits, found.contrast) == (201.0, 0.0, 0.0, 0.0)


def test_tails_have_a_sign_and_a_bell_curve_has_a_kurtosis_of_three() -> None:
    rng = np.random.default_rng(0)
    bell = measured(rng.normal(128, 20, (256, 256)).astype(np.uint8))
    assert bell.skewness == pytest.approx(0, abs=0.03)
    assert bell.kurtosis == pytest.approx(3, abs=0.1)
    bright = measured(rng.exponential(20, (256, 256)).astype(np.uint16))
    assert bright.skewness == pytest.approx(2, abs=0.2)


def test_the_step_between_levels_is_found() -> None:
    pixels = np.random.default_rng(0).integers(0, 100, (20, 20)).astype(np.uint16)
    assert measured(pixels).level_step == 1
    assert measured(pixels * np.uint16(16) + np.uint16(3)).level_step == 16
    assert measured(pixels.astype(np.float32)).level_step is None
