"""Three ways to feed one network, and why a busy machine is not a fast one."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semwatchd.pipeline.inference.ways import Run

    Grey = NDArray[np.uint8]
    Feed = Callable[["Run", Sequence[Grey]], int]

BATCH = 32
SMALL_BATCH = 8  # of the pipeline: what is ready is taken
QUEUE_DEPTH = 4
RUNNERS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """What one way came to."""

    way: str
    images_per_s: float  #: by the clock on the wall
    images_per_cpu_s: float
    utilisation: float  #: processor time over time on the wall; 1 is one core busy throughout


def feed_all(run: Run, pictures: Sequence[Grey]) -> list[Fed]:
    """Feed all pictures in each way."""
    return [_fed(name, feed, run, pictures) for name, feed in FEEDS.items()]


def _fed(name: str, feed: Feed, run: Run, pictures: Sequence[Grey]) -> Fed:
    feed(run, pictures[:BATCH])
    start, cpu_start = time.perf_counter(), time.process_time()
    answered = feed(run, pictures)
    wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
    if answered != len(pictures):
        raise RuntimeError(f"{name}: {answered} answers to {len(pictures)} pictures")
    return Fed(
        way=name,
        images_per_s=answered / wall_s,
        images_per_cpu_s=answered / cpu_s,
        utilisation=cpu_s / wall_s,
    )


def in_batches(run: Run, pictures: Sequence[Grey]) -> int:
    """Take what is ready, up to a batch, and run it: no thread but this one."""
    return sum(len(run(np.stack(batch))) for batch in _batches(pictures, BATCH))


def one_by_one(run: Run, pictures: Sequence[Grey]) -> int:
    """Run each picture when it comes."""
    return sum(len(run(picture[None])) for picture in pictures)


def through_queues(run: Run, pictures: Sequence[Grey]) -> int:
    """Send pictures through queues from thread to thread: one stacks, two run, one gathers."""
    stacked: queue.Queue[Any] = queue.Queue(QUEUE_DEPTH)
    answered: queue.Queue[Any] = queue.Queue(QUEUE_DEPTH)

    def stack() -> None:
        for batch in _batches(pictures, SMALL_BATCH):
            stacked.put(np.stack(batch))
        for _ in range(RUNNERS):
            stacked.put(None)

    def answer() -> None:
        while (batch := stacked.get()) is not None:
            answered.put(run(batch))
        answered.put(None)

    threads = [threading.Thread(target=work, daemon=True) for work in (stack, *[answer] * RUNNERS)]
    for thread in threads:
        thread.start()
    count, ends = 0, 0
    while ends < RUNNERS:
        depths = answered.get()
        count, ends = (count, ends + 1) if depths is None else (count + len(depths), ends)
    return count


def _batches(pictures: Sequence[Grey], size: int) -> Iterator[Sequence[Grey]]:
    for first in range(0, len(pictures), size):
        yield pictures[first : first + size]


FEEDS: dict[str, Feed] = {
    "batches of 32, one thread": in_batches,
    "queues between 4 threads, batches of 8": through_queues,
    "one image at a time": one_by_one,
}
