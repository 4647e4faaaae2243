from __future__ import annotations

from itertools import accumulate

import pytest

from tests.faults.soak import Mark, report


def marks(costs_ms: list[float], yardsticks_ms: list[float], rss_mb: float = 100.0) -> list[Mark]:
    spent_s = accumulate((cost_ms for cost_ms in costs_ms), initial=0.0)
    return [
        Mark(
            images=1000 * number,
            cpu_s=cpu_s,
            yardstick_ms=yardstick_ms,
            rss_mb=100.0 if number < 10 else rss_mb,
            descriptors=40,
            journal_mb=1.0 * number,
        )
        for number, (cpu_s, yardstick_ms) in enumerate(
            zip(spent_s, [yardsticks_ms[0], *yardsticks_ms], strict=True)
        )
    ]


STEADY = [5.0] * 10
SLOWER_MACHINE = [5.0] * 5 + [7.5] * 5


def test_a_slower_machine_is_no_slower_daemon() -> None:
    said = report(marks([3.0] * 5 + [4.5] * 5, SLOWER_MACHINE))
    assert said["steady"]
    assert said["cpu_ms_per_image_late"] == pytest.approx(said["cpu_ms_per_image_early"])


@pytest.mark.parametrize("yardsticks_ms", [STEADY, SLOWER_MACHINE])
def test_a_daemon_that_slows_down_is_found_on_any_machine(yardsticks_ms: list[float]) -> None:
    costs_ms = [3.0 * (1 + 0.02 * tenth) * slow / 5.0 for tenth, slow in enumerate(yardsticks_ms)]
    assert not report(marks(costs_ms, yardsticks_ms))["steady"]


def test_one_busy_tenth_is_no_trend() -> None:
    assert report(marks([3.0] * 8 + [6.0, 3.0], STEADY))["steady"]


def test_memory_that_grows_is_found() -> None:
    assert not report(marks([3.0] * 10, STEADY, rss_mb=106.0))["steady"]
