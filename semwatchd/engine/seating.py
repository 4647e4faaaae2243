"""The worker's side of the slab: a job's picture is left in the seat that came with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from semwatchd.engine.ring import Slab

if TYPE_CHECKING:
    from semwatchd.core.image import Pixels
    from semwatchd.engine.messages import Seat


class Seating:
    """Takes the picture of one task, where the task has a seat; otherwise lets it go."""

    def __init__(self, slab: Slab | None, seat: Seat | None) -> None:
        self._slab = slab
        self._seat = seat
        self.done = False  #: the picture lies in the seat, whole

    def __call__(self, shown: Pixels | str) -> Sequence[str]:
        """Leave what is to be shown to the network, or hear why there is nothing; return words about it."""
        if self._slab is None or self._seat is None:
            return ()  # the supervisor knows why
        if isinstance(shown, str):
            return (f"no depth: {shown}",)
        if shown.nbytes > self._slab.picture_bytes:
            return (_too_large(shown.nbytes, self._slab.picture_bytes),)
        rows, columns = shown.shape
        self._slab.put(self._seat.slot, self._seat.ticket, (rows, columns), str(shown.dtype), shown.data)
        self.done = True
        return ()


def _too_large(wanted: int, there_is: int) -> str:
    return (
        f"no depth: the part to be shown takes {wanted / 1e6:.1f} MB, a seat has {there_is / 1e6:.1f} MB; "
        "let the plan show less of the picture, or raise depth.max_megapixels"
    )
