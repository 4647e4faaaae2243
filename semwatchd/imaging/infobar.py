"""Find the strip of text a microscope puts at the bottom of its pictures.

A strip is drawn, not scanned, and physics tells the two apart: its background has one level without
noise, it holds text, and it begins with one full-width row, while everything scanned is blurred by the
beam and carries noise. Strips written over the picture without a background of their own are left in.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from semwatchd.imaging.gray import Samples

_MIN_SIDE = 64  # px; smaller pictures have no room for a strip with legible text
_MIN_SHARE, _MAX_SHARE = 0.025, 0.22  # of the rows
_SAME = 2  # grey levels of 255; JPEG moves a flat area by no more
_CLEAN = 0.97  # of a row: no text in it, a separator or two at most
_TEXT = 0.35  # of a row: even the densest line of text leaves so much background
_MIN_STEP = 0.25  # how much more background the strip's rows hold than the picture's
_MAX_LINE = 3  # rows of a frame line


@dataclass(frozen=True, slots=True)
class _Strip:
    start: int  #: first row, a frame line included
    step: float  #: share of background inside minus above
    lined: bool  #: begins with a frame line


def find_info_bar(pixels: Samples) -> int:
    """Rows to cut off at the bottom, 0 where there is no strip.

    Parameters
    ----------
    pixels
        Grey picture (rows, columns), any real dtype.
    """
    height, width = pixels.shape
    if min(height, width) < _MIN_SIDE:
        return 0
    tallest = int(height * _MAX_SHARE)
    region = _as_bytes(pixels[height - int(height * (_MAX_SHARE + 0.08)) :])
    level = _background_level(region[-max(6, int(height * _MIN_SHARE)) :])
    if level is None:
        return 0
    flat = _share_of_level(region, level)
    bottom = _last_flat_row(flat, spare=max(2, height // 100))
    if bottom is None:
        return 0
    found = [
        strip
        for top in _clean_tops(flat, bottom)
        if (strip := _strip(region, flat, top, bottom)) is not None
        and height * _MIN_SHARE <= len(flat) - strip.start <= tallest
    ]
    if not found:
        return 0
    best = max(found, key=lambda strip: strip.step)
    if best.step < _MIN_STEP:  # a blank picture in the strip's own colour: only a frame line can tell
        lined = [strip for strip in found if strip.lined]
        return len(flat) - lined[0].start if lined else 0
    return len(flat) - best.start


def _as_bytes(region: Samples) -> NDArray[np.uint8]:
    """Stretch to 0..255, because a strip uses the extremes of whatever depth the file has."""
    if region.dtype == np.uint8:
        return region
    low, high, *_ = cv2.minMaxLoc(region)
    scale = 255.0 / (high - low) if high > low else 0.0
    return cv2.convertScaleAbs(region.astype(np.float32), alpha=scale, beta=-low * scale).astype(np.uint8)


def _background_level(foot: NDArray[np.uint8]) -> int | None:
    """Commonest level of the last rows; None where it is not common enough for a drawn background."""
    counts = np.bincount(foot.ravel(), minlength=256)
    level = int(counts.argmax())
    alike = counts[max(0, level - _SAME) : level + _SAME + 1].sum()
    return level if alike >= _TEXT * foot.size else None


def _share_of_level(region: NDArray[np.uint8], level: int) -> NDArray[np.float32]:
    """Share of each row that has the background's level."""
    same = cv2.inRange(region, np.array(level - _SAME), np.array(level + _SAME))
    share: NDArray[np.float32] = cv2.reduce(same, 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F).ravel() / 255
    return share


def _last_flat_row(flat: NDArray[np.float32], spare: int) -> int | None:
    """Last row of a strip; Zeiss leaves two rows of picture below its own."""
    rows = np.flatnonzero(flat[-spare - 1 :] >= _CLEAN)
    return None if rows.size == 0 else len(flat) - spare - 1 + int(rows[-1])


def _clean_tops(flat: NDArray[np.float32], bottom: int) -> list[int]:
    """Rows without text that follow a row with anything else, from the top down."""
    clean = flat[: bottom + 1] >= _CLEAN
    return [int(row) + 1 for row in np.flatnonzero(clean[1:] & ~clean[:-1])]


def _strip(region: NDArray[np.uint8], flat: NDArray[np.float32], top: int, bottom: int) -> _Strip | None:
    """Judge the rows from ``top`` to ``bottom``; None where they are no strip with text in it."""
    inside = flat[top : bottom + 1]
    holes = np.count_nonzero(inside < _TEXT)
    text = np.count_nonzero((inside >= _TEXT) & (inside < 1 - 0.002))
    if holes > 0.05 * inside.size or text < max(4, inside.size // 10):
        return None
    start = top
    while start > 0 and top - start < _MAX_LINE and flat[start - 1] < _TEXT and _is_line(region[start - 1]):
        start -= 1
    above = flat[:start]
    if above.size == 0:
        return None
    near = min(float(above[-3:].mean()), 1.0)
    step = float(inside.mean()) - max(near, float(above.mean()))
    return _Strip(start, step, lined=start < top)


def _is_line(row: NDArray[np.uint8]) -> bool:
    """Whether a row has one level from edge to edge."""
    level = int(np.median(row))
    return float(np.mean(np.abs(row.astype(np.int16) - level) <= _SAME)) >= _CLEAN
