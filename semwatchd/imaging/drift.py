"""How far the content moved while a frame was being scanned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from semwatchd.imaging.checks import require_frame
from semwatchd.imaging.levels import MIN_SIZE_PX
from semwatchd.imaging.registration import Reference, Shift, prepare_reference, register

if TYPE_CHECKING:
    from semwatchd.imaging.differences import Pixels

LEAST_ROWS = 2 * MIN_SIZE_PX


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Movement from the first line to the last, px of the frame; +x right, +y down."""

    dx_px: float
    dy_px: float


def prepare_halves(pixels: Pixels) -> tuple[Reference, Reference]:
    """Make the upper and the lower half of a reference picture ready to be found again.

    Parameters
    ----------
    pixels
        Finite, at least 32 px along both axes.
    """
    require_frame(pixels, LEAST_ROWS)
    middle = len(pixels) // 2
    return prepare_reference(pixels[:middle]), prepare_reference(pixels[middle:])


def frame_drift(halves: tuple[Reference, Reference], pixels: Pixels) -> Drift | None:
    """Compare the shift of the upper half with that of the lower; their middles are half a frame apart.

    A frame alone cannot tell drift from a slanted specimen, so it is drift against the reference, which has
    its own.

    Parameters
    ----------
    pixels
        Of the reference's shape.

    Returns
    -------
    None where a half was not found again, or not for certain.
    """
    require_frame(pixels, LEAST_ROWS)
    middle = len(pixels) // 2
    upper, lower = _certain(halves[0], pixels[:middle]), _certain(halves[1], pixels[middle:])
    if upper is None or lower is None:
        return None
    return Drift(dx_px=2 * (lower.dx_px - upper.dx_px), dy_px=2 * (lower.dy_px - upper.dy_px))


def _certain(half: Reference, pixels: Pixels) -> Shift | None:
    shift = register(half, pixels)
    return None if shift is None or shift.weak_axis or shift.ambiguous else shift
