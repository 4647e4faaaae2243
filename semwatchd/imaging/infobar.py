"""Find the strip of text a microscope puts at the bottom of its pictures.

A strip is drawn, not scanned, and physics tells the two apart: its background has one level without
noise, it holds text, and it begins with one full-width row, while everything scanned is blurred by the
beam and carries noise. JPEG blurs that a little, by blocks of eight rows. Strips written over the
picture without a background of their own are left in.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from semwatchd.imaging.gray import Samples

_MIN_SIDE = 64  # px; smaller pictures have no room for a strip with legible text
_MIN_SHARE, _MAX_SHARE = 0.025, 0.22  # of the picture's rows
_ABOVE_SHARE = 0.08  # rows above the tallest strip that are looked at for comparison

_SAME = 2  # grey levels of 255: rounding
_SAME_JPEG = 16  # grey levels of 255: ringing around letters
_JPEG_BLOCK = 8  # rows
_FLAT_JPEG = 0.5  # of a strip's pixels: blocks without letters stay flat even in a JPEG

_CLEAN = 0.97  # of a row: no text in it, a separator or two at most
_TEXT = 0.35  # of a row: even the densest line of text leaves so much background
_INK = 0.002  # of a row: less is dust, not text
_MIN_STEP = 0.25  # how much more background the strip's rows hold than the picture's
_SHARP = 0.4  # of the picture's distance from the background: so far off is its last row still
_MAX_LINE = 3  # rows of a frame line


@dataclass(frozen=True, slots=True)
class _Foot:
    """The lower part of a picture, measured against the commonest level of its last rows."""

    distance: NDArray[np.uint8]  #: of each pixel from the background level
    first_row: int  #: of this part within the picture

    def share(self, same: int) -> NDArray[np.float32]:
        """Share of each row that is background."""
        flat = cv2.inRange(self.distance, np.array(0), np.array(same))
        share = cv2.reduce(flat, 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F).ravel()
        return np.asarray(share / 255, np.float32)


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

    Raises
    ------
    ValueError
        The array is not (rows, columns).
    """
    if pixels.ndim != 2:
        raise ValueError(f"a picture has rows and columns, and not the shape {pixels.shape}")
    height, width = pixels.shape
    if min(height, width) < _MIN_SIDE:
        return 0
    foot = _foot(pixels)
    if foot is None:
        return 0
    for same in (_SAME, _SAME_JPEG):
        strip = _best_strip(foot, height, same)
        if strip is not None:
            return int(height - foot.first_row - strip.start)
    return 0


def _foot(pixels: Samples) -> _Foot | None:
    """Take the rows a strip can reach; None where the last ones have no common level."""
    height = len(pixels)
    first_row = height - int(height * (_MAX_SHARE + _ABOVE_SHARE))
    region = _as_bytes(pixels[first_row:])
    last = region[-max(6, int(height * _MIN_SHARE)) :]
    counts = np.bincount(last.ravel(), minlength=256)
    level = int(counts.argmax())
    if counts[max(0, level - _SAME) : level + _SAME + 1].sum() < _TEXT * last.size:
        return None
    distance = cv2.absdiff(region, np.array([level], np.float64))
    return _Foot(distance.astype(np.uint8, copy=False), first_row)


def _as_bytes(region: Samples) -> NDArray[np.uint8]:
    """Stretch to 0..255, because a strip uses the extremes of whatever depth the file has."""
    if region.dtype == np.uint8:
        return region
    low, high, *_ = cv2.minMaxLoc(region)
    scale = 255.0 / (high - low) if high > low else 0.0
    return cv2.convertScaleAbs(region.astype(np.float32), alpha=scale, beta=-low * scale).astype(np.uint8)


def _best_strip(foot: _Foot, height: int, same: int) -> _Strip | None:
    flat = foot.share(same)
    bottom = _last_flat_row(flat, spare=max(2, height // 100))
    if bottom is None:
        return None
    found = [
        strip
        for top in _clean_tops(flat, bottom)
        if (strip := _strip(foot, flat, top, bottom, same)) is not None
        and height * _MIN_SHARE <= len(flat) - strip.start <= height * _MAX_SHARE
    ]
    if not found:
        return None
    best = max(found, key=lambda strip: strip.step)
    if best.step >= _MIN_STEP:
        return best
    # A blank picture in the strip's own colour: only a frame line can tell them apart.
    return next((strip for strip in found if strip.lined), None)


def _last_flat_row(flat: NDArray[np.float32], spare: int) -> int | None:
    """Last row of a strip; Zeiss leaves two rows of picture below its own."""
    rows = np.flatnonzero(flat[-spare - 1 :] >= _CLEAN)
    return None if rows.size == 0 else len(flat) - spare - 1 + int(rows[-1])


def _clean_tops(flat: NDArray[np.float32], bottom: int) -> list[int]:
    """Rows without text that follow a row with anything else, from the top down."""
    clean = flat[: bottom + 1] >= _CLEAN
    return [int(row) + 1 for row in np.flatnonzero(clean[1:] & ~clean[:-1])]


def _strip(foot: _Foot, flat: NDArray[np.float32], top: int, bottom: int, same: int) -> _Strip | None:
    """Judge the rows from ``top`` to ``bottom``; None where they are no strip with text in it."""
    inside = flat[top : bottom + 1]
    holes = np.count_nonzero(inside < _TEXT)
    text = np.count_nonzero((inside >= _TEXT) & (inside < 1 - _INK))
    if holes > 0.05 * inside.size or text < max(4, inside.size // 10):
        return None
    if same == _SAME:
        start = _line_start(foot, flat, top)
    elif np.mean(foot.distance[top : bottom + 1] <= _SAME) >= _FLAT_JPEG:
        start = _block_start(foot, top)
    else:
        return None
    above = flat[:start]
    if above.size == 0 or (start == top and not _is_sharp(foot, top)):
        return None
    step = float(flat[start : bottom + 1].mean()) - max(float(above[-3:].mean()), float(above.mean()))
    return _Strip(start, step, lined=start < top and same == _SAME)


def _line_start(foot: _Foot, flat: NDArray[np.float32], top: int) -> int:
    """First row of the frame line above a strip, or ``top`` where there is none."""
    start = top
    while start > max(0, top - _MAX_LINE) and flat[start - 1] < _TEXT and _is_line(foot.distance[start - 1]):
        start -= 1
    return start


def _row_distance(foot: _Foot, row: int) -> float:
    return float(foot.distance[row].mean())


def _is_sharp(foot: _Foot, top: int) -> bool:
    """Whether the last row of the picture is as unlike the background as the rows before it."""
    if top < 8:
        return False
    return _row_distance(foot, top - 1) >= _SHARP * float(foot.distance[top - 8 : top - 2].mean())


def _block_start(foot: _Foot, top: int) -> int:
    """First row of a strip whose upper edge lies within a JPEG block, whose ringing hides it."""
    if (foot.first_row + top) % _JPEG_BLOCK or top < 2 * _JPEG_BLOCK:
        return top
    typical = float(foot.distance[top - 2 * _JPEG_BLOCK : top - _JPEG_BLOCK].mean())
    start = top
    while top - start < _JPEG_BLOCK - 1 and _row_distance(foot, start - 1) < _SHARP * typical:
        start -= 1
    return start


def _is_line(row: NDArray[np.uint8]) -> bool:
    """Whether a row has one level from edge to edge."""
    level = int(np.median(row))
    return float(np.mean(np.abs(row.astype(np.int16) - level) <= _SAME)) >= _CLEAN
