"""The journal forgets what is old, delivered and gone, and nothing that would be measured twice for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from semwatchd import retention
from semwatchd.adapters.sql import pruning
from semwatchd.adapters.sql.care import check_journal
from semwatchd.adapters.sql.identity import ForeignJournalError, marker_path
from semwatchd.adapters.sql.jobs import SqlJobStore
from semwatchd.adapters.sql.journal import Journal, open_engine, reading, writing
from semwatchd.adapters.sql.outbox import SqlOutbox
from semwatchd.adapters.sql.queries import outdated_counts
from semwatchd.adapters.sql.schema import journal_path
from semwatchd.adapters.sql.sightings import SqlSightingLog
from semwatchd.audit import audit
from semwatchd.core.errors import EnvironmentFault
from semwatchd.core.job import DeliveryState, ErrorClass, Failure, JobState
from semwatchd.core.ports import Ending, FileStamp, RenderedEvent, Sighting, Verdict
from semwatchd.engine.health import Health, HealthBoard
from semwatchd.engine.settings import RetentionSettings
from semwatchd.engine.watched import WatchSettings
from semwatchd.retention import DAY_S, Pruned, Retention, Sweep, by_hand, rehearsed
from tests.daemon import Site
from tests.deliveries import FACTS, a_result
from tests.fakes import ListLog
from tests.journals import an_order, rows, running_journal

pytestmark = pytest.mark.integration

THEN = 1_800_000_000.0
NOW = THEN + 30 * DAY_S
BOTH = RetentionSettings(payload_days=10, history_days=20)


def fail(error: BaseException) -> None:
    raise error


@dataclass
class Fab:
    """A folder of images, all measured and delivered long ago, and the journal that knows them."""

    state: Path
    root: Path
    names: list[str] = field(default_factory=lambda: [f"LOT{n % 2}/{n}.tif" for n in range(6)])

    def lived(self, journal: Journal, then: float = THEN) -> None:
        sightings = SqlSightingLog(journal, lambda: then, lambda: None, fail)
        for name in self.names:
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode())
            sightings.ready(self._seen(name), an_order())
        (self.root / "notes.doc").write_bytes(b"x")
        sightings.ignored(self._seen("notes.doc"), "not an image")
        jobs = SqlJobStore(journal, ["mes"], lambda: then, lambda: None)
        for job in jobs.claim(10, alone=0).result():
            event = RenderedEvent(
                event_id=f"e-{job.id}",
                event_type="t",
                order_key="k",
                subject="s",
                payload='{"data": 1}',
            )
            found = a_result(job, replace(FACTS, sha256=f"{job.id:064d}"))
            jobs.finish(Ending(outcome=found, state=JobState.STORED, events=(event,))).result()
        outbox = SqlOutbox(journal, 60.0)
        taken = outbox.take("mes", 10, then)
        outbox.settle([Verdict(seq=e.seq, state=DeliveryState.DELIVERED, attempts=1) for e in taken], then)

    def _seen(self, name: str) -> Sighting:
        found = (self.root / name).lstat()
        stamp = FileStamp(size=found.st_size, mtime_ns=found.st_mtime_ns, ino=found.st_ino)
        return Sighting(root=str(self.root), relpath=name, stamp=stamp)

    def delete(self, *numbers: int) -> None:
        for number in numbers:
            (self.root / self.names[number]).unlink()

    def jobs(self) -> list[object]:
        return [row[0] for row in rows(self.state, "SELECT id FROM job ORDER BY id")]

    def prune(self, settings: RetentionSettings = BOTH, now: float = NOW) -> Pruned:
        path = journal_path(self.state)
        sweep = Sweep(path, by_hand(path), lambda _: True, now)
        for _ in sweep.steps(settings):
            self.sound()
        self.sound()
        return sweep.done

    def sound(self) -> None:
        assert check_journal(journal_path(self.state)).sound
        watch = WatchSettings(root=self.root, tool="sem1")
        assert audit([watch], journal_path(self.state), ListLog()).gap == 0

    def sql(self, statement: str) -> None:
        with writing(open_engine(journal_path(self.state))) as connection:
            connection.exec_driver_sql(statement)


@pytest.fixture
def fab(tmp_path: Path) -> Fab:
    fab = Fab(tmp_path / "state", tmp_path / "tool")
    with running_journal(fab.state) as journal:
        fab.lived(journal)
    return fab


def listing(root: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(path): (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted([root, *root.rglob("*")])
    }


def test_what_lies_in_its_folder_stays_known_and_untouched(fab: Fab) -> None:
    before = listing(fab.root)
    assert fab.prune() == Pruned(payloads=6)
    assert listing(fab.root) == before
    assert fab.jobs() == [1, 2, 3, 4, 5, 6]
    told = rows(fab.state, "SELECT event_id, payload FROM outbox")
    assert told == [(f"e-{number}", "{}") for number in range(1, 7)]
    assert fab.prune() == Pruned()


def test_what_is_gone_is_forgotten_with_all_that_hangs_on_it(fab: Fab) -> None:
    fab.delete(0, 2, 4)
    (fab.root / "LOT0").rmdir()
    (fab.root / "notes.doc").unlink()
    assert fab.prune() == Pruned(jobs=3, sightings=1, payloads=3)
    assert fab.jobs() == [2, 4, 6]
    for table in ("result", "outbox", "sighting"):
        assert rows(fab.state, f"SELECT count(*) FROM {table}") == [(3,)]  # noqa: S608 — names of ours
    with reading(open_engine(journal_path(fab.state))) as connection:
        assert sum(outdated_counts(connection, ["another plan"]).values()) == 3


def test_nothing_is_removed_unless_told_or_before_its_time(fab: Fab) -> None:
    fab.delete(0)
    assert fab.prune(RetentionSettings()) == Pruned()
    assert fab.prune(now=THEN + 9 * DAY_S) == Pruned()
    assert fab.prune(RetentionSettings(payload_days=10), now=NOW) == Pruned(payloads=6)


def unmounted(fab: Fab) -> None:
    fab.root.rename(fab.root.with_name("away"))
    fab.root.mkdir()


def gone(fab: Fab) -> None:
    fab.root.rename(fab.root.with_name("away"))


def replaced(fab: Fab) -> None:
    unmounted(fab)
    (fab.root / "another disk.tif").write_bytes(b"x")


def emptied_below(fab: Fab) -> None:
    fab.delete(0, 2, 4)


@pytest.mark.parametrize("lost", [unmounted, gone, replaced, emptied_below])
def test_a_folder_that_may_be_lost_makes_nothing_go(fab: Fab, lost: Callable[[Fab], None]) -> None:
    lost(fab)
    path = journal_path(fab.state)
    sweep = Sweep(path, by_hand(path), lambda _: True, NOW)
    assert len(list(sweep.steps(RetentionSettings(history_days=20)))) == 2
    assert sweep.done == Pruned()


@pytest.mark.parametrize(
    "needed",
    [
        "UPDATE outbox SET state = 'parked', delivered_at = NULL WHERE job_id = 1",
        "UPDATE outbox SET state = 'retry_wait', delivered_at = NULL WHERE job_id = 1",
        "UPDATE outbox SET delivered_at = delivered_at + 1000000 WHERE job_id = 1",
        "UPDATE job SET finished_at = finished_at + 1000000 WHERE id = 1",
        "UPDATE job SET state = 'duplicate', duplicate_of = 1, sha256 = NULL WHERE id = 2",
    ],
)
def test_what_is_still_needed_stays(fab: Fab, needed: str) -> None:
    for trigger in ("outbox_moves", "job_moves"):
        fab.sql(f"DROP TRIGGER {trigger}")
    fab.sql("DELETE FROM result WHERE job_id = 2" if "duplicate" in needed else "SELECT 1")
    fab.sql(needed)
    fab.delete(0)
    assert fab.prune().jobs == 0
    assert 1 in fab.jobs()


def test_a_quarantined_image_and_the_newest_job_stay(fab: Fab) -> None:
    with running_journal(fab.state) as journal:
        (fab.root / "LOT1/bad.tif").write_bytes(b"bad")
        sightings = SqlSightingLog(journal, lambda: THEN, lambda: None, fail)
        sightings.ready(fab._seen("LOT1/bad.tif"), an_order())
        jobs = SqlJobStore(journal, ["mes"], lambda: THEN, lambda: None)
        (job,) = jobs.claim(1, alone=0).result()
        bad = Failure(job=job, error_class=ErrorClass.DATA, reason="no picture")
        jobs.finish(Ending(outcome=bad, state=JobState.QUARANTINED)).result()
    (fab.root / "LOT1/bad.tif").unlink()
    assert fab.prune().jobs == 0
    assert fab.jobs()[-1] == 7


def test_the_newest_job_stays_so_that_its_number_is_not_given_again(fab: Fab) -> None:
    fab.delete(5)
    assert fab.prune().jobs == 0
    fab.delete(1)
    assert fab.prune().jobs == 1
    assert fab.jobs() == [1, 3, 4, 5, 6]


def test_what_has_come_to_be_needed_since_it_was_looked_at_stays(fab: Fab) -> None:
    fab.sql("DROP TRIGGER outbox_moves")
    fab.sql("UPDATE outbox SET state = 'parked' WHERE job_id = 1")
    with writing(open_engine(journal_path(fab.state))) as connection:
        assert pruning.forget_jobs(connection, [1, 2], NOW) == 1
    assert 1 in fab.jobs()


def test_a_rehearsal_tells_the_same_and_removes_nothing(fab: Fab) -> None:
    fab.delete(1, 3)
    path = journal_path(fab.state)
    sweep = Sweep(path, rehearsed(path), lambda _: True, NOW)
    list(sweep.steps(BOTH))
    assert (sweep.done.jobs, len(fab.jobs())) == (2, 6)
    assert fab.prune().jobs == 2


def test_many_steps_walk_through_all_of_it(fab: Fab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "WINDOW", 2)
    fab.delete(1, 2, 3)
    assert fab.prune() == Pruned(jobs=3, payloads=3)


@pytest.mark.parametrize("told", ["name", "marker", "journal"])
def test_a_foreign_or_missing_journal_is_left_alone(fab: Fab, told: str) -> None:
    path = journal_path(fab.state)
    if told == "marker":
        marker_path(path).write_text("another\n")
    elif told == "name":
        fab.sql("UPDATE identity SET id = 'another'")
    else:
        path.unlink()
    with pytest.raises(EnvironmentFault if told == "journal" else ForeignJournalError):
        Sweep(path, by_hand(path), lambda _: True, NOW)
    assert path.exists() is (told != "journal")


class Once(threading.Event):
    """Passes the time at once, and ends before the second sweep."""

    def wait(self, timeout: float | None = None) -> bool:
        return timeout == retention.EVERY_S


@pytest.mark.parametrize(("foreign", "state"), [(False, Health.OK), (True, Health.DEGRADED)])
def test_the_daemon_sweeps_by_its_one_writer_and_tells(fab: Fab, *, foreign: bool, state: Health) -> None:
    fab.delete(1)
    path = journal_path(fab.state)
    if foreign:
        marker_path(path).write_text("another\n")
    log = ListLog()
    board = HealthBoard(lambda: 0.0, log)
    with running_journal(fab.state) as journal:
        sweeper = Retention(
            path,
            lambda work: journal.submit(work).result(),
            lambda _: True,
            lambda: NOW,
            health=board,
            log=log,
        )
        sweeper.run(RetentionSettings(history_days=7), Once())
    assert board.snapshot()["retention"].state is state
    assert len(fab.jobs()) == (6 if foreign else 5)


def test_a_folder_that_may_not_be_asked_keeps_all(fab: Fab) -> None:
    fab.delete(1)
    path = journal_path(fab.state)
    sweep = Sweep(path, by_hand(path), lambda _: False, NOW)
    list(sweep.steps(BOTH))
    assert sweep.done == Pruned(payloads=6)


def test_the_payloads_that_stay_are_json(fab: Fab) -> None:
    fab.prune()
    assert [json.loads(str(row[0])) for row in rows(fab.state, "SELECT payload FROM outbox")] == [{}] * 6


def test_an_end_in_the_middle_of_a_step_leaves_nothing_half_removed(
    fab: Fab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forget_and_die(*given: object, **named: object) -> int:
        real(*given, **named)  # type: ignore[arg-type] # passed through
        raise KeyboardInterrupt

    real = pruning.forget_jobs
    fab.delete(1)
    with monkeypatch.context() as patched:
        patched.setattr(pruning, "forget_jobs", forget_and_die)
        with pytest.raises(KeyboardInterrupt):
            fab.prune()
    fab.sound()
    assert len(fab.jobs()) == 6
    assert fab.prune().jobs == 1


def test_the_command_tells_what_it_would_do_and_then_does_it(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.configure(retention={"history_days": 7, "payload_days": 7})
    with running_journal(site.state_dir) as journal:
        Fab(site.state_dir, site.watched).lived(journal, THEN - 365 * DAY_S)
    (site.watched / "LOT1/1.tif").unlink()
    told = json.loads(site.command("journal", "prune", "--dry-run", "--json").stdout)
    assert told == {"payloads": 6, "jobs": 1, "sightings": 0, "dry_run": True}
    assert "1 jobs and 0 other sightings were forgotten" in site.command("journal", "prune").stdout
    assert "0 jobs" in site.command("journal", "prune").stdout
    marker_path(journal_path(site.state_dir)).unlink()
    refused = site.command("journal", "prune")
    assert (refused.returncode, "journal adopt" in refused.stderr) == (75, True)
    assert site.command("journal", "adopt").returncode == 0
    assert site.command("journal", "prune").returncode == 0
