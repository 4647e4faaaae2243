"""How many images the cores can measure: ``semwatchd bench load``. Files in, numbers out, no journal.

Runs as its own process: ``python -m semwatchd.offline.bench.load OPTIONS``, the options as JSON.
"""

from __future__ import annotations

import json
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
import structlog
from rich.console import Console

from semwatchd.adapters.silent import SilentTelemetry
from semwatchd.core.job import Failure, Job
from semwatchd.engine.settings import WorkerSettings
from semwatchd.engine.supervisor import WorkerPool
from semwatchd.line import start_workers
from semwatchd.offline.bench import plain
from semwatchd.offline.bench.child import end_with_parent
from semwatchd.offline.bench.files import Size, Stock, make_stock
from semwatchd.offline.bench.load_report import tables
from semwatchd.offline.bench.machine import describe
from semwatchd.offline.bench.peers import missing
from semwatchd.offline.bench.report import deliver
from semwatchd.offline.show import progress

SIZE = Size(side_px=1024, bits=8)
FILES = 8  # measured again and again; the disk is not the question here
PLAIN_SHARE = 50  # the plain steps get one image for so many of ours: it takes that much longer
START_S = 60.0

Run = Callable[[int], int]  #: is told how many images to measure, and says how many it did


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asks for."""

    images: int = 2000  #: per round
    rounds: int = 5
    quick: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to use the cores, its processes running and waiting."""

    name: str
    processes: int
    pids: Sequence[int]
    images: int  #: per round
    run: Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Lap:
    """One round of one way."""

    seconds: float
    cpu_s: float  #: of its processes; the supervisor is not counted
    images: int


def measure(options: Options, console: Console) -> dict[str, Any]:
    """Let all ways take turns, each with processes of its own that stay alive between."""
    images, rounds = (16, 1) if options.quick else (options.images, options.rounds)
    machine = describe()
    with tempfile.TemporaryDirectory(prefix="semwatchd-bench-") as directory, ExitStack() as stack:
        stock = make_stock(Path(directory) / "images", SIZE, FILES)
        ways = [stack.enter_context(way) for way in _ways(stock, images)]
        report = stack.enter_context(progress(console, rounds * len(ways)))
        laps: dict[str, list[Lap]] = {way.name: [] for way in ways}
        for number in range(rounds):
            for place, way in enumerate(ways):
                report(number * len(ways) + place, way.name)
                laps[way.name].append(_lap(way))
        report(rounds * len(ways), "done")
        rows = [_row(way, laps[way.name]) for way in ways]
    return {
        "machine": machine,
        "size": str(SIZE),
        "rounds": rounds,
        "images_per_min": rows[0]["images_per_min"],
        "missing": missing("skimage.registration"),
        "ways": rows,
    }


def _ways(stock: Stock, images: int) -> list[Any]:
    cores = len(os.sched_getaffinity(0))
    ways = [
        _ours("semwatchd, pinned", WorkerSettings(count=cores, pin=True), stock, images),
        _ours("semwatchd, not pinned", WorkerSettings(count=cores, pin=False), stock, images),
    ]
    if cores > 1:
        ways.append(
            _ours("semwatchd, one worker, pinned", WorkerSettings(count=1, pin=True), stock, images // cores)
        )
    if not missing("skimage.registration"):
        ways.append(_plain(cores, stock, max(cores, images // PLAIN_SHARE)))
    return ways


def _lap(way: Way) -> Lap:
    before_s, start = _cpu_s(way.pids), time.perf_counter()
    done = way.run(way.images)
    seconds = time.perf_counter() - start
    return Lap(seconds=seconds, cpu_s=_cpu_s(way.pids) - before_s, images=done)


def _cpu_s(pids: Sequence[int]) -> float:
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(time.user + time.system for time in times)


def _row(way: Way, laps: Sequence[Lap]) -> dict[str, Any]:
    return {
        "way": way.name,
        "processes": way.processes,
        "images_per_min": statistics.median(60 * lap.images / lap.seconds for lap in laps),
        "images_per_min_least": min(60 * lap.images / lap.seconds for lap in laps),
        "images_per_min_most": max(60 * lap.images / lap.seconds for lap in laps),
        "cpu_ms_per_image": statistics.median(1e3 * lap.cpu_s / lap.images for lap in laps),
    }


@contextmanager
def _ours(name: str, settings: WorkerSettings, stock: Stock, images: int) -> Iterator[Way]:
    """Run the daemon's own pool of workers."""
    settings = settings.model_copy(update={"recycle_jobs": 1_000_000})
    pool = start_workers(settings, None, SilentTelemetry(), structlog.get_logger("semwatchd"))
    try:
        _wait_until_ready(pool)
        jobs = stock.jobs()
        _through(pool, jobs, 2 * len(jobs))  # each worker prepares the reference
        yield Way(
            name=name,
            processes=pool.size,
            pids=pool.pids,
            images=images,
            run=lambda wanted: _through(pool, jobs, wanted),
        )
    finally:
        pool.close()


def _wait_until_ready(pool: WorkerPool) -> None:
    deadline = time.monotonic() + START_S
    while pool.ready_count < pool.size:
        pool.wait(1.0)
        if time.monotonic() > deadline:
            raise TimeoutError(f"the workers did not start within {START_S:g} s")


def _through(pool: WorkerPool, jobs: Sequence[Job], wanted: int) -> int:
    """Measure ``wanted`` images, and return their number."""
    waiting = (replace(jobs[number % len(jobs)], id=number) for number in range(wanted))
    done = 0
    while done < wanted:
        for job in islice(waiting, pool.free()):
            pool.submit(job)
        for outcome in pool.wait(1.0).outcomes:
            if isinstance(outcome, Failure):
                raise TypeError(f"the benchmark's own image was not measured: {outcome.reason}")
            done += 1
    return done


@contextmanager
def _plain(processes: int, stock: Stock, images: int) -> Iterator[Way]:
    """Run the four plain steps in the standard library's pool."""
    paths = [str(path) for path in stock.paths]
    with ProcessPoolExecutor(
        processes, get_context("spawn"), initializer=plain.keep_reference, initargs=(str(stock.reference),)
    ) as pool:

        def run(wanted: int) -> int:
            return len(list(pool.map(plain.four_steps_of, (paths[n % len(paths)] for n in range(wanted)))))

        run(2 * processes)
        pids = [child.pid for child in psutil.Process().children() if _is_pool_child(child, pool)]
        yield Way(
            name="four steps, ProcessPoolExecutor",
            processes=processes,
            pids=pids,
            images=images,
            run=run,
        )


def _is_pool_child(child: psutil.Process, pool: ProcessPoolExecutor) -> bool:
    return child.pid in pool._processes  # noqa: SLF001 — the pool tells nobody else


def main(argv: Sequence[str]) -> int:
    """Run as a process."""
    end_with_parent()
    options = Options(**json.loads(argv[0]))
    console = Console(stderr=options.as_json)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    document: Mapping[str, Any] = {"options": asdict(options)} | measure(options, console)
    deliver(document, tables, console, as_json=options.as_json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
