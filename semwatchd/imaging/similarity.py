"""By how much is a picture's content turned and magnified against the reference's?

The frame is laid out in patches; how far each has moved tells shift, rotation and scale together. From copy
to finer copy the picture is turned back by what is known so far, so the patches of the finest differ by next
to nothing, and what is left of one is as good as its noise allows.
"""

from __future__ import annotations

import cmath
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from semwatchd.imaging.band import NARROW_BAND
from semwatchd.imaging.certainty import certainty
from semwatchd.imaging.checks import require_frame
from semwatchd.imaging.levels import MIN_SIZE_PX, levels_of
from semwatchd.imaging.likeness import LEAST_QUALITY, likeness
from semwatchd.imaging.peak import anchor, climb
from semwatchd.imaging.registration import SIGNIFICANT, Reference, prepare_reference, register

if TYPE_CHECKING:
    from semwatchd.imaging.band import Floats
    from semwatchd.imaging.correlation import Frame
    from semwatchd.imaging.differences import Pixels

    Window = tuple[slice, slice]

FINE_PX = 640  #: the finest copy's longer side; a patch is a tenth of it, and needs its detail
GRID = 3  #: patches along either axis: few enough to hold structure, enough to contradict each other
FEWEST_PATCHES = 5
PASSES = 2  #: per copy; the second sees what the first one's turning back has brought into reach
LEAST_SIGMA_PX = 0.01  #: of a patch: OpenCV turns a picture by thirty-seconds of a pixel

#: Rotation (rad) and scale known no better than this are not known: it moves the edge of 1000 px by 0.25 px.
KNOWN = 0.0005


@dataclass(frozen=True, slots=True, kw_only=True)
class Similarity:
    """Rotation and scale from the reference to the picture; ``sigma_*`` is one standard deviation."""

    rotation_deg: float  #: from +x towards +y (down): clockwise as one sees it
    sigma_rotation_deg: float
    scale: float  #: above 1 the content is larger than in the reference
    sigma_scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A reference with copies fine enough for patches."""

    reference: Reference
    levels: tuple[Frame, ...]  #: finest first


@dataclass(frozen=True, slots=True)
class _Placing:
    """Where content goes: from z to ``factor * z + shift``; x + iy, in px from the middle of the frame."""

    shift: complex
    factor: complex


@dataclass(frozen=True, slots=True, kw_only=True)
class _Patch:
    """How far one patch has moved."""

    middle: complex  #: px from the middle of the frame
    moved: Floats  #: (y, x), px
    weight: Floats  #: inverse of its covariance


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    placing: _Placing
    sigma_scale: float
    sigma_rotation: float  #: rad


def prepare_original(pixels: Pixels) -> Original:
    """Prepare a reference picture: finite, at least 16 px along both axes."""
    return Original(reference=prepare_reference(pixels), levels=levels_of(pixels, FINE_PX))


def similarity(original: Original, pixels: Pixels) -> Similarity | None:
    """Find rotation and scale; None where the reference is not found again or the patches do not agree.

    Good for 1 degree and 1 %; beyond, the pictures may no longer be found in each other. On a regular array
    the frame's edges must move by less than about a fifth of the pitch, or patches land on the neighbouring
    element: then the uncertainty grows. On straight lines of one direction a shear along them counts as
    rotation.

    Parameters
    ----------
    pixels
        Finite, at least 16 px along both axes, of the reference's shape.
    """
    require_frame(pixels, MIN_SIZE_PX)
    reference = original.reference
    if pixels.shape != reference.pixels.shape:
        raise ValueError(f"picture {pixels.shape} and reference {reference.pixels.shape} differ in size")
    shift = register(reference, pixels)
    if shift is None:
        return None
    ours, theirs = original.levels, levels_of(pixels, FINE_PX)
    down = max(pixels.shape) // max(theirs[0].shape) * 2 ** len(theirs)
    placing, fit = _Placing(complex(shift.dx_px, shift.dy_px) / down, 1 + 0j), None
    for level in zip(reversed(ours), reversed(theirs), strict=True):
        placing = replace(placing, shift=2 * placing.shift)
        for _ in range(PASSES):
            fit = _fit(*level, placing)
            placing = fit.placing if fit else placing
    return _checked(fit, ours[0], theirs[0]) if fit else None


def _fit(reference: Frame, moved: Frame, placing: _Placing) -> _Fit | None:
    """Turn the moved frame back, see how far its patches are still off, and correct the placing."""
    back, box = _turned_back(moved, placing), _shared(reference.shape, placing)
    seen = (_patch(reference, back, window) for window in _windows(box))
    patches = [patch for patch in seen if patch is not None]
    if len(patches) < FEWEST_PATCHES:
        return None
    design = np.stack([_design(patch.middle) for patch in patches])
    moves, weights = np.stack([p.moved for p in patches]), np.stack([p.weight for p in patches])
    covariance = np.linalg.pinv(np.einsum("nji,njk,nkl->il", design, weights, design), hermitian=True)
    found = covariance @ np.einsum("nji,njk,nk->i", design, weights, moves)
    left = moves - design @ found
    scatter = np.einsum("nj,njk,nk->", left, weights, left) / (moves.size - len(found))
    sigma_scale, sigma_rotation = np.sqrt(np.diag(covariance)[2:] * max(1.0, scatter)).tolist()
    x, y, scale, turn = found.tolist()
    factor = placing.factor * complex(1 + scale, turn)
    return _Fit(
        placing=_Placing(placing.factor * complex(x, y) + placing.shift, factor),
        sigma_scale=sigma_scale,
        sigma_rotation=sigma_rotation,
    )


def _design(middle: complex) -> Floats:
    """Movement (y, x) of a patch for a unit of shift x, shift y, scale and rotation."""
    x, y = middle.real, middle.imag
    return np.array([[0.0, 1.0, y, x], [1.0, 0.0, x, -y]])


def _patch(reference: Frame, back: Frame, window: Window) -> _Patch | None:
    """Find how far a patch is off; None of one that holds too little to tell."""
    peak = climb(anchor(reference[window], NARROW_BAND), back[window], np.zeros(2))
    if peak is None:
        return None
    known = certainty(peak)
    if known.significance[1] < SIGNIFICANT:
        return None
    y, x = ((part.start + part.stop - n) / 2 for part, n in zip(window, reference.shape, strict=True))
    weight = np.linalg.inv(known.covariance + LEAST_SIGMA_PX**2 * np.eye(2))
    return _Patch(middle=complex(x, y), moved=peak.shift, weight=np.asarray(weight, np.float64))


def _turned_back(moved: Frame, placing: _Placing) -> Frame:
    """Lay the content of ``moved`` where it is in the reference."""
    rows, columns = moved.shape
    middle = complex(columns - 1, rows - 1) / 2
    from_corner = placing.shift + middle - placing.factor * middle
    c, s = placing.factor.real, placing.factor.imag
    matrix = np.array([[c, -s, from_corner.real], [s, c, from_corner.imag]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cast("Frame", cv2.warpAffine(moved, matrix, (columns, rows), flags=flags))


def _shared(shape: tuple[int, ...], placing: _Placing) -> Window:
    """Rows and columns of the reference of which the moved frame, turned back, shows all."""
    rows, columns = shape
    away = placing.factor - 1
    margin_y = math.ceil((abs(away.real) * rows + abs(away.imag) * columns) / 2)
    margin_x = math.ceil((abs(away.real) * columns + abs(away.imag) * rows) / 2)
    return _inside(rows, placing.shift.imag, margin_y), _inside(columns, placing.shift.real, margin_x)


def _inside(length: int, shift: float, margin: int) -> slice:
    start = max(0, math.ceil(-shift)) + margin
    return slice(start, max(start, min(length, math.floor(length - shift)) - margin))


def _windows(box: Window) -> Iterator[Window]:
    """Lay out the patches; none where they would be too small."""
    height, width = ((part.stop - part.start) // GRID for part in box)
    if min(height, width) < MIN_SIZE_PX:
        return
    for row, column in itertools.product(range(GRID), range(GRID)):
        top, left = box[0].start + row * height, box[1].start + column * width
        yield slice(top, top + height), slice(left, left + width)


def _checked(fit: _Fit, reference: Frame, moved: Frame) -> Similarity | None:
    """Give what was found, if it is known well enough and both pictures look alike with it."""
    box = _shared(reference.shape, fit.placing)
    back = _turned_back(moved, fit.placing)
    if max(fit.sigma_scale, fit.sigma_rotation) > KNOWN:
        return None
    if likeness(reference[box], back[box], np.zeros(2)) < LEAST_QUALITY:
        return None
    return Similarity(
        rotation_deg=math.degrees(cmath.phase(fit.placing.factor)),
        sigma_rotation_deg=math.degrees(fit.sigma_rotation),
        scale=abs(fit.placing.factor),
        sigma_scale=fit.sigma_scale,
    )
