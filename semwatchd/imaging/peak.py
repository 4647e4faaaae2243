"""The exact top of a cross-correlation, and how well the data pin it down."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semwatchd.imaging.correlation import Frame

    Spectrum = NDArray[np.complex64]
    Floats = NDArray[np.float64]

BAND = 0.25  #: cycles/px; beyond it there is more noise and aliasing than structure
RING_PX = 3  #: coefficients per ring: enough for a steady coherence, few enough to follow its fall-off

#: The window smears straight structure over this many coefficients beside an axis. Their phase tells of the
#: window, not of a shift along that axis, and must not pretend to locate it.
BLIND_COEFFICIENTS = 2

SMALLEST_CUT_PX = 8
FULL_COHERENCE = 0.9999  #: no more than this is ever claimed, lest its information be infinite
NEWTON_STEPS = 8
CONVERGED_PX = 1e-3
LARGEST_STEP_PX = 1.0  #: a larger one would leave the peak for its neighbour
CORRELATED = 2.25  #: the window makes neighbouring coefficients alike: variance 1.5 times along each axis
UNKNOWN_SHARE = 0.3  #: of the frame: standard deviation of a shift that may be any
LEAST_SHARE = 5e-3  #: of the common power; less may be nothing but the window's side lobes


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """Where two frames fit best, in px of these frames; all vectors are (y, x)."""

    shift: Floats
    covariance: Floats  #: 2 x 2, px squared
    significance: tuple[float, float]  #: curvature over its own deviation: flattest and steepest direction
    likeness: float  #: normalised cross-correlation within the band, -1..1
    information: float  #: nats per coefficient that one frame tells of the other


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plane:
    """The frequencies used for cuts of one size: rows are fy = 0.., then ..-1; columns fx = 0.."""

    window: Frame
    rows: int  #: of positive fy
    columns: int  #: of fx, zero included
    ring: NDArray[np.intp]  #: of each coefficient, flat
    count: Floats  #: coefficients per ring
    used: Frame  #: 1 inside the band, 0 for the mean and for mirror images of other coefficients
    turn_y: Spectrum  #: 2 pi i fy, zero where the window blinds
    turn_x: Spectrum


def climb(reference: Frame, moved: Frame, start: Floats) -> Peak | None:
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
    top, rows = _cut(reference.shape[0], int(whole[0]))
    left, columns = _cut(reference.shape[1], int(whole[1]))
    if min(rows, columns) < SMALLEST_CUT_PX:
        return None
    plane = _plane(rows, columns)
    a = _spectrum(reference[top : top + rows, left : left + columns], plane)
    top, left = top + int(whole[0]), left + int(whole[1])
    b = _spectrum(moved[top : top + rows, left : left + columns], plane)
    cross, rest = b * a.conj(), start - whole
    coherence = _coherence(a, b, _turned(cross, plane, rest), plane)
    weight = np.sqrt(coherence).astype(np.float32)[plane.ring].reshape(cross.shape) * plane.used
    rest = _newton(cross * weight, plane, rest)
    turned = _turned(cross, plane, rest)
    covariance, significance = _certainty(turned * weight, plane)
    return Peak(
        shift=whole + rest,
        covariance=covariance,
        significance=significance,
        likeness=_likeness(a, b, turned, plane),
        information=-float(plane.count @ np.log1p(-coherence)) / float(plane.count.sum()),
    )


def _cut(length: int, shift: int) -> tuple[int, int]:
    """First pixel (in the reference) and length of the shared part along one axis, cut for a fast DFT."""
    shared = length - abs(shift)
    cut = _dft_length(shared)
    return max(0, -shift) + (shared - cut) // 2, cut


@lru_cache(maxsize=1024)
def _dft_length(length: int) -> int:
    """Longest even length up to ``length`` that OpenCV transforms fast."""
    while length > 2 and (length % 2 or cv2.getOptimalDFTSize(length) != length):
        length -= 1
    return length


@lru_cache(maxsize=64)
def _plane(rows: int, columns: int) -> _Plane:
    keep_y, keep_x = (max(1, min(int(BAND * n), n // 2 - 1)) for n in (rows, columns))
    ky, kx = np.r_[0 : keep_y + 1, -keep_y:0], np.arange(keep_x + 1)
    radius = np.hypot((ky / rows)[:, None], kx / columns)
    ring = np.rint(radius * max(rows, columns) / RING_PX).astype(np.intp).ravel()
    used = (radius <= BAND).astype(np.float32)
    used[keep_y + 1 :, 0] = used[0, 0] = 0
    return _Plane(
        window=np.outer(_cosine(rows), _cosine(columns)).astype(np.float32),
        rows=keep_y,
        columns=keep_x + 1,
        ring=ring,
        count=np.maximum(np.bincount(ring), 2.0),
        used=used,
        turn_y=_turn(ky, rows),
        turn_x=_turn(kx, columns),
    )


def _cosine(length: int) -> Floats:
    window: Floats = np.sin(np.pi * (np.arange(length) + 0.5) / length)
    return window


def _turn(k: NDArray[np.int_], length: int) -> Spectrum:
    seeing = np.where(np.abs(k) <= BLIND_COEFFICIENTS, 0, k)
    return (2j * np.pi * seeing / length).astype(np.complex64)


def _spectrum(cut: Frame, plane: _Plane) -> Spectrum:
    """DFT of the windowed cut inside the band, taken out of OpenCV's packed form.

    There the real and imaginary part of a coefficient stand side by side, but one above the other for fx = 0.
    """
    packed = cv2.dft(cv2.multiply(cut - np.float32(cv2.mean(cut)[0]), plane.window))
    inner = slice(1, 2 * plane.columns - 1)
    spectrum = np.empty((2 * plane.rows + 1, plane.columns), np.complex64)
    beside = np.concatenate((packed[: plane.rows + 1, inner], packed[-plane.rows :, inner]))
    spectrum[:, 1:] = beside.view(np.complex64)
    above = np.ascontiguousarray(packed[1 : 2 * plane.rows + 1, 0]).view(np.complex64)
    spectrum[:, 0] = np.concatenate((packed[:1, 0], above, above[::-1].conj()))
    return spectrum


def _turned(cross: Spectrum, plane: _Plane, shift: Floats) -> Spectrum:
    """Cross-spectrum as it would be had ``moved`` been shifted back."""
    down = np.exp(plane.turn_y * np.float32(shift[0]))[:, None]
    return cast("Spectrum", cross * down * np.exp(plane.turn_x * np.float32(shift[1])))


def _coherence(a: Spectrum, b: Spectrum, turned: Spectrum, plane: _Plane) -> Floats:
    """Squared coherence of each ring (0..1), less what chance alone would give."""
    common, power_a, power_b = (
        np.bincount(plane.ring, part.ravel())
        for part in (turned.real, a.real**2 + a.imag**2, b.real**2 + b.imag**2)
    )
    squared = np.square(np.maximum(common, 0)) / np.maximum(power_a * power_b, 1e-30)
    by_chance = 1 / plane.count
    coherence: Floats = np.clip((squared - by_chance) / (1 - by_chance), 0.0, FULL_COHERENCE)
    return coherence


def _likeness(a: Spectrum, b: Spectrum, turned: Spectrum, plane: _Plane) -> float:
    power_a, power_b = (float(np.vdot(plane.used, s.real**2 + s.imag**2)) for s in (a, b))
    return float(np.vdot(plane.used, turned.real)) / max(math.sqrt(power_a * power_b), 1e-30)


def _newton(cross: Spectrum, plane: _Plane, shift: Floats) -> Floats:
    """Maximise ``Re sum cross * exp(2 pi i f.shift)``, a continuous function of the shift."""
    for _ in range(NEWTON_STEPS):
        y, x = (np.exp(t * np.float32(s)) for t, s in ((plane.turn_y, shift[0]), (plane.turn_x, shift[1])))
        left = np.stack((y, y * plane.turn_y, y * plane.turn_y**2))
        right = np.stack((x, x * plane.turn_x, x * plane.turn_x**2))
        moments = (left @ cross @ right.T).real.astype(np.float64)
        value, vector = np.linalg.eigh(-_second(moments))
        # Away from the top the curvature may be of either sign; uphill is uphill nevertheless.
        steepness = np.abs(value) + 1e-4 * np.abs(value).max() + 1e-30
        step = vector @ (vector.T @ np.array([moments[1, 0], moments[0, 1]]) / steepness)
        longest = float(np.abs(step).max())
        shift = shift + step * min(1.0, LARGEST_STEP_PX / max(longest, 1e-30))
        if longest < CONVERGED_PX:
            break
    return shift


def _certainty(turned: Spectrum, plane: _Plane) -> tuple[Floats, tuple[float, float]]:
    """Covariance of the top's place and significance of its curvature, from the scatter of the phases.

    The sandwich rule: nothing is assumed of the noise but that it turns phases to either side alike, so
    scan distortion and changed contrast count as noise too. Huber 1967.
    """
    agreeing, scatter = turned.real, np.float32(CORRELATED) * np.square(turned.imag)
    curvature = _second(_moments(agreeing, plane))
    flattest, steepest = np.linalg.eigh(curvature).eigenvectors.T
    inverse = np.linalg.pinv(curvature)
    covariance = inverse @ _second(_moments(scatter, plane)) @ inverse
    flat = _significance(agreeing, scatter, plane, flattest)
    if flat == 0:
        covariance += (UNKNOWN_SHARE * max(plane.window.shape)) ** 2 * np.outer(flattest, flattest)
    return covariance, (flat, _significance(agreeing, scatter, plane, steepest))


def _significance(agreeing: Frame, scatter: Frame, plane: _Plane, direction: Floats) -> float:
    """Curvature along a direction over its own deviation; 0 where only the window makes it curved."""
    y, x = (np.float32(part) for part in direction)
    along = np.square((y * plane.turn_y.imag)[:, None] + x * plane.turn_x.imag)
    blind_y, blind_x = (2 * np.pi * (BLIND_COEFFICIENTS + 0.5) / n for n in plane.window.shape)
    along[along < (abs(y) * blind_y + abs(x) * blind_x) ** 2] = 0
    if np.vdot(agreeing, along > 0) < LEAST_SHARE * agreeing.sum():
        return 0.0
    deviation = math.sqrt(float(np.vdot(scatter, np.square(along))))
    return float(np.vdot(agreeing, along)) / max(deviation, 1e-30)


def _moments(values: Frame, plane: _Plane) -> Floats:
    """Sum ``values * fy**j * fx**k`` for j, k = 0..2."""
    exponent = np.arange(3, dtype=np.float32)[:, None]
    return (plane.turn_y.imag**exponent @ values @ (plane.turn_x.imag**exponent).T).astype(np.float64)


def _second(moments: Floats) -> Floats:
    return np.array([[moments[2, 0], moments[1, 1]], [moments[1, 1], moments[0, 2]]])
