"""Whether a file is complete: the cheapest proof first, and never a read while someone writes.

Rename into place, then no open writer (a write lease), then quiet time, then the layout of the file
itself. Size and time alone are not enough: a writer that reserves the whole size first and then pauses
looks finished to both.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace

from semwatchd.core.paths import one_line
from semwatchd.core.ports import Completeness, CompletenessKind, FileProbe, FileStamp

FIRST_DELAY_S = 0.5  #: before a file that was not complete is looked at again
LONGEST_DELAY_S = 15.0  #: a closing writer wakes us anyway; this is for file systems without events
VANISH_CONFIRM_S = 3.0  #: longer than it takes to notice that the whole folder is gone


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a file of one folder."""

    quiet_s: float = 2.0  #: without any change
    hold_s: float = 30.0  #: after the last change, for a file that looks incomplete


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A file on its way to being proved complete. Times are of the monotonic clock, in seconds."""

    root: str
    relpath: str
    since: float  #: first seen
    active_at: float  #: it was last seen to change, or to be held open by a writer
    how: str = "scan"  #: what brought it to our notice
    stamp: FileStamp | None = None  #: None before the first look
    renamed: bool = False  #: this version was moved here in one piece
    recorded: bool = False  #: the journal has it as settling
    missing_since: float | None = None
    tries: int = 0  #: looks since the last change that found it incomplete
    complained: bool = False  #: a person has been told that it does not settle

    @property
    def path(self) -> str:
        """Absolute path."""
        return posixpath.join(self.root, self.relpath)


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again at ``until``."""

    candidate: Candidate
    until: float
    reason: str = ""  #: what holds it up, where that is more than its quiet time


@dataclass(frozen=True, slots=True)
class Ready:
    """Complete, or waited for long enough; the warnings say which."""

    stamp: FileStamp
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ignored:
    """Not an image of ours."""

    stamp: FileStamp
    reason: str


@dataclass(frozen=True, slots=True)
class Vanished:
    """Gone before it was complete."""


Step = Wait | Ready | Ignored | Vanished


def advance(candidate: Candidate, now: float, patience: Patience, probe: FileProbe) -> Step:
    """Look at the file once and say what is to become of it. A disk that does not answer means: wait."""
    try:
        return _look(candidate, now, patience, probe)
    except FileNotFoundError:
        return _missing(candidate, now)
    except OSError as error:
        return _wait(candidate, now, f"cannot be read: {error.strerror or error}")


def _look(candidate: Candidate, now: float, patience: Patience, probe: FileProbe) -> Step:
    look = probe.look(candidate.root, candidate.relpath)
    if look is None:
        return _missing(candidate, now)
    if look.oddity is not None:
        return Ignored(look.stamp, look.oddity)
    if look.stamp != candidate.stamp:
        return _changed(candidate, look.stamp, now, patience)
    candidate = replace(candidate, missing_since=None)
    quiet_at = candidate.active_at + patience.quiet_s
    if now < quiet_at and not candidate.renamed:
        return Wait(candidate, quiet_at)
    if probe.being_written(candidate.path):
        held = replace(candidate, active_at=now, renamed=False)
        return _wait(held, now, "a program still holds it open for writing")
    return _by_content(candidate, look.stamp, now, patience, probe)


def _by_content(
    candidate: Candidate, stamp: FileStamp, now: float, patience: Patience, probe: FileProbe
) -> Step:
    content = probe.completeness(candidate.path)
    after = probe.look(candidate.root, candidate.relpath)
    if after is None:
        return _missing(candidate, now)
    if after.stamp != stamp:
        return _changed(candidate, after.stamp, now, patience)
    if content.kind in {CompletenessKind.COMPLETE, CompletenessKind.BROKEN}:
        return Ready(stamp)
    return _suspect(candidate, stamp, content, now, patience)


def _suspect(
    candidate: Candidate, stamp: FileStamp, content: Completeness, now: float, patience: Patience
) -> Step:
    hold_until = candidate.active_at + patience.hold_s
    if now >= hold_until:
        return Ready(stamp, (f"suspect_partial: {one_line(content.reason)}",))
    waiting = _wait(candidate, now, content.reason)
    return replace(waiting, until=min(waiting.until, hold_until))


def _changed(candidate: Candidate, stamp: FileStamp, now: float, patience: Patience) -> Wait:
    fresh = candidate.renamed and candidate.stamp is None
    changed = replace(candidate, stamp=stamp, active_at=now, renamed=fresh, missing_since=None, tries=0)
    return Wait(changed, now if fresh else now + patience.quiet_s)


def _missing(candidate: Candidate, now: float) -> Step:
    """Believe in a disappearance only once the folder's own loss would have been noticed."""
    since = now if candidate.missing_since is None else candidate.missing_since
    if now - since >= VANISH_CONFIRM_S:
        return Vanished()
    return Wait(replace(candidate, missing_since=since), since + VANISH_CONFIRM_S)


def _wait(candidate: Candidate, now: float, reason: str) -> Wait:
    delay_s = min(FIRST_DELAY_S * 2.0 ** min(candidate.tries, 10), LONGEST_DELAY_S)
    return Wait(replace(candidate, tries=candidate.tries + 1), now + delay_s, reason)
