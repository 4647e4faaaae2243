"""Where every thread of the supervisor and every worker is at this moment."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import FrameType

import psutil

from semwatchd.engine.child import STACKS_BYTES, Child

WORKERS_S = 1.0  #: for all workers together; one that is stopped does not answer
LOOK_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One level of a stack."""

    file: str
    line: int
    function: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadStack:
    """One thread."""

    name: str
    native_id: int | None  #: as ``top -H`` and py-spy show it
    cpu_s: float | None  #: processor time it has used so far
    places: tuple[Place, ...]  #: innermost first


def thread_stacks() -> list[ThreadStack]:
    """Return the stack of every thread but the one that asks, by name.

    Nothing here waits, for the disk neither: a hung share must not stop it. So no source lines are read.
    """
    cpu_s = {thread.id: thread.user_time + thread.system_time for thread in psutil.Process().threads()}
    known = {thread.ident: thread for thread in threading.enumerate()}
    stacks = []
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 — the documented way in
        if ident == threading.get_ident():
            continue
        thread = known.get(ident)
        native_id = thread.native_id if thread else None
        stacks.append(
            ThreadStack(
                name=thread.name if thread else "not started by Python",
                native_id=native_id,
                cpu_s=None if native_id is None else cpu_s.get(native_id),
                places=tuple(_places(frame)),
            )
        )
    return sorted(stacks, key=lambda stack: stack.name)


def _places(frame: FrameType | None) -> Iterator[Place]:
    while frame is not None:
        code = frame.f_code
        yield Place(file=code.co_filename, line=frame.f_lineno, function=code.co_qualname)
        frame = frame.f_back


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStacks:
    """One worker's threads, in the words of Python's fault handler."""

    slot: int
    pid: int
    stacks: str  #: empty where it gave no answer


def worker_stacks(living: Sequence[tuple[int, Child]]) -> list[WorkerStacks]:
    """Ask these workers, all at once. They write in a signal handler, so their work goes on."""
    with ExitStack() as stack:
        files = [_opened(worker, stack) for _, worker in living]
        ends = [_end(file) for file in files]
        for _, worker in living:
            worker.process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + WORKERS_S
        return [
            WorkerStacks(slot=slot, pid=worker.process.pid, stacks=_dump(worker, file, end, deadline))
            for (slot, worker), file, end in zip(living, files, ends, strict=True)
        ]


def _opened(worker: Child, stack: ExitStack) -> int | None:
    """Open what the worker writes into, if it still lives."""
    try:
        descriptor = os.open(worker.stacks_path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    stack.callback(os.close, descriptor)
    return descriptor


def _end(file: int | None) -> int:
    return os.fstat(file).st_size if file is not None else 0


def _dump(worker: Child, file: int | None, begin: int, deadline: float) -> str:
    """Wait until something is written and no more is added."""
    if file is None:
        return ""
    end = begin
    while time.monotonic() < deadline:
        time.sleep(LOOK_S)
        before, end = end, _end(file)
        if before == end > begin:
            break
    if worker.dump_asked_at is None:  # else the supervisor has asked too, and is about to end it
        worker.stacks_from = end  # its death, later on, is not to be told with this
    return os.pread(file, STACKS_BYTES, begin).decode("utf-8", "replace")
