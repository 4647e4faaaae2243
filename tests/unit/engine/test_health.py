from __future__ import annotations

from semwatchd.engine.health import LEVEL, Health, HealthBoard
from tests.fakes import FakeClock, ListLog


def test_an_empty_board_is_ready() -> None:
    assert HealthBoard(FakeClock(), ListLog()).ready


def test_degraded_is_not_unready_and_failed_is() -> None:
    board = HealthBoard(FakeClock(), ListLog())
    seen = []
    for part, state in (
        ("mes.line3", Health.DEGRADED),
        ("journal", Health.FAILED),
        ("journal", Health.OK),
    ):
        board.set(part, state, "why", "what to do")
        seen.append(board.ready)
    assert seen == [True, False, True]


def test_since_moves_with_the_state_and_not_with_the_reason() -> None:
    clock = FakeClock(100.0)
    board = HealthBoard(clock, ListLog())
    board.set("disk", Health.DEGRADED, "8 % free")
    clock.advance(50.0)
    board.set("disk", Health.DEGRADED, "7 % free")
    part = board.snapshot()["disk"]
    assert (part.since, part.reason) == (100.0, "7 % free")
    board.set("disk", Health.OK)
    assert board.snapshot()["disk"].since == 150.0


def test_a_dropped_part_is_forgotten_and_one_that_was_never_there_is_no_matter() -> None:
    board = HealthBoard(FakeClock(), ListLog())
    board.set("watch:/old", Health.FAILED)
    board.drop("watch:/old")
    board.drop("watch:/never")
    assert board.snapshot() == {}
    assert board.ready


def test_each_change_is_logged_once() -> None:
    log = ListLog()
    board = HealthBoard(FakeClock(), log)
    for _ in range(3):
        board.set("disk", Health.DEGRADED, "8 % free", "free some space")
    board.set("disk", Health.OK)
    assert [(level, fields["state"]) for level, _, fields in log.lines] == [
        ("warning", "degraded"),
        ("info", "ok"),
    ]


def test_a_snapshot_stays_as_it_was_taken() -> None:
    board = HealthBoard(FakeClock(), ListLog())
    board.set("b", Health.OK)
    board.set("a", Health.OK)
    before = board.snapshot()
    board.set("c", Health.OK)
    assert list(before) == ["a", "b"]


def test_the_worse_a_part_fares_the_higher_its_level() -> None:
    assert LEVEL[Health.OK] == 0 < LEVEL[Health.DEGRADED] < LEVEL[Health.FAILED]
