"""Which worker runs on which core."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain, zip_longest


def worker_count(allowed: Sequence[int], wanted: int, quota: float | None = None) -> int:
    """How many workers to run: ``wanted``, or one per core we may use with one left to the supervisor.

    Two cores or fewer are all given to workers; the supervisor needs too little to own one of so few.

    Parameters
    ----------
    quota
        Cores' worth of processor time a container grants us, if it limits it; more workers than that would
        only be halted in turns.
    """
    usable = len(allowed) if quota is None else max(1, min(len(allowed), int(quota)))
    return wanted or (usable if usable <= 2 else usable - 1)


def place_workers(
    allowed: Sequence[int], count: int, *, pin: bool, nodes: Sequence[Collection[int]] = ()
) -> list[tuple[int, ...]]:
    """Give each worker the cores it may run on: one each in turn when pinned, all of them when not.

    Parameters
    ----------
    nodes
        The cores of each memory node. Neighbouring workers get different nodes, so that each node's memory
        serves as few as possible. A pinned worker's memory is then local by itself: the kernel takes a page
        from the node of the core that touches it first.
    """
    if not pin:
        return [tuple(sorted(allowed))] * count
    cores = _alternating(sorted(allowed), nodes)
    spare_first = cores[1:] + cores[:1] if len(cores) > count else cores
    return [(spare_first[slot % len(cores)],) for slot in range(count)]


def _alternating(cores: Sequence[int], nodes: Sequence[Collection[int]]) -> list[int]:
    """Order the cores so that neighbours are on different nodes, as long as there are several."""
    elsewhere = [core for core in cores if not any(core in node for node in nodes)]
    groups = [[core for core in cores if core in node] for node in nodes]
    ranks = zip_longest(*filter(None, [*groups, elsewhere]))
    return [core for core in chain.from_iterable(ranks) if core is not None]
