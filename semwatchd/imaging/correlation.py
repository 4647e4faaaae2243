"""Correlation of two frames over all shifts: the overlap-normalised kind, and plain phase correlation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Frame = NDArray[np.float32]
    Floats = NDArray[np.float64]

#: Largest shift searched, as a share of the frame. Beyond it less than a fifth of the frame overlaps.
SEARCH_SHARE = 0.55

FLAT = 1e-6  #: variance; a shared part with less contrast correlates with nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """One frame made ready to be correlated with others of its size.

    The arrays hold one element per shift of this frame against another: what this frame has in the part
    that both show. Seen from the other frame, the shift is the opposite, and the arrays run backwards.
    """

    frame: Frame
    mean: Frame  #: of the shared part
    deviation: Frame  #: of the shared part
    share: Frame  #: of the frame that is shared, 0..1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """A frame that others are correlated with."""

    overlap: Overlap
    spectrum: Frame  #: of the zero-padded frame, in OpenCV's packed form


def prepare_overlap(frame: Frame) -> Overlap:
    """Take the sums of a frame whose mean is about 0 and whose variance is about 1."""
    share = _share(*frame.shape)
    pixels = share * frame.size
    integrals = cv2.integral2(frame, sdepth=cv2.CV_64F, sqdepth=cv2.CV_64F)
    mean, mean_square = (_ends(_ends(cast("Floats", whole)).T).T / pixels for whole in integrals)
    variance = np.maximum(mean_square - mean * mean, FLAT).astype(np.float32)
    return Overlap(frame=frame, mean=mean.astype(np.float32), deviation=np.sqrt(variance), share=share)


def prepare_sought(frame: Frame) -> Sought:
    """Take sums and spectrum of a frame whose mean is about 0 and whose variance is about 1."""
    return Sought(overlap=prepare_overlap(frame), spectrum=_spectrum(frame, 0, 0))


def overlap_ncc(reference: Sought, moved: Overlap) -> Frame:
    """Normalised cross-correlation of the part two frames share, for every whole-pixel shift.

    Unlike phase correlation it keeps the weight of strong structure, and unlike circular correlation it
    does not favour small shifts.

    Returns
    -------
    Correlation (-1..1); the middle element belongs to a shift of zero, content further right or down in
    ``moved`` to larger indices.

    References
    ----------
    Padfield 2012, 10.1109/TIP.2011.2181402, with rectangles for masks, whose sums need no transform.
    """
    down, right = (_reach(length) for length in moved.frame.shape)  # so that no shift is negative
    product = cv2.mulSpectrums(_spectrum(moved.frame, down, right), reference.spectrum, 0, conjB=True)
    circular = cv2.dft(product, flags=cv2.DFT_INVERSE | cv2.DFT_SCALE | cv2.DFT_REAL_OUTPUT)
    cross = circular[: 2 * down + 1, : 2 * right + 1] / (moved.share * np.float32(moved.frame.size))
    mean, deviation = reference.overlap.mean[::-1, ::-1], reference.overlap.deviation[::-1, ::-1]
    ncc: Frame = np.clip((cross - mean * moved.mean) / (deviation * moved.deviation), -1.0, 1.0)
    return ncc


def phase_correlation(reference: Frame, moved: Frame) -> tuple[float, float, float]:
    """Plain phase correlation with a Hann window: dx, dy in px, and the response (0..1).

    Known to fail on noisy or nearly one-dimensional SEM frames; here for comparison only.

    References
    ----------
    Kuglin & Hines 1975; OpenCV ``phaseCorrelate``.
    """
    window = cv2.createHanningWindow((reference.shape[1], reference.shape[0]), cv2.CV_32F)
    # OpenCV 5 lays the window on its arguments themselves where their size suits its transform.
    (dx, dy), response = cv2.phaseCorrelate(reference.copy(), moved.copy(), window)
    return float(dx), float(dy), float(response)


def _spectrum(frame: Frame, down: int, right: int) -> Frame:
    """Spectrum of a frame placed so far down and right in a field of zeros."""
    rows, columns = frame.shape
    padded = np.zeros((_padded_length(rows), _padded_length(columns)), np.float32)
    padded[down : down + rows, right : right + columns] = frame
    return cast("Frame", cv2.dft(padded, dst=padded))


def _padded_length(length: int) -> int:
    """Long enough that no searched shift wraps around into another."""
    return cv2.getOptimalDFTSize(length + _reach(length))


def _reach(length: int) -> int:
    return int(SEARCH_SHARE * length)


@lru_cache(maxsize=64)
def _share(rows: int, columns: int) -> Frame:
    """Share of the frame that two frames both show, for each shift."""
    y, x = (1 - np.abs(np.arange(-_reach(n), _reach(n) + 1)) / n for n in (rows, columns))
    return np.outer(y, x).astype(np.float32)


def _ends(integral: Floats) -> Floats:
    """Sum over what is shared along the first axis: its beginning for shifts up, its end for shifts down."""
    reach = _reach(len(integral) - 1)
    return np.concatenate((integral[-reach - 1 : -1], integral[-1] - integral[: reach + 1]))
