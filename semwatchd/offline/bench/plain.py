"""The plain recipe: what a user writes in an afternoon, from the libraries' own examples."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from semwatchd.offline.bench.child import end_with_parent
from semwatchd.offline.bench.peers import peer

Image = NDArray[Any]


def recipe(path: str, reference: Image) -> tuple[float, ...]:
    """Read a file; return the quantities that the product measures by default, each in the plain way."""
    image = read(path)
    power = power_spectrum(image)
    alone = (*statistics(image), *tails(image), sharpness(image), tenengrad(image), edge_width(image))
    spectral = (snr(image), *radial_power(power), *ellipse(power))
    return (digest(path), *alone, *spectral, *line_shifts(image), *shift(reference, image))


def four_steps(path: str, reference: Image) -> tuple[float, float, float, float]:
    """Read a file; return Laplacian variance, SNR, and the shift dx, dy in px, and nothing else."""
    image = read(path)
    return (sharpness(image), snr(image), *shift(reference, image))


def read(path: str) -> Image:
    """Read an image with OpenCV, unchanged."""
    image = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError("cannot read")
    return image


def sharpness(image: Image) -> float:
    """Variance of the Laplacian."""
    return float(cv2.Laplacian(image, cv2.CV_64F).var())


def snr(image: Image) -> float:
    """Signal-to-noise ratio: the autocorrelation by FFT, its noise-free top by the line through two lags."""
    centred = image.astype(np.float64) - image.mean()
    autocorrelation = np.fft.ifft2(np.abs(np.fft.fft2(centred)) ** 2).real
    signal = 2 * autocorrelation[0, 1] - autocorrelation[0, 2]
    return float(signal / (autocorrelation[0, 0] - signal))


def shift(reference: Image, image: Image) -> tuple[float, float]:
    """dx, dy in px by scikit-image's phase correlation, upsampled 100 times."""
    registration = peer("skimage.registration")
    back = registration.phase_cross_correlation(reference, image, upsample_factor=100)[0]
    return -float(back[1]), -float(back[0])


def tenengrad(image: Image) -> float:
    """Mean squared gradient."""
    gx, gy = cv2.Sobel(image, cv2.CV_64F, 1, 0), cv2.Sobel(image, cv2.CV_64F, 0, 1)
    return float((gx**2 + gy**2).mean())


def statistics(image: Image) -> tuple[float, ...]:
    """Mean, standard deviation, and five percentiles."""
    return (float(image.mean()), float(image.std()), *np.percentile(image, (1, 5, 50, 95, 99)).tolist())


def tails(image: Image) -> tuple[float, ...]:
    """Skewness, kurtosis, entropy in bits, and the shares of pixels at either end of the scale."""
    score = (image - image.mean()) / image.std()
    square = score * score  # numpy's ** 3 would take ten times as long
    share = np.histogram(image, 256)[0] / image.size
    share = share[share > 0]
    ends = (image == np.iinfo(image.dtype).min).mean(), (image == np.iinfo(image.dtype).max).mean()
    return (
        float((square * score).mean()),
        float((square * square).mean()),
        float(-(share * np.log2(share)).sum()),
        *map(float, ends),
    )


def edge_width(image: Image) -> float:
    """Contrast over the steepest slopes, px."""
    gx, gy = cv2.Sobel(image, cv2.CV_64F, 1, 0, scale=1 / 8), cv2.Sobel(image, cv2.CV_64F, 0, 1, scale=1 / 8)
    return float(np.ptp(np.percentile(image, (5, 95))) / np.percentile(np.hypot(gx, gy), 99))


def power_spectrum(image: Image) -> Image:
    """Power at each frequency, zero in the middle."""
    return np.abs(np.fft.fftshift(np.fft.fft2(image.astype(np.float64)))) ** 2


def radial_power(power: Image) -> list[float]:
    """Power per ring of frequencies."""
    y, x = np.indices(power.shape)
    radius = np.hypot(y - power.shape[0] // 2, x - power.shape[1] // 2).astype(int)
    mean = np.bincount(radius.ravel(), power.ravel()) / np.bincount(radius.ravel())
    return [float(value) for value in mean]


def ellipse(power: Image) -> tuple[float, float, float]:
    """Second moments of the spectrum: xx, xy, yy."""
    fy, fx = (np.fft.fftshift(np.fft.fftfreq(n)) for n in power.shape)
    y, x = fy[:, None], fx[None]
    xx, xy, yy = ((power * product).sum() / power.sum() for product in (x * x, x * y, y * y))
    return float(xx), float(xy), float(yy)


def line_shifts(image: Image) -> tuple[float, ...]:
    """Jitter of the lines by correlating each with the next, its strongest frequency, banding, slope."""
    lines = np.fft.rfft(image - image.mean(axis=1, keepdims=True))
    correlation = np.fft.irfft(lines[1:] * lines[:-1].conj())
    moved = (correlation.argmax(axis=1) + image.shape[1] // 2) % image.shape[1] - image.shape[1] // 2
    level = image.mean(axis=1)
    slope = np.polyfit(np.arange(len(level)), level, 1)[0]
    strongest = np.abs(np.fft.rfft(moved - moved.mean())).argmax()
    return float(moved.std()), float(strongest), float(np.diff(level).std()), float(slope)


def digest(path: str) -> float:
    """SHA-256 of the file, as a number."""
    return float(int(hashlib.sha256(Path(path).read_bytes()).hexdigest(), 16))


_kept: dict[str, Image] = {}  # a pool's process is handed its reference once


def keep_reference(path: str) -> None:
    """Read the reference of :func:`four_steps_of`; for the start of a process."""
    end_with_parent()
    _kept["reference"] = read(path)


def four_steps_of(path: str) -> tuple[float, float, float, float]:
    """Carry out the four steps with the reference this process keeps."""
    return four_steps(path, _kept["reference"])
