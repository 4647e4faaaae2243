from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from semwatchd.core.job import DeliveryState, JobState
from semwatchd.offline.books import Books, DeliveryLine, JobLine
from semwatchd.offline.manifest import Entry
from semwatchd.offline.summary import depth_figures, percentile, summarise


def entry(name: str, content: str, expected: str, shift_px: tuple[float, float], at: float) -> Entry:
    return Entry(
        path=f"/s/{name}",
        sha256=content,
        writer="direct",
        expected=expected,
        dx_px=shift_px[0],
        dy_px=shift_px[1],
        finished_at=at,
    )


TRUTH = (
    entry("a", "A", "stored", (1, 2), 100),
    entry("b", "B", "stored", (-3, 0), 101),
    entry("bad", "C", "quarantined", (0, 0), 102),
    entry("a2", "A", "duplicate", (1, 2), 103),
)


def stored(number: int, path: str, at: float, dx_px: float, dy_px: float) -> JobLine:
    shift = {"status": "ok", "dx_px": dx_px, "dy_px": dy_px}
    return JobLine(
        id=number, path=path, state=JobState.STORED, stored_at=at, elapsed_ms={}, registration=shift
    )


JOBS = (
    stored(1, "/s/a", 102.5, 1.03, 2.04),
    stored(2, "/s/b", 104.0, -3.0, 0.0),
    JobLine(id=3, path="/s/bad", state=JobState.QUARANTINED, reason="strip 3 ends early", elapsed_ms={}),
    JobLine(id=4, path="/s/a2", state=JobState.DUPLICATE, elapsed_ms={}),
)


def delivery(job_id: int, destination: str, attempts: int = 1) -> DeliveryLine:
    return DeliveryLine(
        event_id=f"e{job_id}",
        destination=destination,
        job_id=job_id,
        state=DeliveryState.DELIVERED,
        attempts=attempts,
        delivered_at=105.0,
    )


DELIVERIES = (delivery(1, "mes", attempts=2), delivery(2, "mes"), delivery(1, "drop"), delivery(2, "drop"))
ARRIVALS = {"mes": ["e1", "e2", "e1"], "drop": ["e1", "e2"]}


def problems(
    jobs: Sequence[JobLine] = JOBS,
    deliveries: Sequence[DeliveryLine] = DELIVERIES,
    arrivals: dict[str, list[str]] = ARRIVALS,
) -> tuple[str, ...]:
    return summarise(TRUTH, Books(jobs=tuple(jobs), deliveries=tuple(deliveries)), arrivals).problems


def test_a_run_that_went_well_balances_and_gives_its_figures() -> None:
    summary = summarise(TRUTH, Books(jobs=JOBS, deliveries=DELIVERIES), ARRIVALS)
    assert summary.problems == ()
    assert (summary.written, summary.stored, summary.duplicates) == (4, 2, 1)
    assert summary.quarantined == {"strip 3 ends early": 1}
    assert summary.delivered == {"mes": 2, "drop": 2}
    assert summary.repeats == {"mes": 1, "drop": 0}
    assert summary.retried == 1
    assert summary.images_per_min == pytest.approx(2 / 4.0 * 60)
    assert (summary.file_to_stored.p50_s, summary.file_to_stored.p99_s) == (2.5, 3.0)
    assert summary.file_to_delivered.p99_s == pytest.approx(5.0)
    assert summary.registered == 2
    assert summary.registration_rms_px == pytest.approx(0.05 / 2**0.5)
    assert summary.registration_worst_px == pytest.approx(0.05)


def test_it_does_not_matter_which_copy_of_the_bytes_came_first() -> None:
    late = replace(JOBS[0], state=JobState.DUPLICATE)
    first = replace(JOBS[3], state=JobState.STORED)
    sent = (delivery(4, "mes"), delivery(2, "mes"), delivery(4, "drop"), delivery(2, "drop"))
    assert problems((late, *JOBS[1:3], first), sent, {"mes": ["e4", "e2"], "drop": ["e4", "e2"]}) == ()


def test_a_lost_file_is_named() -> None:
    assert any("/s/b: 0 jobs" in line for line in problems(jobs=(JOBS[0], *JOBS[2:])))


def test_a_file_measured_twice_is_named() -> None:
    twice = problems(jobs=(*JOBS, replace(JOBS[1], id=5)))
    assert any("/s/b: 2 jobs" in line for line in twice)


def test_a_wrong_state_is_named_with_both_states() -> None:
    wrong = problems(jobs=(*JOBS[:2], replace(JOBS[2], state=JobState.STORED), JOBS[3]))
    assert any("/s/bad: stored instead of quarantined" in line for line in wrong)


def test_two_stored_copies_are_one_too_many() -> None:
    doubled = problems(jobs=(*JOBS[:3], replace(JOBS[3], state=JobState.STORED)))
    assert any("stored, stored instead of duplicate, stored" in line for line in doubled)


def test_a_job_nobody_wrote_a_file_for_is_named() -> None:
    assert any("never wrote" in line for line in problems(jobs=(*JOBS, replace(JOBS[0], id=9, path="/s/x"))))


def test_lost_missing_open_and_foreign_events_are_told_apart() -> None:
    assert problems(arrivals={"mes": ["e1"], "drop": ["e1", "e2"]}) == (
        "mes: 1 events count as delivered but never arrived",
    )
    assert problems(deliveries=DELIVERIES[1:]) == (
        "mes: 1 stored images have no event",
        "mes: 1 events arrived that the journal does not know",
    )
    waiting = (*DELIVERIES[:3], replace(DELIVERIES[3], state=DeliveryState.PENDING))
    assert problems(deliveries=waiting) == ("drop: 1 events are not delivered",)


def test_nothing_written_gives_no_figures_but_no_error() -> None:
    summary = summarise((), Books(jobs=(), deliveries=()), {"mes": []})
    assert summary.problems == ()
    assert summary.images_per_min is None
    assert summary.registration_rms_px is None
    assert summary.file_to_stored.p50_s is None


@pytest.mark.parametrize(("percent", "value"), [(50, 5), (99, 10), (100, 10), (1, 1)])
def test_percentiles_are_values_that_were_there(percent: float, value: int) -> None:
    assert percentile(range(1, 11), percent) == value


def test_depths_are_counted_with_the_maps_that_are_really_there(tmp_path: Path) -> None:
    there, gone = tmp_path / "a.tif", tmp_path / "b.tif"
    there.touch()

    def told(holes_nm: float | None, *artefacts: Path) -> JobLine:
        depth = {"depth.hole_depth_nm": holes_nm}
        paths = tuple(map(str, artefacts))
        return replace(stored(1, "/s/a", 1, 0, 0), depth=depth, artefacts=paths, elapsed_ms={"depth": 7.0})

    without = stored(2, "/s/b", 1, 0, 0)
    figures = depth_figures([told(100.0, there), told(120.0, gone), told(110.0), told(None), without])
    assert (figures.told, figures.maps, figures.holes_nm, figures.each_ms) == (4, 1, 110.0, 7.0)
