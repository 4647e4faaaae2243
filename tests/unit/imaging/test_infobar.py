from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from semwatchd.imaging.infobar import find_info_bar

Grey = NDArray[Any]


def as_bytes(picture: Grey) -> Grey:
    clipped: Grey = np.clip(picture, 0, 255).astype(np.uint8)
    return clipped


def scene(height: int, width: int, seed: int = 0, noise: float = 12.0, level: float = 110.0) -> Grey:
    """Blurred grains with noise, as a detector delivers them."""
    rng = np.random.default_rng(seed)
    grains: Grey = cv2.GaussianBlur(rng.standard_normal((height, width)).astype(np.float32), (0, 0), 6.0)
    grains *= 30.0 / grains.std()
    return as_bytes(level + grains + noise * rng.standard_normal(grains.shape))


def draw_bar(picture: Grey, rows: int, *, paper: int = 0, ink: int = 255, line: bool = False) -> Grey:
    """Burn a bar with two lines of text and a micron mark over the last rows."""
    framed = picture.copy()
    height, width = framed.shape
    bar = np.full((rows, width), paper, np.uint8)
    scale = rows / 75
    for number, text in enumerate(
        ("HV 10.00 kV  WD 4.9 mm  mag 10 000 x", "ETD  2024-01-02  semwatchd  1 um")
    ):
        at = (width // 40, int(rows * (0.45 + 0.42 * number)))
        cv2.putText(
            bar, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, max(1, round(2 * scale)), cv2.LINE_AA
        )
    bar[rows // 2, -width // 5 : -width // 20] = ink
    if line:
        bar[0] = ink
        bar[-1] = ink
    framed[height - rows :] = bar
    return framed


@pytest.mark.parametrize("line", [False, True])
@pytest.mark.parametrize(("paper", "ink"), [(0, 255), (255, 0), (40, 250)])
@pytest.mark.parametrize(
    ("height", "width", "rows"), [(943, 1024, 59), (768, 1024, 78), (480, 640, 32), (2200, 2048, 140)]
)
def test_an_opaque_bar_is_found_to_the_row(
    height: int, width: int, rows: int, paper: int, ink: int, *, line: bool
) -> None:
    picture = draw_bar(scene(height, width), rows, paper=paper, ink=ink, line=line)
    assert find_info_bar(picture) == rows


@pytest.mark.parametrize("depth", [65535, 4095])
def test_a_bar_in_sixteen_bits_is_found(depth: int) -> None:
    picture = draw_bar(scene(600, 800), 45)
    assert find_info_bar((picture.astype(np.float64) * depth / 255).astype(np.uint16)) == 45


def test_a_bar_in_a_float_picture_is_found() -> None:
    assert find_info_bar(draw_bar(scene(600, 800), 45).astype(np.float32) / 255) == 45


@pytest.mark.parametrize("quality", [60, 80, 95])
@pytest.mark.parametrize("rows", [48, 53])
def test_a_bar_is_found_through_jpeg_artefacts(quality: int, rows: int) -> None:
    picture = draw_bar(scene(648, 800), rows)
    _, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    seen = cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE)
    assert seen is not None
    assert abs(find_info_bar(seen) - rows) <= 3


def test_rows_of_picture_below_the_bar_are_cut_with_it() -> None:
    picture = scene(768, 1024)
    picture[:766] = draw_bar(picture[:766], 76, paper=255, ink=0, line=True)
    assert find_info_bar(picture) == 78


def test_a_dark_picture_above_a_black_bar_is_kept() -> None:
    dark = scene(600, 800, noise=4.0, level=8.0)
    assert find_info_bar(draw_bar(dark, 45)) == 45


def test_a_blank_picture_above_a_framed_bar_is_kept() -> None:
    assert find_info_bar(draw_bar(np.zeros((600, 800), np.uint8), 45, line=True)) == 45


def test_once_the_bar_is_cut_nothing_more_is() -> None:
    picture = draw_bar(scene(600, 800), 45)
    assert find_info_bar(picture[:-45]) == 0


def lines(height: int, width: int, pitch: int, *, noise: float, blur: float) -> Grey:
    """Horizontal lines and spaces of a resist pattern."""
    square = np.where(np.arange(height) % pitch < pitch // 2, 190.0, 15.0)
    picture: Grey = np.repeat(square[:, None], width, axis=1).astype(np.float32)
    if blur:
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    return np.clip(picture + noise * np.random.default_rng(1).standard_normal(picture.shape), 0, 255).astype(
        np.uint8
    )


@pytest.mark.parametrize("noise", [0.0, 3.0, 12.0])
@pytest.mark.parametrize("blur", [0.0, 1.5])
@pytest.mark.parametrize("pitch", [4, 24, 90, 131])
def test_horizontal_lines_along_the_bottom_are_no_bar(pitch: int, blur: float, noise: float) -> None:
    assert find_info_bar(lines(480, 512, pitch, noise=noise, blur=blur)) == 0


def test_a_black_space_with_particles_is_no_bar() -> None:
    """Clipped to black, full width, at the bottom, with bright spots: only the blurred edge tells."""
    picture: Grey = np.full((480, 512), 170.0, np.float32)
    picture[440:] = -40.0
    for number in range(12):
        cv2.circle(picture, (20 + 40 * number, 460), 4, 200.0, -1)
    picture = cv2.GaussianBlur(picture, (0, 0), 1.5)
    noise = 12.0 * np.random.default_rng(2).standard_normal(picture.shape)
    assert find_info_bar(as_bytes(picture + noise)) == 0


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_blank_picture_has_no_bar(value: int) -> None:
    assert find_info_bar(np.full((300, 400), value, np.uint8)) == 0


def test_text_written_over_the_picture_is_left_in() -> None:
    picture = scene(600, 800)
    cv2.putText(picture, "10.0kV 14.4mm x1.00k SE(M)", (20, 590), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 255, 2)
    assert find_info_bar(picture) == 0


def test_vertical_lines_and_holes_without_noise_have_no_bar() -> None:
    columns = np.where(np.arange(400) % 20 < 10, 200, 50).astype(np.uint8)
    picture = np.repeat(columns[None], 300, axis=0)
    assert find_info_bar(picture) == 0
    for row in range(10, 300, 30):
        for column in range(10, 400, 30):
            cv2.circle(picture, (column, row), 8, 20, -1)
    assert find_info_bar(picture) == 0


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.integers(0, 255),
    st.sampled_from(["uint8", "uint16", "float32"]),
)
def test_any_small_picture_gets_an_answer_that_leaves_most_of_it(
    height: int, width: int, seed: int, dtype: str
) -> None:
    picture = np.random.default_rng(seed).integers(0, 2, (height, width)).astype(dtype)
    assert 0 <= find_info_bar(picture) < max(1, height / 4)
