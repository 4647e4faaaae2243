"""A small file of our own that every part of the intake must notice: proof that it is not deaf."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from semwatchd.core.ports import CanaryFile, FolderHealth, FolderSource, FolderState, Sight, Telemetry


class Canary:
    """The canary of one folder: laid, listened for, taken away. It lies there only while it is awaited.

    Parameters
    ----------
    every_s
        Between two canaries, and how long each is listened for; None: only what a daemon that was killed
        has left behind is taken away.
    clock
        Monotonic seconds.
    report
        Told what is wrong and what to do about it; nothing where all is well.
    """

    def __init__(
        self,
        root: str,
        file: CanaryFile,
        *,
        every_s: float | None,
        clock: Callable[[], float],
        telemetry: Telemetry,
        report: Callable[[str, str], None],
    ) -> None:
        self._root = root
        self._file = file
        self._every_s = every_s
        self._clock = clock
        self._telemetry = telemetry
        self._report = report
        self._laid_at: float | None = None
        self._next_at = clock()
        self._hindered = False
        self._may_be_there = True  # another life of ours may have been cut short

    def heard(self, relpath: str) -> bool:
        """Whether a hint is of the canary, and so of no image; the first one ends the wait."""
        if relpath != self._file.name:
            return False
        if self._laid_at is not None:
            self._telemetry.canary(self._root, self._clock() - self._laid_at)
            self._laid_at = None
            self._report("", "")
        return True

    def turn(self) -> bool:
        """Do what is due; return whether the folder was found to be deaf."""
        if self._is_overdue():
            self._tell_deaf()
            return True
        if self._laid_at is None:
            self._tidy_and_lay()
        return False

    def interrupt(self) -> None:
        """Listen no more: the folder is lost, and whatever lies in it with it."""
        self._laid_at = None
        self._may_be_there = True

    def end(self) -> None:
        """Take the file away for good."""
        self._laid_at = None
        with suppress(OSError):  # the next start tries again
            self._tidy()
        self._telemetry.canary(self._root, None)

    def _is_overdue(self) -> bool:
        waiting = self._laid_at is not None and self._every_s is not None
        return waiting and self._clock() >= self._next_at

    def _tell_deaf(self) -> None:
        self._laid_at = None
        self._telemetry.canary(self._root, math.inf)
        self._report(
            f"{self._root}: the daemon's own test file was not noticed within {self._every_s:g} s",
            "the folder is watched anew and scanned; if it stays so, see whether the daemon is overloaded, "
            "and read its log",
        )

    def _tidy_and_lay(self) -> None:
        try:
            self._tidy()
            if self._every_s is not None and self._clock() >= self._next_at:
                self._lay(self._every_s)
        except OSError as error:
            self._hindered = True
            self._next_at = self._clock() + (self._every_s or 0.0)
            self._report(
                f"{self._root}: the daemon's own test file {self._file.name} cannot be written or removed: "
                f"{error.strerror or error}",
                "give the daemon's user the right to write there, or take watch.canary_s out of the "
                "configuration and delete the file",
            )
        else:
            self._tell_if_unhindered()

    def _tidy(self) -> None:
        if self._may_be_there:
            self._file.take_away(self._root)
            self._may_be_there = False

    def _tell_if_unhindered(self) -> None:
        if self._hindered:
            self._hindered = False
            self._report("", "")

    def _lay(self, every_s: float) -> None:
        self._may_be_there = True
        self._laid_at = self._clock()
        self._next_at = self._laid_at + every_s
        try:
            self._file.lay(self._root)
        except OSError:
            self._laid_at = None
            raise


class CanarySource:
    """core.ports.FolderSource that tests another one by canaries, which nobody behind it ever sees.

    Parameters
    ----------
    canaries
        By root.
    """

    def __init__(self, source: FolderSource, canaries: Mapping[str, Canary]) -> None:
        self._source = source
        self._canaries = canaries

    def drain(self, limit: int, timeout_s: float) -> Sequence[Sight]:
        """Return hints of files."""
        return [hint for hint in self._source.drain(limit, timeout_s) if not self._is_canary(hint)]

    def check(self) -> Sequence[FolderHealth]:
        """Ask after the folders, and have each one's canary do what is due."""
        standing = self._source.check()
        for health in standing:
            if canary := self._canaries.get(health.root):
                self._test(canary, health)
        return standing

    def rescan(self, root: str | None = None) -> None:
        """Have one folder, or all, listed in full as soon as possible."""
        self._source.rescan(root)

    def rearm(self, root: str) -> None:
        """Watch a folder anew and have it scanned."""
        self._source.rearm(root)

    def end(self) -> None:
        """Take all canaries away for good."""
        for canary in self._canaries.values():
            canary.end()

    def _is_canary(self, hint: Sight) -> bool:
        canary = self._canaries.get(hint.root)
        return canary is not None and canary.heard(hint.relpath)

    def _test(self, canary: Canary, health: FolderHealth) -> None:
        if health.state is FolderState.LOST:
            canary.interrupt()
        elif canary.turn():
            self._source.rearm(health.root)
