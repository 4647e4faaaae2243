"""Correlation of two frames over all shifts: the overlap-normalised kind, and plain phase correlation."""

from __future__ import annotations

from dataclasses import dataclass
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

    shape: tuple[int, int]
    spectrum: Frame  #: of the zero-padded frame, in OpenCV's packed form
    pixels: Floats  #: in the shared part
    mean: Floats  #: of the shared part
    deviation: Floats  #: of the shared part


def prepare_overlap(frame: Frame) -> Overlap:
    """Spectrum and sums of a frame whose mean is about 0 and whose variance is about 1."""
    rows, columns = frame.shape
    padded = np.zeros((_padded_length(rows), _padded_length(columns)), np.float32)
    padded[:rows, :columns] = frame
    dy, dx = _shifts(rows), _shifts(columns)
    pixels = np.outer(rows - np.abs(dy), columns - np.abs(dx)).astype(np.float64)
    integrals = cv2.integral2(frame, sdepth=cv2.CV_64F, sqdepth=cv2.CV_64F)
    mean, mean_square = (_shared(cast("Floats", integral), dy, dx) / pixels for integral in integrals)
    return Overlap(
        shape=(rows, columns),
        spectrum=cast("Frame", cv2.dft(padded)),
        pixels=pixels,
        mean=mean,
        deviation=np.sqrt(np.maximum(mean_square - mean * mean, FLAT)),
    )


def overlap_ncc(reference: Overlap, moved: Overlap) -> tuple[Frame, Frame]:
    """Normalised cross-correlation of the part two frames share, for every whole-pixel shift.

    Unlike phase correlation it keeps the weight of strong structure, and unlike circular correlation it
    does not favour small shifts.

    Returns
    -------
    Correlation (-1..1) and overlap (share of the frame, 0..1); the middle element belongs to a shift of
    zero, content further right or down in ``moved`` to larger indices.

    References
    ----------
    Padfield 2012, 10.1109/TIP.2011.2181402, with rectangles for masks, whose sums need no transform.
    """
    rows, columns = reference.shape
    product = cv2.mulSpectrums(moved.spectrum, reference.spectrum, 0, conjB=True)
    circular = cv2.dft(product, flags=cv2.DFT_INVERSE | cv2.DFT_SCALE | cv2.DFT_REAL_OUTPUT)
    cross = circular[np.ix_(_shifts(rows), _shifts(columns))] / moved.pixels
    mean, deviation = reference.mean[::-1, ::-1], reference.deviation[::-1, ::-1]
    ncc = np.clip((cross - mean * moved.mean) / (deviation * moved.deviation), -1.0, 1.0)
    return ncc.astype(np.float32), (moved.pixels / (rows * columns)).astype(np.float32)


def phase_correlation(reference: Frame, moved: Frame) -> tuple[float, float, float]:
    """Plain phase correlation with a Hann window: dx, dy in px, and the response (0..1).

    Known to fail on noisy or nearly one-dimensional SEM frames; here for comparison only.

    References
    ----------
    Kuglin & Hines 1975; OpenCV ``phaseCorrelate``.
    """
    window = cv2.createHanningWindow((reference.shape[1], reference.shape[0]), cv2.CV_32F)
    (dx, dy), response = cv2.phaseCorrelate(reference, moved, window)
    return float(dx), float(dy), float(response)


def _padded_length(length: int) -> int:
    """Long enough that no searched shift wraps around into another."""
    return cv2.getOptimalDFTSize(length + _reach(length))


def _reach(length: int) -> int:
    return int(SEARCH_SHARE * length)


def _shifts(length: int) -> NDArray[np.intp]:
    return np.arange(-_reach(length), _reach(length) + 1)


def _shared(integral: Floats, dy: NDArray[np.intp], dx: NDArray[np.intp]) -> Floats:
    """Sum over the rows from max(0, dy) on and the columns from max(0, dx) on that both frames have."""
    rows, columns = integral.shape[0] - 1, integral.shape[1] - 1
    top, bottom = np.maximum(dy, 0), np.minimum(rows + dy, rows)
    left, right = np.maximum(dx, 0), np.minimum(columns + dx, columns)
    within_rows = integral[bottom] - integral[top]
    return cast("Floats", within_rows[:, right] - within_rows[:, left])
