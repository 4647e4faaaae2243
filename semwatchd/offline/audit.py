"""Conservation: every file in the watched folders is in exactly one state, and none is forgotten."""

from __future__ import annotations

import os
import posixpath
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from semwatchd.adapters.scanner import Scanner
from semwatchd.adapters.sql.journal import open_engine, reading
from semwatchd.adapters.sql.queries import conservation, loose_ends, totals
from semwatchd.adapters.sql.sightings import known_in, unsettled
from semwatchd.config import Config
from semwatchd.core.naming import NameRules
from semwatchd.core.ports import Log


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


def audit(config: Config, journal: Path, log: Log) -> Audit:
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
            roots=tuple(_audit_root(connection, str(w.root), w.names, log) for w in config.watch),
        )


def _audit_root(connection: Connection, root: str, names: NameRules, log: Log) -> RootAudit:
    known = partial(known_in, connection)
    scanner = Scanner(root, names, known, clock=time.time, logger=log, stopped=lambda: False)
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
