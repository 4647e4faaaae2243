"""The daemon's own audit complains of what stays unaccounted for, and of nothing that is on its way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from semwatchd.adapters.sql.schema import journal_path
from semwatchd.audit import FIRST_AFTER_S, SECOND_LOOK_S, Auditor
from semwatchd.engine.health import Health, HealthBoard
from semwatchd.engine.watched import WatchSettings
from tests.daemon import Site, picture, until
from tests.fakes import ListLog
from tests.journals import lived_in, running_journal, spoil

pytestmark = pytest.mark.integration


class Waits(threading.Event):
    """Passes the time at once, and ends after so many waits; between two of them something may happen."""

    def __init__(self, times: int, between: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.asked: list[float | None] = []
        self._times = times
        self._between = between

    def wait(self, timeout: float | None = None) -> bool:
        self.asked.append(timeout)
        if len(self.asked) == 2:
            self._between()
        return len(self.asked) > self._times


class Desk:
    def __init__(self, folder: Path) -> None:
        self.gaps: list[int] = []
        self.log = ListLog()
        self.board = HealthBoard(lambda: 0.0, self.log)
        self.root = folder / "tool"
        self.root.mkdir()
        watch = WatchSettings(root=self.root, tool="SEM")
        self.auditor = Auditor(journal_path(folder), lambda: [watch], self.gaps.append, self.board, self.log)

    def run(self, waits: Waits) -> None:
        thread = threading.Thread(target=self.auditor.run, args=(3600.0, waits))  # its niceness ends with it
        thread.start()
        thread.join()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    with running_journal(tmp_path) as journal:
        lived_in(journal)
    return Desk(tmp_path)


def test_balanced_books_are_told(desk: Desk) -> None:
    waits = Waits(2)
    desk.run(waits)
    assert waits.asked == [FIRST_AFTER_S, 3600.0, 3600.0]
    assert desk.gaps == [0, 0]
    assert desk.board.snapshot()["books"].state is Health.OK


def test_what_stays_unaccounted_for_is_named(desk: Desk) -> None:
    (desk.root / "lost [1].tif").write_bytes(b"x")
    waits = Waits(2)
    desk.run(waits)
    assert waits.asked == [FIRST_AFTER_S, SECOND_LOOK_S, 3600.0]
    assert desk.gaps == [1]
    books = desk.board.snapshot()["books"]
    assert (books.state, books.reason) == (
        Health.DEGRADED,
        f"1 unaccounted for, first {desk.root}/lost [1].tif",
    )


def test_what_was_only_on_its_way_is_no_finding(desk: Desk) -> None:
    file = desk.root / "new.tif"
    file.write_bytes(b"x")
    desk.run(Waits(2, between=file.unlink))
    assert desk.gaps == [0]


def test_a_journal_it_cannot_read_does_not_end_it(desk: Desk, tmp_path: Path) -> None:
    journal_path(tmp_path).write_bytes(b"no database" * 1000)
    desk.run(Waits(2))
    assert desk.gaps == []
    assert desk.log.events() == ["audit_failed"] * 2


@pytest.mark.system
def test_the_gap_is_a_metric_of_the_daemon(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.configure(audit={"every_s": 1.0})
    with site.running() as daemon:
        (site.watched / "1.tif").write_bytes(picture(1))
        until(lambda: site.ended() == 1, 10, "measured")
        until(lambda: daemon.health("books")["state"] == "ok", 10, "audited")
        assert daemon.metric("semwatchd_conservation_gap") == 0
        spoil(site.state_dir, "sighting", "job_id", None)
        until(lambda: daemon.health("books")["state"] == "degraded", 10, "the gap is seen")
        assert daemon.metric("semwatchd_conservation_gap") > 0
        assert daemon.stop() == 0
