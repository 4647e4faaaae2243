from __future__ import annotations

import cv2
import numpy as np
import pytest

from semwatchd.imaging.differences import LAGS, kernel_energy, squared_differences


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_table_is_the_mean_over_all_pairs(dtype: type[np.generic]) -> None:
    top = 255 if dtype == np.uint8 else 65535
    pixels = np.random.default_rng(0).integers(0, top + 1, (37, 53)).astype(dtype)
    exact = pixels.astype(np.float64)
    table = squared_differences(pixels)
    for down, right in LAGS:
        pairs = [
            (exact[y, x] - exact[y + down, x + right]) ** 2
            for y in range(37 - down)
            for x in range(max(0, -right), min(53, 53 - right))
        ]
        assert table[down, right] == pytest.approx(np.mean(pairs), rel=1e-6)


def test_the_extremes_of_sixteen_bits_do_not_overflow() -> None:
    stripes = np.zeros((512, 512), np.uint16)
    stripes[:, ::2] = 65535
    table = squared_differences(stripes)
    assert table[0, 1] == 65535.0**2
    assert table[0, 2] == 0


def test_a_kernels_energy_is_that_of_filtering() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (600, 600)).astype(np.uint8)
    difference = ((0.0, 0, 0), (-1, 0, 1), (0, 0, 0))
    filtered = np.square(pixels[:, 2:].astype(float) - pixels[:, :-2]).mean()
    assert kernel_energy(squared_differences(pixels), difference) == pytest.approx(filtered)


def test_a_kernel_of_sum_zero_does_not_see_a_constant() -> None:
    table = squared_differences(np.full((40, 40), 99, np.uint8))
    assert kernel_energy(table, ((0.0, 1, 0), (1, -4, 1), (0, 1, 0))) == 0


def test_every_second_row_of_a_large_frame_tells_what_all_of_them_tell() -> None:
    rng = np.random.default_rng(0)
    smooth = cv2.GaussianBlur(rng.normal(0, 1, (2048, 2048)).astype(np.float32), (0, 0), 4)
    pixels = np.rint(30000 + 4000 * smooth / smooth.std() + rng.normal(0, 1000, smooth.shape)).astype(
        np.uint16
    )
    table = squared_differences(pixels)
    for (down, right), value in table.items():
        left, skip = max(-right, 0), max(right, 0)
        here, there = pixels[: 2048 - down, left : 2048 - skip], pixels[down:, skip : 2048 - left]
        assert value == pytest.approx(np.square(here.astype(np.float64) - there).mean(), rel=2e-3)
