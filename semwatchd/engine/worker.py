"""The worker: a process of its own that turns one job after the other into numbers.

It is started as ``python -m semwatchd.engine.worker``, so that it inherits nothing but a pipe: no locks, no
threads, no half-used library state. It binds itself to its core before it loads anything heavy, because a
numeric library starts its helper threads on import and they would keep the cores they were born with.
"""

from __future__ import annotations

import importlib
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from semwatchd.core.children import resident_bytes, settle_in
from semwatchd.core.errors import DataError, EnvironmentFault, FileChangedError, FileGoneError
from semwatchd.core.failpoints import failpoint
from semwatchd.core.job import ErrorClass, Evidence, Failure, Job, Outcome, Result
from semwatchd.core.paths import one_line
from semwatchd.core.plan import DepthPlan
from semwatchd.core.ports import Decoder, FileReader, SourceFile
from semwatchd.engine.messages import Ready, Reply, Setup, Task
from semwatchd.engine.ring import Slab
from semwatchd.engine.seating import Seating
from semwatchd.engine.slots import note
from semwatchd.pipeline.stage import Begin, Stage, run_stages

if TYPE_CHECKING:
    from semwatchd.core.image import Pixels

Cut = Callable[["Pixels", DepthPlan], "Pixels | str"]  #: the part shown to the network, or why there is none
Leave = Callable[
    ["Pixels | str"], Sequence[str]
]  #: leaves that for the network; words about it where it cannot
Analyse = Callable[[Job, Begin, Leave], Outcome]

MAX_REASON_CHARS = 1000  #: a person reads it; a library may quote a whole picture
EVIDENCE_BYTES = 64  #: of a bad file's beginning, kept for a person
_OOM_SCORE = 300  # when memory runs out, a worker goes before the supervisor


def leave_nothing(_: Pixels | str) -> Sequence[str]:
    """Let the picture go."""
    return ()


def analyse(
    job: Job,
    begin: Begin,
    leave: Leave,
    read: FileReader,
    decode: Decoder,
    stages_of: Callable[[Job], Sequence[Stage]],
    cut: Cut,
) -> Outcome:
    """Read, decode and measure one image; ``begin`` is told each step. What happens becomes an outcome."""
    source: SourceFile | None = None
    try:
        begin("read")
        start, cpu_start = time.perf_counter(), time.thread_time()
        failpoint("worker.before_read")
        source = read(job.path)
        failpoint("worker.after_read")
        _require_settled_version(job, source)
        image = decode(source)
        read_ms = (time.perf_counter() - start) * 1e3
        read_cpu_ms = (time.thread_time() - cpu_start) * 1e3
        begin("plan")  # a reference may have to be read first, from a share that hangs
        analysis = run_stages(image, stages_of(job), begin)
        not_left = leave(cut(image.pixels, job.plan.depth)) if job.plan.depth else ()
    except Exception as error:  # noqa: BLE001 — one bad image never stops the line
        return _failure(job, error, source)
    return Result(
        job=job,
        facts=image.facts,
        measurements=analysis.values,
        registration=analysis.registration,
        warnings=(*job.warnings, *analysis.warnings, *not_left),
        elapsed_ms={"read": read_ms} | analysis.elapsed_ms,
        cpu_ms={"read": read_cpu_ms} | analysis.cpu_ms,
    )


def _require_settled_version(job: Job, source: SourceFile) -> None:
    if (source.size, source.mtime_ns) != (job.size, job.mtime_ns):
        raise FileChangedError("the file was written to after it had settled")


def _failure(job: Job, error: Exception, source: SourceFile | None) -> Failure:
    expected = isinstance(error, DataError | EnvironmentFault | FileChangedError)
    return Failure(
        job=job,
        error_class=ErrorClass.DATA if _was_removed(job, error) else error_class_of(error),
        reason=one_line(str(error) if expected else f"{type(error).__name__}: {error}")[:MAX_REASON_CHARS],
        evidence=_evidence(source) if source else None,
        file_changed=isinstance(error, FileChangedError),
    )


def _evidence(source: SourceFile) -> Evidence:
    first_bytes = source.data[:EVIDENCE_BYTES].hex()
    return Evidence(size=source.size, sha256=source.sha256, first_bytes=first_bytes)


def _was_removed(job: Job, error: Exception) -> bool:
    """Whether the file is gone for good: its watched folder is there, and not as empty as a lost mount."""
    if not isinstance(error, FileGoneError):
        return False
    try:
        return any(Path(job.root).iterdir())
    except OSError:
        return False


def error_class_of(error: Exception) -> ErrorClass:
    """Decide whose fault an exception in a worker is."""
    match error:
        case DataError():
            return ErrorClass.DATA
        case EnvironmentFault() | FileChangedError():
            return ErrorClass.ENVIRONMENT
        case MemoryError():
            return ErrorClass.RESOURCE
        case _:
            return ErrorClass.TASK


def serve(connection: Connection, slot_descriptor: int, analyse_job: Analyse, slab: Slab | None) -> None:
    """Answer jobs until the other end of the pipe is closed; note each step of them before it is begun."""
    while True:
        try:
            task: Task = connection.recv()
        except EOFError:
            return
        seating = Seating(slab, task.seat)
        outcome = analyse_job(task.job, partial(note, slot_descriptor, task.job), seating)
        used = Reply(
            outcome=outcome, rss_bytes=resident_bytes(), cpu_s=time.process_time(), seated=seating.done
        )
        failpoint("worker.before_answer")
        connection.send(used)


def main(argv: Sequence[str]) -> None:
    """Run as a child: ``argv`` is the pipe, the parent's pid, the cores to run on, the slot file, and the
    file for stack dumps.
    """
    descriptor, parent, slot_descriptor, stacks = (int(argv[place]) for place in (0, 1, 3, 4))
    cores = {int(core) for core in argv[2].split(",")}
    settle_in(parent, stacks, _OOM_SCORE)
    os.sched_setaffinity(0, cores)
    connection = Connection(descriptor)
    setup: Setup = connection.recv()
    slab = Slab(setup.slab.descriptor, setup.slab.slots, setup.slab.picture_bytes) if setup.slab else None
    limit_bytes = setup.memory_limit_bytes + (slab.mapped_bytes if slab else 0)
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
    module, function = setup.factory.split(":")
    analyse_job = getattr(importlib.import_module(module), function)(setup.settings)
    connection.send(Ready(cores=tuple(sorted(os.sched_getaffinity(0)))))
    serve(connection, slot_descriptor, analyse_job, slab)


if __name__ == "__main__":
    main(sys.argv[1:])
