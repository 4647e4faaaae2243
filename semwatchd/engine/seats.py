"""Whose each place of the slab is. Lives in the supervisor; nobody else decides."""

from __future__ import annotations

from collections import deque
from itertools import count

from semwatchd.engine.messages import Seat


class Seats:
    """Places for pictures, lent one by one.

    One thread may lend while another gives back. A place lent to a process that dies must not be given back
    before it is dead: a hung one may still write.
    """

    def __init__(self, slots: int) -> None:
        self._free = deque(range(slots))
        self._tickets = count(1)
        self._lent: set[int] = set()  # tickets

    @property
    def free(self) -> int:
        """How many could be lent now."""
        return len(self._free)

    def lend(self) -> Seat | None:
        """Lend a place under a ticket that was never used before; None where all are out."""
        try:
            seat = Seat(slot=self._free.popleft(), ticket=next(self._tickets))
        except IndexError:
            return None
        self._lent.add(seat.ticket)
        return seat

    def give_back(self, seat: Seat) -> None:
        """Take a place back; one that has been given back already stays free."""
        if seat.ticket in self._lent:
            self._lent.remove(seat.ticket)
            self._free.append(seat.slot)
