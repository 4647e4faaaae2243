"""What it costs to hand a picture from one process to another: the slab, and two kinds of queues.

The producing side is a process of its own: ``python -m semwatchd.offline.bench.handover ORDER`` for the slab.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection, Pipe
from typing import TYPE_CHECKING, Any

import numpy as np

from semwatchd.engine.messages import Seat
from semwatchd.engine.ring import Slab, create_slab
from semwatchd.engine.seats import Seats
from semwatchd.offline.bench.child import end_with_parent

if TYPE_CHECKING:
    from numpy.typing import NDArray

GROUPS = 2  # in flight: one is written while the other is read


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is handed over."""

    rows: int
    columns: int
    images: int
    group: int  #: images that are put together to a batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What it took per image, from the first batch to the last."""

    transport: str
    rows: int
    columns: int
    cpu_us: float  #: of both processes
    wall_us: float


def costs(load: Load) -> list[Cost]:
    """Hand the same pictures over in each way; the receiver ends with batches in memory of its own."""
    return [_cost(name, way, load) for name, way in TRANSPORTS.items()]


def _cost(name: str, way: Callable[[Load], tuple[float, float]], load: Load) -> Cost:
    cpu_s, wall_s = way(load)
    each = 1e6 / load.images
    return Cost(
        transport=name, rows=load.rows, columns=load.columns, cpu_us=cpu_s * each, wall_us=wall_s * each
    )


def by_slab(load: Load) -> tuple[float, float]:
    """Lend slots, have them filled, stack what lies in them."""
    slots = GROUPS * load.group
    slab, seats = create_slab(slots, load.rows * load.columns), Seats(slots)
    ours, theirs = Pipe()
    order = json.dumps(asdict(load) | {"slab": slab.descriptor, "pipe": theirs.fileno()})
    command = [sys.executable, "-m", __name__, order]
    with subprocess.Popen(command, pass_fds=[slab.descriptor, theirs.fileno()]):
        theirs.close()
        try:
            return _read_slab(load, slab, seats, ours)
        finally:
            ours.close()
            slab.close()
            os.close(slab.descriptor)


def _read_slab(load: Load, slab: Slab, seats: Seats, pipe: Connection) -> tuple[float, float]:
    pipe.recv()  # it is ready
    start, cpu_start = time.perf_counter(), time.process_time()
    for _ in range(GROUPS):
        pipe.send([seats.lend() for _ in range(load.group)])
    for _ in range(load.images // load.group):
        filled = pipe.recv()
        np.stack([_picture(slab, seat) for seat in filled])
        for seat in filled:
            seats.give_back(seat)
        pipe.send([seats.lend() for _ in filled])
    wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
    pipe.send(None)
    return cpu_s + _last(pipe), wall_s


def _picture(slab: Slab, seat: Seat) -> NDArray[np.uint8]:
    found = slab.get(seat.slot, seat.ticket)
    return np.frombuffer(found.samples, np.uint8).reshape(found.rows, found.columns)


def _last(pipe: Connection) -> float:
    """Return the writer's processor time; groups it filled in vain come before."""
    while not isinstance(said := pipe.recv(), float):
        pass
    return said


def fill_slots(order: dict[str, Any]) -> None:
    """Fill what is lent; the other side of :func:`by_slab`."""
    rows, columns, group = order["rows"], order["columns"], order["group"]
    slab, pipe = Slab(order["slab"], GROUPS * group, rows * columns), Connection(order["pipe"])
    picture = np.zeros((rows, columns), np.uint8)
    pipe.send("ready")
    cpu_start = time.process_time()
    while (seats := pipe.recv()) is not None:
        for seat in seats:
            slab.put(seat.slot, seat.ticket, (rows, columns), "uint8", picture.data)
        pipe.send(seats)
    pipe.send(time.process_time() - cpu_start)


def by_queue(load: Load) -> tuple[float, float]:
    """Send arrays through ``multiprocessing.Queue``."""
    context = multiprocessing.get_context("spawn")
    return _by_queue(load, context, context.Queue(GROUPS * load.group), _arrays)


def by_torch_queue(load: Load) -> tuple[float, float]:
    """Send tensors through ``torch.multiprocessing.Queue``: one shared file for each."""
    import torch.multiprocessing  # noqa: PLC0415

    context = torch.multiprocessing.get_context("spawn")
    return _by_queue(load, context, context.Queue(GROUPS * load.group), _tensors)


def _by_queue(
    load: Load,
    context: Any,  # noqa: ANN401 — Python's or torch's own
    pictures: Any,  # noqa: ANN401
    make: Callable[[Load], Iterable[Any]],
) -> tuple[float, float]:
    ours, theirs = context.Pipe()
    writer = context.Process(target=fill_queue, args=(load, pictures, theirs, make), daemon=True)
    writer.start()
    pictures.get()  # it is ready
    start, cpu_start = time.perf_counter(), time.process_time()
    for _ in range(load.images // load.group):
        np.stack([np.asarray(pictures.get()) for _ in range(load.group)])
    wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
    ours.send(None)
    spent_s: float = ours.recv()
    writer.join()
    return cpu_s + spent_s, wall_s


def fill_queue(load: Load, pictures: Any, pipe: Any, make: Callable[[Load], Iterable[Any]]) -> None:  # noqa: ANN401
    """Send pictures, and stay until they have been taken; the other side of the queues."""
    end_with_parent()
    each = iter(make(load))
    pictures.put(next(each))
    cpu_start = time.process_time()
    for picture in each:
        pictures.put(picture)
    pipe.recv()
    pipe.send(time.process_time() - cpu_start)


def _arrays(load: Load) -> Iterable[Any]:
    picture = np.zeros((load.rows, load.columns), np.uint8)
    return (picture for _ in range(load.images + 1))


def _tensors(load: Load) -> Iterable[Any]:
    import torch  # noqa: PLC0415

    picture = torch.zeros((load.rows, load.columns), dtype=torch.uint8)
    return (picture.clone() for _ in range(load.images + 1))


TRANSPORTS: dict[str, Callable[[Load], tuple[float, float]]] = {
    "slab": by_slab,
    "multiprocessing.Queue": by_queue,
    "torch.multiprocessing.Queue": by_torch_queue,
}

if __name__ == "__main__":
    fill_slots(json.loads(sys.argv[1]))
