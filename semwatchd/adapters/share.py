"""A watched folder on a share, asked through a helper process that may hang without hanging us."""

from __future__ import annotations

import errno
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from semwatchd.adapters.share_messages import MESSAGE_BYTES, READY, Answer, Question
from semwatchd.core.children import environment
from semwatchd.core.naming import NameRules
from semwatchd.core.ports import Completeness, Entry, FileLook, Log, NoAnswerError, Place, Telemetry

StuckHelpers = dict[str, subprocess.Popen[bytes]]

SILENT = "the share does not answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareLimits:
    """How long the helper is waited for."""

    answer_s: float = 15.0  #: a server that fails over is away for some seconds
    start_s: float = 60.0  #: a machine under load loads Python slowly
    pause_s: float = 5.0  #: between two helpers, so that a share which is down costs next to nothing
    death_s: float = 0.5  #: from SIGKILL to the end; what takes longer hangs in the kernel


class Share:
    """core.ports.FileProbe and core.ports.FolderProbe for one folder; answers one thread at a time.

    Parameters
    ----------
    clock
        Monotonic seconds.
    stuck
        By folder, the killed helpers that the kernel does not let go of: they outlive a reload, and us.
    """

    def __init__(
        self,
        root: str,
        *,
        telemetry: Telemetry,
        logger: Log,
        clock: Callable[[], float],
        limits: ShareLimits | None = None,
        stuck: StuckHelpers | None = None,
    ) -> None:
        self._root = root
        self._telemetry = telemetry
        self._logger = logger
        self._clock = clock
        self._limits = limits or ShareLimits()
        self._turn = threading.Lock()
        self._helper: _Helper | None = None
        self._stuck: StuckHelpers = {} if stuck is None else stuck
        self._started = 0
        self._trouble = SILENT
        self._retry_at = clock()
        self._closed = False

    def look(self, root: str, relpath: str) -> FileLook | None:
        """Stat the file; None where there is none, or a directory."""
        looked: FileLook | None = self._ask("look", root, relpath)
        return looked

    def being_written(self, path: str) -> bool | None:
        """Whether any program holds the file open for writing; None where that cannot be told."""
        written: bool | None = self._ask("being_written", path)
        return written

    def completeness(self, path: str) -> Completeness:
        """Whether the layout of the file says that all of it is there."""
        judged: Completeness = self._ask("completeness", path)
        return judged

    def place(self, root: str) -> Place:
        """Return which folder it is, and which helper says so."""
        with self._turn:
            place: Place = self._ask_in_turn("place", root)
            return replace(place, asker=self._started)

    def changed_at(self, path: str) -> float:
        """Return when something was last made or removed in a directory."""
        changed_at: float = self._ask("changed_at", path)
        return changed_at

    def lay(self, root: str, name: str) -> None:
        """Make the canary's file."""
        self._ask("lay", root, name)

    def take_away(self, root: str, name: str) -> None:
        """Remove the canary's file if it is there."""
        self._ask("take_away", root, name)

    def entries(self, root: str, directory: str, names: NameRules) -> Iterator[Entry]:
        """List one directory, piece by piece, so that other questions are answered in between."""
        began_with: int | None = None
        portion: list[Entry] = []
        while portion or began_with is None:
            yield from portion
            with self._turn:
                if began_with is None:
                    portion = self._ask_in_turn("begin", root, directory, names)
                    began_with = self._started
                elif began_with == self._started:
                    portion = self._ask_in_turn("more")
                else:
                    raise NoAnswerError(errno.ETIMEDOUT, "the helper was exchanged while it was listing")

    def close(self) -> None:
        """End the helper; from any thread. Whoever waits for it gets an error at once."""
        self._closed = True
        if helper := self._helper:
            helper.process.kill()
        with self._turn:
            if self._helper:
                self._end_helper(self._helper)

    def _ask(self, what: str, *arguments: object) -> Any:  # noqa: ANN401 — as different as the questions
        with self._turn:
            return self._ask_in_turn(what, *arguments)

    def _ask_in_turn(self, what: str, *arguments: object) -> Any:  # noqa: ANN401
        helper = self._living()
        try:
            told = helper.ask(Question(what, arguments), self._limits.answer_s)
        except (OSError, EOFError) as error:
            raise self._give_up(helper, error) from error
        if told.error is not None:
            raise told.error
        return told.value

    def _living(self) -> _Helper:
        if self._closed:
            raise NoAnswerError(errno.ESHUTDOWN, "the folder is watched no more")
        stuck = self._stuck.get(self._root)
        if stuck is not None and stuck.poll() is None:
            raise NoAnswerError(
                errno.ETIMEDOUT, f"{self._trouble}; its helper, process {stuck.pid}, hangs in the kernel"
            )
        self._bury()
        if self._helper is not None:
            return self._helper
        if self._clock() < self._retry_at:
            raise NoAnswerError(errno.ETIMEDOUT, self._trouble)
        return self._start()

    def _start(self) -> _Helper:
        self._started += 1
        try:
            helper = self._helper = _Helper()
        except OSError as error:
            reason = f"no process can be started to ask the share: {error.strerror}"
            raise self._lost(reason, "crash", ended="never began") from error
        try:
            helper.wait_until_ready(self._limits.start_s)
        except (OSError, EOFError) as error:
            raise self._give_up(helper, error) from error
        return helper

    def _give_up(self, helper: _Helper, error: Exception) -> NoAnswerError:
        """Kill the helper, and say why as the person reads it who must see to the share."""
        ended = self._end_helper(helper)
        if isinstance(error, TimeoutError):
            return self._lost(SILENT, "hang", ended)
        return self._lost(f"the process that asks the share ended: {ended}", "crash", ended)

    def _lost(self, trouble: str, how: str, ended: str) -> NoAnswerError:
        self._trouble = trouble
        self._retry_at = self._clock() + self._limits.pause_s
        if not self._closed:
            self._logger.warning("share_helper_lost", root=self._root, reason=trouble, ended=ended)
            self._telemetry.share_helper_lost(self._root, how)
        return NoAnswerError(errno.ETIMEDOUT, trouble)

    def _end_helper(self, helper: _Helper) -> str:
        """End it; one that the kernel does not let go of is left alone, and remembered."""
        self._helper = None
        status = helper.end(self._limits.death_s)
        if status is None:
            self._stuck[self._root] = helper.process
            self._telemetry.share_helper_stuck(self._root, stuck=True)
            return "not yet"
        return f"exit code {status}" if status >= 0 else signal.Signals(-status).name

    def _bury(self) -> None:
        if self._stuck.pop(self._root, None) is not None:
            self._telemetry.share_helper_stuck(self._root, stuck=False)


class ShareCanary:
    """core.ports.CanaryFile on a share."""

    def __init__(self, share: Share, name: str) -> None:
        self._share = share
        self.name = name

    def lay(self, root: str) -> None:
        """Make the file; what may be there of this name is an error."""
        self._share.lay(root, self.name)

    def take_away(self, root: str) -> None:
        """Remove the file if it is there."""
        self._share.take_away(root, self.name)


class _Helper:
    """One helper process and the line to it."""

    def __init__(self) -> None:
        # Datagrams, kept in order: they arrive whole or not at all, and each wait has a limit.
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ExitStack() as undo:
            undo.callback(self._line.close)
            with theirs:
                self.process = subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        f"{__package__}.share_helper",
                        str(theirs.fileno()),
                        str(os.getpid()),
                    ],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    env=environment(),
                )
            undo.pop_all()

    def wait_until_ready(self, limit_s: float) -> None:
        """Wait for its first word."""
        if self._hear(limit_s) != READY:
            raise EOFError

    def ask(self, question: Question, limit_s: float) -> Answer:
        """Return its answer.

        Raises
        ------
        TimeoutError
            It does not answer.
        OSError, EOFError
            It is dead.
        """
        self._line.send(pickle.dumps(question))
        told: Answer = pickle.loads(self._hear(limit_s))  # noqa: S301 — from our own child
        return told

    def end(self, limit_s: float) -> int | None:
        """Kill it and return its exit status; None while it is not dead."""
        self._line.close()
        self.process.kill()
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return None

    def _hear(self, limit_s: float) -> bytes:
        self._line.settimeout(limit_s)
        heard = self._line.recv(MESSAGE_BYTES)
        if not heard:
            raise EOFError
        return heard
