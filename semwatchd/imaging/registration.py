"""Where has the picture's content moved to? Sub-pixel, with an uncertainty, and never guessed.

One picture goes through three steps. (1) Coarse: overlap-normalised correlation of small copies over all
shifts. (2) Fine: at each finer copy the shared part of both frames is cut out, windowed and transformed,
and the maximum of the weighted cross-correlation is climbed to with Newton's method. (3) Check: the
shared part of both pictures, laid over each other, must look alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from semwatchd.imaging.band import NARROW_BAND, WIDE_BAND
from semwatchd.imaging.certainty import certainty
from semwatchd.imaging.checks import require_frame
from semwatchd.imaging.correlation import (
    Sought,
    overlap_ncc,
    phase_correlation,
    prepare_overlap,
    prepare_sought,
)
from semwatchd.imaging.levels import MIN_SIZE_PX, levels_of
from semwatchd.imaging.likeness import LEAST_QUALITY, likeness
from semwatchd.imaging.peak import Anchor, Peak, anchor, climb

if TYPE_CHECKING:
    from semwatchd.imaging.band import Floats
    from semwatchd.imaging.correlation import Frame
    from semwatchd.imaging.differences import Pixels

#: Of a repeating pattern several shifts fit nearly as well; those this good are looked at more closely.
#: A jump by half the frame along both axes leaves a quarter of it to tell by, and a narrow peak that whole
#: pixels miss by a half along both axes loses most of the rest.
RIVAL_SHARE = 0.05
MOST_RIVALS = 2  #: of those that fit best, and of the nearest
RIVAL_DISTANCE_PX = 1  #: in the coarse copy; closer than this they are one peak, but a fine lattice is not
#: Times the best one's unexplained variance; a scan's distortion alone makes a smaller overlap fit 3 times
#: better, so what lies between decides nothing.
TIED = 4.0
TELLING = 0.7  #: of the most information; a defect spoils the likeness, but of few frequencies
CLEARLY_BETTER = 2.0  #: a further repetition with so much less unexplained contradicts the nearest
SAMPLED = 0.002  #: of the variance; so much may be left of equal pictures that are sampled differently
ALIKE = 0.01  #: of the variance; a changed gamma or scan leaves so much unexplained at the right shift too

#: Curvature of the peak over its own deviation. Unrelated pictures reached 4.5 in 400 trials; related ones
#: with an SNR of 1 and 40 % of the frame lost started at 5.
SIGNIFICANT = 6.0
WEAK_SIGMA_PX = 0.5  #: an axis known no better than this is not known to sub-pixel accuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A reference picture with everything about it that need not be computed per image."""

    pixels: Pixels
    levels: tuple[Frame, ...]  #: copies of mean 0 and variance 1, finest first; none of a blank picture
    anchors: tuple[Anchor, ...]  #: one per level
    sought: tuple[Sought, ...]  #: one per level


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Displacement of the content from the reference to the picture, in px of the full picture.

    ``sigma_*`` is one standard deviation, from the scatter of the phases about the fit.
    """

    dx_px: float  #: to the right
    dy_px: float  #: down
    sigma_x_px: float
    sigma_y_px: float
    quality: float  #: normalised cross-correlation of the overlap, -1..1
    weak_axis: bool  #: along some direction the structure does not suffice to locate the shift
    ambiguous: bool  #: the pattern repeats: a shift not even twice as long fits nearly as well, or one better


def prepare_reference(pixels: Pixels) -> Reference:
    """Make copies and spectra of a reference picture.

    Parameters
    ----------
    pixels
        Finite, at least 16 px along both axes.
    """
    require_frame(pixels, MIN_SIZE_PX)
    levels = levels_of(pixels)
    return Reference(
        pixels=pixels,
        levels=levels,
        anchors=tuple(
            anchor(level, NARROW_BAND if number else WIDE_BAND) for number, level in enumerate(levels)
        ),
        sought=tuple(prepare_sought(level) for level in levels),
    )


def register(reference: Reference, pixels: Pixels) -> Shift | None:
    """Find where the content of the reference is in ``pixels``; None if it was not found again.

    Good for shifts up to about half the frame. Gain and offset of either picture drop out.

    Parameters
    ----------
    pixels
        Finite, at least 16 px along both axes. If the sizes differ, the top left part that both have is used.
    """
    require_frame(pixels, MIN_SIZE_PX)
    if pixels.shape != reference.pixels.shape:
        rows, columns = (min(sizes) for sizes in zip(pixels.shape, reference.pixels.shape, strict=True))
        pixels, reference = pixels[:rows, :columns], prepare_reference(reference.pixels[:rows, :columns])
    levels = levels_of(pixels)
    if not levels or not reference.levels:
        return None
    down = max(pixels.shape) // max(levels[0].shape)
    # A fine texture averages away in the coarsest copy, so the search may have to start from a finer one.
    for start in reversed(range(len(levels))):
        shift = _search(reference, levels, start, down)
        if shift is not None:
            return shift
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainShift:
    """A displacement as plain phase correlation gives it: without an uncertainty."""

    dx_px: float  #: to the right
    dy_px: float  #: down
    quality: float  #: normalised cross-correlation of the overlap, -1..1


def register_by_phase(reference: Pixels, pixels: Pixels) -> PlainShift | None:
    """Find the shift by plain phase correlation; None where the overlap bears it out no better than chance.

    For comparison with other tools: on noisy frames it is 5 to 50 times less exact than :func:`register`.

    Parameters
    ----------
    reference, pixels
        Finite, at least 16 px along both axes. If the sizes differ, the top left part that both have is used.
    """
    require_frame(reference, MIN_SIZE_PX)
    require_frame(pixels, MIN_SIZE_PX)
    rows, columns = (min(sizes) for sizes in zip(pixels.shape, reference.shape, strict=True))
    a, b = (part[:rows, :columns].astype(np.float32) for part in (reference, pixels))
    dx, dy, _ = phase_correlation(a, b)
    quality = likeness(a, b, np.array([dy, dx]))
    return PlainShift(dx_px=dx, dy_px=dy, quality=quality) if quality >= LEAST_QUALITY else None


def _search(reference: Reference, levels: tuple[Frame, ...], start: int, down: int) -> Shift | None:
    """Run from the copies at ``start`` straight to the finest; None unless the result stands up."""
    moved = prepare_overlap(levels[start])
    candidates = _candidates(overlap_ncc(reference.sought[start], moved), moved.share)
    climbed = [climb(reference.anchors[start], levels[start], shift) for shift in candidates]
    peaks = [peak for peak in climbed if peak is not None]
    if not peaks:
        return None
    tied = _tied(peaks)
    best: Peak | None = tied[0]
    if best is not None and start > 0:
        best = climb(reference.anchors[0], levels[0], best.shift * 2**start)
    if best is None:
        return None
    shift = _checked(best, reference.levels, levels, down)
    return shift and replace(shift, ambiguous=_in_doubt(tied))


def _tied(peaks: list[Peak]) -> list[Peak]:
    """Keep the peaks that leave about as little of the picture unexplained as the best, shortest shift first.

    Of the repetitions of a pattern the nearest is the likeliest: pictures drift more often than they jump.
    """
    least = min(_unexplained(peak) for peak in peaks)
    most = max(peak.information for peak in peaks)
    tied = [p for p in peaks if _unexplained(p) <= TIED * least + ALIKE or p.information >= TELLING * most]
    return sorted(tied, key=_length)


def _unexplained(peak: Peak) -> float:
    return 1 - max(0.0, peak.likeness) ** 2


def _in_doubt(tied: list[Peak]) -> bool:
    """Tell whether the next repetition is not clearly further away than the nearest, or any fits better."""
    if len(tied) < 2:
        return False
    least = min(_unexplained(peak) for peak in tied)
    contradicted = _unexplained(tied[0]) > CLEARLY_BETTER * least + SAMPLED
    return contradicted or _length(tied[1]) < 2 * _length(tied[0])


def _length(peak: Peak) -> float:
    return float(np.hypot(*peak.shift))


def _checked(peak: Peak, reference: tuple[Frame, ...], moved: tuple[Frame, ...], down: int) -> Shift | None:
    """Put a peak into px of the full picture, if peak and pictures bear it out."""
    averaged = 0 if down > 1 else min(1, len(moved) - 1)  # less noise, still most of the structure
    quality = likeness(reference[averaged], moved[averaged], peak.shift / 2**averaged)
    if quality < LEAST_QUALITY:
        return None
    known = certainty(peak)
    sigma_y, sigma_x = (math.sqrt(max(float(v), 0.0)) for v in np.diag(known.covariance))
    flattest, steepest = known.significance
    least_sigma = math.sqrt(max(float(np.linalg.eigvalsh(known.covariance)[0]), 0.0))
    if steepest < SIGNIFICANT or least_sigma > WEAK_SIGMA_PX:
        return None
    return Shift(
        dx_px=float(peak.shift[1]) * down,
        dy_px=float(peak.shift[0]) * down,
        sigma_x_px=sigma_x * down,
        sigma_y_px=sigma_y * down,
        quality=quality,
        weak_axis=flattest < SIGNIFICANT or max(sigma_x, sigma_y) * down > WEAK_SIGMA_PX,
        ambiguous=False,
    )


def _candidates(ncc: Frame, shared: Frame) -> list[Floats]:
    """Shifts (y, x) in px worth a closer look, refined by parabolas.

    Taken is the maximum at which the correlation says most. That is ``-log(1 - ncc**2)`` per pixel (in
    nats, for normal grey levels), so that a good match of half the frame can win over a mediocre one of
    all of it. Of a repeating pattern that still favours the nearest repetition, so the maxima with
    the highest correlation are taken too; and the nearest, which whole pixels may miss by more than one that
    lies further away.
    """
    positive = np.maximum(ncc, 0)
    score = -shared * np.log1p(-np.minimum(np.square(positive), 0.9999))
    size = 2 * RIVAL_DISTANCE_PX + 1
    summits = (score > 0) & (score >= cv2.dilate(score, np.ones((size, size), np.uint8)))
    summits &= score >= RIVAL_SHARE * score.max()
    y, x = np.divmod(np.flatnonzero(summits), ncc.shape[1])
    by_score, by_ncc = np.argsort(-score[y, x]), np.argsort(-ncc[y, x])
    nearest = np.argsort(np.hypot(y - ncc.shape[0] // 2, x - ncc.shape[1] // 2))[:MOST_RIVALS]
    ranks = (by_score[:1], by_ncc[:MOST_RIVALS], nearest)
    chosen = dict.fromkeys(index for rank in ranks for index in rank.tolist())
    return [np.array([_vertex(ncc[:, x[i]], int(y[i])), _vertex(ncc[y[i]], int(x[i]))]) for i in chosen]


def _vertex(line: Frame, index: int) -> float:
    """Top of the parabola through a maximum and its neighbours, counted from the middle of the line."""
    offset = 0.0
    if 0 < index < len(line) - 1:
        before, at, after = (float(value) for value in line[index - 1 : index + 2])
        bend = before - 2 * at + after
        offset = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return index - len(line) // 2 + min(0.5, max(-0.5, offset))
