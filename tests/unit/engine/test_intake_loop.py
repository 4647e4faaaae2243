from __future__ import annotations

import threading

import pytest

from semwatchd.core.plan import Plan
from semwatchd.core.ports import FolderHealth, FolderState, Sight
from semwatchd.engine.intake import STEP_LIMIT, Intake
from semwatchd.engine.intake_loop import HINTS_PER_TURN, RUSH_S, IntakeLoop
from semwatchd.engine.watched import WatchedFolder
from tests.fakes import FakeClock, ListLog, RecordingTelemetry
from tests.fakes_intake import FakeDisk, FakeSource, MemorySightingLog

ROOT = "/watched"


class Bench:
    def __init__(self, max_settling: int = 100) -> None:
        self.clock = FakeClock(1000.0)
        self.disk, self.log, self.source = FakeDisk(), MemorySightingLog(), FakeSource()
        self.telemetry, self.lines = RecordingTelemetry(), ListLog()
        self.reported: list[FolderHealth] = []
        self.intake = Intake(
            [WatchedFolder(root=ROOT, tool="SEM-1", plan=Plan())],
            log=self.log,
            probe=self.disk,
            clock=self.clock,
            telemetry=self.telemetry,
            logger=self.lines,
            max_settling=max_settling,
        )
        self.loop = IntakeLoop(
            self.intake,
            self.source,
            clock=self.clock,
            telemetry=self.telemetry,
            logger=self.lines,
            report=self.reported.append,
        )

    def hint(self, *names: str) -> None:
        self.source.hints += [Sight(ROOT, name, "event") for name in names]

    def turn(self, times: int = 1, seconds: float = 1.0) -> None:
        for _ in range(times):
            self.loop.turn()
            self.clock.advance(seconds)


def test_hints_become_jobs_turn_by_turn() -> None:
    bench = Bench()
    bench.disk.write("a.tif")
    bench.hint("a.tif")
    bench.turn(4)
    assert bench.log.names() == ["a.tif"]
    assert bench.telemetry.named("beat") == [("intake",)] * 4


def test_without_room_hints_wait_in_the_source_and_none_is_lost() -> None:
    bench = Bench(max_settling=3)
    names = [f"{number}.tif" for number in range(10)]
    for name in names:
        bench.disk.write(name)
    bench.hint(*names)
    bench.turn()
    assert len(bench.source.hints) == 7
    bench.turn(20)
    assert bench.log.names() == names


def test_a_lost_folder_is_told_once_and_its_files_wait() -> None:
    bench = Bench()
    bench.disk.write("a.tif")
    bench.hint("a.tif")
    bench.turn()
    lost = FolderHealth(root=ROOT, state=FolderState.LOST, reason="gone", todo="mount it")
    bench.source.health = [lost]
    bench.disk.files.clear()
    bench.turn(60)
    assert bench.reported == [lost]
    assert bench.log.gone == []
    bench.source.health = [FolderHealth(root=ROOT)]
    bench.turn(60)
    assert [health.state for health in bench.reported] == [FolderState.LOST, FolderState.OK]
    assert bench.log.gone == ["a.tif"]
    assert bench.lines.events() == ["folder_lost", "folder_ok"]


@pytest.mark.parametrize("stall_s", [0.0, 10.0])
def test_a_stalled_turn_does_not_take_a_lost_folder_for_vanished_files(stall_s: float) -> None:
    bench = Bench()
    bench.disk.write("a.tif")
    bench.hint("a.tif")
    bench.turn(2)
    bench.disk.files.clear()
    bench.turn()
    bench.source.health = [FolderHealth(root=ROOT, state=FolderState.LOST)]
    bench.clock.advance(stall_s)
    bench.turn(20)
    assert bench.log.gone == []


def test_an_error_nobody_foresaw_ends_the_loop() -> None:
    bench = Bench()
    bench.source.error = RuntimeError("a scan died")
    with pytest.raises(RuntimeError, match="a scan died"):
        bench.loop.run(threading.Event())


def test_running_begins_with_what_was_left_and_ends_when_told() -> None:
    bench = Bench()
    bench.log.open[ROOT, "a.tif"] = bench.disk.write("a.tif").stamp
    stop = threading.Event()
    stop.set()
    bench.loop.run(stop)
    assert bench.intake.settling == 1


def test_a_rescan_is_passed_on() -> None:
    bench = Bench()
    bench.loop.rescan(ROOT)
    bench.loop.rescan()
    assert bench.source.wished == [ROOT, None]


def test_a_loop_that_is_stopped_is_expected_to_turn_no_more() -> None:
    bench, stop = Bench(), threading.Event()
    stop.set()
    bench.loop.run(stop)
    assert bench.telemetry.calls == [("rest", "intake")]


def test_in_a_rush_every_file_is_seen_before_any_is_measured() -> None:
    bench = Bench(max_settling=10_000)
    bench.disk.write("early.tif")
    bench.hint("early.tif")
    bench.turn()
    names = [f"{number}.tif" for number in range(2 * HINTS_PER_TURN)]
    for name in names:
        bench.disk.write(name)
    bench.hint(*names)
    bench.turn(2, seconds=10.0)
    assert bench.log.names() == [], "early.tif has been quiet for long enough, but others come first"
    bench.turn(2 * len(names) // STEP_LIMIT + 10)
    assert sorted(bench.log.names()) == sorted([*names, "early.tif"])


def test_a_rush_without_end_does_not_keep_files_from_being_measured() -> None:
    bench = Bench(max_settling=10_000)
    bench.disk.write("early.tif")
    bench.hint("early.tif")
    bench.turn()
    for _ in range(int(RUSH_S) + 2):
        bench.hint(*["early.tif"] * HINTS_PER_TURN)
        bench.turn()
    assert bench.log.names() == ["early.tif"]
