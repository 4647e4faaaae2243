"""The truth about a folder: its listing, compared with what the journal knows."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping

from semwatchd.core.naming import NameRules
from semwatchd.core.paths import escape
from semwatchd.core.ports import FileStamp, FolderProbe, Log, NoAnswerError

HOT_S = 86_400.0  #: a directory that has changed within a day is looked at more often
HOT_EVERY_S = 30.0
FULL_EVERY_S = 600.0


#: core.ports.SightingLog.known_in
KnownIn = Callable[[str, str], Mapping[str, FileStamp]]


class Scanner:
    """Lists one watched folder without following links to directories.

    Parameters
    ----------
    clock
        Wall-clock seconds, to compare with the file system's times.
    stopped
        Asked before every directory; True ends the scan.
    """

    def __init__(
        self,
        root: str,
        names: NameRules,
        known_in: KnownIn,
        probe: FolderProbe,
        *,
        clock: Callable[[], float],
        logger: Log,
        stopped: Callable[[], bool],
    ) -> None:
        self._root = root
        self._names = names
        self._known_in = known_in
        self._probe = probe
        self._clock = clock
        self._logger = logger
        self._stopped = stopped
        self._directories: set[str] = {""}
        self._silenced: set[str] = set()

    def full(self) -> Iterator[str]:
        """Yield every file version the journal does not know, as paths below the root."""
        self._directories = {""}
        yield from self.below("")

    def hot(self) -> Iterator[str]:
        """Do the same for the directories in which something was made or removed within a day."""
        for directory in sorted(self._directories):
            if directory in self._directories and self._is_hot(directory):
                yield from self._scan(directory, lambda child: child not in self._directories)

    def below(self, directory: str) -> Iterator[str]:
        """Do the same for one directory and everything under it."""
        yield from self._scan(directory, lambda _: True)

    def _scan(self, top: str, enters: Callable[[str], bool]) -> Iterator[str]:
        waiting = [top]
        while waiting and not self._stopped():
            directory = waiting.pop()
            try:
                children, fresh = self._list(directory)
            except NoAnswerError:
                return  # the folder is lost; once it is back it is scanned in full
            except OSError as error:
                self._complain(directory, error)
                continue
            self._silenced.discard(directory)
            entered = [child for child in children if enters(child)]
            self._directories.add(directory)
            self._directories.update(entered)
            waiting.extend(entered)
            yield from fresh

    def _list(self, directory: str) -> tuple[list[str], list[str]]:
        """Return the directories and the files of unknown version in one directory."""
        known = self._known_in(self._root, directory)
        children: list[str] = []
        fresh: list[str] = []
        for name, is_directory, stamp in self._probe.entries(self._root, directory, self._names):
            if is_directory:
                children.append(posixpath.join(directory, name))
            elif known.get(name) != stamp:
                fresh.append(posixpath.join(directory, name))
        return children, fresh

    def _is_hot(self, directory: str) -> bool:
        try:
            changed_at = self._probe.changed_at(posixpath.join(self._root, directory))
        except OSError:
            self._directories.discard(directory)  # the next full scan tells whether it is back
            return False
        return self._clock() - changed_at < HOT_S

    def _complain(self, directory: str, error: OSError) -> None:
        """Say once that a directory cannot be listed; one that is gone needs no word."""
        self._directories.discard(directory)
        if directory not in self._silenced and not isinstance(error, FileNotFoundError):
            self._silenced.add(directory)
            path = escape(posixpath.join(self._root, directory))
            self._logger.warning("directory_not_scanned", path=path, reason=error.strerror)
