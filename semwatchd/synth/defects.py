"""Defects on a pattern: what changes its layout, and what lies on it or is cut into it.

Each names the place by itself, near the middle of the scene. The mask is not drawn by hand: it is where the
surface differs from the one without the defect.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from semwatchd.synth.surface import Feature, Grid, Layout

MASK_SHARE = 0.05  # of the pattern's depth: a smaller change of the surface is not called a defect


class Defect(StrEnum):
    """What went wrong on the wafer."""

    NONE = "none"
    BRIDGE = "bridge"  #: two neighbours are joined
    BREAK = "break"  #: a line is cut; a round feature is pinched in two
    MISSING = "missing"  #: a whole line or hole was not made
    OVERSIZE = "oversize"  #: a line is locally, a hole wholly too wide
    PARTICLE = "particle"  #: a round grain lies on the surface
    SCRATCH = "scratch"  #: a groove runs across the scene


_Nm = NDArray[np.float32]
_Change = Callable[[np.random.Generator, _Nm, Feature, _Nm, _Nm], _Nm]


def deform(rng: np.random.Generator, grid: Grid, layout: Layout, defect: Defect) -> NDArray[np.float32]:
    """Return the layout's distances with the defect in them, (rows, columns) float32 nm, positive inside.

    What is no change of the layout (none, particle, scratch) leaves them as they are.
    """
    change = LAYOUT_CHANGES.get(defect)
    if change is None:
        return layout.inside_nm
    x_nm, y_nm = _places(grid)
    return np.asarray(change(rng, layout.inside_nm, layout.feature, x_nm, y_nm), dtype=np.float32)


def deposit(
    rng: np.random.Generator, grid: Grid, depth_nm: NDArray[np.float32], span_nm: float, defect: Defect
) -> NDArray[np.float32]:
    """Return the surface with a particle on it or a scratch in it; nm below the top, above it negative.

    Parameters
    ----------
    span_nm
        Depth of the pattern: sets the height of a particle and the depth of a scratch.
    """
    match defect:
        case Defect.PARTICLE:
            return _with_particle(rng, grid, depth_nm, span_nm)
        case Defect.SCRATCH:
            return _with_scratch(rng, grid, depth_nm, span_nm)
        case _:
            return depth_nm


def difference_mask(
    with_defect_nm: NDArray[np.float32], without_nm: NDArray[np.float32], span_nm: float
) -> NDArray[np.uint8]:
    """Mark with 1, as uint8, where two surfaces differ by more than 5 % of the pattern's depth."""
    return np.asarray(np.abs(with_defect_nm - without_nm) > MASK_SHARE * span_nm, dtype=np.uint8)


def _bridge(rng: np.random.Generator, inside: _Nm, at: Feature, x: _Nm, y: _Nm) -> _Nm:
    gap_nm = at.pitch_nm - 2 * at.half_x_nm
    half_x_nm = gap_nm / 2 + 0.5 * min(at.half_x_nm, gap_nm / 2)  # into both neighbours, through none
    half_y_nm = rng.uniform(0.25, 0.6) * min(at.half_x_nm, at.half_y_nm)
    middle_x_nm = at.x_nm + at.pitch_nm / 2
    return np.maximum(inside, _ellipse(x - middle_x_nm, y - at.y_nm, half_x_nm, half_y_nm))


def _break(rng: np.random.Generator, inside: _Nm, at: Feature, x: _Nm, y: _Nm) -> _Nm:
    half_y_nm = rng.uniform(0.3, 0.6) * at.half_x_nm
    return np.minimum(inside, -_ellipse(x - at.x_nm, y - at.y_nm, 1.5 * at.half_x_nm, half_y_nm))


def _missing(rng: np.random.Generator, inside: _Nm, at: Feature, x: _Nm, y: _Nm) -> _Nm:
    del rng  # a feature that is not there has no size to draw
    beyond_x = np.abs(x - at.x_nm) - at.pitch_nm / 2
    beyond = np.maximum(beyond_x, np.abs(y - at.y_nm) - np.float32(_reach_y_nm(at)))
    return np.asarray(np.minimum(inside, beyond), dtype=np.float32)


def _oversize(rng: np.random.Generator, inside: _Nm, at: Feature, x: _Nm, y: _Nm) -> _Nm:
    growth_nm = rng.uniform(0.25, 0.45) * at.half_x_nm
    reach_nm = min(rng.uniform(1.5, 2.4) * at.half_x_nm, 1.2 * at.half_y_nm)
    to_neighbour_nm = at.pitch_nm - at.half_x_nm - np.abs(x - at.x_nm)
    own = np.clip(to_neighbour_nm / (at.pitch_nm - 2 * at.half_x_nm), 0, 1)  # fades from edge to edge
    nearness = own * np.exp(-(((y - at.y_nm) / reach_nm) ** 4))
    return np.asarray(inside + np.float32(growth_nm) * nearness, dtype=np.float32)


LAYOUT_CHANGES: dict[Defect, _Change] = {
    Defect.BRIDGE: _bridge,
    Defect.BREAK: _break,
    Defect.MISSING: _missing,
    Defect.OVERSIZE: _oversize,
}


def _reach_y_nm(at: Feature) -> float:
    """How far a feature's own cell reaches along y: without end for a line."""
    return at.half_y_nm if np.isinf(at.half_y_nm) else at.half_y_nm * 1.4


def _ellipse(x: _Nm, y: _Nm, half_x_nm: float, half_y_nm: float) -> _Nm:
    """Distance to an ellipse's edge, good enough for a wall; positive inside.

    Inside along the shorter axis, outside along the ray from the middle.
    """
    radius = np.sqrt((x / np.float32(half_x_nm)) ** 2 + (y / np.float32(half_y_nm)) ** 2)
    inside = np.float32(min(half_x_nm, half_y_nm)) * np.maximum(1 - radius, 0)
    outside = np.hypot(x, y) * (1 - 1 / np.maximum(radius, 1))
    return np.asarray(inside - outside, dtype=np.float32)


def _with_particle(
    rng: np.random.Generator, grid: Grid, depth_nm: NDArray[np.float32], span_nm: float
) -> NDArray[np.float32]:
    """Lay half a ball on the pattern's top; it hides what is below."""
    x_nm, y_nm = _places(grid)
    centre_x, centre_y = rng.uniform(0.35, 0.65, 2) * (x_nm.max(), y_nm.max())
    radius_nm = rng.uniform(0.12, 0.22) * min(x_nm.max(), y_nm.max())
    ball = radius_nm**2 - (x_nm - centre_x) ** 2 - (y_nm - centre_y) ** 2
    height_nm = np.sqrt(np.maximum(ball, 0)) * np.float32(0.5 * span_nm / radius_nm)
    return np.where(ball > 0, np.minimum(depth_nm, -height_nm), depth_nm).astype(np.float32)


def _with_scratch(
    rng: np.random.Generator, grid: Grid, depth_nm: NDArray[np.float32], span_nm: float
) -> NDArray[np.float32]:
    """Cut a groove from the upper to the lower border."""
    x_nm, y_nm = _places(grid)
    ends = rng.uniform(0.2, 0.8, 2) * x_nm.max()
    path_nm = ends[0] + (ends[1] - ends[0]) * y_nm / y_nm.max()
    across_px = (x_nm - path_nm) / grid.pixel_size_nm
    groove = np.exp(-0.5 * (across_px / rng.uniform(1.0, 1.8)) ** 2)
    return np.asarray(depth_nm + np.float32(0.5 * span_nm) * groove, dtype=np.float32)


def _places(grid: Grid) -> tuple[_Nm, _Nm]:
    """Coordinates of every column (1, columns) and every row (rows, 1) in nm."""
    step = np.float32(grid.pixel_size_nm)
    return np.arange(grid.columns, dtype=np.float32)[None] * step, np.arange(grid.rows, dtype=np.float32)[
        :, None
    ] * step
