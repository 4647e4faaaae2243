"""Large pictures in tiles of one size whose answers fit together as if there were none.

What a network says of a pixel depends on its surroundings, so tiles overlap by a halo whose answers are
thrown away. A network that halves its input ``levels`` times is also sure of its grid: tiles begin at
multiples of 2**levels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semwatchd.core.image import Pixels

CORE_PX = 256  # a smaller core spends more on its halo than on itself
HALO_STEPS = 6  # of the coarsest grid: 24 px for two levels, after which the error no longer falls


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """What is shown to the network, and which part of the answer counts."""

    shown: tuple[slice, slice]  #: of the padded picture
    kept: tuple[slice, slice]  #: of the picture
    inner: tuple[slice, slice]  #: of the answer


def padded(pixels: Pixels, step: int) -> Pixels:
    """Continue by reflection, to the right and below, to multiples of ``step``: as the networks do it."""
    rows, columns = pixels.shape
    continued = np.pad(pixels, ((0, -rows % step), (0, -columns % step)), mode="reflect")
    return cast("Pixels", continued)


def tiles(rows: int, columns: int, step: int, core_px: int = CORE_PX) -> Iterator[Tile]:
    """Cover a picture. All tiles are of one size, but along an axis that needs only one.

    Parameters
    ----------
    rows, columns
        Of the picture before it was padded.
    step
        ``2**levels``; ``core_px`` is a multiple of it.
    """
    for top in _spans(rows, step, core_px):
        for left in _spans(columns, step, core_px):
            yield Tile(
                shown=(top.shown, left.shown), kept=(top.kept, left.kept), inner=(top.inner, left.inner)
            )


@dataclass(frozen=True, slots=True)
class _Span:
    shown: slice
    kept: slice
    inner: slice


def _spans(length: int, step: int, core_px: int) -> Iterator[_Span]:
    """Along one axis. At the border there is no halo, and the tile begins or ends with the picture."""
    halo, whole = HALO_STEPS * step, length + -length % step
    size = min(whole, core_px + 2 * halo)
    for first in range(0, length, core_px):
        start = min(max(0, first - halo), whole - size)
        reaches_the_end = start + size == whole
        last = length if reaches_the_end else first + core_px
        yield _Span(slice(start, start + size), slice(first, last), slice(first - start, last - start))
        if reaches_the_end:
            return


def joined(
    answers: Sequence[NDArray[np.float32]], places: Sequence[Tile], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Put the answers together to a map of the picture's shape."""
    whole = np.empty(shape, np.float32)
    for answer, tile in zip(answers, places, strict=True):
        whole[tile.kept] = answer[tile.inner]
    return whole
