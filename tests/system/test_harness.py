"""The fault harness itself, for one cycle, and a short soak."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.faults import burst
from tests.faults.recovery import measure
from tests.faults.run import Report, run
from tests.faults.soak import Soak
from tests.faults.soak import report as soak_report

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return run(tmp_path_factory.mktemp("faults"), cycles=1, seed=5, say=lambda _: None)


def test_one_cycle_of_faults_breaks_no_rule(report: Report) -> None:
    assert report.violations == ()
    assert report.images > 25
    assert sum(report.struck.values()) == 3


def test_the_report_is_one_line_that_a_program_can_read(report: Report) -> None:
    line = report.as_json(seed=5)
    assert "\n" not in line
    read = json.loads(line)
    assert list(read)[:6] == ["cycles", "images", "lost", "doubled", "recovery_p50_s", "recovery_p99_s"]
    assert (read["cycles"], read["lost"], read["doubled"], read["seed"]) == (1, 0, 0, 5)


def test_a_short_soak_reaches_its_end(tmp_path: Path) -> None:
    said = soak_report(Soak(tmp_path, 60, say=lambda _: None).run())
    assert said["images"] >= 60
    assert said["cpu_ms_per_image_late"] > 0


def test_recovery_with_a_backlog_is_measured(tmp_path: Path) -> None:
    (took_s,) = measure(tmp_path, 40, 1, lambda _: None)
    assert 0 < took_s < 30


@pytest.mark.parametrize("drop", [burst.written, burst.moved_in])
def test_a_small_burst_is_sighted_whole(tmp_path: Path, drop: burst.Drop) -> None:
    came_to = burst.measure(tmp_path, 60, drop)
    assert (came_to.files, came_to.lost, came_to.doubled) == (60, 0, 0)
    assert 0 < came_to.sighted_s <= came_to.jobs_s
    assert burst.verdict({"written": came_to})["held"]
