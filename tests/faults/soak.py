"""``python -m tests.faults.soak IMAGES``: many small images, and the daemon must stay as it began."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from tests.faults.crowd import write_crowd
from tests.faults.stand import Stand

AHEAD = 1000  #: images written and not yet measured
TENTHS = 10  #: of all images; the first is for warming up
EARLY, LATE = slice(1, 4), slice(7, 10)  #: tenths whose middle costs are compared
YARDSTICK = 60_000  #: steps, some 5 ms: nothing beside what the daemon does between two looks
STALL_S = 60.0
POLL_S = 0.2
MOST_GROWTH = 1.05  #: of memory and descriptors
MOST_SLOWDOWN = 1.10  #: of processor time per image


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The daemon and its workers at one moment."""

    images: int
    cpu_s: float
    yardstick_ms: float  #: what the same small work of our own took meanwhile: how fast the machine was
    rss_mb: float
    descriptors: int
    journal_mb: float


class Soak:
    def __init__(self, base: Path, images: int, say: Callable[[str], None]) -> None:
        self._say = say
        self._stand = Stand(base)
        self._images = images
        self._written = 0
        self._yardsticks_ms: list[float] = []

    def run(self) -> list[Mark]:
        self._stand.start()
        try:
            self._stand.ready()
            return [self._mark(0), *(self._reach(self._images * n // TENTHS) for n in range(1, TENTHS + 1))]
        finally:
            self._stand.stop()
            self._stand.receiver.close()

    def _reach(self, goal: int) -> Mark:
        """Write and wait until so many images have ended and their events are delivered."""
        progress, since = -1, time.monotonic()
        while (done := self._done()) < goal:
            if done > progress:
                progress, since = done, time.monotonic()
            if time.monotonic() - since > STALL_S:
                raise TimeoutError(f"no image in {STALL_S:g} s; the log: {self._stand.site.log}")
            self._write_until(min(goal, done + AHEAD))
            self._yardsticks_ms.append(yardstick_ms())
            time.sleep(POLL_S)
        return self._mark(done)

    def _done(self) -> int:
        # By the largest number, not by counting: a count of all rows would cost more from image to image.
        return self._stand.count("select coalesce(max(seq), 0) / 2 from outbox") - self._owed()

    def _owed(self) -> int:
        undelivered = "outbox.state in ('pending', 'sending', 'retry_wait')"
        return self._stand.count(f"select (count(*) + 1) / 2 from outbox where {undelivered}")  # noqa: S608 — ours

    def _write_until(self, goal: int) -> None:
        write_crowd(self._stand.site.watched, self._written, goal)
        self._written = max(self._written, goal)

    def _mark(self, done: int) -> Mark:
        self._yardsticks_ms.append(yardstick_ms())
        daemon = psutil.Process(self._stand.pid)
        family = [daemon, *daemon.children()]
        mark = Mark(
            images=done,
            cpu_s=sum(_spent_s(process) for process in family),
            yardstick_ms=median(self._yardsticks_ms),
            rss_mb=sum(process.memory_info().rss for process in family) / 1e6,
            descriptors=_least_descriptors(family),
            journal_mb=_size_mb(self._stand.site.state_dir),
        )
        self._yardsticks_ms.clear()
        shares_mb = " + ".join(f"{process.memory_info().rss / 1e6:.0f}" for process in family)
        self._say(
            f"{mark.images} images: {shares_mb} MB, {mark.descriptors} descriptors, {mark.cpu_s:.0f} s of "
            f"processor, journal {mark.journal_mb:.0f} MB, yardstick {mark.yardstick_ms:.2f} ms"
        )
        return mark


def yardstick_ms() -> float:
    """Return the processor time of work that never changes; the speed of a machine does, within minutes."""
    start = time.process_time()
    for number in range(YARDSTICK):
        str(number)
    return 1000 * (time.process_time() - start)


def report(marks: Sequence[Mark]) -> dict[str, Any]:
    """Compare the late part of a run with its early part; costs as if the machine's speed had not changed."""
    begin, end = marks[1], marks[-1]
    usual_ms = median(mark.yardstick_ms for mark in marks[1:])
    costs_ms = [_cost_ms(before, after) * usual_ms / after.yardstick_ms for before, after in pairwise(marks)]
    early_ms, late_ms = median(costs_ms[EARLY]), median(costs_ms[LATE])
    return {
        "images": end.images,
        "rss_mb_10": round(begin.rss_mb, 1),
        "rss_mb_100": round(end.rss_mb, 1),
        "descriptors_10": begin.descriptors,
        "descriptors_100": end.descriptors,
        "cpu_ms_per_image_early": round(early_ms, 2),
        "cpu_ms_per_image_late": round(late_ms, 2),
        "cpu_ms_per_image_by_tenths": [round(cost_ms, 2) for cost_ms in costs_ms],
        "yardstick_ms_by_tenths": [round(mark.yardstick_ms, 2) for mark in marks[1:]],
        "journal_mb": round(end.journal_mb, 1),
        "journal_kb_per_image": round(1000 * end.journal_mb / end.images, 2),
        "steady": (
            end.rss_mb <= begin.rss_mb * MOST_GROWTH
            and end.descriptors <= begin.descriptors * MOST_GROWTH
            and late_ms <= early_ms * MOST_SLOWDOWN
        ),
    }


def _cost_ms(start: Mark, end: Mark) -> float:
    return 1000 * (end.cpu_s - start.cpu_s) / (end.images - start.images)


def _least_descriptors(family: Sequence[psutil.Process]) -> int:
    """Count open files between two requests: what is open only for a moment is no leak."""
    counts = []
    for _ in range(20):
        counts.append(sum(process.num_fds() for process in family))
        time.sleep(0.05)
    return min(counts)


def _spent_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _size_mb(folder: Path) -> float:
    total = 0
    for path in folder.glob("journal.db*"):
        with suppress(FileNotFoundError):  # SQLite has just put it away
            total += path.stat().st_size
    return total / 1e6


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(argv: Sequence[str]) -> int:
    """Run; 1 where memory, descriptors or cost have grown."""
    with tempfile.TemporaryDirectory(prefix="semwatchd-soak-") as base:
        said = report(Soak(Path(base), int(argv[0]), _say).run())
    _say(json.dumps(said))
    return 0 if said["steady"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
