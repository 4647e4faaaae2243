"""Which worker runs on which core."""

from __future__ import annotations

from collections.abc import Sequence


def worker_count(allowed: Sequence[int], wanted: int) -> int:
    """How many workers to run: ``wanted``, or one per allowed core with one left to the supervisor.

    Two cores or fewer are all given to workers; the supervisor needs too little to own one of so few.
    """
    return wanted or (len(allowed) if len(allowed) <= 2 else len(allowed) - 1)


def place_workers(allowed: Sequence[int], count: int, *, pin: bool) -> list[tuple[int, ...]]:
    """Give each worker the cores it may run on: one each in turn when pinned, all of them when not."""
    cores = sorted(allowed)
    if not pin:
        return [tuple(cores)] * count
    spare_first = cores[1:] + cores[:1] if len(cores) > count else cores
    return [(spare_first[slot % len(cores)],) for slot in range(count)]
