"""What the journal tells of the tools' rhythms, and who is told of a silence."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from semwatchd import silence
from semwatchd.adapters.sql.journal import Journal
from semwatchd.adapters.sql.sightings import SqlSightingLog
from semwatchd.core.job import Lane
from semwatchd.core.plan import Plan
from semwatchd.engine.health import Health, HealthBoard
from semwatchd.engine.silence import ENOUGH
from semwatchd.engine.watched import WatchedFolder
from semwatchd.silence import SilenceWatch
from tests.fakes import FakeClock, ListLog
from tests.journals import ROOT, a_sighting, an_order, rows, running_journal, settle

pytestmark = pytest.mark.integration

START = 1_800_000_000.0
PAUSE_S = 600.0
FOLDER = WatchedFolder(root=ROOT, tool="sem1", plan=Plan(), silence_factor=6.0)


class Bench:
    def __init__(self, journal: Journal, folder: Path) -> None:
        self.journal, self.folder = journal, folder
        self.clock = FakeClock(START)
        self.health = HealthBoard(self.clock, ListLog())
        self.folders = [FOLDER]
        self.told: Mapping[str, float] = {}
        self.log = SqlSightingLog(journal, self.clock, lambda: None, lambda _: None)
        self.lines = ListLog()
        self._number = 0

    def watch(self) -> SilenceWatch:
        return SilenceWatch(
            self.journal.engine,
            lambda: self.folders,
            tell=self._tell,
            health=self.health,
            clock=self.clock,
            log=self.lines,
        )

    def _tell(self, silent_s: Mapping[str, float]) -> None:
        self.told = silent_s

    def images(self, count: int, pause_s: float = PAUSE_S, lane: Lane = Lane.LIVE) -> None:
        for _ in range(count):
            self._number += 1
            self.log.ready(a_sighting(f"{self._number}.tif"), an_order(lane=lane))
            settle(self.journal)
            self.clock.advance(pause_s)

    def look(self, watch: SilenceWatch) -> Health | None:
        watch.learn()
        watch.judge()
        part = self.health.snapshot().get("tool:sem1")
        return part.state if part else None


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with running_journal(tmp_path) as journal:
        yield Bench(journal, tmp_path)


def test_a_tool_is_silent_after_six_usual_pauses_and_until_its_next_image(bench: Bench) -> None:
    watch = bench.watch()
    bench.images(ENOUGH)
    assert bench.look(watch) is None
    bench.images(1)
    assert bench.look(watch) is Health.OK
    bench.clock.advance(5 * PAUSE_S)
    assert bench.look(watch) is Health.OK
    bench.clock.advance(1.0)
    assert bench.look(watch) is Health.DEGRADED
    since = bench.health.snapshot()["tool:sem1"].since
    bench.clock.advance(2 * 86_400.0)  # a weekend is one alarm, not many
    assert bench.look(watch) is Health.DEGRADED
    part = bench.health.snapshot()["tool:sem1"]
    assert part.since == since
    assert "sem1 has sent no image for 2 d 1 h" in part.reason
    assert "10 min" in part.reason
    assert "watch.silence_factor" in part.todo
    assert bench.told == {"sem1": 2 * 86_400.0 + 6 * PAUSE_S + 1.0}
    bench.images(1)
    assert bench.look(watch) is Health.OK


def test_a_restart_learns_again_and_does_not_blame_the_tool_for_our_own_absence(bench: Bench) -> None:
    bench.images(ENOUGH + 1)
    bench.clock.advance(86_400.0)
    again = bench.watch()
    assert bench.look(again) is Health.OK
    assert bench.told == {"sem1": 86_400.0 + PAUSE_S}
    bench.clock.advance(6 * PAUSE_S + 1.0)
    assert bench.look(again) is Health.DEGRADED


def test_a_journal_that_has_forgotten_all_jobs_and_begins_to_count_anew_is_followed(bench: Bench) -> None:
    watch = bench.watch()
    bench.images(ENOUGH + 1)
    assert bench.look(watch) is Health.OK
    for statement in ("delete from sighting", "delete from job"):
        bench.journal.submit(lambda c, what=statement: c.exec_driver_sql(what)).result()  # type: ignore[misc]
    bench.clock.advance(3000.0)
    bench.images(1, pause_s=1.0)
    assert rows(bench.folder, "select id from job") == [(1,)]
    bench.look(watch)
    assert bench.told == {"sem1": 1.0}


def test_a_backfill_says_nothing_of_the_tool(bench: Bench) -> None:
    watch = bench.watch()
    bench.images(ENOUGH + 1)
    bench.images(20, pause_s=600.0, lane=Lane.BACKFILL)
    assert bench.look(watch) is Health.DEGRADED
    assert watch._learned_up_to == ENOUGH + 21


def test_zero_switches_the_alarm_off_and_the_most_patient_folder_counts(bench: Bench) -> None:
    watch = bench.watch()
    bench.images(ENOUGH + 1)
    bench.clock.advance(86_400.0)
    assert bench.look(watch) is Health.DEGRADED
    bench.folders = [FOLDER, replace(FOLDER, root="/other", silence_factor=1000.0)]
    assert bench.look(watch) is Health.OK
    bench.folders = [FOLDER, replace(FOLDER, root="/other", silence_factor=math.inf)]
    assert bench.look(watch) is None
    assert "sem1" in bench.told


def test_a_tool_that_is_watched_no_more_leaves_the_page(bench: Bench) -> None:
    watch = bench.watch()
    bench.images(ENOUGH + 1)
    assert bench.look(watch) is Health.OK
    bench.folders = []
    assert bench.look(watch) is None
    assert bench.told == {}


def test_rows_that_make_no_sense_are_passed_over(bench: Bench) -> None:
    watch = bench.watch()
    bench.images(ENOUGH + 3)
    rows_before = rows(bench.folder, "select count(*) from job")
    bench.journal.submit(
        lambda connection: connection.exec_driver_sql("update job set detected_at = 'yesterday' where id = 3")
    ).result()
    bench.journal.submit(
        lambda connection: connection.exec_driver_sql(
            "update job set tool = cast(x'ff' as text) where id = 4"
        )
    ).result()
    assert bench.look(watch) is Health.OK
    assert rows_before == [(ENOUGH + 3,)]


def test_a_journal_that_cannot_be_read_costs_the_alarm_and_not_the_daemon(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "FIRST_AFTER_S", 0.0)
    monkeypatch.setattr(silence, "LOOK_EVERY_S", 0.01)
    watch, stop = bench.watch(), threading.Event()
    bench.journal.submit(
        lambda connection: connection.exec_driver_sql("alter table job rename to elsewhere")
    ).result()
    bench.lines.warning = lambda *_, **__: stop.set()  # type: ignore[method-assign]
    watch.run(stop)
    assert bench.told == {}
