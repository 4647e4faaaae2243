"""The way of a training as a picture: each loss over the steps, on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from semwatchd.core.files import write_whole

Picture = NDArray[np.uint8]

HEIGHT_PX, WIDTH_PX = 360, 640
LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX = 70, 20, 20, 40
INK, GRID = (0, 0, 0), (215, 215, 215)
COLOURS = ((160, 80, 20), (30, 110, 210), (90, 150, 60))  # blue, orange and green, as OpenCV orders them
SMALLEST = 1e-6  # a loss of nothing has no logarithm
LETTERS = 0.45  # of OpenCV's letter size


def write_curve(path: Path, metrics: Sequence[Mapping[str, float]]) -> None:
    """Write a PNG of the losses in ``metrics``, each of which has its ``step``; without a number, none."""
    if not any(math.isfinite(loss) for at in metrics for name, loss in at.items() if name != "step"):
        return
    _, png = cv2.imencode(".png", curve(metrics))
    write_whole(path, png.tobytes())


def curve(metrics: Sequence[Mapping[str, float]]) -> Picture:
    """Draw the losses, of which one at least is a number: (HEIGHT_PX, WIDTH_PX, 3) uint8."""
    names = dict.fromkeys(name for at in metrics for name in at if name != "step")
    exponents = {name: np.array([_exponent(at.get(name, math.nan)) for at in metrics]) for name in names}
    every = np.concatenate(list(exponents.values()))
    lowest, highest = math.floor(np.nanmin(every)), math.ceil(np.nanmax(every) + 1e-9)
    steps = np.array([at["step"] for at in metrics])
    picture = np.full((HEIGHT_PX, WIDTH_PX, 3), 255, np.uint8)
    _axes(picture, lowest, highest, int(steps[-1]))
    across = LEFT_PX + (WIDTH_PX - LEFT_PX - RIGHT_PX) * steps / steps[-1]
    for place, (name, exponent) in enumerate(exponents.items()):
        known = ~np.isnan(exponent)
        points = np.stack([across, _height(exponent, lowest, highest)], axis=1)[known].round()
        cv2.polylines(picture, [points.astype(np.int32)], isClosed=False, color=COLOURS[place], thickness=2)
        _label(picture, name, (WIDTH_PX - 90, TOP_PX + 18 * (place + 1)), COLOURS[place])
    return picture


def _exponent(loss: float) -> float:
    """Power of ten; NaN where there is no loss, or a training has run away."""
    return math.log10(max(loss, SMALLEST)) if math.isfinite(loss) else math.nan


def _axes(picture: Picture, lowest: int, highest: int, steps: int) -> None:
    for exponent in range(lowest, highest + 1):
        y = round(float(_height(np.array(exponent), lowest, highest)))
        cv2.line(picture, (LEFT_PX, y), (WIDTH_PX - RIGHT_PX, y), GRID)
        _label(picture, f"{10.0**exponent:g}", (8, y + 5), INK)
    foot = HEIGHT_PX - BOTTOM_PX // 3
    _label(picture, "step", (WIDTH_PX // 2, foot), INK)
    _label(picture, f"{steps}", (WIDTH_PX - RIGHT_PX - 50, foot), INK)


def _label(picture: Picture, text: str, place: tuple[int, int], colour: tuple[int, int, int]) -> None:
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, LETTERS, colour, 1, cv2.LINE_AA)


def _height(exponent: NDArray[np.float64], lowest: int, highest: int) -> NDArray[np.float64]:
    """From the power of ten to the row."""
    share = (exponent - lowest) / (highest - lowest)
    return np.asarray(HEIGHT_PX - BOTTOM_PX - (HEIGHT_PX - BOTTOM_PX - TOP_PX) * share)
