"""Conservation: every file in the watched folders is in exactly one state, and none is forgotten."""

from __future__ import annotations

import os
import posixpath
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from semwatchd.adapters.listing import DiskListing
from semwatchd.adapters.mounts import on_network
from semwatchd.adapters.scanner import Scanner
from semwatchd.adapters.sql.journal import open_engine, reading
from semwatchd.adapters.sql.queries import conservation, loose_ends, totals
from semwatchd.adapters.sql.sightings import known_in, unsettled
from semwatchd.core.naming import NameRules
from semwatchd.core.paths import escape
from semwatchd.core.ports import Log
from semwatchd.engine.health import Health, HealthBoard
from semwatchd.engine.watched import WatchSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class RootAudit:
    """One watched folder against the journal."""

    root: str
    files: int  #: on the disk now; temporary and excluded names are left out
    unaccounted: tuple[str, ...]  #: on the disk, in a version the journal does not know


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The books."""

    sighted: int  #: versions of files ever seen
    terminal: int  #: of these, in a final state
    in_flight: int  #: of these, still moving
    sightings: Mapping[str, int]
    jobs: Mapping[str, int]
    deliveries: Mapping[str, int]
    loose_ends: Mapping[str, int]  #: rules broken inside the journal
    roots: tuple[RootAudit, ...]

    @property
    def gap(self) -> int:
        """Files and rows that are in no state or in two; 0 when the books balance."""
        lost = sum(len(root.unaccounted) for root in self.roots)
        return abs(self.sighted - self.terminal - self.in_flight) + lost + sum(self.loose_ends.values())


def audit(watches: Sequence[WatchSettings], journal: Path, log: Log) -> Audit:
    """List every watched folder again and hold it against the journal."""
    with reading(open_engine(journal)) as connection:
        sighted, terminal, in_flight = conservation(connection)
        counted = totals(connection)
        return Audit(
            sighted=sighted,
            terminal=terminal,
            in_flight=in_flight,
            sightings=counted.sightings,
            jobs=counted.jobs,
            deliveries=counted.deliveries,
            loose_ends=loose_ends(connection),
            roots=tuple(_audit_root(connection, str(w.root), w.names, log) for w in watches),
        )


def _audit_root(connection: Connection, root: str, names: NameRules, log: Log) -> RootAudit:
    known = partial(known_in, connection)
    listing = DiskListing()
    scanner = Scanner(root, names, known, listing, clock=time.time, logger=log, stopped=lambda: False)
    strangers = list(scanner.full())
    if strangers:  # what a running daemon has taken in since they were listed is not lost
        accounted = set(unsettled(connection, root))
        strangers = [relpath for relpath in scanner.full() if relpath not in accounted]
    return RootAudit(root=root, files=_files_below(root, names), unaccounted=tuple(strangers))


def _files_below(root: str, names: NameRules) -> int:
    return sum(
        not names.excluded(os.path.relpath(posixpath.join(directory, name), root))
        for directory, _, files in os.walk(root)
        for name in files
    )


FIRST_AFTER_S = 60.0  # what lay there at start is settling until then
SECOND_LOOK_S = 20.0  # what came while the folders were listed is known by then
POLITENESS = 10  # niceness of the thread that audits


class Auditor:
    """Audits the local folders from time to time, beside the work.

    Folders on a share are left to the command: a share that hangs would hang us.

    Parameters
    ----------
    watches
        Asked for the folders watched now.
    tell
        Told the gap after every audit.
    """

    def __init__(
        self,
        journal: Path,
        watches: Callable[[], Sequence[WatchSettings]],
        tell: Callable[[int], None],
        health: HealthBoard,
        log: Log,
    ) -> None:
        self._journal = journal
        self._watches = watches
        self._tell = tell
        self._health = health
        self._log = log

    def run(self, every_s: float, stop: threading.Event) -> None:
        """Audit until told to stop."""
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), POLITENESS)
        wait_s = min(every_s, FIRST_AFTER_S)
        while not stop.wait(wait_s):
            wait_s = every_s
            try:
                books = self._audit()
                if books.gap and not stop.wait(min(every_s, SECOND_LOOK_S)):
                    books = self._audit()
            except (DatabaseError, OSError) as error:  # the work goes on; so does the next audit
                self._log.warning("audit_failed", error=str(error))
            else:
                self._report(books)

    def _audit(self) -> Audit:
        local = [watch for watch in self._watches() if not watch.on_share(on_network)]
        return audit(local, self._journal, self._log)

    def _report(self, books: Audit) -> None:
        self._tell(books.gap)
        self._log.info("audited", sighted=books.sighted, gap=books.gap)
        if not books.gap:
            self._health.set("books", Health.OK)
            return
        lost = [escape(posixpath.join(root.root, path)) for root in books.roots for path in root.unaccounted]
        first = f", first {lost[0]}" if lost else ""
        self._health.set(
            "books",
            Health.DEGRADED,
            f"{books.gap} unaccounted for{first}",
            "`semwatchd audit` names files, which the next scan finds; `semwatchd journal check` names rows",
        )
