"""Everything between a job in the journal and the MES, put together: journal, workers, relays.

The daemon and the offline backfill run the same line; only what brings the jobs differs.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from semwatchd.adapters.host import cpu_quota, memory_nodes
from semwatchd.adapters.mes.filedrop import FileDropMes, FileDropSettings
from semwatchd.adapters.mes.guard import Guard
from semwatchd.adapters.mes.http import HttpMes, HttpSettings
from semwatchd.adapters.mes.payload import render_result
from semwatchd.adapters.reserve import ReserveFile
from semwatchd.adapters.sql.identity import ForeignJournalError, require_own
from semwatchd.adapters.sql.jobs import SqlJobStore
from semwatchd.adapters.sql.journal import DISK_FULL, Journal, open_engine, reading
from semwatchd.adapters.sql.outbox import SqlOutbox
from semwatchd.adapters.sql.recovery import recover
from semwatchd.adapters.sql.repair import mend_at_start
from semwatchd.adapters.sql.schema import prepare_journal
from semwatchd.config import Config, Destination
from semwatchd.core.job import Result
from semwatchd.core.ports import JobStore, Log, MesAdapter, RenderedEvent, Telemetry
from semwatchd.depth_line import depth_slab, telling_depths
from semwatchd.engine.collector import Collector
from semwatchd.engine.dispatcher import Dispatcher
from semwatchd.engine.health import Health
from semwatchd.engine.messages import Setup, SlabShape
from semwatchd.engine.placement import place_workers, worker_count
from semwatchd.engine.relay import Relay
from semwatchd.engine.settings import WorkerSettings
from semwatchd.engine.slots import anonymous_slots, begun, open_slots
from semwatchd.engine.supervisor import Limits, WorkerPool
from semwatchd.engine.surroundings import Surroundings

#: Named, not imported: the supervisor holds no numpy.
ANALYSER = "semwatchd.analyser:build"
JOIN_TURN_S = 0.2  # so that a second wish to stop is heard at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A running line."""

    journal: Journal
    reserve: ReserveFile
    pool: WorkerPool
    dispatcher: Dispatcher


def start_workers(
    settings: WorkerSettings,
    slots_dir: Path | None,
    telemetry: Telemetry,
    log: Log,
    slab: SlabShape | None = None,
) -> WorkerPool:
    """Start the worker processes on the cores this process may use.

    Parameters
    ----------
    slots_dir
        Where the workers note what they begin; None where nobody will recover it.
    slab
        Where they leave pictures for the depth process, if there is one.
    """
    allowed = sorted(os.sched_getaffinity(0))
    count = worker_count(allowed, settings.count, cpu_quota())
    placement = place_workers(allowed, count, pin=settings.pin, nodes=memory_nodes())
    setup = Setup(
        factory=ANALYSER,
        settings=settings,
        memory_limit_bytes=settings.memory_limit_mb * 1024 * 1024,
        slab=slab,
    )
    slots = open_slots(slots_dir, len(placement)) if slots_dir else anonymous_slots(len(placement))
    limits = Limits(
        deadline_s=settings.deadline_s,
        stage_deadline_s=dict(settings.stage_deadline_s.items()),
        recycle_rss_bytes=settings.recycle_rss_mb * 1024 * 1024,
        recycle_jobs=settings.recycle_jobs,
    )
    return WorkerPool(setup, placement, slots, limits, telemetry, log)


@contextmanager
def running_line(config: Config, around: Surroundings, resight: Callable[[str, str], None]) -> Iterator[Line]:
    """Start journal, relays and workers in this order, and stop them in reverse.

    Be the state folder's sole owner first: nobody upgrades a journal under its owner.

    Parameters
    ----------
    resight
        Told (root, path) of a file that changed while it was read.

    Raises
    ------
    EnvironmentFault
        The journal cannot be opened.
    """
    with ExitStack() as stack:
        path = prepare_journal(config.state_dir)
        _mend(path, config, around)
        _tell_foreign(path, around)
        reserve = ReserveFile(path.with_name("journal.reserve"))
        journal = stack.enter_context(running_journal(path, around, reserve.release))
        slots_dir = config.state_dir / "slots"
        _recover(journal, slots_dir, around.log)
        relays = stack.enter_context(_running_relays(config, journal, around))
        slab = stack.enter_context(depth_slab(config))
        pool = start_workers(config.workers, slots_dir, around.telemetry, around.log, slab.shape)
        store, collector = _collector(config, journal, relays, around, resight)
        depths = stack.enter_context(telling_depths(config, slab, collector, store, around))
        dispatcher = Dispatcher(
            pool,
            store,
            depths,
            config.queue.capacity,
            partial(around.crew.death, "journal change"),
            around.log,
        )
        stack.callback(dispatcher.drain, config.queue.drain_s, around.hurried)
        stack.callback(journal.stop_trying)  # at the end a disk that refuses to be written must not hold us
        yield Line(journal=journal, reserve=reserve, pool=pool, dispatcher=dispatcher)


def _mend(path: Path, config: Config, around: Surroundings) -> None:
    """Put aside what no part of us could read, and say so for as long as the daemon runs."""
    plans = [config.plan(name) for name in config.plans]
    mended = mend_at_start(path, plans, time.time())
    if not mended.rows:
        return
    for row in mended.rows:
        around.log.error("journal_row_set_aside", table=row.table, row=row.rowid, why=row.why, done=row.done)
    around.health.set(
        "journal rows",
        Health.DEGRADED,
        f"{len(mended.rows)} row(s) were unreadable at start; what they held is in {mended.kept_in}",
        "see what became of them in that file; run `semwatchd journal check`, and have the disk examined",
    )


def _tell_foreign(path: Path, around: Surroundings) -> None:
    """Say so if this is not the journal that belongs here; work goes on with it all the same."""
    try:
        with reading(open_engine(path)) as connection:
            require_own(connection, path)
    except ForeignJournalError as error:
        around.log.warning("journal_foreign", error=str(error))
        todo = "put the right journal back, or run `semwatchd journal adopt`; then restart the daemon"
        around.health.set("journal identity", Health.DEGRADED, str(error), todo)


def _recover(journal: Journal, slots_dir: Path, log: Log) -> None:
    """Put what a dead daemon left behind back in its queue, blaming only what was being measured."""
    suspects = frozenset(begun(slots_dir))
    recovered = journal.submit(lambda connection: recover(connection, suspects, time.time())).result()
    log.info("journal_opened", **asdict(recovered))


@contextmanager
def running_journal(path: Path, around: Surroundings, on_full: Callable[[], None]) -> Iterator[Journal]:
    """Run the journal's writer beside us.

    Parameters
    ----------
    on_full
        Called when the disk has no room for the next commit, which is then tried again.
    """

    def on_state(healthy: bool, reason: str) -> None:  # noqa: FBT001 — told by position
        todo = (
            ""
            if healthy
            else f"free space on the disk of {path}, or repair it; writing is tried every second"
        )
        if DISK_FULL in reason:
            on_full()
        around.health.set("journal", Health.OK if healthy else Health.FAILED, reason, todo)

    journal = Journal(path, around.log, on_state)
    on_state(True, "")
    writer = around.crew.start("journal", journal.run)
    try:
        yield journal
    finally:
        journal.close()
        writer.join()
        journal.dispose()


@contextmanager
def _running_relays(config: Config, journal: Journal, around: Surroundings) -> Iterator[Sequence[Relay]]:
    stop = threading.Event()
    outbox = SqlOutbox(journal, config.relay.longest_wait_s)
    relays = [
        Relay(
            destination.name,
            _guarded(config, destination, stop, around),
            outbox,
            config.relay,
            telemetry=around.telemetry,
            log=around.log,
            clock=time.time,
        )
        for destination in config.destinations
    ]
    threads = [
        around.crew.start(f"relay-{destination.name}", partial(relay.run, stop))
        for destination, relay in zip(config.destinations, relays, strict=True)
    ]
    try:
        yield relays
    finally:
        stop.set()
        for relay in relays:
            relay.wake()
        for thread in threads:
            # In a hurry a send under way is left alone; the next start sends it again, under the same id.
            while thread.is_alive() and not around.hurried():
                thread.join(JOIN_TURN_S)


def _guarded(
    config: Config, destination: Destination, stop: threading.Event, around: Surroundings
) -> MesAdapter:
    def show(state: str) -> None:
        well = state == "closed"
        around.health.set(
            f"destination:{destination.name}",
            Health.OK if well else Health.DEGRADED,
            "" if well else "the receiver failed several times in a row; events wait in the outbox",
            "" if well else "see whether the receiver is up; delivery resumes by itself",
        )

    def on_breaker(state: str) -> None:
        around.telemetry.breaker(destination.name, state)
        show(state)

    show("closed")  # not counted: the breaker begins so
    return Guard(_adapter(destination), config.guard, on_breaker=on_breaker, stop=stop)


def _adapter(destination: Destination) -> MesAdapter:
    match destination:
        case HttpSettings():
            return HttpMes(destination)
        case FileDropSettings():
            return FileDropMes(destination)


def _collector(
    config: Config,
    journal: Journal,
    relays: Sequence[Relay],
    around: Surroundings,
    resight: Callable[[str, str], None],
) -> tuple[JobStore, Collector]:
    def wake_relays() -> None:
        for relay in relays:
            relay.wake()

    def render(result: Result) -> tuple[RenderedEvent, ...]:
        event = render_result(
            result,
            site=config.site,
            finished_at=time.time(),
            detected_at=result.job.detected_at,
            revision=result.job.revision + 1,
        )
        return (event,)

    def environment(reason: str) -> None:
        around.health.set(
            "image files",
            Health.DEGRADED if reason else Health.OK,
            reason,
            "see to the disk or share; the images are tried again by themselves" if reason else "",
        )

    destinations = [destination.name for destination in config.destinations]
    store = SqlJobStore(journal, destinations, time.time, wake_relays)
    collector = Collector(
        store=store,
        render=render,
        resight=resight,
        environment=environment,
        on_error=partial(around.crew.death, "journal change"),
        telemetry=around.telemetry,
        log=around.log,
        clock=time.time,
    )
    return store, collector
