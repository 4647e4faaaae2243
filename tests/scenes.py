"""Pictures of which the truth is known: exact sub-pixel shifts, exact signal-to-noise ratios."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from semwatchd.core.image import ImageFacts, SemImage

if TYPE_CHECKING:
    from semwatchd.core.image import Pixels

Floats = NDArray[np.float64]

MARGIN_SHARE = 0.25  # of the frame, on each side: so far content may move in from outside


@dataclass(frozen=True, slots=True)
class Scene:
    """A periodic specimen larger than the frame, kept as its spectrum, blurred by the beam."""

    spectrum: NDArray[np.complex128]
    frame_px: int

    def frame(self, dx: float = 0.0, dy: float = 0.0) -> Floats:
        """The middle of the specimen without noise, its content moved by (dx, dy) px."""
        n = len(self.spectrum)
        fy, fx = np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)[None]
        moved = np.fft.irfft2(self.spectrum * np.exp(-2j * np.pi * (fy * dy + fx * dx)), s=(n, n))
        start = (n - self.frame_px) // 2
        middle: Floats = moved[start : start + self.frame_px, start : start + self.frame_px]
        return middle


def holes(frame_px: int = 256, *, psf_px: float = 1.5, pitch_px: int = 32, seed: int = 0) -> Scene:
    """Contact holes with bright rims, each a little off its place in the grid."""
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
    """A texture that never repeats, like polysilicon."""
    rng = np.random.default_rng(seed)
    field, _, _ = _field(frame_px)
    coarse, fine = (_blurred(rng.standard_normal(field.shape), size) for size in (6.0, 2.5))
    return _scene(120 + 40 * np.tanh(2 * coarse / coarse.std()) + 12 * fine / fine.std(), psf_px, frame_px)


def lines(frame_px: int = 256, *, roughness_px: float = 0.0, psf_px: float = 1.5, seed: int = 0) -> Scene:
    """Vertical lines of 32 px pitch; with no roughness nothing tells where along the lines one is."""
    rng = np.random.default_rng(seed)
    field, _, x = _field(frame_px)
    rough = _blurred(rng.standard_normal((len(field), len(field) // 32)), 8.0, axes=(0,))
    offset = np.repeat(roughness_px * rough / rough.std(), 32, axis=1)
    return _scene(110 + 60 * np.tanh(8 - np.abs((x - offset) % 32 - 16)), psf_px, frame_px)


def photographed(
    signal: Floats, snr: float, seed: int, *, gain: float = 1.0, offset: float = 0.0
) -> NDArray[np.uint8]:
    """Eight bits with white noise such that ``var(signal) / var(noise)`` is exactly ``snr``."""
    noise = np.random.default_rng(seed).standard_normal(signal.shape)
    noise *= np.sqrt(signal.var() / snr) / noise.std()
    return np.clip(np.rint((signal + noise) * gain + offset), 0, 255).astype(np.uint8)


def as_image(pixels: Pixels) -> SemImage:
    """A picture about which nothing but its pixels is known."""
    rows, columns = pixels.shape
    facts = ImageFacts(
        width=columns, height=rows, dtype=str(pixels.dtype), pages=1, compression="none", sha256="0" * 64
    )
    return SemImage(pixels=pixels, facts=facts)


def _field(frame_px: int) -> tuple[Floats, Floats, Floats]:
    size = round(frame_px * (1 + 2 * MARGIN_SHARE)) // 32 * 32
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
