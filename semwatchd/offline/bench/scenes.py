"""Pictures of which the truth is known: exact sub-pixel shifts, exact signal-to-noise ratios."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NoiseKind = Literal["white", "along x"]

MARGIN_SHARE = 0.25  # of the frame, on each side: so far content may move in from outside
CORRELATION = 0.3  # of noise "along x" between neighbours on the scan line: a slow detector
TAPS = 13  # 0.3**13 is nothing
BLACK, WHITE = 20.0, 210.0  # where a frame's grey levels are before gain and offset
NOISE_REACH = 5.5  # mean standard deviations of noise that find room; the brightest pixels have more of it


@dataclass(frozen=True, slots=True)
class Scene:
    """A periodic specimen larger than the frame, kept as its spectrum, blurred by the beam."""

    spectrum: NDArray[np.complex128]
    frame_px: int

    def frame(self, dx: float = 0.0, dy: float = 0.0) -> Floats:
        """Return the middle of the specimen without noise, its content moved by (dx, dy) px."""
        n = len(self.spectrum)
        fy, fx = np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)[None]
        moved = np.fft.irfft2(
            self.spectrum * np.exp(-2j * np.pi * fy * dy) * np.exp(-2j * np.pi * fx * dx), s=(n, n)
        )
        start = (n - self.frame_px) // 2
        middle: Floats = moved[start : start + self.frame_px, start : start + self.frame_px]
        return middle


def holes(frame_px: int = 256, *, psf_px: float = 1.5, pitch_px: int = 32, seed: int = 0) -> Scene:
    """Make contact holes with bright rims, each a little off its place in the grid."""
    rng = np.random.default_rng(seed)
    field, y, x = _field(frame_px)
    for cy in range(pitch_px // 2, len(field), pitch_px):
        for cx in range(pitch_px // 2, len(field), pitch_px):
            jitter_y, jitter_x, radius = rng.normal((cy, cx, pitch_px / 4), (1.0, 1.0, 0.7))
            box = np.s_[max(0, cy - pitch_px) : cy + pitch_px, max(0, cx - pitch_px) : cx + pitch_px]
            distance = np.hypot(y[box] - jitter_y, x[box] - jitter_x)
            field[box] += np.where(distance < radius, -80, 0) + 60 * np.exp(-np.abs(distance - radius) / 2)
    return _scene(field + 120, psf_px, frame_px)


def grains(frame_px: int = 256, *, psf_px: float = 1.5, seed: int = 0) -> Scene:
    """Make a texture that never repeats, like polysilicon."""
    rng = np.random.default_rng(seed)
    field, _, _ = _field(frame_px)
    coarse, fine = (_blurred(rng.standard_normal(field.shape), size) for size in (6.0, 2.5))
    return _scene(120 + 40 * np.tanh(2 * coarse / coarse.std()) + 12 * fine / fine.std(), psf_px, frame_px)


def particles(frame_px: int = 256, *, psf_px: float = 1.5, seed: int = 0) -> Scene:
    """Make a few bright particles with rims on flat ground."""
    rng = np.random.default_rng(seed)
    field, y, x = _field(frame_px)
    for _ in range(len(field) ** 2 // 9000):
        cy, cx, radius = (*rng.integers(30, len(field) - 30, 2), rng.uniform(3, 14))
        box = np.s_[cy - 30 : cy + 30, cx - 30 : cx + 30]
        distance = np.hypot(y[box] - cy, x[box] - cx)
        field[box] += np.where(distance < radius, 70, 0) + 60 * np.exp(-np.abs(distance - radius) / 2)
    return _scene(field + 70, psf_px, frame_px)


def lines(
    frame_px: int = 256, *, roughness_px: float = 0.0, psf_px: float = 1.5, pitch_px: int = 32, seed: int = 0
) -> Scene:
    """Make vertical lines; with no roughness nothing tells where along the lines one is."""
    rng = np.random.default_rng(seed)
    field, _, x = _field(frame_px, pitch_px)
    rough = _blurred(rng.standard_normal((len(field), len(field) // pitch_px)), 8.0, axes=(0,))
    offset = np.repeat(roughness_px * rough / rough.std(), pitch_px, axis=1)
    from_middle = np.abs((x - offset) % pitch_px - pitch_px / 2)
    return _scene(110 + 60 * np.tanh(pitch_px / 4 - from_middle), psf_px, frame_px)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """How a frame is taken."""

    gain: float = 1.0  #: 0.75 to 1.2
    offset: float = 0.0  #: grey levels, -15 to 0
    noise: NoiseKind = "white"


def signal_of(frame: Floats, snr: float, like: Floats | None = None) -> Floats:
    """Grey levels of a noise-free frame, scaled so that ``like``, by default itself, has room for its noise.

    What is clipped would change the noise, and so the truth.
    """
    like = frame if like is None else like
    low, high = like.min(), like.max()
    margin = NOISE_REACH * like.std() / math.sqrt(snr)
    grey: Floats = BLACK + (frame - low + margin) * ((WHITE - BLACK) / (high - low + 2 * margin))
    return grey


def noise_sigma(signal: Floats, snr: float) -> Floats:
    """Return the standard deviation of each pixel's shot noise, whose variance grows with the signal."""
    variance: Floats = signal.var() / snr * np.maximum(signal, 1) / signal.mean()
    return np.sqrt(variance)


def exposed(rng: np.random.Generator, signal: Floats, sigma: Floats, how: Exposure) -> NDArray[np.uint8]:
    """Eight bits of a signal with noise, gain and offset."""
    unit = rng.standard_normal(signal.shape, dtype=np.float32)
    if how.noise == "along x":
        taps = CORRELATION ** np.arange(TAPS)
        unit = cv2.filter2D(unit, cv2.CV_32F, (taps / np.linalg.norm(taps))[None]).astype(np.float32)
    grey = (signal + unit * sigma) * how.gain + how.offset
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def _field(frame_px: int, multiple_px: int = 32) -> tuple[Floats, Floats, Floats]:
    size = round(frame_px * (1 + 2 * MARGIN_SHARE)) // multiple_px * multiple_px
    y, x = np.mgrid[0:size, 0:size].astype(np.float64)
    return np.zeros((size, size)), y, x


def _scene(field: Floats, psf_px: float, frame_px: int) -> Scene:
    return Scene(np.fft.rfft2(_blurred(field, psf_px)), frame_px)


def _blurred(field: Floats, sigma_px: float, axes: tuple[int, ...] = (0, 1)) -> Floats:
    spectrum = np.fft.fftn(field)
    for axis in axes:
        frequency = np.fft.fftfreq(field.shape[axis])
        shape = [-1 if axis == a else 1 for a in range(field.ndim)]
        spectrum *= np.exp(-0.5 * (2 * np.pi * frequency * sigma_px) ** 2).reshape(shape)
    blurred: Floats = np.fft.ifftn(spectrum).real
    return blurred
