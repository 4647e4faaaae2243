"""The watched folders and their intake, put together; taken down and put up anew while the line runs on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from sqlalchemy import Connection

from semwatchd.adapters.mounts import on_network
from semwatchd.adapters.probe import DiskProbe
from semwatchd.adapters.sql.sightings import SqlSightingLog, reconsider_ignored
from semwatchd.adapters.watching import WatchedFolders
from semwatchd.config import Config
from semwatchd.core.paths import escape
from semwatchd.core.ports import FolderHealth, FolderState
from semwatchd.engine.health import Health
from semwatchd.engine.intake import Intake
from semwatchd.engine.intake_loop import IntakeLoop
from semwatchd.engine.watched import WatchedFolder, watched_folder
from semwatchd.line import Line, Surroundings

_PART = "watch:"
_HEALTH_OF = {
    FolderState.OK: Health.OK,
    FolderState.DEGRADED: Health.DEGRADED,
    FolderState.LOST: Health.DEGRADED,  # what is already in the journal, and the other folders, go on
}


def folders_of(config: Config) -> Sequence[WatchedFolder]:
    """Fit settings, plans and file systems together.

    Raises
    ------
    OSError
        The reference of a plan cannot be read.
    """
    return [
        watched_folder(watch, config.plan(watch.plan), network=on_network(str(watch.root)))
        for watch in config.watch
    ]


def health_part(root: str) -> str:
    """Name of a watched folder on the health board."""
    return _PART + escape(root)


@contextmanager
def watching(watched: Sequence[WatchedFolder], line: Line, around: Surroundings) -> Iterator[WatchedFolders]:
    """Watch the folders, and give the line what settles there.

    What was settling before is taken up from the journal, and whatever came while nobody watched is found by
    the first scan.
    """
    _forget_others(watched, around)
    log = SqlSightingLog(
        line.journal, time.time, line.dispatcher.notify, lambda e: around.crew.death("journal change", e)
    )
    line.journal.submit(partial(_reconsider, watched, around)).result()
    folders = WatchedFolders(log.known_in, around.telemetry, around.log)
    for folder in watched:
        folders.add(folder.root, folder.names, network=on_network(folder.root))
    intake = Intake(
        watched,
        log=log,
        probe=DiskProbe(),
        clock=time.monotonic,
        telemetry=around.telemetry,
        logger=around.log,
    )
    loop = IntakeLoop(
        intake,
        folders,
        clock=time.monotonic,
        telemetry=around.telemetry,
        logger=around.log,
        report=partial(_report, around),
    )
    stop = threading.Event()
    folders.start()
    thread = around.crew.start("intake", partial(loop.run, stop))
    try:
        yield folders
    finally:
        stop.set()
        thread.join()
        folders.stop()


def _forget_others(watched: Sequence[WatchedFolder], around: Surroundings) -> None:
    """Take folders that are watched no more off the health board."""
    ours = {health_part(folder.root) for folder in watched}
    for part in around.health.snapshot():
        if part.startswith(_PART) and part not in ours:
            around.health.drop(part)


def _reconsider(watched: Sequence[WatchedFolder], around: Surroundings, connection: Connection) -> None:
    for folder in watched:
        again = reconsider_ignored(connection, folder.root, folder.names.reads, time.time())
        if again:
            around.log.info("patterns_widened", root=folder.root, files=again)


def _report(around: Surroundings, health: FolderHealth) -> None:
    around.health.set(health_part(health.root), _HEALTH_OF[health.state], health.reason, health.todo)
