"""How well the data pin down the top of a cross-correlation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from semwatchd.imaging.band import BLIND_COEFFICIENTS

if TYPE_CHECKING:
    from semwatchd.imaging.band import Floats, Plane
    from semwatchd.imaging.correlation import Frame
    from semwatchd.imaging.peak import Peak

#: Neighbouring coefficients are alike through the window, so errors add up: 1.8 times the variance. The rest
#: is a reserve, for the noise of a reference is common to all pictures compared with it.
CORRELATED = 2.25
UNKNOWN_SHARE = 0.3  #: of the frame: standard deviation of a shift that may be any
LEAST_SHARE = 5e-3  #: of the common power; less may be nothing but the window's side lobes


@dataclass(frozen=True, slots=True, kw_only=True)
class Certainty:
    """How well a peak is pinned down; all vectors are (y, x)."""

    covariance: Floats  #: 2 x 2, px squared
    significance: tuple[float, float]  #: curvature over its own deviation: flattest and steepest direction


def certainty(peak: Peak) -> Certainty:
    """Covariance of the top's place and significance of its curvature, from the scatter of the phases.

    The sandwich rule: nothing is assumed of the noise but that it turns phases to either side alike, so
    scan distortion and changed contrast count as noise too. Huber 1967.
    """
    turned, plane = peak.turned, peak.plane
    agreeing, scatter = turned.real.copy(), np.float32(CORRELATED) * np.square(turned.imag)
    curvature = _second(_moments(agreeing, plane))
    value, vector = np.linalg.eigh(curvature)
    flattest, steepest = vector.T
    inverse = vector * np.where(value > 1e-15 * value[1], 1 / np.where(value > 0, value, 1), 0) @ vector.T
    covariance = inverse @ _second(_moments(scatter, plane)) @ inverse
    flat = _significance(agreeing, scatter, plane, flattest)
    if flat == 0:
        covariance += (UNKNOWN_SHARE * max(plane.window.shape)) ** 2 * np.outer(flattest, flattest)
    steep = _significance(agreeing, scatter, plane, steepest)
    return Certainty(covariance=covariance, significance=(flat, steep))


def _second(moments: Floats) -> Floats:
    """Second derivatives out of the moments of a sum over frequencies."""
    return np.array([[moments[2, 0], moments[1, 1]], [moments[1, 1], moments[0, 2]]])


def _significance(agreeing: Frame, scatter: Frame, plane: Plane, direction: Floats) -> float:
    """Curvature along a direction over its own deviation; 0 where only the window makes it curved."""
    y, x = (np.float32(part) for part in direction)
    along = np.square((y * plane.radians_y)[:, None] + x * plane.radians_x)
    blind_y, blind_x = (2 * np.pi * (BLIND_COEFFICIENTS + 0.5) / n for n in plane.window.shape)
    seen = (along >= (abs(y) * blind_y + abs(x) * blind_x) ** 2).astype(np.float32)
    along *= seen
    if np.vdot(agreeing, seen) < LEAST_SHARE * agreeing.sum():
        return 0.0
    deviation = math.sqrt(float(np.vdot(scatter, np.square(along))))
    return float(np.vdot(agreeing, along)) / max(deviation, 1e-30)


def _moments(values: Frame, plane: Plane) -> Floats:
    """Sum ``values * fy**j * fx**k`` for j, k = 0..2."""
    return (plane.moments_y.T @ values @ plane.moments_x).astype(np.float64)
