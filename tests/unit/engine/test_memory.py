"""Growth of memory, told from objects that are really kept."""

from __future__ import annotations

import tracemalloc

import pytest

from semwatchd.core.errors import EnvironmentFault
from semwatchd.engine.memory import TOP, MemoryTracer

KEPT_BYTES = 100_000


def test_it_names_the_line_that_keeps_more_and_more() -> None:
    kept: list[bytes] = []
    growth = MemoryTracer().growth(2.0, lambda _: kept.append(bytes(KEPT_BYTES)))
    worst = growth.lines[0]
    assert worst.file == __file__
    assert worst.size_diff_bytes == pytest.approx(KEPT_BYTES, rel=0.01)
    assert worst.size_bytes == pytest.approx(2 * KEPT_BYTES, rel=0.01), "as much in each half"
    assert worst.objects_diff == 1
    assert growth.traced_diff_bytes == pytest.approx(KEPT_BYTES, rel=0.2)
    assert len(growth.lines) <= TOP


def test_what_only_takes_the_place_of_the_old_is_no_growth() -> None:
    held = [bytes(KEPT_BYTES)]

    def replace(_: float) -> None:
        held[0] = bytes(KEPT_BYTES)

    growth = MemoryTracer().growth(2.0, replace)
    assert all(line.file != __file__ for line in growth.lines)


def test_it_waits_for_as_long_as_it_was_told_to() -> None:
    waited: list[float] = []
    assert MemoryTracer().growth(60.0, waited.append).seconds == sum(waited) == 60.0


def test_nothing_is_traced_before_or_after_nor_when_the_wait_is_broken_off() -> None:
    tracer = MemoryTracer()
    traced: list[bool] = []
    tracer.growth(2.0, lambda _: traced.append(tracemalloc.is_tracing()))
    assert traced == [True, True]
    assert not tracemalloc.is_tracing()

    def gone(_: float) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        tracer.growth(2.0, gone)
    assert not tracemalloc.is_tracing()
    tracer.growth(2.0, traced.append)  # type: ignore[arg-type] # and the next one is served


def test_what_was_traced_before_goes_on_being_traced() -> None:
    tracemalloc.start()
    try:
        MemoryTracer().growth(2.0, lambda _: None)
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()


def test_only_one_at_a_time() -> None:
    tracer = MemoryTracer()

    def ask_again(_: float) -> None:
        with pytest.raises(EnvironmentFault, match="ask again"):
            tracer.growth(1.0, lambda _: None)

    tracer.growth(2.0, ask_again)
