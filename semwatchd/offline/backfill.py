"""Measure what is already on disk. Idempotent and resumable: what the journal knows is not done again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import structlog
from rich.console import Console

from semwatchd.adapters.listing import DiskListing
from semwatchd.adapters.mounts import on_network
from semwatchd.adapters.probe import DiskProbe, ignore_lease_signal
from semwatchd.adapters.scanner import Scanner
from semwatchd.adapters.silent import SilentTelemetry
from semwatchd.adapters.sql.journal import Journal, reading
from semwatchd.adapters.sql.queries import MOVING_JOBS, backfill_counts, last_done_before, open_counts
from semwatchd.adapters.sql.schema import current_journal, sole_owner
from semwatchd.adapters.sql.sightings import SqlSightingLog
from semwatchd.config import Config
from semwatchd.core.errors import ConfigError, JournalInUseError
from semwatchd.core.job import Lane
from semwatchd.engine.crew import Crew
from semwatchd.engine.health import HealthBoard
from semwatchd.engine.intake import Intake
from semwatchd.engine.surroundings import Surroundings
from semwatchd.engine.watched import WatchedFolder, WatchSettings, watched_folder
from semwatchd.line import running_journal, running_line
from semwatchd.offline.show import progress

TURN_S = 0.05
STALLED_S = 120.0  # without any change: a file that is never complete, or a daemon that does not go on
DELIVERY_S = 30.0  # how long events may still be delivered after the last image


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a backfill did."""

    root: str
    found: int  #: images not known before, or left unfinished by an earlier run
    jobs: Mapping[str, int] = field(default_factory=dict)  #: by state
    unsettled: int = 0  #: files that are still being written
    events_waiting: int = 0  #: not delivered yet; the daemon goes on with them
    elapsed_s: float = 0.0

    @property
    def exit_code(self) -> int:
        """0 all measured, 1 some set aside for a person, 75 not finished: run it again."""
        if self.unsettled or MOVING_JOBS & set(self.jobs):
            return 75
        return 1 if self.jobs.get("quarantined") else 0

    def as_document(self) -> dict[str, object]:
        """Return it as ``backfill --json`` prints it."""
        return asdict(self) | {"exit_code": self.exit_code}


def backfill(config: Config, root: Path, console: Console) -> Summary:
    """Measure every image below ``root`` that the journal does not know yet.

    Where a daemon owns the journal, it is given the work; where none does, the workers run here.

    Raises
    ------
    EnvironmentFault
        The journal cannot be opened.
    """
    ignore_lease_signal()
    started = time.monotonic()
    with _at_work(config) as (journal, turn, crew):
        folder, found_files = _what_to_scan(config, root, journal)
        with reading(journal.engine) as connection:
            before = last_done_before(connection, folder.root)
        unsettled = _take_in(folder, found_files, journal, turn, crew)
        jobs = _wait_for_jobs(journal, folder.root, before, turn, console)
        waiting = _wait_for_delivery(journal, turn) if config.destinations else 0
    return Summary(
        root=str(root),
        found=sum(jobs.values()),
        jobs=jobs,
        unsettled=unsettled,
        events_waiting=waiting,
        elapsed_s=round(time.monotonic() - started, 2),
    )


@contextmanager
def _at_work(config: Config) -> Iterator[tuple[Journal, Callable[[], None], Crew]]:
    """Run the line, or where a daemon runs it only the journal's writer; yield what one turn is."""
    log = structlog.get_logger("semwatchd")
    died = threading.Event()
    crew = Crew(log, died.set)
    around = Surroundings(log=log, telemetry=SilentTelemetry(), health=HealthBoard(time.time, log), crew=crew)

    def turn_or_end(step: Callable[[float], object]) -> Callable[[], None]:
        def turn() -> None:
            if died.is_set():
                raise SystemExit(1)
            step(TURN_S)

        return turn

    with ExitStack() as stack:
        try:
            stack.enter_context(sole_owner(config.state_dir))
        except JournalInUseError:
            path = current_journal(config.state_dir)
            yield (
                stack.enter_context(running_journal(path, around, lambda: None)),
                turn_or_end(time.sleep),
                crew,
            )
        else:
            line = stack.enter_context(running_line(config, around, lambda _root, _path: None))
            yield line.journal, turn_or_end(line.dispatcher.step), crew


def _what_to_scan(config: Config, root: Path, journal: Journal) -> tuple[WatchedFolder, Iterable[str]]:
    """Find the watched folder ``root`` lies in, whose tool, plan and context then hold; else make one."""
    root = root.resolve()
    watch = next(
        (watch for watch in config.watch if root.is_relative_to(watch.root.resolve())),
        WatchSettings(root=root, tool="backfill"),
    )
    if watch.plan not in config.plans:
        there_are = ", ".join(sorted(config.plans))
        raise ConfigError(
            [f"plans: {root} is in no watched folder, so it needs a plan 'default' (there are: {there_are})"]
        )
    log = structlog.get_logger("semwatchd")
    folder = watched_folder(watch, config.plan(watch.plan), network=watch.on_share(on_network))
    known_in = SqlSightingLog(journal, time.time, _nothing, _ignore_error).known_in
    scanner = Scanner(
        folder.root,
        folder.names,
        known_in,
        DiskListing(),
        clock=time.time,
        logger=log,
        stopped=lambda: False,
    )
    below = root.relative_to(watch.root.resolve()).as_posix()
    return replace(folder, lane=Lane.BACKFILL), scanner.below("" if below == "." else below)


def _take_in(
    folder: WatchedFolder,
    found_files: Iterable[str],
    journal: Journal,
    turn: Callable[[], None],
    crew: Crew,
) -> int:
    """Settle every file found; return how many would not settle."""
    intake = Intake(
        [folder],
        log=SqlSightingLog(journal, time.time, _nothing, lambda error: crew.death("journal change", error)),
        probe=DiskProbe(),
        clock=time.monotonic,
        telemetry=SilentTelemetry(),
        logger=structlog.get_logger("semwatchd"),
    )
    for relpath in found_files:
        while not intake.sight(folder.root, relpath, "scan"):
            intake.step(time.monotonic())
            turn()
    last, changed_at = intake.settling, time.monotonic()
    while intake.settling and time.monotonic() - changed_at < STALLED_S:
        intake.step(time.monotonic())
        turn()
        if intake.settling != last:
            last, changed_at = intake.settling, time.monotonic()
    journal.flush()  # or the jobs just ordered could be overlooked when they are counted
    return intake.settling


def _wait_for_jobs(
    journal: Journal, root: str, before: int, turn: Callable[[], None], console: Console
) -> Mapping[str, int]:
    counts, changed_at = _counts(journal, root, before), time.monotonic()
    total = sum(counts.values())
    with progress(console, total) as report:
        while MOVING_JOBS & set(counts) and time.monotonic() - changed_at < STALLED_S:
            turn()
            now = _counts(journal, root, before)
            if now != counts:
                counts, changed_at = now, time.monotonic()
                report(sum(n for state, n in counts.items() if state not in MOVING_JOBS), "measuring")
    return counts


def _counts(journal: Journal, root: str, before: int) -> Mapping[str, int]:
    with reading(journal.engine) as connection:
        return backfill_counts(connection, root, before)


def _wait_for_delivery(journal: Journal, turn: Callable[[], None]) -> int:
    give_up_at = time.monotonic() + DELIVERY_S
    while True:
        with reading(journal.engine) as connection:
            deliveries = open_counts(connection).deliveries
        waiting = sum(count for (_, state), count in deliveries.items() if state != "parked")
        if not waiting or time.monotonic() > give_up_at:
            return waiting
        turn()


def _nothing() -> None:
    """Nobody waits for this."""


def _ignore_error(_: BaseException) -> None:
    """Only reads go through here."""
