"""Which parts of a picture a network is shown, and how they travel: as one picture, below each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from semwatchd.core.plan import DepthPlan
from semwatchd.pipeline.settings import LEAST_SIDE_PX

if TYPE_CHECKING:
    from semwatchd.core.image import Pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """A part of a picture, in px of the picture without its info bar."""

    left: int
    top: int
    width: int
    height: int


def crops(plan: DepthPlan, rows: int, columns: int) -> tuple[Crop, ...] | str:
    """Return the parts that a plan asks for, row by row and all of one width, or say why there are none."""
    wanted = tuple(_wanted(plan, rows, columns))
    if all(_inside(crop, rows, columns) for crop in wanted):
        return wanted
    return f"the picture of {columns} x {rows} px holds no {_asked_for(plan)}"


def stacked(pixels: Pixels, plan: DepthPlan) -> Pixels | str:
    """Cut out what a plan asks for, as one picture; or say why that cannot be."""
    rows, columns = pixels.shape
    cuts = crops(plan, rows, columns)
    if isinstance(cuts, str):
        return cuts
    parts = [pixels[cut.top : cut.top + cut.height, cut.left : cut.left + cut.width] for cut in cuts]
    return cast("Pixels", np.concatenate(parts))


def split(stack: Pixels, cuts: Sequence[Crop]) -> list[Pixels]:
    """Take apart what :func:`stacked` has put together; the parts are views.

    Raises
    ------
    ValueError
        These are not the parts it was put together from.
    """
    ends = np.cumsum([cut.height for cut in cuts])
    if stack.shape != (ends[-1], cuts[0].width):
        raise ValueError(f"a picture of {stack.shape[1]} x {stack.shape[0]} px is not what its plan asks for")
    return [cast("Pixels", part) for part in np.split(stack, ends[:-1])]


def _wanted(plan: DepthPlan, rows: int, columns: int) -> Iterator[Crop]:
    if plan.where == "whole":
        yield Crop(left=0, top=0, width=columns, height=rows)
    elif plan.region is not None:
        left, top, width, height = plan.region
        yield Crop(left=left, top=top, width=width, height=height)
    else:
        down, across = plan.grid if plan.where == "grid" else (1, 1)
        for top in _spread(rows, plan.size_px, down):
            for left in _spread(columns, plan.size_px, across):
                yield Crop(left=left, top=top, width=plan.size_px, height=plan.size_px)


def _spread(length_px: int, size_px: int, count: int) -> list[int]:
    """Put each crop in the middle of its share of the length; they never overlap, or the first sticks out."""
    return [(2 * number + 1) * length_px // (2 * count) - size_px // 2 for number in range(count)]


def _inside(crop: Crop, rows: int, columns: int) -> bool:
    return (
        min(crop.width, crop.height) >= LEAST_SIDE_PX
        and min(crop.left, crop.top) >= 0
        and crop.left + crop.width <= columns
        and crop.top + crop.height <= rows
    )


def _asked_for(plan: DepthPlan) -> str:
    match plan.where:
        case "whole":
            return f"part of at least {LEAST_SIDE_PX} x {LEAST_SIDE_PX} px"
        case "region" if plan.region is not None:
            left, top, width, height = plan.region
            return f"region of {width} x {height} px at {left}, {top}"
        case "grid":
            return f"{plan.grid[0]} x {plan.grid[1]} squares of {plan.size_px} px beside each other"
    return f"square of {plan.size_px} px"
