"""The watched folders and their intake, put together; taken down and put up anew while the line runs on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from semwatchd.adapters.canary import DiskCanary, canary_name, had_canaries
from semwatchd.adapters.listing import DiskListing
from semwatchd.adapters.mounts import on_network
from semwatchd.adapters.probe import DiskProbe
from semwatchd.adapters.share import Share, ShareCanary, StuckHelpers
from semwatchd.adapters.sql.sightings import SqlSightingLog, reconsider_ignored
from semwatchd.adapters.watching import WatchedFolders
from semwatchd.config import Config
from semwatchd.core.paths import escape
from semwatchd.core.ports import CanaryFile, FileProbe, FolderHealth, FolderState, SightingLog
from semwatchd.engine.canary import Canary, CanarySource
from semwatchd.engine.health import Health
from semwatchd.engine.intake import Intake
from semwatchd.engine.intake_loop import IntakeLoop
from semwatchd.engine.surroundings import Surroundings
from semwatchd.engine.watched import WatchedFolder, watched_folder
from semwatchd.line import Line

_PART = "watch:"
_CANARY = "canary:"
GRACE_S = 1.0  #: to end in order; then whoever waits for a share is freed
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Post:
    """Folders that one thread looks after, and what it does so with."""

    watched: Sequence[WatchedFolder]
    source: WatchedFolders
    probe: FileProbe
    canaries: Mapping[str, Canary]
    name: str = "intake"
    free: Callable[[], None] = lambda: None  #: ends the thread's waiting for a share


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
def watching(
    watched: Sequence[WatchedFolder],
    line: Line,
    around: Surroundings,
    state_dir: Path,
    stuck: StuckHelpers,
) -> Iterator[Lookout]:
    """Watch the folders, and give the line what settles there.

    What was settling before is taken up from the journal, and whatever came while nobody watched is found by
    the first scan.

    Parameters
    ----------
    stuck
        Helpers of shares that cannot be ended; kept from one watching to the next.
    """
    _forget_others(watched, around)
    log = SqlSightingLog(
        line.journal, time.time, line.dispatcher.notify, lambda e: around.crew.death("journal change", e)
    )
    line.journal.submit(partial(_reconsider, watched, around)).result()
    canary = _canary_name(watched, state_dir)
    local = [folder for folder in watched if not folder.network]
    shared = [folder for folder in watched if folder.network]
    with ExitStack() as stack:
        source = stack.enter_context(_on_this_machine(local, log, around, canary))
        sources = {folder.root: source for folder in local}
        for folder in shared:
            sources[folder.root] = stack.enter_context(_on_share(folder, log, around, canary, stuck))
        yield Lookout(sources)


def _canary_name(watched: Sequence[WatchedFolder], state_dir: Path) -> str | None:
    """Return the name of our own test files, if there are any or a daemon before us may have left one."""
    needed = any(folder.canary_s for folder in watched) or had_canaries(state_dir)
    return canary_name(state_dir) if needed else None


@contextmanager
def _on_this_machine(
    watched: Sequence[WatchedFolder], log: SightingLog, around: Surroundings, canary: str | None
) -> Iterator[WatchedFolders]:
    """Watch the folders on this machine's own disks, which a single thread can look after."""
    source = WatchedFolders(log.known_in, around.telemetry, around.log)
    for folder in watched:
        source.add(folder.root, folder.names, DiskListing(), events=True)
    canaries = _canaries(watched, DiskCanary(canary) if canary else None, around)
    post = _Post(watched=watched, source=source, probe=DiskProbe(), canaries=canaries)
    with _manned(post, log, around):
        yield source


@contextmanager
def _on_share(
    folder: WatchedFolder,
    log: SightingLog,
    around: Surroundings,
    canary: str | None,
    stuck: StuckHelpers,
) -> Iterator[WatchedFolders]:
    """Watch a folder on a share through a process that may hang, from a thread that may wait for it."""
    share = Share(
        folder.root, telemetry=around.telemetry, logger=around.log, clock=time.monotonic, stuck=stuck
    )
    source = WatchedFolders(log.known_in, around.telemetry, around.log)
    # Where there are no events, the scans must hear the canary; elsewhere they must not, or they would hide
    # that the events have ceased.
    source.add(folder.root, replace(folder.names, heard=canary), share, events=False)
    canaries = _canaries([folder], ShareCanary(share, canary) if canary else None, around)
    post = _Post(
        watched=[folder],
        source=source,
        probe=share,
        canaries=canaries,
        name=f"intake.{escape(folder.root)}",
        free=share.close,
    )
    with _manned(post, log, around):
        yield source


def _canaries(
    watched: Sequence[WatchedFolder], file: CanaryFile | None, around: Surroundings
) -> Mapping[str, Canary]:
    if file is None:
        return {}
    return {
        folder.root: Canary(
            folder.root,
            file,
            every_s=folder.canary_s,
            clock=time.monotonic,
            telemetry=around.telemetry,
            report=partial(_report_canary, around, folder.root),
        )
        for folder in watched
    }


@contextmanager
def _manned(post: _Post, log: SightingLog, around: Surroundings) -> Iterator[None]:
    """Settle, in a thread of its own, what a source hints at."""
    source = CanarySource(post.source, post.canaries)
    intake = Intake(
        post.watched,
        log=log,
        probe=post.probe,
        clock=time.monotonic,
        telemetry=around.telemetry,
        logger=around.log,
    )
    loop = IntakeLoop(
        intake,
        source,
        name=post.name,
        clock=time.monotonic,
        telemetry=around.telemetry,
        logger=around.log,
        report=partial(_report, around),
    )
    stop = threading.Event()
    post.source.start()
    thread = around.crew.start(post.name, partial(loop.run, stop))
    try:
        yield
    finally:
        stop.set()
        thread.join(GRACE_S)
        if not thread.is_alive():
            source.end()
        post.free()
        thread.join()
        post.source.stop()


def _forget_others(watched: Sequence[WatchedFolder], around: Surroundings) -> None:
    """Take what is watched no more off the health board."""
    ours = {health_part(folder.root) for folder in watched}
    ours |= {_CANARY + escape(folder.root) for folder in watched if folder.canary_s}
    for part in around.health.snapshot():
        if part.startswith((_PART, _CANARY)) and part not in ours:
            around.health.drop(part)


def _reconsider(watched: Sequence[WatchedFolder], around: Surroundings, connection: Connection) -> None:
    for folder in watched:
        again = reconsider_ignored(connection, folder.root, folder.names.reads, time.time())
        if again:
            around.log.info("patterns_widened", root=folder.root, files=again)


def _report(around: Surroundings, health: FolderHealth) -> None:
    around.health.set(health_part(health.root), _HEALTH_OF[health.state], health.reason, health.todo)


def _report_canary(around: Surroundings, root: str, reason: str, todo: str) -> None:
    around.health.set(_CANARY + escape(root), Health.DEGRADED if reason else Health.OK, reason, todo)
