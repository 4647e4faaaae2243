"""Surfaces of known shape: line/space gratings and contact holes with rough edges, as depth in nm.

Every function is pure: the random generator comes in, an array goes out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

CONTOURS = 16  # rough hole contours per scene; enough that no neighbours look alike
CONTOUR_POINTS = 256
CORNER_ROUNDING = 0.4  # share of smoothstep in the side-wall's profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The sampling of a scene."""

    rows: int
    columns: int
    pixel_size_nm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Roughness:
    """Self-affine edge roughness: standard deviation, correlation length and Hurst exponent."""

    sigma_nm: float = 1.0
    xi_nm: float = 20.0
    hurst: float = 0.7


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
    """Round holes on a square lattice; ``radius_spread`` is the relative spread from hole to hole."""

    pitch_nm: float
    radius_nm: float
    depth_nm: float
    radius_spread: float = 0.03
    sidewall_deg: float = 86.0
    roughness: Roughness = field(default_factory=Roughness)


def line_space(rng: np.random.Generator, grid: Grid, pattern: LineSpace) -> NDArray[np.float32]:
    """Grating with a rough edge on each side of each line.

    Returns
    -------
    (rows, columns) float32, nm below the lines' top: 0 on a line, ``depth_nm`` in a space.
    """
    x_nm = np.arange(grid.columns) * grid.pixel_size_nm
    line = np.round((x_nm - pattern.offset_nm) / pattern.pitch_nm).astype(np.intp)
    first = int(line.min())
    count = int(line.max()) - first + 1
    edges = rough_edges(rng, 2 * count, grid.rows, grid.pixel_size_nm, pattern.roughness)
    from_centre_nm = (x_nm - pattern.offset_nm - line * pattern.pitch_nm).astype(np.float32)
    half_width_nm = np.float32(pattern.pitch_nm * pattern.duty / 2)
    # Column x can only belong to the nearest line, so each line's edges are gathered once per column.
    left = edges[:count].T[:, line - first]
    right = edges[count:].T[:, line - first]
    inside_nm = np.minimum(from_centre_nm + half_width_nm - left, half_width_nm + right - from_centre_nm)
    return _walls(inside_nm, pattern.depth_nm, pattern.sidewall_deg, grid.pixel_size_nm)


def contact_holes(rng: np.random.Generator, grid: Grid, pattern: ContactHoles) -> NDArray[np.float32]:
    """Lattice of holes; each has its own radius and a rough closed contour.

    Returns
    -------
    (rows, columns) float32, nm below the surface: 0 between the holes, ``depth_nm`` on their floor.
    """
    x_nm, column = _cell(grid.columns, grid.pixel_size_nm, pattern.pitch_nm)
    y_nm, row = _cell(grid.rows, grid.pixel_size_nm, pattern.pitch_nm)
    distance_nm, angle = cv2.cartToPolar(*np.meshgrid(x_nm, y_nm))
    contours = rough_contours(rng, CONTOURS, CONTOUR_POINTS, pattern.radius_nm, pattern.roughness)
    shape = (int(row.max()) + 1, int(column.max()) + 1)
    which = rng.integers(CONTOURS, size=shape)[row[:, None], column]
    radii_nm = rng.normal(pattern.radius_nm, pattern.radius_spread * pattern.radius_nm, shape)
    radius_nm = radii_nm.astype(np.float32)[row[:, None], column]
    point = (angle * np.float32(CONTOUR_POINTS / (2 * np.pi))).astype(np.intp) % CONTOUR_POINTS
    outside_nm = distance_nm - radius_nm - contours[which, point]
    return _walls(outside_nm, pattern.depth_nm, pattern.sidewall_deg, grid.pixel_size_nm)


def rough_edges(
    rng: np.random.Generator, count: int, rows: int, step_nm: float, roughness: Roughness
) -> NDArray[np.float32]:
    """Offsets of straight edges, one per row and edge.

    The power spectral density is that of a self-affine edge (Palasantzas 1993,
    doi:10.1103/PhysRevB.48.14472). Twice the rows are made and half kept, so that the first and the
    last row are not neighbours.

    Returns
    -------
    (count, rows) float32, nm, with the asked standard deviation in expectation.
    """
    samples = 2 * rows
    density = _density(np.fft.rfftfreq(samples, step_nm), roughness)
    spectrum = np.sqrt(density) * _complex_normal(rng, (count, density.size))
    variance = 2.0 * density.sum() / samples**2
    edges = np.fft.irfft(spectrum, samples)[:, :rows] * (roughness.sigma_nm / np.sqrt(variance))
    return np.asarray(edges, dtype=np.float32)


def rough_contours(
    rng: np.random.Generator, count: int, points: int, radius_nm: float, roughness: Roughness
) -> NDArray[np.float32]:
    """Radial offsets of closed contours with the same spectral density along the circumference.

    Returns
    -------
    (count, points) float32, nm, at equal angles from 0 to 2 pi.
    """
    density = _density(np.fft.rfftfreq(points, 2 * np.pi * radius_nm / points), roughness)
    spectrum = np.sqrt(density) * _complex_normal(rng, (count, density.size))
    variance = 2.0 * density.sum() / points**2
    contours = np.fft.irfft(spectrum, points) * (roughness.sigma_nm / np.sqrt(variance))
    return np.asarray(contours, dtype=np.float32)


def _density(frequency_per_nm: NDArray[np.floating[Any]], roughness: Roughness) -> NDArray[np.float64]:
    density = (1 + (2 * np.pi * frequency_per_nm * roughness.xi_nm) ** 2) ** -(0.5 + roughness.hurst)
    density[0] = density[-1] = 0.0  # the mean is the pattern's, and the last term would have no phase
    return np.asarray(density)


def _complex_normal(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.complex128]:
    """Complex numbers whose real and imaginary parts together have unit variance."""
    parts = rng.standard_normal((2, *shape))
    return np.asarray((parts[0] + 1j * parts[1]) * np.sqrt(0.5))


def _cell(samples: int, step_nm: float, pitch_nm: float) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Distance of each sample from the nearest lattice point, and that point's number."""
    position_nm = np.arange(samples) * step_nm
    number = np.floor(position_nm / pitch_nm).astype(np.intp)
    return (position_nm - (number + 0.5) * pitch_nm).astype(np.float32), number


def _walls(
    inside_nm: NDArray[np.float32], depth_nm: float, sidewall_deg: float, pixel_size_nm: float
) -> NDArray[np.float32]:
    """Turn the distance to the edge (positive on the high side) into depth, over a rounded slope."""
    # A wall steeper than the grid would alias; the sampled world has none below one pixel.
    slope_nm = max(depth_nm / np.tan(np.deg2rad(sidewall_deg)), pixel_size_nm)
    height = np.clip(inside_nm / np.float32(slope_nm) + np.float32(0.5), 0, 1)
    rounded = height * height * (3 - 2 * height)
    height += np.float32(CORNER_ROUNDING) * (rounded - height)
    return np.ascontiguousarray(np.float32(depth_nm) * (1 - height), dtype=np.float32)
