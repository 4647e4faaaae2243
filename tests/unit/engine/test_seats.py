from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from semwatchd.engine.messages import Seat
from semwatchd.engine.seats import Seats

PLACES = 5


class SeatsMachine(RuleBasedStateMachine):
    """Whatever happens in whatever order, no place is lost, none is lent twice, and no ticket comes again."""

    def __init__(self) -> None:
        super().__init__()
        self.seats = Seats(PLACES)
        self.lent: list[Seat] = []
        self.ever: list[Seat] = []

    @rule()
    def lend(self) -> None:
        seat = self.seats.lend()
        assert (seat is None) == (len(self.lent) == PLACES)
        if seat is not None:
            assert seat.slot not in {other.slot for other in self.lent}
            assert seat.ticket > max((other.ticket for other in self.ever), default=0)
            self.lent.append(seat)
            self.ever.append(seat)

    @rule(which=st.integers(0, 1000))
    def give_back_once_or_more(self, which: int) -> None:
        if self.ever:
            seat = self.ever[which % len(self.ever)]
            self.seats.give_back(seat)
            self.lent = [other for other in self.lent if other != seat]

    @invariant()
    def nothing_is_lost(self) -> None:
        assert self.seats.free + len(self.lent) == PLACES


TestSeats = SeatsMachine.TestCase
TestSeats.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
