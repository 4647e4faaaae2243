from __future__ import annotations

import numpy as np
import pytest

from semwatchd.imaging.gray import as_grey_samples, fill_non_finite, invert, luminance, palette_grey

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", ">u2", "<u2"])
def test_unsigned_integers_up_to_sixteen_bits_stay_exact(dtype: str) -> None:
    grey = as_grey_samples(RAMP.astype(dtype))
    assert grey.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(grey, RAMP)


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint32", "float16", "float32", "float64", ">f8"])
def test_other_numbers_keep_their_values_in_float32(dtype: str) -> None:
    numbers = (RAMP // 2).astype(dtype)
    grey = as_grey_samples(numbers)
    assert grey.dtype == np.float32
    np.testing.assert_array_equal(grey, RAMP // 2)


def test_negative_numbers_stay_negative() -> None:
    assert as_grey_samples(np.array([[-3, 4]], np.int8)).tolist() == [[-3.0, 4.0]]


def test_black_and_white_look_saturated() -> None:
    assert as_grey_samples(np.array([[True, False]])).tolist() == [[255, 0]]


def test_numbers_beyond_float32_are_limited_not_infinite() -> None:
    grey = as_grey_samples(np.array([[1e300, -1e300, 1.0]]))
    assert np.isfinite(grey).all()
    assert grey[0, 0] > 3e38


def test_a_view_with_gaps_becomes_contiguous() -> None:
    assert as_grey_samples(RAMP[:, ::2]).flags.c_contiguous


def test_non_finite_pixels_are_counted_and_filled_with_the_lowest() -> None:
    picture = np.array([[np.nan, 2.0], [np.inf, 1.0]], np.float32)
    filled, missing = fill_non_finite(picture)
    assert missing == 2
    assert filled.tolist() == [[1.0, 2.0], [1.0, 1.0]]


def test_a_picture_without_any_number_is_refused() -> None:
    with pytest.raises(ValueError, match="no pixel"):
        fill_non_finite(np.full((2, 2), np.nan, np.float32))


def test_inverting_uses_the_full_scale_of_the_file() -> None:
    assert invert(np.array([[0, 4095]], np.uint16), 12).tolist() == [[4095, 0]]
    assert invert(np.array([[0, 255]], np.uint8), 8).tolist() == [[255, 0]]
    assert invert(np.array([[True, False]]), 1).tolist() == [[False, True]]
    assert invert(np.array([[1.0, 3.0]], np.float32), 32).tolist() == [[2.0, 0.0]]


def test_equal_channels_come_back_exactly() -> None:
    grey, coloured = luminance(np.dstack([RAMP] * 3))
    assert coloured == 0
    np.testing.assert_array_equal(grey, RAMP)


def test_colour_becomes_luma_and_is_counted() -> None:
    colour = np.dstack([RAMP] * 3)
    colour[0, 1] = (255, 0, 0)
    grey, coloured = luminance(colour)
    assert coloured == 1
    assert grey[0, 1] == 76  # 0.299 x 255
    np.testing.assert_array_equal(grey[1:], RAMP[1:])


def identity(step: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    return np.stack([np.arange(256, dtype=np.uint16) * step] * 3)


@pytest.mark.parametrize("step", [1, 256, 257])
def test_an_identity_palette_changes_nothing(step: int) -> None:
    grey, coloured = palette_grey(RAMP, identity(step))
    assert coloured == 0
    np.testing.assert_array_equal(grey, RAMP)


def test_a_falling_palette_turns_the_picture_over() -> None:
    grey, coloured = palette_grey(RAMP, identity(257)[:, ::-1])
    assert coloured == 0
    np.testing.assert_array_equal(grey, 255 - RAMP)


def test_a_four_bit_palette_is_spread_over_eight() -> None:
    grey, _ = palette_grey(RAMP % 16, np.stack([np.arange(16, dtype=np.uint16) * 4369] * 3))
    np.testing.assert_array_equal(grey, RAMP % 16 * 17)


def test_only_pixels_that_use_a_coloured_entry_count() -> None:
    colours = identity(257)
    colours[:, 250] = (65535, 0, 0)
    picture = np.minimum(RAMP, 200)
    assert palette_grey(picture, colours)[1] == 0
    picture[3, 3:6] = 250
    grey, coloured = palette_grey(picture, colours)
    assert coloured == 3
    assert grey[3, 3] == 76


def test_an_index_without_an_entry_is_refused() -> None:
    with pytest.raises(ValueError, match="entry 255 of 16"):
        palette_grey(RAMP, np.zeros((3, 16), np.uint16))
