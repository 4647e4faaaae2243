"""How wide the edges of a frame are, told from the edges themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from semwatchd.imaging.checks import require_frame
from semwatchd.imaging.coarse import COARSE_PX

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semwatchd.imaging.differences import Pixels

    Floats = NDArray[np.float32]

CELL = 8  #: coarse pixels; one edge is taken from each cell
MOST_EDGES = 128
FEWEST_EDGES = 4
REACH_PX = 14  #: across the edge, to each side: a spot of 4 px fits
ALONG_PX = 4  #: along the edge, to each side: the arc of a hole 20 px wide still looks straight
ALONG_STEP_PX = 2  #: interpolation between four pixels lets none out
SEEK_PX = 5  #: how far the edge may be from where the coarse picture has it
CREST_PX = 2  #: the steepest slope of the mean profile is this near its middle; farther off it is noise
TEMPLATE_PX = 4.0  #: width of the derivative that lines the profiles up
MIN_SIZE_PX = 2 * (REACH_PX + SEEK_PX) + COARSE_PX * CELL

#: A step in noise is told from a step made of noise where its slope is so many standard deviations.
CERTAIN = 6.0
#: What interpolation and the difference of two samples 2 px apart add to the square of an edge's width.
SAMPLING_PX2 = 0.68
RISE = 1.6832  #: distance between the 20 % and the 80 % point of a Gaussian edge, over its standard deviation


@dataclass(frozen=True, slots=True)
class _Edges:
    """Points on edges, in px of the frame, and the unit vector uphill."""

    x: Floats
    y: Floats
    to_x: Floats
    to_y: Floats


def edge_resolution_px(pixels: Pixels, coarse: Floats, noise_variance: float) -> float | None:
    """Rise of the steepest edges from 20 % to 80 %, in px, above 0; the derivative method.

    Profiles across up to 128 of the steepest edges are lined up and averaged, which leaves next to no noise.
    The mean profile's height over its steepest slope is ``sqrt(2 pi)`` standard deviations of a Gaussian
    edge. What the specimen's own walls and bright rims are wide is part of the figure.

    Parameters
    ----------
    pixels
        (rows, columns).
    coarse
        The same at a quarter of the resolution, by :func:`~semwatchd.imaging.coarse.quartered`.
    noise_variance
        Of white noise, grey levels squared.

    Returns
    -------
    None on frames smaller than 70 px, and where fewer than 4 edges stand out of the noise.

    References
    ----------
    The edge's profile by projection: Reichenbach, Park & Narayanswamy 1991, Characterizing digital image
    acquisition devices, Optical Engineering 30(2), 170-177.
    """
    require_frame(pixels)
    if min(pixels.shape) < MIN_SIZE_PX:
        return None
    edges = _find_edges(coarse, noise_variance)
    if edges is None:
        return None
    profile = _mean_profile(_profiles(pixels, edges))
    slope = float((profile[2:] - profile[:-2])[REACH_PX - 1 - CREST_PX : REACH_PX + CREST_PX].max() / 2)
    height = float(profile[REACH_PX:].max() - profile[: REACH_PX + 1].min())
    if not slope > 0:
        return None
    width2_px2 = (height / slope) ** 2 / (2 * math.pi) - SAMPLING_PX2
    return RISE * math.sqrt(width2_px2) if width2_px2 > 0 else None


def _find_edges(coarse: Floats, noise_variance: float) -> _Edges | None:
    """Find the steepest point of each cell of a grid, the steepest of them, and which way is uphill."""
    margin = -(-(REACH_PX + SEEK_PX) // COARSE_PX)
    slope_x, slope_y = (
        cv2.Sobel(coarse, cv2.CV_32F, *axis)[margin:-margin, margin:-margin] for axis in ((1, 0), (0, 1))
    )
    steepness = np.square(slope_x) + np.square(slope_y)
    down, right = (length // CELL for length in steepness.shape)
    cells = steepness[: down * CELL, : right * CELL].reshape(down, CELL, right, CELL).swapaxes(1, 2)
    within = cells.reshape(down * right, CELL * CELL).argmax(axis=1)
    cell = np.arange(down * right)
    row, column = cell // right * CELL + within // CELL, cell % right * CELL + within % CELL
    strength = steepness[row, column]
    least = CERTAIN**2 * 24 * max(noise_variance, 0.0) / COARSE_PX**2
    steepest = np.argsort(strength, kind="stable")[-MOST_EDGES:]
    chosen = steepest[strength[steepest] > least]
    if len(chosen) < FEWEST_EDGES:
        return None
    row, column, size = row[chosen], column[chosen], np.sqrt(strength[chosen])
    middle = COARSE_PX * margin + (COARSE_PX - 1) / 2
    return _Edges(
        x=np.asarray(column * COARSE_PX + middle, dtype=np.float32),
        y=np.asarray(row * COARSE_PX + middle, dtype=np.float32),
        to_x=slope_x[row, column] / size,
        to_y=slope_y[row, column] / size,
    )


def _profiles(pixels: Pixels, edges: _Edges) -> Floats:
    """Grey levels across each edge, uphill, 1 px apart, averaged along the edge."""
    across = np.arange(-REACH_PX - SEEK_PX, REACH_PX + SEEK_PX + 1, dtype=np.float32)
    along = np.arange(-ALONG_PX, ALONG_PX + 1, ALONG_STEP_PX, dtype=np.float32)
    grid = len(edges.x), len(across), len(along)
    x = (
        edges.x[:, None, None]
        + edges.to_x[:, None, None] * across[:, None]
        - edges.to_y[:, None, None] * along
    )
    y = (
        edges.y[:, None, None]
        + edges.to_y[:, None, None] * across[:, None]
        + edges.to_x[:, None, None] * along
    )
    rows = grid[0], grid[1] * grid[2]  # long ones are read twice as fast
    seen = cv2.remap(
        pixels, x.reshape(rows), y.reshape(rows), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    beside = seen.reshape(grid[0] * grid[1], grid[2])
    levels: Floats = np.asarray(cv2.reduce(beside, 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F), dtype=np.float32)
    return levels.reshape(grid[:2])


def _mean_profile(profiles: Floats) -> Floats:
    """Average of the profiles, each moved so that its steepest slope stands in the middle."""
    slopes = cv2.filter2D(profiles, cv2.CV_32F, _derivative()[None])
    middle = profiles.shape[1] // 2
    steepest = slopes[:, middle - SEEK_PX : middle + SEEK_PX + 1].argmax(axis=1)
    first = steepest[:, None] + np.arange(2 * REACH_PX + 1)
    mean: Floats = np.take_along_axis(profiles, first, axis=1).mean(axis=0)
    return mean


@lru_cache(maxsize=1)
def _derivative() -> NDArray[np.float64]:
    x = np.arange(-REACH_PX, REACH_PX + 1, dtype=np.float64)
    return np.asarray(x * np.exp(-0.5 * np.square(x / TEMPLATE_PX)))
