"""Surfaces of known shape, as depth in nm: lines, trenches, contact holes and pillars with rough edges.

Every function is pure: the random generator comes in, an array goes out. A pattern is laid out first as a
distance to its edges (:class:`Layout`), which defects may change, and then given its walls.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from semwatchd.synth.edges import Roughness, rough_contours, rough_edges

CONTOURS = 16  # rough hole contours per scene; enough that no neighbours look alike
CONTOUR_POINTS = 256  # a power of two
CORNER_ROUNDING = 0.4  # share of smoothstep in the side-wall's profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The sampling of a scene."""

    rows: int
    columns: int
    pixel_size_nm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSpace:
    """Vertical resist lines; ``duty`` is line width over pitch, ``offset_nm`` the first line's centre."""

    pitch_nm: float
    depth_nm: float
    duty: float = 0.5
    offset_nm: float = 0.0
    sidewall_deg: float = 86.0
    roughness: Roughness = field(default_factory=Roughness)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactHoles:
    """Round holes on a lattice; ``radius_spread`` is the relative spread from hole to hole.

    ``aspect`` is the pitch along the columns (y) over the one along the rows (x), ``offset_nm`` where the
    first cell begins (x, y).
    """

    pitch_nm: float
    radius_nm: float
    depth_nm: float
    aspect: float = 1.0
    offset_nm: tuple[float, float] = (0.0, 0.0)
    radius_spread: float = 0.03
    sidewall_deg: float = 86.0
    roughness: Roughness = field(default_factory=Roughness)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """The line or the hole nearest to the middle of the scene, and the way to its neighbour in x."""

    x_nm: float
    y_nm: float
    half_x_nm: float
    half_y_nm: float  #: infinite for a line
    pitch_nm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where the pattern is: distance to the nearest edge in nm, positive inside lines or holes.

    ``inside_nm`` is (rows, columns) float32.
    """

    inside_nm: NDArray[np.float32]
    feature: Feature


def line_space(rng: np.random.Generator, grid: Grid, pattern: LineSpace) -> NDArray[np.float32]:
    """Grating with a rough edge on each side of each line.

    Returns
    -------
    (rows, columns) float32, nm below the lines' top: 0 on a line, ``depth_nm`` in a space.
    """
    layout = lay_lines(rng, grid, pattern)
    return walls(layout.inside_nm, pattern.depth_nm, pattern.sidewall_deg, grid.pixel_size_nm)


def contact_holes(rng: np.random.Generator, grid: Grid, pattern: ContactHoles) -> NDArray[np.float32]:
    """Lattice of holes; each has its own radius and a rough closed contour.

    Returns
    -------
    (rows, columns) float32, nm below the surface: 0 between the holes, ``depth_nm`` on their floor.
    """
    layout = lay_holes(rng, grid, pattern)
    return walls(-layout.inside_nm, pattern.depth_nm, pattern.sidewall_deg, grid.pixel_size_nm)


def lay_lines(rng: np.random.Generator, grid: Grid, pattern: LineSpace) -> Layout:
    """Lay out a grating; ``inside_nm`` is positive on the lines."""
    cell_nm = pattern.offset_nm - pattern.pitch_nm / 2
    near, beyond = _nearest_two(grid.columns, grid.pixel_size_nm, pattern.pitch_nm, cell_nm)
    first = int(near.number.min()) - 1
    count = int(near.number.max()) - first + 2
    edges = rough_edges(rng, 2 * count, grid.rows, grid.pixel_size_nm, pattern.roughness)
    half_width_nm = np.float32(pattern.pitch_nm * pattern.duty / 2)

    def inside_nm(line: _Nearest) -> NDArray[np.float32]:
        left, right = edges[:count].T[:, line.number - first], edges[count:].T[:, line.number - first]
        inside: NDArray[np.float32] = half_width_nm + np.minimum(line.away_nm - left, right - line.away_nm)
        return inside

    feature = Feature(
        x_nm=near.middle_nm(grid.pixel_size_nm),
        y_nm=grid.rows * grid.pixel_size_nm / 2,
        half_x_nm=float(half_width_nm),
        half_y_nm=np.inf,
        pitch_nm=pattern.pitch_nm,
    )
    return Layout(inside_nm=np.maximum(inside_nm(near), inside_nm(beyond)), feature=feature)


def lay_holes(rng: np.random.Generator, grid: Grid, pattern: ContactHoles) -> Layout:
    """Lay out a lattice of round features; ``inside_nm`` is positive in them."""
    step_nm, pitch_y_nm = grid.pixel_size_nm, pattern.pitch_nm * pattern.aspect
    columns = _nearest_two(grid.columns, step_nm, pattern.pitch_nm, pattern.offset_nm[0])
    rows = _nearest_two(grid.rows, step_nm, pitch_y_nm, pattern.offset_nm[1])
    contours = rough_contours(rng, CONTOURS, CONTOUR_POINTS, pattern.radius_nm, pattern.roughness)
    left, top = (int(near.number.min()) - 1 for near, _ in (columns, rows))
    shape = tuple(int(near.number.max()) - first + 2 for (near, _), first in ((rows, top), (columns, left)))
    which = rng.integers(CONTOURS, size=shape)
    radii_nm = rng.normal(pattern.radius_nm, pattern.radius_spread * pattern.radius_nm, shape)
    reach_nm = contours[which] + radii_nm.astype(np.float32)[..., None]  # of each hole in every direction

    def inside_nm(row: _Nearest, column: _Nearest) -> NDArray[np.float32]:
        distance_nm, angle = cv2.cartToPolar(*np.meshgrid(column.away_nm, row.away_nm))
        angle *= np.float32(CONTOUR_POINTS / (2 * np.pi))
        hole = (row.number - top)[:, None] * shape[1] + (column.number - left)
        point = angle.astype(np.int32)
        point &= CONTOUR_POINTS - 1  # a full turn is none
        point += hole.astype(np.int32) * CONTOUR_POINTS
        inside: NDArray[np.float32] = reach_nm.ravel().take(point)
        inside -= distance_nm
        return inside

    feature = Feature(
        x_nm=columns[0].middle_nm(step_nm),
        y_nm=rows[0].middle_nm(step_nm),
        half_x_nm=pattern.radius_nm,
        half_y_nm=pattern.radius_nm,
        pitch_nm=pattern.pitch_nm,
    )
    four = (inside_nm(row, column) for row, column in product(rows, columns))
    return Layout(inside_nm=reduce(np.maximum, four), feature=feature)


def walls(
    high_nm: NDArray[np.float32], depth_nm: float, sidewall_deg: float, pixel_size_nm: float
) -> NDArray[np.float32]:
    """Turn the distance to the edge (positive on the high side) into depth, over a rounded slope."""
    # A wall steeper than the grid would alias; the sampled world has none below one pixel.
    slope_nm = max(depth_nm / np.tan(np.deg2rad(sidewall_deg)), pixel_size_nm)
    height = np.clip(high_nm / np.float32(slope_nm) + np.float32(0.5), 0, 1)
    rounded = height * height * (3 - 2 * height)
    height += np.float32(CORNER_ROUNDING) * (rounded - height)
    return np.ascontiguousarray(np.float32(depth_nm) * (1 - height), dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Nearest:
    """For each sample along one axis: how far it is from a lattice point, in nm, and that point's number."""

    away_nm: NDArray[np.float32]
    number: NDArray[np.intp]

    def middle_nm(self, step_nm: float) -> float:
        """Return where the lattice point is that belongs to the sample in the middle."""
        middle = len(self.away_nm) // 2
        return middle * step_nm - float(self.away_nm[middle])


def _nearest_two(
    samples: int, step_nm: float, pitch_nm: float, offset_nm: float
) -> tuple[_Nearest, _Nearest]:
    """Find the nearest lattice point and the next, each in the middle of its cell.

    The first cell begins at the offset. Both points are needed: a rough or wide feature, or its wall,
    reaches beyond its own cell.
    """
    position_nm = np.arange(samples) * step_nm - offset_nm
    number = np.floor(position_nm / pitch_nm).astype(np.intp)
    away_nm = (position_nm - (number + 0.5) * pitch_nm).astype(np.float32)
    side = np.where(away_nm < 0, -1, 1)
    beyond = (away_nm - side * pitch_nm).astype(np.float32)
    return _Nearest(away_nm=away_nm, number=number), _Nearest(away_nm=beyond, number=number + side)
