from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semwatchd.engine.placement import place_workers, worker_count


@pytest.mark.parametrize(
    ("allowed", "wanted", "count"),
    [([0], 0, 1), ([2, 5], 0, 2), ([0, 1, 2, 3], 0, 3), ([0, 1], 7, 7), (range(64), 0, 63)],
)
def test_one_worker_per_core_with_one_left_to_the_supervisor(
    allowed: list[int], wanted: int, count: int
) -> None:
    assert worker_count(allowed, wanted) == count


def test_the_first_core_is_spared_where_there_is_one_to_spare() -> None:
    assert place_workers([3, 1, 2], 2, pin=True) == [(2,), (3,)]
    assert place_workers([3, 1, 2], 3, pin=True) == [(1,), (2,), (3,)]
    assert place_workers([4, 9], 3, pin=True) == [(4,), (9,), (4,)]
    assert place_workers([4, 9], 2, pin=False) == [(4, 9), (4, 9)]


@pytest.mark.parametrize(
    ("allowed", "quota", "count"),
    [(8, 0.5, 1), (8, 1.9, 1), (8, 2.0, 2), (8, 4.0, 3), (8, 16.0, 7), (2, 4.0, 2)],
)
def test_a_containers_quota_counts_as_cores(allowed: int, quota: float, count: int) -> None:
    assert worker_count(range(allowed), 0, quota) == count
    assert worker_count(range(allowed), 6, quota) == 6


def test_neighbours_are_on_different_memory_nodes() -> None:
    nodes = [{0, 1, 2, 3}, {4, 5, 6, 7}]
    placed = [core for (core,) in place_workers(range(8), 7, pin=True, nodes=nodes)]
    assert placed == [4, 1, 5, 2, 6, 3, 7]
    assert place_workers([1, 2, 5], 3, pin=True, nodes=nodes) == [(1,), (5,), (2,)]
    assert place_workers([1, 9], 2, pin=True, nodes=nodes) == [(1,), (9,)]


@settings(max_examples=100, derandomize=True, deadline=None, database=None)
@given(st.sets(st.integers(0, 300), min_size=1, max_size=80), st.integers(1, 100), st.integers(1, 4))
def test_workers_are_spread_evenly_over_allowed_cores(allowed: set[int], count: int, sockets: int) -> None:
    nodes = [range(socket, 301, sockets) for socket in range(sockets)]
    placed = [core for (core,) in place_workers(sorted(allowed), count, pin=True, nodes=nodes)]
    assert len(placed) == count
    assert set(placed) <= allowed
    loads = [placed.count(core) for core in allowed]
    assert max(loads) - min(loads) <= 1
