import numpy as np
import pytest

from semwatchd.imaging.preview import MOST_PX, STRIP_PX, preview


def bar_px(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> int:
    """Length of the white bar in the strip."""
    return int((picture[-STRIP_PX + 8] == 255).all(axis=1).sum())


@pytest.mark.parametrize(
    ("pixel_size_nm", "length_nm"), [(1.0, 50), (1.5, 100), (20.0, 1000)], ids=["1 nm", "1.5 nm", "20 nm"]
)
def test_the_bar_is_as_long_as_it_says(pixel_size_nm: float, length_nm: float) -> None:
    picture = preview(np.zeros((60, 240), np.float32), pixel_size_nm)
    text_px = 8  # the letters cross the same line
    assert length_nm / pixel_size_nm <= bar_px(picture) <= length_nm / pixel_size_nm + 1 + text_px


def test_without_a_pixel_size_there_is_no_bar() -> None:
    picture = preview(np.zeros((60, 200), np.float32), None)
    assert picture.shape == (60 + STRIP_PX, 200, 3)
    assert bar_px(picture) == 0


def test_deeper_is_another_colour_and_one_bad_pixel_does_not_take_the_scale() -> None:
    depth = np.zeros((60, 60), np.float32)
    depth[:, 30:] = 100
    depth[0, 0] = 1e6
    picture = preview(depth, 1.0).astype(int)
    assert abs(picture[30, 10] - picture[30, 50]).sum() > 200


def test_a_large_map_is_made_smaller_and_a_tiny_one_does_not_fail() -> None:
    assert max(preview(np.zeros((3000, 1500), np.float32), 1.0).shape) <= MOST_PX + STRIP_PX
    assert preview(np.zeros((16, 16), np.float32), 1.0).shape == (16 + STRIP_PX, 16, 3)
