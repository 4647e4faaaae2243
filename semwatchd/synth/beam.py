"""How the beam sees a surface: secondary-electron yield, spot, scan and noise, on a fixed grey scale.

The picture of a scene is made in two steps: :func:`emission` once per scene, :func:`scan` once per
frame. Nothing is stretched per image, so grey levels of two frames can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

SPOT_REACH = 4.0  # the spot's kernel ends after so many standard deviations
CHARGING_REACH = 4.0  # the charging tail ends after so many decay lengths
STEEPEST = 6.0  # secant at which a side-wall's yield saturates
SHADOW_REACH_NM = 12.0  # how far a wall keeps electrons from the detector


@dataclass(frozen=True, slots=True, kw_only=True)
class Yield:
    """Contrast of the secondary electrons; flat ground gives 1."""

    slope_gain: float = 0.25  #: of the secant law
    bloom_gain: float = 1.5  #: extra electrons near a top edge
    bloom_nm: float = 3.0
    shadow: float = 0.25  #: loss beside a wall
    charging: float = 0.0  #: share of its surplus that a bright spot takes from what is scanned after it
    charging_nm: float = 8.0  #: over which that loss decays along the fast axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One frame: size, electrons, spot, stability and the grey scale.

    The grey scale is that of 8 bits; 16-bit frames use the same scale times 257.
    """

    rows: int
    columns: int
    bits: Literal[8, 16] = 8
    dose: float = 60.0  #: electrons per pixel that flat ground sends to the detector
    spot_px: float = 1.0  #: standard deviation of the Gaussian spot along the fast axis
    astigmatism: float = 1.0  #: the spot's standard deviation along the slow axis over that along the fast
    jitter_px: float = 0.1  #: standard deviation of a row's displacement along the fast axis
    drift_px: float = 0.0  #: movement along the fast axis from the first to the last row
    vibration_px: float = 0.0  #: amplitude of a sine in the rows' displacement
    vibration_rows: float = 16.0  #: its period
    row_gain: float = 0.0  #: relative standard deviation of a row's brightness
    detector_grey: float = 2.0  #: standard deviation of the detector's own noise
    black_grey: float = 16.0  #: level without electrons
    flat_grey: float = 90.0  #: level of flat ground above black


def emission(
    depth_nm: NDArray[np.float32], pixel_size_nm: float, contrast: Yield | None = None
) -> NDArray[np.float32]:
    """Electrons that leave each point of the surface, before the spot blurs them; flat ground is 1.

    The secant law is that of Seiler (1983, doi:10.1063/1.332840); bloom at top edges and shadow beside
    walls are described by local means of the height.
    """
    contrast = contrast or Yield()
    height = -depth_nm
    slope_x = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3, scale=1 / (8 * pixel_size_nm))
    slope_y = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3, scale=1 / (8 * pixel_size_nm))
    secant = np.minimum(np.sqrt(1 + slope_x**2 + slope_y**2), STEEPEST)
    span_nm = max(float(depth_nm.max() - depth_nm.min()), pixel_size_nm)
    above = np.maximum(height - _mean(height, contrast.bloom_nm / pixel_size_nm), 0) / span_nm
    below = np.maximum(_mean(height, SHADOW_REACH_NM / pixel_size_nm) - height, 0) / SHADOW_REACH_NM
    electrons = 1 + contrast.slope_gain * (secant - 1) + contrast.bloom_gain * above
    electrons /= 1 + contrast.shadow * below
    if contrast.charging:
        electrons = _charged(electrons, contrast.charging, contrast.charging_nm / pixel_size_nm)
    return np.asarray(electrons, dtype=np.float32)


def scan(
    rng: np.random.Generator,
    scene: NDArray[np.float32],
    settings: Scan,
    shift_px: tuple[float, float] = (0.0, 0.0),
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """One noisy frame cut from the middle of a larger scene.

    Parameters
    ----------
    scene
        Emission of a region larger than the frame; the margin is what the shift may use.
    shift_px
        (dx, dy) by which the content moves, +x right and +y down, against a frame with no shift.

    Raises
    ------
    ValueError
        The shift leaves the scene.
    """
    signal = frame_signal(rng, scene, settings, shift_px)
    if settings.row_gain:
        signal *= 1 + settings.row_gain * rng.standard_normal((settings.rows, 1), dtype=np.float32)
    # Shot noise (Gaussian approximation, good from some ten electrons on) and detector noise are
    # independent, so one draw with the summed variance serves both.
    variance = signal * np.float32(settings.flat_grey**2 / settings.dose)
    variance += np.float32(settings.detector_grey**2)
    grey = rng.standard_normal(signal.shape, dtype=np.float32)
    grey *= np.sqrt(variance, out=variance)
    grey += signal * np.float32(settings.flat_grey) + np.float32(settings.black_grey)
    if settings.bits == 8:
        return np.asarray(np.clip(np.rint(grey), 0, 255), dtype=np.uint8)
    return np.asarray(np.clip(np.rint(grey * np.float32(257)), 0, 65535), dtype=np.uint16)


def frame_signal(
    rng: np.random.Generator,
    scene: NDArray[np.float32],
    settings: Scan,
    shift_px: tuple[float, float] = (0.0, 0.0),
) -> NDArray[np.float32]:
    """Return the frame before noise: electrons relative to flat ground. Parameters as for :func:`scan`."""
    sigma_y_px = settings.spot_px * settings.astigmatism
    reach = int(np.ceil(SPOT_REACH * max(settings.spot_px, sigma_y_px))) + 1
    dx, dy = shift_px
    columns, x_rest = _window(scene.shape[1], settings.columns, dx, reach)
    rows, y_rest = _window(scene.shape[0], settings.rows, dy, reach)
    kernel_x, kernel_y = _spot(reach, settings.spot_px, x_rest), _spot(reach, sigma_y_px, y_rest)
    seen = cv2.sepFilter2D(scene[rows, columns], cv2.CV_32F, kernel_x, kernel_y)[reach:-reach]
    return _move_rows(np.asarray(seen, dtype=np.float32), _row_offsets(rng, settings), reach)


def _mean(image: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), dtype=np.float32)


def _charged(electrons: NDArray[np.float32], share: float, tail_px: float) -> NDArray[np.float32]:
    """Darken what lies after bright places: a one-sided exponential tail of all that exceeds the mean."""
    length = int(np.ceil(CHARGING_REACH * tail_px))
    tail = np.exp(-np.arange(length, 0, -1) / tail_px)
    kernel = np.concatenate([tail / tail.sum(), np.zeros(length + 1)]).astype(np.float32)[None]
    surplus = electrons - electrons.mean()
    return np.asarray(electrons - np.float32(share) * cv2.filter2D(surplus, cv2.CV_32F, kernel))


def _window(scene_px: int, frame_px: int, shift_px: float, reach: int) -> tuple[slice, float]:
    """Part of the scene that the frame needs along one axis, and the rest of the shift below a pixel."""
    start = (scene_px - frame_px) // 2 - shift_px
    first = round(start)
    if first < reach or first + frame_px + reach > scene_px:
        raise ValueError(f"a {frame_px} px frame shifted by {shift_px} px leaves its scene of {scene_px} px")
    return slice(first - reach, first + frame_px + reach), start - first


def _spot(reach: int, sigma_px: float, rest_px: float) -> NDArray[np.float32]:
    """Gaussian spot displaced by a part of a pixel: blur and exact sub-pixel shift in one filter."""
    kernel = np.exp(-0.5 * ((np.arange(-reach, reach + 1) - rest_px) / sigma_px) ** 2)
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def _row_offsets(rng: np.random.Generator, settings: Scan) -> NDArray[np.float64]:
    """Displacement of each row in px; its mean is zero, so the frame's shift stays what was asked for."""
    jitter = rng.normal(0, settings.jitter_px, settings.rows)
    drift = settings.drift_px * np.linspace(-0.5, 0.5, settings.rows)
    offsets = jitter + drift
    if settings.vibration_px:
        phase = rng.uniform(0, 2 * np.pi)
        turns = np.arange(settings.rows) / settings.vibration_rows
        offsets += settings.vibration_px * np.sin(2 * np.pi * turns + phase)
    return np.asarray(offsets - offsets.mean())


def _move_rows(
    image: NDArray[np.float32], offsets_px: NDArray[np.float64], margin: int
) -> NDArray[np.float32]:
    """Displace each row by its own sub-pixel offset (three-point Lagrange) and cut the margin off."""
    before, here, after = (image[:, margin + k : image.shape[1] - margin + k] for k in (-1, 0, 1))
    offset = -offsets_px[:, None]
    weights = (offset * (offset - 1) / 2, 1 - offset * offset, offset * (offset + 1) / 2)
    left, centre, right = (weight.astype(np.float32) for weight in weights)
    return np.asarray(before * left + here * centre + after * right)
