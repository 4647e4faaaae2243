"""Batches that fail: whose fault it was is found out, and everybody else is answered.

Knows nothing of networks: ``run`` answers a batch, one answer per item, or raises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

Run = Callable[[Sequence[T]], Sequence[R]]


class OutOfMemoryError(Exception):
    """The device has no room for a batch of this size."""


class SickDeviceError(Exception):
    """The device does not answer a known question as it should; nothing is said about any image."""


class Batcher(Generic[T, R]):
    """Answers any number of items of one size, in batches that fit the device.

    Parameters
    ----------
    healthy
        Asks the device something whose answer is known.
    most
        Items in a batch.
    room_px
        Pixels in a batch; shrinks where memory is short. A single item is tried whatever its size.
    """

    def __init__(self, run: Run[T, R], healthy: Callable[[], bool], most: int, room_px: int) -> None:
        self._run = run
        self._healthy = healthy
        self._most = most
        self.room_px = room_px
        self.halvings = 0  #: how often memory was short

    def answers(self, items: Sequence[T], pixels_each: int) -> list[R | Exception]:
        """Answer every item, or give the exception that this item raises even alone.

        Raises
        ------
        SickDeviceError
            It is the device that fails; the items may be asked again later.
        OutOfMemoryError
            Not even one item has room.
        """
        found: list[R | Exception] = []
        while len(found) < len(items):
            size = max(1, min(self._most, self.room_px // pixels_each))
            batch = items[len(found) : len(found) + size]
            try:
                found += self._bisected(batch)
            except OutOfMemoryError:
                if len(batch) == 1:
                    raise
                self.room_px = len(batch) // 2 * pixels_each
                self.halvings += 1
        return found

    def _bisected(self, batch: Sequence[T]) -> list[R | Exception]:
        try:
            return list(self._run(batch))
        except OutOfMemoryError:
            raise
        except Exception as error:  # whatever a library raises, one image is to blame, or the device
            if not self._healthy():
                raise SickDeviceError(f"the device fails ({error}), and a known image too") from error
            if len(batch) == 1:
                return [error.with_traceback(None)]  # which would hold on to the batch
        middle = len(batch) // 2
        return self._bisected(batch[:middle]) + self._bisected(batch[middle:])
