"""From hints that a file may be there to the order for a job. Stepwise and without threads.

Hints come from events and scans alike and are worth the same: each only makes us look. What is seen is
written to the journal before anything else; memory holds only what is settling, never the last copy.
"""

from __future__ import annotations

import heapq
import math
import posixpath
from collections.abc import Callable, Iterable
from dataclasses import replace

from semwatchd.core.naming import UNKNOWN_TYPE, described_images, is_sidecar
from semwatchd.core.paths import escape
from semwatchd.core.ports import FileProbe, FileStamp, Log, Sighting, SightingLog, Telemetry
from semwatchd.engine.settling import Candidate, Ignored, Ready, Step, Vanished, Wait, advance
from semwatchd.engine.watched import WatchedFolder

MAX_SETTLING = 150_000  #: beyond it hints are refused and scans wait
STALE_S = 600.0  #: a file that settles for longer is worth a person's look
STEP_LIMIT = 100  #: looks per step, so that hints are never kept waiting for long
LONGEST_STEP_S = 5.0  #: the same, on a share that answers slowly
BEFORE_ALL = -math.inf  #: when a file's first look is due: it is not safe before it is in the journal
LOST_FOLDER_S = 5.0  #: between thoughts about the files of a folder that is lost

_Key = tuple[str, str]  # root, path below it


class Intake:
    """Everything that is settling, over all watched folders.

    Parameters
    ----------
    clock
        Monotonic seconds.
    """

    def __init__(
        self,
        folders: Iterable[WatchedFolder],
        *,
        log: SightingLog,
        probe: FileProbe,
        clock: Callable[[], float],
        telemetry: Telemetry,
        logger: Log,
        max_settling: int = MAX_SETTLING,
    ) -> None:
        self._folders = {folder.root: folder for folder in folders}
        self._log = log
        self._probe = probe
        self._clock = clock
        self._telemetry = telemetry
        self._logger = logger
        self._max_settling = max_settling
        self._candidates: dict[_Key, Candidate] = {}
        self._due: dict[_Key, float] = {}
        self._queue: list[tuple[float, _Key]] = []  # also holds outdated entries; _due decides
        self._lost: set[str] = set()
        self.refused = 0  #: hints not taken for want of room

    @property
    def roots(self) -> tuple[str, ...]:
        """The watched folders."""
        return tuple(self._folders)

    @property
    def settling(self) -> int:
        """How many files are not yet decided."""
        return len(self._candidates)

    @property
    def room(self) -> int:
        """How many more files may settle at once."""
        return max(0, self._max_settling - len(self._candidates))

    def restore(self, root: str) -> None:
        """Take up again what was settling when the daemon last stopped, however much it is."""
        now = self._clock()
        for relpath in self._log.unsettled(root):
            self._keep(Candidate(root=root, relpath=relpath, since=now, active_at=now, recorded=True), now)

    def sight(self, root: str, relpath: str, how: str) -> bool:
        """Take the hint that there may be a new version of a file.

        Parameters
        ----------
        how
            ``"event"``, ``"moved"`` (renamed into place) or ``"scan"``.

        Returns
        -------
        bool
            False where there is no room; only a later scan can find the file again.
        """
        now = self._clock()
        candidate = self._candidates.get((root, relpath))
        if candidate is not None:
            self._wake(candidate, how, now)
        elif not self._folders[root].names.excluded(relpath):
            if not self.room:
                self.refused += 1
                return False
            new = Candidate(
                root=root, relpath=relpath, since=now, active_at=now, how=how, renamed=how == "moved"
            )
            self._keep(new, BEFORE_ALL)
        return True

    def folder_lost(self, root: str) -> None:
        """Think nothing of files that are not there: their folder is not there either."""
        self._lost.add(root)

    def folder_back(self, root: str) -> None:
        """Look at the folder's files again."""
        self._lost.discard(root)

    def step(self, now: float, until: float | None = None) -> float | None:
        """Move everything on whose time has come; return when the next is due (monotonic seconds).

        At most ``STEP_LIMIT`` files are looked at, so the answer may lie in the past.

        Parameters
        ----------
        until
            Whatever is due later waits; by default all that is due now is looked at. ``BEFORE_ALL`` looks
            only at what was never looked at.
        """
        until = now if until is None else until
        end = self._clock() + LONGEST_STEP_S
        for _ in range(STEP_LIMIT):
            due = self._next_due()
            if due is None or due > until or self._clock() > end:
                return due
            key = heapq.heappop(self._queue)[1]
            candidate = self._candidates[key]
            if candidate.root in self._lost:
                self._keep(candidate, now + LOST_FOLDER_S)
            else:
                patience = self._folders[candidate.root].patience
                self._take(candidate, advance(candidate, now, patience, self._probe), now)
        return self._next_due()

    def _next_due(self) -> float | None:
        while self._queue and self._due.get(self._queue[0][1]) != self._queue[0][0]:
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else None

    def _keep(self, candidate: Candidate, due: float) -> None:
        key = (candidate.root, candidate.relpath)
        self._candidates[key] = candidate
        self._due[key] = due
        heapq.heappush(self._queue, (due, key))

    def _forget(self, candidate: Candidate) -> None:
        key = (candidate.root, candidate.relpath)
        del self._candidates[key], self._due[key]

    def _wake(self, candidate: Candidate, how: str, now: float) -> None:
        if how == "moved":
            self._keep(replace(candidate, stamp=None, renamed=True), now)
        elif how == "event":
            self._keep(candidate, now)

    def _take(self, candidate: Candidate, step: Step, now: float) -> None:
        match step:
            case Wait():
                self._wait(candidate, step, now)
            case Ready(stamp, warnings):
                order = self._folders[candidate.root].order(candidate.relpath, warnings)
                self._log.ready(_sighting(candidate, stamp), order)
                self._forget(candidate)
            case Ignored(stamp, reason):
                self._log.ignored(_sighting(candidate, stamp), reason)
                self._forget(candidate)
            case Vanished():
                self._vanish(candidate)

    def _vanish(self, candidate: Candidate) -> None:
        if candidate.recorded:
            self._log.vanished(candidate.root, candidate.relpath)
        self._forget(candidate)

    def _wait(self, before: Candidate, step: Wait, now: float) -> None:
        stamp = step.candidate.stamp
        if before.stamp is None and stamp is not None:
            self._first_look(step, stamp)
        elif step.reason and now - before.since > STALE_S:
            self._stale(step)
        else:
            self._keep(step.candidate, step.until)

    def _first_look(self, step: Wait, stamp: FileStamp) -> None:
        """Decide by name and by what the journal knows whether there is anything to wait for."""
        candidate = step.candidate
        if self._log.known(candidate.root, candidate.relpath, stamp):
            self._vanish(candidate)  # ends the row of a version that was overwritten before it settled
            return
        self._telemetry.sighted(self._folders[candidate.root].tool, candidate.how)
        reason = self._not_an_image(candidate)
        if reason is not None:
            self._take(candidate, Ignored(stamp, reason), step.until)
            return
        self._log.settling(_sighting(candidate, stamp))
        self._keep(replace(candidate, recorded=True), step.until)

    def _not_an_image(self, candidate: Candidate) -> str | None:
        name = posixpath.basename(candidate.relpath)
        if self._folders[candidate.root].names.reads(name):
            return None
        if is_sidecar(name):
            return f"sidecar of {self._described_by(candidate, name)}"
        suffix = escape(posixpath.splitext(name)[1])
        return f"{UNKNOWN_TYPE} {suffix or '(no suffix)'}; add a pattern to read it"

    def _described_by(self, candidate: Candidate, name: str) -> str:
        directory = posixpath.dirname(candidate.relpath)
        for image in described_images(name):
            try:
                if self._probe.look(candidate.root, posixpath.join(directory, image)):
                    return escape(image)
            except OSError:
                break
        return f"an image named like '{escape(posixpath.splitext(name)[0])}', not here yet"

    def _stale(self, step: Wait) -> None:
        """Tell a person once. Without room its place is given up: the journal and the scans keep it."""
        candidate = step.candidate
        if not candidate.complained:
            self._logger.warning("stale_partial", path=escape(candidate.path), reason=step.reason)
        if self.room:
            self._keep(replace(candidate, complained=True), step.until)
        else:
            self._forget(candidate)


def _sighting(candidate: Candidate, stamp: FileStamp) -> Sighting:
    return Sighting(root=candidate.root, relpath=candidate.relpath, stamp=stamp)
