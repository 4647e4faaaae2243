"""Single trials: make a picture of known truth, ask for it back, and say by how much it was missed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import cv2
import numpy as np

from semwatchd.imaging.differences import squared_differences
from semwatchd.imaging.noise import (
    SPLINE_LAGS,
    linear,
    nearest_neighbour,
    noise_variance,
    savgol_spline,
    variogram,
)
from semwatchd.imaging.registration import Reference, prepare_reference, register
from semwatchd.imaging.sharpness import laplacian_variance, tenengrad, tenengrad_corrected
from semwatchd.imaging.snr import image_variance, snr_ratio
from semwatchd.offline.bench import plain, scenes
from semwatchd.offline.bench.peers import missing
from semwatchd.offline.bench.scenes import Exposure, Floats, NoiseKind, Scene, exposed, noise_sigma, signal_of

SceneName = Literal["holes", "grains", "particles", "lines"]

REACH_PX = 16.0  # shifts go so far in each direction
GAINS = (0.75, 1.2)
OFFSETS = (-15.0, 0.0)
PITCH_PX = {"holes": 64, "lines": 48}  # so that the longest shift is no better explained by a whole pitch
ROUGHNESS_PX = 1.5
SHARP_PX, BLURRED_PX = 1.0, 3.0

OURS = "semwatchd"


@lru_cache(maxsize=8)
def scene_of(name: SceneName, frame_px: int, psf_px: float) -> Scene:
    """Build a scene; each process keeps a few."""
    match name:
        case "holes":
            return scenes.holes(frame_px, psf_px=psf_px, pitch_px=PITCH_PX["holes"])
        case "grains":
            return scenes.grains(frame_px, psf_px=psf_px)
        case "particles":
            return scenes.particles(frame_px, psf_px=psf_px)
    return scenes.lines(frame_px, psf_px=psf_px, pitch_px=PITCH_PX["lines"], roughness_px=ROUGHNESS_PX)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftTask:
    """Some shifts of one scene against one noisy reference."""

    scene: SceneName
    snr: float
    psf_px: float
    frame_px: int
    seed: int
    shifts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """By how much one method missed one shift, in px; None where it says itself that it found none."""

    scene: SceneName
    snr: float
    method: str
    error_px: tuple[float, float] | None  #: (x, y)
    sigma_px: tuple[float, float] | None = None  #: as stated
    doubtful: bool = False  #: stated to be weak along one axis or ambiguous
    bound_px: tuple[float, float]  #: the least standard deviation any unbiased method can have


Method = Callable[[Any], tuple[float, float]]


def shift_misses(task: ShiftTask) -> list[Miss]:
    """Register noisy frames of known shift by every method there is."""
    rng = np.random.default_rng([task.seed, int(task.snr * 100), len(task.scene)])
    scene = scene_of(task.scene, task.frame_px, task.psf_px)
    still = scene.frame()
    signal = signal_of(still, task.snr)
    sigma = noise_sigma(signal, task.snr)
    bound = shift_bound(signal, sigma)
    reference = exposed(rng, signal, sigma, Exposure())
    prepared, others = prepare_reference(reference), methods(reference)
    misses = []
    for _ in range(task.shifts):
        dx, dy = (float(v) for v in rng.uniform(-REACH_PX, REACH_PX, 2))
        how = Exposure(gain=float(rng.uniform(*GAINS)), offset=float(rng.uniform(*OFFSETS)))
        moved = signal_of(scene.frame(dx, dy), task.snr, like=still)
        picture = exposed(rng, moved, sigma, how)
        blank = Miss(scene=task.scene, snr=task.snr, method=OURS, error_px=None, bound_px=bound)
        misses.append(_ours(blank, prepared, picture, (dx, dy)))
        for name, method in others.items():
            x, y = method(picture)
            misses.append(replace(blank, method=name, error_px=(x - dx, y - dy)))
    return misses


def _ours(blank: Miss, reference: Reference, picture: Any, truth: tuple[float, float]) -> Miss:  # noqa: ANN401
    found = register(reference, picture)
    if found is None:
        return blank
    return replace(
        blank,
        error_px=(found.dx_px - truth[0], found.dy_px - truth[1]),
        sigma_px=(found.sigma_x_px, found.sigma_y_px),
        doubtful=found.weak_axis or found.ambiguous,
    )


def methods(reference: Any) -> dict[str, Method]:  # noqa: ANN401 — uint8 pixels
    """Collect what others offer, each with the reference at hand."""
    as_float = reference.astype(np.float32)
    hann = cv2.createHanningWindow(reference.shape[::-1], cv2.CV_32F)
    found: dict[str, Method] = {
        "cv2.phaseCorrelate": lambda image: _pair(cv2.phaseCorrelate(as_float, image.astype(np.float32))[0]),
        "cv2, Hann window": lambda image: _pair(
            cv2.phaseCorrelate(as_float.copy(), image.astype(np.float32), hann)[0]  # it changes them
        ),
    }
    if not missing("skimage.registration"):
        found["skimage, upsample 100"] = lambda image: plain.shift(reference, image)
    return found


def _pair(values: Sequence[float]) -> tuple[float, float]:
    return values[0], values[1]


def shift_bound(signal: Floats, sigma: Floats) -> tuple[float, float]:
    """Cramér-Rao bound of a shift between two equally noisy frames, (x, y) in px.

    Kay 1993, Fundamentals of Statistical Signal Processing I, chapter 3; both frames' noise adds up.
    """
    gy, gx = np.gradient(signal)
    weight = 1 / (2 * np.square(sigma))
    xx, yy, xy = (float((a * b * weight).sum()) for a, b in ((gx, gx), (gy, gy), (gx, gy)))
    determinant = xx * yy - xy * xy
    return math.sqrt(yy / determinant), math.sqrt(xx / determinant)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseTask:
    """Some frames of one scene whose SNR is known."""

    scene: SceneName
    psf_px: float
    snr: float
    noise: NoiseKind
    frame_px: int
    seed: int
    draws: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SnrMiss:
    """Relative errors of the SNR by one estimator, one per draw."""

    scene: SceneName
    psf_px: float
    snr: float
    noise: NoiseKind
    estimator: str
    errors: Sequence[float]


def _by(estimate: Callable[[Sequence[float]], float], lags: int) -> Callable[[Any], float | None]:
    """Make an estimator of the SNR from one of the noise variance, along the slow axis."""
    return lambda image: snr_ratio(image_variance(image), estimate(variogram(image, "y", lags)))


ESTIMATORS: Mapping[str, Callable[[Any], float | None]] = {
    OURS: lambda image: snr_ratio(image_variance(image), noise_variance(squared_differences(image)).along_y),
    "spline + Savitzky-Golay": _by(savgol_spline, SPLINE_LAGS),
    "nearest neighbour": _by(nearest_neighbour, 1),
    "linear": _by(linear, 2),
    "plain recipe: FFT, x lags": plain.snr,
}


def snr_misses(task: NoiseTask) -> list[SnrMiss]:
    """Estimate the SNR of frames whose noise is known pixel by pixel."""
    rng = np.random.default_rng([task.seed, int(task.snr * 100), int(task.psf_px * 10), len(task.scene)])
    signal = signal_of(scene_of(task.scene, task.frame_px, task.psf_px).frame(), task.snr)
    sigma, how = noise_sigma(signal, task.snr), Exposure(noise=task.noise)
    images = [exposed(rng, signal, sigma, how) for _ in range(task.draws)]
    truths = [float(signal.var() / (image - signal).var()) for image in images]  # rounding counts as noise
    return [
        SnrMiss(
            scene=task.scene,
            psf_px=task.psf_px,
            snr=task.snr,
            noise=task.noise,
            estimator=name,
            errors=[(estimate(i) or 0.0) / truth - 1 for i, truth in zip(images, truths, strict=True)],
        )
        for name, estimate in ESTIMATORS.items()
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class FocusTask:
    """A sharp and a blurred frame of one scene with the same noise."""

    scene: SceneName
    snr: float
    frame_px: int
    seed: int
    draws: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FocusKept:
    """Sharpest over blurriest, as a share of what it is without noise: 1 is right."""

    scene: SceneName
    snr: float
    measure: str
    kept: float


def focus_kept(task: FocusTask) -> list[FocusKept]:
    """Compare what noise leaves of the ratio between a sharp and a blurred frame."""
    rng = np.random.default_rng([task.seed, int(task.snr * 100), len(task.scene)])
    frames = [scene_of(task.scene, task.frame_px, psf).frame() for psf in (SHARP_PX, BLURRED_PX)]
    sharp, blurred = (signal_of(frame, task.snr, like=frames[0]) for frame in frames)
    sigma = noise_sigma(sharp, task.snr)
    clean = [sharp.astype(np.float32), blurred.astype(np.float32)]
    noisy = [
        [exposed(rng, signal, sigma, Exposure()) for signal in (sharp, blurred)] for _ in range(task.draws)
    ]
    return [
        FocusKept(
            scene=task.scene,
            snr=task.snr,
            measure=name,
            kept=statistics.fmean(_ratio(measure, pair) for pair in noisy) / _ratio(truth, clean),
        )
        for name, (measure, truth) in SHARPNESS.items()
    ]


def _ratio(measure: Callable[[Any], float], sharp_and_blurred: Sequence[Any]) -> float:
    sharp, blurred = map(measure, sharp_and_blurred)
    return float(sharp / blurred)


def _corrected(image: Any) -> float:  # noqa: ANN401 — pixels
    table = squared_differences(image)
    return tenengrad_corrected(tenengrad(table), noise_variance(table))


def _laplacian(image: Any) -> float:  # noqa: ANN401 — pixels
    return laplacian_variance(image, squared_differences(image))


def _raw(image: Any) -> float:  # noqa: ANN401 — pixels
    return tenengrad(squared_differences(image))


#: How it is measured on noisy frames, and how without noise.
SHARPNESS: Mapping[str, tuple[Callable[[Any], float], Callable[[Any], float]]] = {
    "Tenengrad, corrected": (_corrected, _raw),
    "Tenengrad, raw": (_raw, _raw),
    "Laplacian variance, raw": (_laplacian, _laplacian),
}
