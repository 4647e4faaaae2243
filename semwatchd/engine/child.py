"""One worker process as its supervisor holds it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import deque
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe

from semwatchd.core.children import environment
from semwatchd.core.job import Job
from semwatchd.engine.burial import bury
from semwatchd.engine.messages import Setup, SlabShape
from semwatchd.engine.pace import Deadlines
from semwatchd.engine.slots import noted, stage_in

#: Keeps numeric libraries from starting helper threads that only fight each other for one core.
SINGLE_THREADED = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

#: glibc returns large freed blocks to the kernel, which then clears every page of the next picture again: a
#: quarter of the time that a picture of 8 MB takes. So much stays with the worker instead, in pages of 2 MB
#: where the kernel has them, because finding the small ones costs another eighth of the time.
MEMORY = {
    "GLIBC_TUNABLES": ":".join(
        (
            f"glibc.malloc.mmap_threshold={32 << 20}",
            f"glibc.malloc.trim_threshold={128 << 20}",
            "glibc.malloc.hugetlb=1",
        )
    )
}

STACKS_BYTES = 16_384  # of a dump: a log line, not a core file
START_LIMIT_S = 60.0  # a worker that has not loaded its libraries by then never will
LOOK_AFTER_S = 0.5  # an image younger than this is in no stage for too long; to look costs a system call


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
        self._slot = slot_descriptor
        self._noted = b""
        self._noted_since = now
        self._stacks = os.memfd_create("stacks", os.MFD_CLOEXEC)
        self.stacks_from = 0  #: where in it the next dump begins; those before have been read
        try:
            self.process = _started(cores, theirs.fileno(), slot_descriptor, self._stacks, setup.slab)
        except OSError:
            os.close(self._stacks)
            raise
        theirs.close()
        self.pipe: Connection = ours
        with suppress(OSError):  # dead already; its end-of-file tells
            self.pipe.send(setup)
        self.born = now
        self.ready = False
        self.retiring = False  #: gets no more jobs
        self.answered = 0
        self.dump_asked_at: float | None = None
        self.owed: deque[Job] = deque()
        self.head_since = now
        self.rss_bytes = 0
        self.cpu_s = 0.0

    @property
    def stage(self) -> str:
        """The stage of the job at the head of its queue that it has noted; empty if it has not begun it."""
        return stage_in(noted(self._slot), self.owed[0]) if self.owed else ""

    def late(self, now: float, deadlines: Deadlines) -> str:
        """Say why it has taken too long over its start, its job or a stage of that; empty if it has not."""
        if not self.ready:
            return f"not ready within {START_LIMIT_S:g} s" if now - self.born > START_LIMIT_S else ""
        age_s = now - self.head_since
        if not self.owed or age_s < LOOK_AFTER_S:
            return ""
        self._look(now)
        return self._too_long_in_all(age_s, deadlines) or self._too_long_in_stage(now, deadlines)

    def _look(self, now: float) -> None:
        """See whether it has moved on; a stage counts from when we first saw it, by our own clock."""
        note = noted(self._slot)
        if note != self._noted:
            self._noted, self._noted_since, self.dump_asked_at = note, now, None

    def _too_long_in_all(self, age_s: float, deadlines: Deadlines) -> str:
        if age_s <= deadlines.longest_s:
            return ""
        where = f", at last in stage {self.stage}" if self.stage else ""
        return (
            f"no answer within {deadlines.longest_s:.3g} s{where}; the worker was ended; "
            "raise workers.deadline_s if that is normal"
        )

    def _too_long_in_stage(self, now: float, deadlines: Deadlines) -> str:
        stage = stage_in(self._noted, self.owed[0])
        # Noted before it was sent to us once more: that attempt was taken back, and counts for nothing.
        ran_s = now - max(self._noted_since, self.head_since)
        limit_s = deadlines.patient(stage) if self.owed[0].alone else deadlines.of(stage)
        if not stage or ran_s <= limit_s:
            return ""
        return (
            f"stage {stage} ran {ran_s:.1f} s, limit {limit_s:.3g} s; the worker was ended; "
            f"raise workers.stage_deadline_s.{stage} if that is normal"
        )

    def ask_for_stacks(self, now: float) -> None:
        """Let it write down where each of its threads is. A stopped process does not hear this."""
        self.dump_asked_at = now
        self.stacks_from = os.fstat(self._stacks).st_size
        self.process.send_signal(signal.SIGUSR1)

    def stacks(self) -> str:
        """Return what it wrote of its threads when it was asked, or when it crashed; empty if nothing."""
        return os.pread(self._stacks, STACKS_BYTES, self.stacks_from).decode("utf-8", "replace")

    @property
    def stacks_path(self) -> str:
        """Where any thread may open the file of its stacks; our own descriptor may close at any moment."""
        return f"/proc/{self.process.pid}/fd/{self._stacks}"

    def kill(self) -> None:
        """End it now; its pipe then reads end-of-file."""
        self.process.kill()

    def bury(self) -> str:
        """Collect the dead child and return how it ended. Ask for its :meth:`stacks` before."""
        self.pipe.close()
        os.close(self._stacks)
        return bury(self.process)


def _started(
    cores: tuple[int, ...], pipe: int, slot: int, stacks: int, slab: SlabShape | None
) -> subprocess.Popen[bytes]:
    numbers = ",".join(map(str, cores))
    arguments = [str(pipe), str(os.getpid()), numbers, str(slot), str(stacks)]
    return subprocess.Popen(
        [sys.executable, "-m", __package__ + ".worker", *arguments],
        pass_fds=[pipe, slot, stacks, *([slab.descriptor] if slab else [])],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=environment() | SINGLE_THREADED | MEMORY,
    )
