"""The plain recipe: what a user writes in an afternoon, from the libraries' own examples."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from semwatchd.offline.bench.child import end_with_parent
from semwatchd.offline.bench.peers import peer

Image = NDArray[Any]


def recipe(path: str, reference: Image) -> tuple[float, ...]:
    """Read a file; return the quantities that the product measures, each in the plain way."""
    image = read(path)
    more = (tenengrad(image), *statistics(image), *radial_power(image))
    return (sharpness(image), snr(image), *shift(reference, image), *more)


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


def radial_power(image: Image) -> list[float]:
    """Power per ring of frequencies."""
    power = np.abs(np.fft.fftshift(np.fft.fft2(image.astype(np.float64)))) ** 2
    y, x = np.indices(power.shape)
    radius = np.hypot(y - power.shape[0] // 2, x - power.shape[1] // 2).astype(int)
    mean = np.bincount(radius.ravel(), power.ravel()) / np.bincount(radius.ravel())
    return [float(value) for value in mean]


_kept: dict[str, Image] = {}  # a pool's process is handed its reference once


def keep_reference(path: str) -> None:
    """Read the reference of :func:`four_steps_of`; for the start of a process."""
    end_with_parent()
    _kept["reference"] = read(path)


def four_steps_of(path: str) -> tuple[float, float, float, float]:
    """Carry out the four steps with the reference this process keeps."""
    return four_steps(path, _kept["reference"])
