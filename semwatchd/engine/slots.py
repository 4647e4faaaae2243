"""What each worker is at, and was at when everything died.

A worker notes job and stage in a small file of its own as it begins them. A note costs microseconds, because
it is not synced: it outlives the death of every process, though not a power cut, and after a power cut no job
is to blame. So recovery tells the few jobs that were being measured from those that were only next in line,
and the supervisor in which stage one hangs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from semwatchd.core.job import Job

Begun = tuple[int, int]  # job id, attempt

_NOTE_BYTES = 64  #: always the same, so that no note leaves anything of a longer one


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


def note(descriptor: int, job: Job, stage: str) -> None:
    """Write down that this stage of this job begins now."""
    os.pwrite(descriptor, f"{job.id:20d} {job.attempt:10d} {stage:<31.31}\n".encode(), 0)


def noted(descriptor: int) -> bytes:
    """Return the last note as it is written."""
    return os.pread(descriptor, _NOTE_BYTES, 0)


def stage_in(written: bytes, job: Job) -> str:
    """Name the stage in a note of this attempt at this job; empty where the note is of another."""
    words = written.decode("ascii", "replace").split()
    return words[2] if len(words) == 3 and words[:2] == [str(job.id), str(job.attempt)] else ""


def begun(directory: Path) -> Iterator[Begun]:
    """Yield what each worker had begun last."""
    for path in sorted(directory.glob("worker-*")):
        job_id, attempt, *_ = [*path.read_text("ascii", "replace").split(), "", ""]
        if job_id.isdigit() and attempt.isdigit():
            yield int(job_id), int(attempt)
