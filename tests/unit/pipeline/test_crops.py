from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from semwatchd.core.plan import DepthPlan
from semwatchd.pipeline.crops import Crop, crops, split, stacked

if TYPE_CHECKING:
    from semwatchd.core.image import Pixels


def numbered(rows: int, columns: int) -> NDArray[np.uint16]:
    """Every pixel says where it is: row in the upper byte, column in the lower."""
    y, x = np.mgrid[:rows, :columns]
    return np.asarray(256 * y + x, np.uint16)


def test_the_centre_has_equal_margins() -> None:
    assert crops(DepthPlan(size_px=64), 100, 200) == (Crop(left=68, top=18, width=64, height=64),)


def test_a_grid_has_each_square_in_the_middle_of_its_share() -> None:
    found = crops(DepthPlan(where="grid", size_px=64, grid=(2, 3)), 200, 300)
    assert not isinstance(found, str)
    assert [(crop.left, crop.top) for crop in found] == [
        (left, top) for top in (50 - 32, 150 - 32) for left in (50 - 32, 150 - 32, 250 - 32)
    ]


def test_a_region_and_the_whole_are_what_they_say() -> None:
    region = DepthPlan(where="region", region=(3, 5, 20, 16))
    part = stacked(numbered(40, 60), region)
    np.testing.assert_array_equal(part, numbered(40, 60)[5:21, 3:23])
    whole = stacked(numbered(17, 16), DepthPlan(where="whole"))
    np.testing.assert_array_equal(whole, numbered(17, 16))


PICTURE = numbered(140, 160)


@pytest.mark.parametrize("picture", [PICTURE.astype(np.uint8), PICTURE, PICTURE.astype(np.float32)])
def test_what_is_stacked_is_split_again(picture: Pixels) -> None:
    plan = DepthPlan(where="grid", size_px=64, grid=(2, 2))
    cuts, stack = crops(plan, *picture.shape), stacked(picture, plan)
    assert not isinstance(cuts, str)
    assert not isinstance(stack, str)
    assert stack.shape == (256, 64)
    assert stack.dtype == picture.dtype
    assert stack.flags.c_contiguous
    for cut, part in zip(cuts, split(stack, cuts), strict=True):
        expected = picture[cut.top : cut.top + cut.height, cut.left : cut.left + cut.width]
        np.testing.assert_array_equal(part, expected)
        assert np.shares_memory(part, stack)


@given(
    rows=st.integers(1, 700),
    columns=st.integers(1, 700),
    size_px=st.integers(4, 20).map(lambda n: 16 * n),
    grid=st.tuples(st.integers(1, 8), st.integers(1, 8)),
)
def test_squares_lie_inside_without_overlap_wherever_there_is_room(
    rows: int, columns: int, size_px: int, grid: tuple[int, int]
) -> None:
    found = crops(DepthPlan(where="grid", size_px=size_px, grid=grid), rows, columns)
    room = grid[0] * size_px <= rows and grid[1] * size_px <= columns
    assert isinstance(found, str) == (not room)
    if isinstance(found, str):
        return
    covered = np.zeros((rows, columns), np.uint8)
    for crop in found:
        covered[crop.top : crop.top + size_px, crop.left : crop.left + size_px] += 1
    assert covered.sum() == len(found) * size_px**2
    assert covered.max() == 1


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (DepthPlan(size_px=64), "the picture of 60 x 90 px holds no square of 64 px"),
        (DepthPlan(where="region", region=(50, 0, 16, 16)), "holds no region of 16 x 16 px at 50, 0"),
        (DepthPlan(where="region", region=(0, 80, 16, 16)), "holds no region of 16 x 16 px at 0, 80"),
        (DepthPlan(where="grid", size_px=64, grid=(2, 1)), "holds no 2 x 1 squares of 64 px beside each"),
    ],
)
def test_what_does_not_fit_is_said(plan: DepthPlan, reason: str) -> None:
    told = stacked(numbered(90, 60), plan)
    assert isinstance(told, str)
    assert reason in told


def test_of_a_tiny_picture_nothing_is_shown() -> None:
    told = stacked(numbered(15, 300), DepthPlan(where="whole"))
    assert told == "the picture of 300 x 15 px holds no part of at least 16 x 16 px"


@pytest.mark.parametrize("shape", [(64, 64), (128, 63), (192, 64)])
def test_a_stack_of_another_plan_is_refused(shape: tuple[int, int]) -> None:
    cuts = crops(DepthPlan(where="grid", size_px=64, grid=(1, 2)), 100, 200)
    assert not isinstance(cuts, str)
    with pytest.raises(ValueError, match="not what its plan asks for"):
        split(np.zeros(shape, np.uint8), cuts)


def test_a_worker_that_cuts_loads_no_torch() -> None:
    code = "import sys, semwatchd.pipeline.crops; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
