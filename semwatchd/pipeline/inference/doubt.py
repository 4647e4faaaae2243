"""How far a network contradicts itself: upside down, a surface is as deep as before.

Upside down and not left to right: what charging draws out along a scan line stays as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semwatchd.core.image import Pixels
    from semwatchd.pipeline.inference.model import DepthModel

    Depth = NDArray[np.float32]

#: Of the part that is asked again: no less than the pictures that the limit was learned from, and a quarter
#: of the work for a usual crop.
SIDE_PX = 128
BORDER_PX = 24  # of that part, where it knows less of its surroundings than the whole picture did


@dataclass(frozen=True, slots=True)
class _Part:
    shown: slice
    judged: slice  # of what is shown


def disagreements_nm(
    model: DepthModel, pictures: Sequence[Pixels], depths: Sequence[Depth]
) -> list[float | None]:
    """Ask for the middle of each picture upside down; return the mean difference from its depth, in nm.

    None where the network has no answer to that.

    Parameters
    ----------
    depths
        What ``model`` says of the pictures.
    """
    parts = [[_part(length) for length in pixels.shape] for pixels in pictures]
    middles = [pixels[y.shown, x.shown] for pixels, (y, x) in zip(pictures, parts, strict=True)]
    turned = model.depths([np.flipud(middle) for middle in middles])
    return [
        None if isinstance(again, Exception) else _apart_nm(depth[y.shown, x.shown], np.flipud(again), y, x)
        for depth, again, (y, x) in zip(depths, turned, parts, strict=True)
    ]


def _part(length: int) -> _Part:
    if length <= SIDE_PX:
        return _Part(slice(0, length), slice(0, length))
    start = (length - SIDE_PX) // 2
    return _Part(slice(start, start + SIDE_PX), slice(BORDER_PX, SIDE_PX - BORDER_PX))


def _apart_nm(one: Depth, other: Depth, y: _Part, x: _Part) -> float:
    return float(np.abs(one - other)[y.judged, x.judged].mean())
