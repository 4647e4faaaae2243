"""The low frequencies of a windowed part of a frame, ready to be compared with another's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from cv2.typing import MatLike
    from numpy.typing import NDArray

    from semwatchd.imaging.correlation import Frame

    Spectrum = NDArray[np.complex64]
    Floats = NDArray[np.float64]

#: Cycles/px of a frame smoothed before it was halved; beyond there is more noise and aliasing than structure.
WIDE_BAND = 0.35
NARROW_BAND = 0.25  #: cycles/px of a frame of averages of 2 x 2 px, which lets more aliasing through
RING_PX = 3  #: coefficients per ring: enough for a steady coherence, few enough to follow its fall-off

#: Of a cut, each side of the window. Steeper flanks would use more pixels, but smear straight lines.
FLANK = 0.35

#: The window smears straight structure over this many coefficients beside an axis. Their phase tells of the
#: window, not of a shift along that axis, and must not pretend to locate it.
BLIND_COEFFICIENTS = 2

I_POWERS = np.array([1, 1j, -1], dtype=np.complex64)  # for 0th, 1st and 2nd derivatives


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """The frequencies used for cuts of one size: rows are fy = 0.., then ..-1; columns fx = 0.."""

    window: Frame
    level: Spectrum  #: of the window: what a level of 1 adds to the spectrum of a cut
    rows: int  #: of positive fy
    columns: int  #: of fx, zero included
    ring: NDArray[np.intp]  #: of each coefficient, flat
    count: Floats  #: coefficients used per ring
    used: Frame  #: 1 inside the band, 0 for the mean and for mirror images of other coefficients
    radians_y: NDArray[np.float32]  #: 2 pi fy per px of shift, zero where the window blinds
    radians_x: NDArray[np.float32]
    powers_y: Spectrum  #: 1, i radians_y and its square
    powers_x: Spectrum
    moments_y: Frame  #: the same without the i, a column each
    moments_x: Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What a part of a frame holds within the band."""

    spectrum: Spectrum  #: zero where it is not used
    in_ring: Floats  #: power in each ring
    power: float  #: in all coefficients used


def seen(pixels: Frame, band: float) -> Cut:
    """Transform a part of a frame; its level drops out."""
    plane = plane_of(*pixels.shape, band)
    windowed = cv2.multiply(pixels, plane.window)
    spectrum = _packed_band(cv2.dft(windowed, dst=windowed), plane.rows, plane.columns)
    spectrum -= plane.level * (spectrum[0, 0] / plane.level[0, 0])
    spectrum *= plane.used
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    in_ring = np.bincount(plane.ring, power.ravel()).astype(np.float64, copy=False)
    return Cut(spectrum=spectrum, in_ring=in_ring, power=float(in_ring.sum()))


@lru_cache(maxsize=64)
def plane_of(rows: int, columns: int, band: float) -> Plane:
    """Lay out the frequencies up to ``band`` (cycles/px) for cuts of this size."""
    keep_y, keep_x = (max(1, min(int(band * n), n // 2 - 1)) for n in (rows, columns))
    ky, kx = np.r_[0 : keep_y + 1, -keep_y:0], np.arange(keep_x + 1)
    radius = np.hypot((ky / rows)[:, None], kx / columns)
    ring = np.rint(radius * max(rows, columns) / RING_PX).astype(np.intp).ravel()
    used = (radius <= band).astype(np.float32)
    used[keep_y + 1 :, 0] = used[0, 0] = 0
    window = np.outer(_window(rows), _window(columns)).astype(np.float32)
    radians_y, radians_x = _radians(ky, rows), _radians(kx, columns)
    moments_y, moments_x = (np.vander(radians, 3, increasing=True) for radians in (radians_y, radians_x))
    return Plane(
        window=window,
        level=_packed_band(cv2.dft(window), keep_y, keep_x + 1),
        rows=keep_y,
        columns=keep_x + 1,
        ring=ring,
        count=np.maximum(np.bincount(ring, used.ravel()), 2.0),
        used=used,
        radians_y=radians_y,
        radians_x=radians_x,
        powers_y=(moments_y * I_POWERS).T,
        powers_x=(moments_x * I_POWERS).T,
        moments_y=moments_y,
        moments_x=moments_x,
    )


def _window(length: int) -> Floats:
    from_edge = np.minimum(np.arange(length) + 0.5, np.arange(length, 0, -1) - 0.5) / length
    window: Floats = np.sin(np.pi / 2 * np.minimum(from_edge / FLANK, 1))
    return window


def _radians(k: NDArray[np.int_], length: int) -> NDArray[np.float32]:
    seeing = np.where(np.abs(k) <= BLIND_COEFFICIENTS, 0, k)
    return (2 * np.pi * seeing / length).astype(np.float32)


def _packed_band(packed: MatLike, rows: int, columns: int) -> Spectrum:
    """Take the lowest frequencies out of OpenCV's packed form.

    There the real and imaginary part of a coefficient stand side by side, but one above the other for fx = 0.
    """
    beside = packed[:, 1 : 2 * columns - 1].view(np.complex64)
    above = np.ascontiguousarray(packed[1 : 2 * rows + 1, 0]).view(np.complex64)
    spectrum = np.empty((2 * rows + 1, columns), np.complex64)
    spectrum[: rows + 1, 1:] = beside[: rows + 1]
    spectrum[-rows:, 1:] = beside[-rows:]
    spectrum[:, 0] = np.concatenate((packed[:1, 0], above, above[::-1].conj()))
    return spectrum
