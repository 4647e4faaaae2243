"""What each worker had begun when everything died.

A worker notes the job it begins in a small file of its own. A note costs microseconds, because it is not
synced: it outlives the death of every process, though not a power cut, and after a power cut no job is to
blame. So recovery can tell the few jobs that were being measured from those that were only next in line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from semwatchd.core.job import Job

Begun = tuple[int, int]  # job id, attempt


def open_slots(directory: Path, count: int) -> list[int]:
    """Open one file per worker, emptied, and return their descriptors."""
    directory.mkdir(exist_ok=True)
    for stale in directory.iterdir():
        stale.unlink()
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    return [os.open(directory / f"worker-{slot}", flags, 0o640) for slot in range(count)]


def anonymous_slots(count: int) -> list[int]:
    """Return descriptors for a pool that nobody will recover."""
    return [os.memfd_create("slot", os.MFD_CLOEXEC) for _ in range(count)]


def note(descriptor: int, job: Job) -> None:
    """Write down that this job begins now."""
    os.pwrite(descriptor, f"{job.id:20d} {job.attempt:10d}\n".encode(), 0)


def begun(directory: Path) -> Iterator[Begun]:
    """Yield what each worker had begun last."""
    for path in sorted(directory.glob("worker-*")):
        words = path.read_text("ascii", "replace").split()
        if len(words) == 2 and all(word.isdigit() for word in words):
            yield int(words[0]), int(words[1])
