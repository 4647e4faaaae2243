"""The exact top of a cross-correlation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from semwatchd.imaging.band import plane_of, seen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semwatchd.imaging.band import Cut, Floats, Plane, Spectrum
    from semwatchd.imaging.correlation import Frame

SMALLEST_CUT_PX = 8
LONG_PX = 128
FAST_PX = 16  #: transforms of multiples of this take half the time per pixel, if they are long
#: Of each long side, cut out of the middle of a reference once; the rest is room for the moved cut.
CENTRE_SHARE = 15 / 16

FULL_COHERENCE = 0.9999  #: no more than this is ever claimed, lest its information be infinite
NEWTON_STEPS = 8
CONVERGED_PX = 0.02  #: the error left after a step goes with its third power
LARGEST_STEP_PX = 1.0  #: a larger one would leave the peak for its neighbour


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A reference frame and what its middle holds."""

    frame: Frame
    band: float  #: cycles/px; no higher frequency is looked at
    centre: Cut | None  #: None of a frame too small for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """Where two frames fit best, in px of these frames."""

    shift: Floats  #: (y, x)
    likeness: float  #: normalised cross-correlation within the band, -1..1
    information: float  #: nats per coefficient that one frame tells of the other
    turned: Spectrum  #: weighted cross-spectrum, as it would be had the moved frame been shifted back
    plane: Plane


def anchor(frame: Frame, band: float) -> Anchor:
    """Make a frame ready to be the reference of :func:`climb`; mean about 0, variance about 1."""
    (top, rows), (left, columns) = (_centre(length) for length in frame.shape)
    if min(rows, columns) < SMALLEST_CUT_PX:
        return Anchor(frame=frame, band=band, centre=None)
    return Anchor(frame=frame, band=band, centre=seen(frame[top : top + rows, left : left + columns], band))


def climb(reference: Anchor, moved: Frame, start: Floats) -> Peak | None:
    """Climb from ``start`` to the top of the weighted cross-correlation of the part both frames share.

    The shared part is cut out of both frames at whole pixels before they are windowed, so that the window
    travels with the content and does not pull the result towards zero. Each ring of frequencies weighs as
    much as the frames agree there, which leaves out noise, and finds the noise by itself.

    Parameters
    ----------
    reference, moved
        Of one size, mean about 0, variance about 1.
    start
        (y, x), right to about 1 px.

    Returns
    -------
    None if the frames share too little.

    References
    ----------
    Knapp & Carter 1976, 10.1109/TASSP.1976.1162830 (weights from coherence). Guizar-Sicairos et al. 2008,
    10.1364/OL.33.000156, refine by matrix products too, but on a grid of upsampled pixels.
    """
    whole = np.rint(start).astype(int)
    cuts = _cuts(reference, moved, int(whole[0]), int(whole[1]))
    if cuts is None:
        return None
    a, b, plane = cuts
    cross, rest = b.spectrum * a.spectrum.conj(), start - whole
    coherence = _coherence(a, b, _turned(cross, *_turns(plane, rest)), plane)
    weighted = cross * np.sqrt(coherence).astype(np.float32).take(plane.ring).reshape(cross.shape)
    rest = _newton(weighted, plane, rest)
    down, right = _turns(plane, rest)
    return Peak(
        shift=whole + rest,
        likeness=float((down @ cross @ right).real) / max(math.sqrt(a.power * b.power), 1e-30),
        information=-float(plane.count @ np.log1p(-coherence)) / float(plane.count.sum()),
        turned=_turned(weighted, down, right),
        plane=plane,
    )


def _cuts(reference: Anchor, moved: Frame, down: int, right: int) -> tuple[Cut, Cut, Plane] | None:
    """Cut out what both frames show; only the middle where that suffices, for the reference has it ready."""
    height, width = reference.frame.shape
    (top, rows), (left, columns) = _centre(height), _centre(width)
    near = abs(down) <= top and abs(right) <= left
    if not near:
        (top, rows), (left, columns) = _shared(height, down), _shared(width, right)
    if min(rows, columns) < SMALLEST_CUT_PX:
        return None
    ours = reference.centre if near else None
    band = reference.band
    ours = ours or seen(reference.frame[top : top + rows, left : left + columns], band)
    top, left = top + down, left + right
    return ours, seen(moved[top : top + rows, left : left + columns], band), plane_of(rows, columns, band)


def _centre(length: int) -> tuple[int, int]:
    """First pixel and length of the middle part of an axis."""
    cut = _dft_length(int(CENTRE_SHARE * length) if length >= LONG_PX else length)
    return (length - cut) // 2, cut


def _shared(length: int, shift: int) -> tuple[int, int]:
    """First pixel (in the reference) and length of the shared part along one axis, cut for a fast DFT."""
    shared = length - abs(shift)
    cut = _dft_length(shared)
    return max(0, -shift) + (shared - cut) // 2, cut


@lru_cache(maxsize=1024)
def _dft_length(length: int) -> int:
    """Longest even length up to ``length`` that OpenCV transforms fast."""
    step = FAST_PX if length >= LONG_PX else 2
    while length > 2 and (length % step or cv2.getOptimalDFTSize(length) != length):
        length -= 1
    return length


def _turns(plane: Plane, shift: Floats) -> tuple[Spectrum, Spectrum]:
    """Make the factors that turn the rows and the columns of a cross-spectrum back by a shift (y, x)."""
    y, x = shift.astype(np.float32)
    return _turn(plane.radians_y * y), _turn(plane.radians_x * x)


def _turn(radians: NDArray[np.float32]) -> Spectrum:
    """``exp(1j * radians)``, in half of the time or less."""
    factors = np.empty(radians.shape, np.complex64)
    np.cos(radians, out=factors.real)
    np.sin(radians, out=factors.imag)
    return factors


def _turned(cross: Spectrum, down: Spectrum, right: Spectrum) -> Spectrum:
    """Cross-spectrum as it would be had ``moved`` been shifted back."""
    return cross * (down[:, None] * right)


def _coherence(a: Cut, b: Cut, turned: Spectrum, plane: Plane) -> Floats:
    """Squared coherence of each ring (0..1), less what chance alone would give."""
    common = np.bincount(plane.ring, turned.real.ravel())
    squared = np.square(np.maximum(common, 0)) / np.maximum(a.in_ring * b.in_ring, 1e-30)
    by_chance = 1 / plane.count
    coherence: Floats = np.clip((squared - by_chance) / (1 - by_chance), 0.0, FULL_COHERENCE)
    return coherence


def _newton(cross: Spectrum, plane: Plane, shift: Floats) -> Floats:
    """Maximise ``Re sum cross * exp(2 pi i f.shift)``, a continuous function of the shift."""
    for _ in range(NEWTON_STEPS):
        down, right = _turns(plane, shift)
        sums = (plane.powers_y * down) @ cross @ (plane.powers_x * right).T
        (_, slope_x, bend_xx), (slope_y, bend_yx, _), (bend_yy, _, _) = sums.real.tolist()
        step = np.array(_uphill((slope_y, slope_x), -bend_yy, -bend_yx, -bend_xx))
        longest = float(np.abs(step).max())
        shift = shift + min(1.0, LARGEST_STEP_PX / max(longest, 1e-30)) * step
        if longest < CONVERGED_PX:
            break
    return shift


def _uphill(slope: tuple[float, float], yy: float, yx: float, xx: float) -> tuple[float, float]:
    """Newton's step, but uphill even where the curvature is not that of a top.

    The curvature's absolute value is the root of its square, which for two rows has a closed form: a tenth of
    the time that a general solver takes over them.
    """
    determinant, square = abs(yy * xx - yx * yx), yy * yy + 2 * yx * yx + xx * xx
    root = math.sqrt(square + 2 * determinant) + 1e-30
    least = 1e-4 * math.sqrt(square) + 1e-30
    a = (yy * yy + yx * yx + determinant) / root + least
    b = yx * (yy + xx) / root
    c = (xx * xx + yx * yx + determinant) / root + least
    scale = a * c - b * b
    return (c * slope[0] - b * slope[1]) / scale, (a * slope[1] - b * slope[0]) / scale
