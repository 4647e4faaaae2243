"""The watched folders and their intake, put together; taken down and put up anew while the line runs on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from sqlalchemy import Connection

from semwatchd.adapters.listing import DiskListing
from semwatchd.adapters.mounts import on_network
from semwatchd.adapters.probe import DiskProbe
from semwatchd.adapters.share import Share
from semwatchd.adapters.sql.sightings import SqlSightingLog, reconsider_ignored
from semwatchd.adapters.watching import WatchedFolders
from semwatchd.config import Config
from semwatchd.core.paths import escape
from semwatchd.core.ports import FileProbe, FolderHealth, FolderState, SightingLog
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
        watched_folder(watch, config.plan(watch.plan), network=watch.on_share(on_network))
        for watch in config.watch
    ]


def health_part(root: str) -> str:
    """Name of a watched folder on the health board."""
    return _PART + escape(root)


class Lookout:
    """All that is watched. Folders on a share are on their own, so that one which hangs is waited for by none
    of the others.
    """

    def __init__(self, sources: Mapping[str, WatchedFolders]) -> None:
        self._sources = sources

    def hint(self, root: str, relpath: str) -> None:
        """Have one file looked at again; from any thread."""
        if source := self._sources.get(root):
            source.hint(root, relpath)


@contextmanager
def watching(watched: Sequence[WatchedFolder], line: Line, around: Surroundings) -> Iterator[Lookout]:
    """Watch the folders, and give the line what settles there.

    What was settling before is taken up from the journal, and whatever came while nobody watched is found by
    the first scan.
    """
    _forget_others(watched, around)
    log = SqlSightingLog(
        line.journal, time.time, line.dispatcher.notify, lambda e: around.crew.death("journal change", e)
    )
    line.journal.submit(partial(_reconsider, watched, around)).result()
    local = [folder for folder in watched if not folder.network]
    shared = [folder for folder in watched if folder.network]
    with ExitStack() as stack:
        sources = dict.fromkeys(
            (folder.root for folder in local), stack.enter_context(_local(local, log, around))
        )
        for folder in shared:
            sources[folder.root] = stack.enter_context(_on_share(folder, log, around))
        yield Lookout(sources)


@contextmanager
def _local(
    watched: Sequence[WatchedFolder], log: SightingLog, around: Surroundings
) -> Iterator[WatchedFolders]:
    """Watch the folders on this machine's own disks, which a single thread can look after."""
    source = WatchedFolders(log.known_in, around.telemetry, around.log)
    for folder in watched:
        source.add(folder.root, folder.names, DiskListing(), events=True)
    with _taking_in(watched, source, DiskProbe(), log, around):
        yield source


@contextmanager
def _on_share(folder: WatchedFolder, log: SightingLog, around: Surroundings) -> Iterator[WatchedFolders]:
    """Watch a folder on a share through a process that may hang, from a thread that may wait for it."""
    share = Share(folder.root, telemetry=around.telemetry, logger=around.log, clock=time.monotonic)
    source = WatchedFolders(log.known_in, around.telemetry, around.log)
    source.add(folder.root, folder.names, share, events=False)
    with _taking_in(
        [folder], source, share, log, around, name=f"intake.{escape(folder.root)}", end=share.close
    ):
        yield source


@contextmanager
def _taking_in(
    watched: Sequence[WatchedFolder],
    source: WatchedFolders,
    probe: FileProbe,
    log: SightingLog,
    around: Surroundings,
    *,
    name: str = "intake",
    end: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Settle what a source hints at, in a thread of its own; ``end`` frees one that waits for a share."""
    intake = Intake(
        watched,
        log=log,
        probe=probe,
        clock=time.monotonic,
        telemetry=around.telemetry,
        logger=around.log,
    )
    loop = IntakeLoop(
        intake,
        source,
        name=name,
        clock=time.monotonic,
        telemetry=around.telemetry,
        logger=around.log,
        report=partial(_report, around),
    )
    stop = threading.Event()
    source.start()
    thread = around.crew.start(name, partial(loop.run, stop))
    try:
        yield
    finally:
        stop.set()
        end()
        thread.join()
        source.stop()


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
