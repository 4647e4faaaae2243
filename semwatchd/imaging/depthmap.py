"""What a map of depths says in a few numbers: where its floor is, how rough, how deep the holes are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Depths = NDArray[np.float32]

STEP_NM = 0.5  # of the histogram in which top and floor are told apart
TWO_LEVELS = 0.8  # of the variance between the classes: one bell curve has 0.64, one flat slope 0.75
LEAST_STEP_NM = 2.0  # between two levels: below it lies the networks' error, and bfloat16's own steps
PLATEAU = 0.08  # of the distance between the classes, that a quarter of a level may span; walls span more
DEVIATIONS = 1.4826  # of a bell curve, per median absolute deviation


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthSummary:
    """Numbers of one map, in nm below the pattern's top; None where the map has no such levels."""

    median_nm: float
    p05_nm: float
    p95_nm: float
    level_nm: float | None  #: depth of the floor: where the deeper class is densest
    hole_depth_nm: float | None  #: floor less top
    roughness_nm: float | None  #: standard deviation on the floor, without the walls


def depth_summary(depth_nm: Depths) -> DepthSummary:
    """Describe a map (rows, columns) of finite float32 in nm, 0 or more.

    Top and floor are told apart by Otsu's threshold (1979, doi:10.1109/TSMC.1979.4310076), if there are two.

    Raises
    ------
    ValueError
        The map is empty or holds what is no number.
    """
    if not depth_nm.size or not np.isfinite(depth_nm).all():
        raise ValueError("the depth map is empty, or not finite everywhere")
    p05, median, p95 = (float(value) for value in np.percentile(depth_nm, (5, 50, 95)))
    top, floor = _plateaus(depth_nm)
    return DepthSummary(
        median_nm=median,
        p05_nm=p05,
        p95_nm=p95,
        level_nm=floor,
        hole_depth_nm=None if top is None or floor is None else floor - top,
        roughness_nm=None if floor is None else _roughness_nm(depth_nm, floor),
    )


def _plateaus(depth_nm: Depths) -> tuple[float | None, float | None]:
    """Return where top and floor are, as far as there are two levels and each is a plateau."""
    threshold_nm = _threshold_nm(depth_nm)
    if threshold_nm is None:
        return None, None
    deep = depth_nm > threshold_nm
    high, low = depth_nm[~deep], depth_nm[deep]
    apart_nm = float(low.mean() - high.mean())
    if apart_nm < LEAST_STEP_NM:
        return None, None
    most_span_nm = PLATEAU * apart_nm
    return _densest(high, most_span_nm), _densest(low, most_span_nm)


def _threshold_nm(depth_nm: Depths) -> float | None:
    """Return the depth that parts the map best, or None where one class explains it as well."""
    lowest, highest = float(depth_nm.min()), float(depth_nm.max())
    edges = np.arange(lowest, highest + STEP_NM, STEP_NM)
    if len(edges) < 3:
        return None
    counts, edges = np.histogram(depth_nm, np.append(edges, edges[-1] + STEP_NM))
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above, total = depth_nm.size - below, np.cumsum(counts * middles)
    mean_below, mean_above = total[:-1] / below, (total[-1] - total[:-1]) / np.maximum(above, 1)
    between = below * above * np.square(mean_above - mean_below) / depth_nm.size**2
    best = int(between.argmax())
    variance = float(counts @ np.square(middles - total[-1] / depth_nm.size)) / depth_nm.size
    return float(edges[best + 1]) if between[best] > TWO_LEVELS * variance else None


def _densest(depths: Depths, most_span_nm: float) -> float | None:
    """Return the middle of the shortest span that holds a quarter: slopes to one side do not move it.

    None where this span is so long that it is no plateau.
    """
    ordered = np.sort(depths)
    count = -(-len(ordered) // 4)
    spans = ordered[count - 1 :] - ordered[: len(ordered) - count + 1]
    first = int(spans.argmin())
    if spans[first] > most_span_nm:
        return None
    near_nm = ordered[first + count // 2]
    around = np.abs(depths - near_nm) <= 2 * _roughness_nm(depths, near_nm)
    return min(float(depths[around].mean()), float(ordered[-1]))  # a mean may be rounded up


def _roughness_nm(depth_nm: Depths, level_nm: float | np.float32) -> float:
    """Judge by what is deeper than the level: no wall is."""
    return DEVIATIONS * float(np.median(depth_nm[depth_nm >= level_nm] - level_nm))
