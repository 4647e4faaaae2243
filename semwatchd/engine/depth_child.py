"""The process that tells depths, as its supervisor holds it: started, heard, ended, started anew."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from typing import Protocol

from semwatchd.core.children import environment
from semwatchd.engine.burial import bury
from semwatchd.engine.child import MEMORY, STACKS_BYTES
from semwatchd.engine.messages import Answered, Ask, DepthReady, DepthSetup, Sick
from semwatchd.engine.wakeup import Wakeup

START_LIMIT_S = 180.0  # to load torch from a cold disk, and to try what the machine does best
FIRST_DELAY_S = 2.0  # from the end of a process that was of no use to the next try
LONGEST_DELAY_S = 300.0
DUMP_S = 0.5  # from the question where a hung process is to its end


@dataclass(frozen=True, slots=True)
class Ended:
    """The process is no more; what it was asked has no answer."""

    reason: str
    was_ready: bool


Heard = DepthReady | Answered | Sick | Ended


class DepthChild(Protocol):
    """One process: its pipe, and its end."""

    @property
    def pipe(self) -> Connection:
        """By which it is asked, and answers."""
        ...

    def stacks(self) -> str:
        """Return where its threads were when it crashed; empty if it did not say."""
        ...

    def dump(self) -> None:
        """Let it say where its threads are now."""
        ...

    def end(self) -> str:
        """End it, and return how it ended."""
        ...


class DepthProcess:
    """:class:`DepthChild` as a child of ours.

    The thread that makes it must outlive it: the kernel ends a child with the thread that started it.
    """

    def __init__(self, setup: DepthSetup, slab: int) -> None:
        """
        Parameters
        ----------
        slab
            Descriptor of the slab that the workers fill.

        Raises
        ------
        OSError
            The machine has no process or no memory left.
        """
        ours, theirs = Pipe(duplex=True)
        self._stacks = os.memfd_create("stacks", os.MFD_CLOEXEC)
        fds = [theirs.fileno(), slab, self._stacks]
        arguments = [str(number) for number in (fds[0], os.getpid(), slab, self._stacks)]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __package__ + ".depth_process", *arguments],
                pass_fds=fds,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=environment() | MEMORY,
            )
        except OSError:
            os.close(self._stacks)
            raise
        theirs.close()
        self.pipe = ours
        with suppress(OSError):  # dead already; its end-of-file tells
            ours.send(setup)

    def stacks(self) -> str:
        """Return where its threads were when it crashed; empty if it did not say."""
        return os.pread(self._stacks, STACKS_BYTES, 0).decode("utf-8", "replace")

    def dump(self) -> None:
        """Let it write down where its threads are; a stopped process does not hear this."""
        self._process.send_signal(signal.SIGUSR1)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(DUMP_S)

    def end(self) -> str:
        """End it, and return how it ended; without its pipe it goes by itself, if it can."""
        self.pipe.close()
        os.close(self._stacks)
        return bury(self._process)


class DepthKeeper:
    """Keeps one such process alive, with growing patience where it is of no use. Of one thread."""

    def __init__(
        self, start: Callable[[], DepthChild], deadline_s: float, clock: Callable[[], float]
    ) -> None:
        self._start = start
        self._deadline_s = deadline_s
        self._clock = clock
        self._child: DepthChild | None = None
        self._ready = False
        self._since = clock()  # of the start, or of the question
        self._asked = False
        self._delay_s = 0.0
        self._start_at = clock()

    @property
    def ready(self) -> bool:
        """Whether its network is loaded and proved."""
        return self._ready

    @property
    def free(self) -> bool:
        """Whether it can be asked now."""
        return self._ready and not self._asked

    def hear(self, timeout_s: float, wakeup: Wakeup) -> Heard | None:
        """Wait for what it says or becomes, at most so long, or until ``wakeup`` rings."""
        self._start_if_due()
        if self._child is None:
            wait([wakeup.fileno()], timeout_s)
            return None
        if self._child.pipe in wait([wakeup.fileno(), self._child.pipe], timeout_s):
            return self._heard(self._child)
        return self._overdue()

    def ask(self, ask: Ask) -> None:
        """Put a question; :attr:`free` first."""
        assert self._child is not None  # noqa: S101 — it is free
        self._asked, self._since = True, self._clock()
        with suppress(OSError):  # it has just died; its end-of-file tells
            self._child.pipe.send(ask)

    def close(self) -> None:
        """End it."""
        if self._child is not None:
            self._child.end()
        self._child, self._ready = None, False

    def _start_if_due(self) -> None:
        now = self._clock()
        if self._child is None and now >= self._start_at:
            try:
                self._child = self._start()
            except OSError:  # no memory or no process left: there may be some again
                self._be_patient()
            self._since = now

    def _heard(self, child: DepthChild) -> Heard:
        try:
            said: DepthReady | Answered | Sick = child.pipe.recv()
        except (EOFError, OSError):
            return self._ended("")
        match said:
            case DepthReady():
                self._ready = True
            case Answered():
                self._asked, self._delay_s = False, 0.0
            case Sick():
                self._end(child)
        return said

    def _overdue(self) -> Ended | None:
        limit_s = self._deadline_s if self._asked else START_LIMIT_S
        waits = self._asked or not self._ready
        if self._child is None or not waits or self._clock() - self._since <= limit_s:
            return None
        self._child.dump()
        return self._ended(f"no answer within {limit_s:g} s")

    def _ended(self, why: str) -> Ended:
        assert self._child is not None  # noqa: S101 — it was heard
        was_ready, stacks = self._ready, self._child.stacks()
        how = self._end(self._child)
        return Ended(": ".join(filter(None, (why or how, stacks))), was_ready)

    def _end(self, child: DepthChild) -> str:
        how = child.end()
        self._child, self._ready, self._asked = None, False, False
        self._be_patient()
        return how

    def _be_patient(self) -> None:
        self._start_at = self._clock() + self._delay_s
        self._delay_s = min(max(2 * self._delay_s, FIRST_DELAY_S), LONGEST_DELAY_S)
