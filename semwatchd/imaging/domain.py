"""What a network can be sure of only on pictures like those it has learned from: how bright, how sharp."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from semwatchd.imaging.differences import squared_differences
from semwatchd.imaging.noise import noise_variance
from semwatchd.imaging.sharpness import tenengrad, tenengrad_corrected
from semwatchd.imaging.snr import image_variance

if TYPE_CHECKING:
    from semwatchd.imaging.differences import Pixels

LEVELS_16_BIT = 257  # per level of 8 bits
MARGIN = 0.1  # of the range seen in training, on either side
OUTERMOST = (0.1, 99.9)  # percentiles: a stray picture does not widen the range

Range = Sequence[float]  # lowest and highest


def traits(pixels: Pixels) -> dict[str, float]:
    """Return what a picture is judged by.

    ``level`` and ``contrast`` are mean and standard deviation in 8-bit grey levels, ``sharpness`` the
    noise-corrected Tenengrad per variance: dimensionless, whatever the gain.

    Parameters
    ----------
    pixels
        At least 16 px along both axes, finite; float32 counts in 8-bit grey levels.
    """
    table = squared_differences(pixels)
    noise, variance = noise_variance(table), image_variance(pixels)
    gradient = tenengrad_corrected(tenengrad(table), noise)
    scale = LEVELS_16_BIT if pixels.dtype == np.uint16 else 1
    return {
        "level": float(pixels.mean(dtype=np.float64)) / scale,
        "contrast": variance**0.5 / scale,
        "sharpness": gradient / variance if variance > 0 else 0.0,
    }


def ranges(seen: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    """Return, for each trait, between what it may lie: where it lay in training, and a little more."""
    return {name: _widened([each[name] for each in seen]) for name in seen[0]}


def _widened(values: Sequence[float]) -> tuple[float, float]:
    low, high = (float(value) for value in np.percentile(values, OUTERMOST))
    margin = MARGIN * (high - low)
    return max(0.0, low - margin), high + margin


def outside(found: Sequence[Mapping[str, float]], allowed: Mapping[str, Range]) -> tuple[str, ...]:
    """Say of each trait that lies outside its range how far; what has no range is not judged.

    Parameters
    ----------
    found
        Traits of each part of a picture; of several that stray the farthest is named.
    """
    return tuple(
        f"out of domain: {name} {_farthest(strays, low, high):.3g}{_share(strays, found)}, "
        f"in training {low:.3g} to {high:.3g}"
        for name, (low, high) in allowed.items()
        if (strays := [each[name] for each in found if name in each and not low <= each[name] <= high])
    )


def _farthest(values: Sequence[float], low: float, high: float) -> float:
    return max(values, key=lambda value: max(low - value, value - high))


def _share(strays: Sequence[float], found: Sequence[object]) -> str:
    return f" in {len(strays)} of {len(found)} parts" if len(found) > 1 else ""
