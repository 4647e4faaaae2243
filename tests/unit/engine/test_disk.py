"""Room runs out step by step and comes back; each step acts once, and none flutters."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semwatchd.engine.disk import GIB, LEAVE_AT, DiskGuard, DiskLevel, begins_below, level_after
from semwatchd.engine.health import Health, HealthBoard
from tests.fakes import ListLog

AMPLE, LOW, SCARCE, FULL = DiskLevel
TOTAL = 10 * GIB
SIZE = 16 * 1024**2


@pytest.mark.parametrize(
    ("free_share", "level"),
    [(1.0, AMPLE), (0.1, AMPLE), (0.099, LOW), (0.049, SCARCE), (0.019, FULL), (0.0, FULL)],
)
def test_the_steps_down(free_share: float, level: DiskLevel) -> None:
    assert level_after(AMPLE, int(free_share * TOTAL), TOTAL) is level


def test_a_large_disk_is_not_full_while_it_has_gigabytes() -> None:
    assert level_after(AMPLE, 30 * GIB, 4000 * GIB) is AMPLE
    assert level_after(AMPLE, 9 * GIB, 4000 * GIB) is LOW


def test_a_step_up_wants_some_room_more() -> None:
    assert level_after(LOW, int(0.11 * TOTAL), TOTAL) is LOW
    assert level_after(LOW, int(0.121 * TOTAL), TOTAL) is AMPLE
    assert level_after(FULL, int(0.023 * TOTAL), TOTAL) is FULL
    assert level_after(FULL, int(0.03 * TOTAL), TOTAL) is SCARCE


@given(before=st.sampled_from(DiskLevel), free=st.integers(0, TOTAL), more=st.integers(0, TOTAL))
def test_more_room_is_never_a_worse_level(before: DiskLevel, free: int, more: int) -> None:
    level = level_after(before, free, TOTAL)
    assert level_after(before, min(TOTAL, free + more), TOTAL) <= level
    assert level_after(level, free, TOTAL) is level


@dataclass
class Machine:
    """A disk, a reserve and whoever begins jobs, all on paper."""

    free: int = TOTAL
    spent: bool = False
    size_bytes: int = SIZE
    paused: bool = False
    board: HealthBoard = field(default_factory=lambda: HealthBoard(lambda: 0.0, ListLog()))

    def restore(self) -> None:
        self.spent = False

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def state(self) -> Health:
        return self.board.snapshot()["disk"].state


def test_a_full_disk_stops_new_work_until_there_is_room() -> None:
    machine = Machine()
    guard = DiskGuard(lambda: (machine.free, TOTAL), machine, machine, machine.board)
    seen = []
    for share in (0.5, 0.08, 0.04, 0.01, 0.022, 0.03, 0.5):
        machine.free = int(share * TOTAL)
        guard.look()
        seen.append((guard.level, machine.paused, machine.state()))
    assert seen == [
        (AMPLE, False, Health.OK),
        (LOW, False, Health.DEGRADED),
        (SCARCE, False, Health.DEGRADED),
        (FULL, True, Health.FAILED),
        (FULL, True, Health.FAILED),
        (SCARCE, False, Health.DEGRADED),
        (AMPLE, False, Health.OK),
    ]
    assert machine.board.snapshot()["disk"].reason == ""


def test_the_reserve_is_no_room_to_begin_work_in() -> None:
    total = 200 * 1024**2  # so small that the reserve alone would lift it above 2 %
    machine = Machine(free=SIZE, spent=True)
    guard = DiskGuard(lambda: (machine.free, total), machine, machine, machine.board)
    guard.look()
    assert (guard.level, machine.paused, machine.spent) == (FULL, True, True)
    assert "MB are free" in machine.board.snapshot()["disk"].reason
    machine.free = int(LEAVE_AT * begins_below(LOW, total)) + SIZE + 1
    guard.look()
    assert (guard.level, machine.paused, machine.spent) == (AMPLE, False, False)
