"""One worker process as its supervisor holds it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import deque
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe

from semwatchd.core.job import Job
from semwatchd.engine.messages import Setup

#: Keeps numeric libraries from starting helper threads that only fight each other for one core.
SINGLE_THREADED = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

LAST_BREATH_S = 0.5  # from a closed pipe to the end of its process, whose own exit code is worth knowing
BURY_S = 2.0  # a killed process that is still there hangs in the kernel; nobody waits for it
START_LIMIT_S = 60.0  # a worker that has not loaded its libraries by then never will


class Child:
    """One child process and what it owes us."""

    def __init__(self, cores: tuple[int, ...], setup: Setup, slot_descriptor: int, now: float) -> None:
        """
        Parameters
        ----------
        slot_descriptor
            Of the file in which the worker notes each job as it begins it, see :mod:`.slots`.
        """
        ours, theirs = Pipe(duplex=True)
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                __package__ + ".worker",
                str(theirs.fileno()),
                str(os.getpid()),
                ",".join(map(str, cores)),
                str(slot_descriptor),
            ],
            pass_fds=[theirs.fileno(), slot_descriptor],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=_child_environment(),
        )
        theirs.close()
        self.pipe: Connection = ours
        with suppress(OSError):  # dead already; its end-of-file tells
            self.pipe.send(setup)
        self.born = now
        self.ready = False
        self.owed: deque[Job] = deque()
        self.head_since = now
        self.rss_bytes = 0
        self.cpu_s = 0.0

    def overdue(self, now: float, deadline_s: float) -> bool:
        """Whether it is late with its start or with the job at the head of its queue."""
        if not self.ready:
            return now - self.born > START_LIMIT_S
        return bool(self.owed) and now - self.head_since > deadline_s

    def kill(self) -> None:
        """End it now; its pipe then reads end-of-file."""
        self.process.kill()

    def bury(self) -> str:
        """Collect the dead child and return how it ended."""
        self.pipe.close()
        for limit_s in (LAST_BREATH_S, BURY_S):
            try:
                return _how_it_ended(self.process.wait(limit_s))
            except subprocess.TimeoutExpired:
                self.process.kill()
        # subprocess collects it once the kernel lets go of it
        return "hangs inside the kernel, most likely on a share that does not answer"


def _child_environment() -> dict[str, str]:
    """Give the child our environment, less what tells a process that it is systemd's main one."""
    inherited = {
        k: v for k, v in os.environ.items() if k != "NOTIFY_SOCKET" and not k.startswith("WATCHDOG_")
    }
    return inherited | SINGLE_THREADED


def _how_it_ended(status: int) -> str:
    if status >= 0:
        return f"exit code {status}"
    known = {number.value: number.name for number in signal.Signals}
    return f"signal {known.get(-status, -status)}"
