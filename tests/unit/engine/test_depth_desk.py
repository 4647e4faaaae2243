"""Numbers are never held up for long, no image is doubled, and no place of the slab is lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

import pytest

from semwatchd.core.job import MAX_ATTEMPTS, ErrorClass, Failure, Job, JobState, Lane, Result
from semwatchd.core.plan import DepthPlan, Plan
from semwatchd.core.ports import RenderedEvent
from semwatchd.engine.collector import Collector
from semwatchd.engine.depth_child import DepthKeeper, Ended, Heard
from semwatchd.engine.depth_desk import RECLAIM_EVERY_S, DepthDesk, Partners
from semwatchd.engine.depths import NoDepths
from semwatchd.engine.messages import Answered, Ask, DepthReady, Mapped, Refused, Sick
from semwatchd.engine.seats import Seats
from semwatchd.engine.settings import DepthSettings
from semwatchd.engine.wakeup import Wakeup
from tests.deliveries import FACTS, a_result
from tests.fakes import FakeClock, ListLog, RecordingTelemetry
from tests.fakes_jobs import MemoryJobStore
from tests.journals import some_job

WITH_DEPTH = Plan(depth=DepthPlan(weights_sha256="cd" * 32))
SETTINGS = DepthSettings(batch=3, max_wait_s=0.1, seats=4, partial_after_s=30.0, most_owed=2)


class ScriptedKeeper(DepthKeeper):
    """A process that says what the test wants."""

    def __init__(self) -> None:
        self.up = True
        self.asked: Ask | None = None
        self.says: deque[Heard] = deque()

    @property
    def ready(self) -> bool:
        return self.up

    @property
    def free(self) -> bool:
        return self.up and self.asked is None

    def hear(self, timeout_s: float, wakeup: Wakeup) -> Heard | None:
        return self.says.popleft() if self.says else None

    def ask(self, ask: Ask) -> None:
        self.asked = ask

    def close(self) -> None:
        self.up = False


class Bench:
    def __init__(self, jobs: int = 0, settings: DepthSettings = SETTINGS) -> None:
        self.clock = FakeClock(0.0)
        self.store = MemoryJobStore()
        self.keeper = ScriptedKeeper()
        self.seats = Seats(settings.seats)
        self.telemetry = RecordingTelemetry()
        self.shown: list[tuple[bool, str]] = []
        self.errors: list[BaseException] = []
        log = ListLog()
        self.collector = Collector(
            store=self.store,
            render=_rendered,
            resight=lambda *_: None,
            environment=lambda _: None,
            on_error=self.errors.append,
            telemetry=self.telemetry,
            log=log,
            clock=lambda: self.store.now,
        )
        partners = Partners(
            endings=self.collector,
            store=self.store,
            show=lambda well, reason: self.shown.append((well, reason)),
            telemetry=self.telemetry,
            log=log,
            on_error=self.errors.append,
        )
        self.desk = DepthDesk(settings, self.keeper, self.seats, partners, self.clock)
        for number in range(1, jobs + 1):
            self.add(number)

    def add(self, number: int, lane: Lane = Lane.LIVE) -> None:
        self.store.add(replace(some_job(number, plan=WITH_DEPTH), lane=lane))

    def measure(self, *, limit: int = 10) -> list[Job]:
        """Let workers measure whatever is queued, and leave its picture where there is a seat."""
        jobs = list(self.store.claim(limit, 1).result())
        for job in jobs:
            seat = self.desk.lend(job)
            self.desk.take(measured(job), seated=seat is not None)
        return jobs

    def turn(self, *said: Heard, later_s: float = 0.0) -> None:
        self.clock.advance(later_s)
        self.keeper.says.extend(said)
        for _ in range(max(1, len(said))):
            self.desk.turn(0.0)

    def asked(self) -> list[int]:
        return [question.job.id for question in self.keeper.asked.questions] if self.keeper.asked else []

    def answer(self, *refused: int) -> None:
        assert self.keeper.asked is not None
        asked, self.keeper.asked = self.keeper.asked, None
        self.turn(
            Answered(
                answers=tuple(
                    Refused(ticket=question.seat.ticket, reason="blank")
                    if question.job.id in refused
                    else Mapped(
                        ticket=question.seat.ticket,
                        measurements={"depth.median_nm": 100.0 + question.job.id},
                        warnings=("out of domain",),
                        artefacts=(f"/maps/{question.job.id}.tif",),
                        elapsed_ms=5.0,
                    )
                    for question in asked.questions
                ),
                rss_bytes=1,
                cpu_s=0.1,
            )
        )

    def dies(self, reason: str = "signal SIGKILL") -> None:
        self.keeper.asked = None
        self.turn(Ended(reason, was_ready=True))

    def falls_sick(self) -> None:
        self.keeper.asked, self.keeper.up = None, False
        self.turn(Sick(reason="no answer as it should be"))

    def gets_well(self) -> None:
        self.keeper.up = True
        self.turn(DepthReady(about={"device": "cpu"}))

    def states(self) -> list[JobState]:
        return [row.state for _, row in sorted(self.store.rows.items())]

    def events(self) -> list[str]:
        return [event.event_id for _, event in self.store.outbox]

    def result(self, number: int) -> Result:
        result = self.store.rows[number].result
        assert result is not None
        return result


def measured(job: Job) -> Result:
    return a_result(job, replace(FACTS, sha256=f"{job.id:064d}"))


def _rendered(result: Result) -> tuple[RenderedEvent, ...]:
    name = f"{result.job.id} r{result.job.revision + 1}"
    return (RenderedEvent(event_id=name, event_type="t", order_key="k", subject="s", payload="{}"),)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.desk.close()
    assert made.errors == []
    if made.desk.empty:
        assert made.seats.free == SETTINGS.seats, "a place was lost"


def test_a_picture_waits_a_moment_for_others_and_becomes_one_result(bench: Bench) -> None:
    bench.add(1)
    bench.measure()
    bench.turn()
    assert (bench.states(), bench.asked(), bench.events()) == ([JobState.GPU_QUEUED], [], [])
    bench.turn(later_s=0.1)
    assert (bench.states(), bench.asked()) == ([JobState.GPU_RUNNING], [1])
    bench.answer()
    assert (bench.states(), bench.events(), bench.desk.idle) == ([JobState.STORED], ["1 r1"], True)
    result = bench.result(1)
    assert result.measurements["depth.median_nm"] == 101.0
    assert result.measurements["sharpness.tenengrad_corrected"] == 12.5
    assert result.warnings[-1] == "out of domain"
    assert (result.artefacts, result.weights_sha256) == (("/maps/1.tif",), "cd" * 32)
    assert result.elapsed_ms["depth"] == 5.0


def test_a_full_batch_waits_for_nobody_and_the_next_one_for_its_answer(bench: Bench) -> None:
    for number in (1, 2, 3, 4):
        bench.add(number)
    bench.measure()
    bench.turn()
    assert bench.asked() == [1, 2, 3]
    bench.turn(later_s=1.0)
    assert bench.asked() == [1, 2, 3]
    bench.answer(2)
    bench.turn()
    assert bench.asked() == [4]
    bench.answer()
    assert bench.states() == [JobState.STORED] * 4
    assert bench.result(2).warnings[-1] == "no depth: blank"
    assert "depth.median_nm" not in bench.result(2).measurements


def test_while_the_device_is_sick_numbers_go_ahead_and_depths_follow_as_second_revisions(
    bench: Bench,
) -> None:
    bench.add(1)
    bench.measure()
    bench.turn(later_s=0.1)
    bench.falls_sick()
    bench.add(2)
    bench.measure()
    bench.turn()
    assert bench.states() == [JobState.CPU_DONE] * 2
    assert bench.events() == ["1 r1", "2 r1"]
    assert bench.shown[-1] == (False, "no answer as it should be")
    assert bench.desk.idle, "nothing that can be had now"
    bench.gets_well()
    assert bench.shown[-1] == (True, "")
    bench.turn(later_s=RECLAIM_EVERY_S)
    bench.measure()
    bench.turn(later_s=0.1)
    bench.answer()
    assert bench.states() == [JobState.STORED] * 2
    assert bench.events() == ["1 r1", "2 r1", "1 r2", "2 r2"]


def test_a_device_that_falls_sick_again_reports_nothing_twice(bench: Bench) -> None:
    bench.add(1)
    bench.falls_sick()
    bench.measure()
    bench.gets_well()
    bench.measure()
    bench.turn(later_s=0.1)
    bench.falls_sick()
    assert (bench.states(), bench.events()) == ([JobState.CPU_DONE], ["1 r1"])


def test_more_than_may_be_owed_goes_without(bench: Bench) -> None:
    bench.falls_sick()
    for number in (1, 2, 3):
        bench.add(number)
    bench.add(4, Lane.BACKFILL)
    bench.measure()
    assert bench.states() == [JobState.CPU_DONE, JobState.CPU_DONE, JobState.STORED, JobState.CPU_DONE]
    assert bench.telemetry.named("depth_skipped") == [("sick",)]
    assert "more images wait for it than" in bench.result(3).warnings[-1]


def test_a_live_image_that_finds_no_place_goes_without_and_any_other_waits(bench: Bench) -> None:
    for number in range(1, 6):
        bench.add(number)
    bench.add(6, Lane.BACKFILL)
    bench.measure()
    assert bench.states() == [*[JobState.GPU_QUEUED] * 4, JobState.STORED, JobState.CPU_DONE]
    assert bench.telemetry.named("depth_skipped") == [("busy",)]


def test_an_image_whose_numbers_went_ahead_finds_no_place_and_waits_on_without_a_word(bench: Bench) -> None:
    bench.falls_sick()
    bench.add(1)
    bench.measure()
    bench.gets_well()
    for number in range(2, 6):
        bench.add(number)
    for job in bench.store.claim(10, 0).result():
        bench.desk.lend(job)
    (late,) = [row.job for row in bench.store.rows.values() if row.job.revision]
    bench.desk.forget(late)
    bench.desk.take(measured(late), seated=False)
    assert (bench.states()[0], bench.events()) == (JobState.CPU_DONE, ["1 r1"])
    for job in [row.job for row in bench.store.rows.values()]:
        bench.desk.forget(job)


def test_before_the_process_is_ready_nothing_is_skipped(bench: Bench) -> None:
    bench.keeper.up = False
    for number in range(1, 7):
        bench.add(number)
    bench.measure()
    bench.turn(later_s=1.0)
    assert bench.states() == [*[JobState.GPU_QUEUED] * 4, *[JobState.CPU_DONE] * 2]
    assert bench.telemetry.named("depth_skipped") == []
    assert bench.asked() == []


def test_a_process_that_dies_is_blamed_on_what_it_was_shown_and_on_nothing_else(bench: Bench) -> None:
    for number in (1, 2, 3, 4):
        bench.add(number)
    bench.measure()
    bench.turn()
    bench.dies()
    assert bench.states() == [*[JobState.RETRY_WAIT] * 3, JobState.GPU_QUEUED]
    assert bench.store.rows[1].error_class is ErrorClass.TASK
    bench.turn(later_s=0.1)
    assert bench.asked() == [4]
    bench.answer()
    bench.store.now += 10.0
    bench.measure()
    bench.turn(later_s=0.1)
    bench.answer()
    assert bench.states() == [JobState.STORED] * 4
    assert bench.events() == ["4 r1", "1 r1", "2 r1", "3 r1"]


def test_a_picture_that_ends_the_process_again_and_again_goes_without_depth_but_keeps_its_numbers(
    bench: Bench,
) -> None:
    bench.add(1)
    for _ in range(MAX_ATTEMPTS):
        assert bench.states() != [JobState.STORED]
        bench.store.now += 10.0
        bench.measure()
        bench.turn(later_s=0.1)
        bench.dies()
    assert (bench.states(), bench.events()) == ([JobState.STORED], ["1 r1"])
    assert bench.telemetry.named("depth_skipped") == [("crashes",)]
    assert "ended 3 times" in bench.result(1).warnings[-1]


def test_a_suspect_is_shown_by_itself(bench: Bench) -> None:
    for number in (1, 2, 3):
        bench.add(number)
    bench.store.rows[2].error_class = ErrorClass.RESOURCE
    bench.measure()
    bench.turn(later_s=0.1)
    assert bench.asked() == [1, 3]
    bench.answer()
    assert bench.asked() == [2]


def test_numbers_that_have_waited_long_enough_go_ahead_once(bench: Bench) -> None:
    bench.add(1)
    bench.measure()
    bench.turn(later_s=0.1)
    for _ in range(3):
        bench.turn(later_s=30.0)
    assert (bench.states(), bench.events()) == ([JobState.GPU_RUNNING], ["1 r1"])
    bench.answer()
    assert (bench.states(), bench.events()) == ([JobState.STORED], ["1 r1", "1 r2"])


def test_the_place_of_a_job_that_was_never_measured_is_lent_again(bench: Bench) -> None:
    for number in (1, 2):
        bench.add(number)
    blamed, unstarted = bench.store.claim(2, 0).result()
    bench.desk.lend(blamed)
    bench.desk.lend(unstarted)
    bench.desk.take(Failure(job=blamed, error_class=ErrorClass.TASK, reason="it died"), seated=False)
    bench.desk.forget(unstarted)
    assert bench.seats.free == SETTINGS.seats


def test_a_picture_that_the_worker_could_not_leave_is_stored_with_the_workers_word(bench: Bench) -> None:
    bench.add(1)
    (job,) = bench.store.claim(1, 0).result()
    bench.desk.lend(job)
    bench.desk.take(replace(measured(job), warnings=("no depth: too small",)), seated=False)
    assert (bench.states(), bench.result(1).warnings) == ([JobState.STORED], ("no depth: too small",))


def test_plans_without_depth_pass_by(bench: Bench) -> None:
    bench.store.add(some_job(1))
    (job,) = bench.store.claim(1, 0).result()
    assert bench.desk.lend(job) is None
    bench.desk.take(measured(job), seated=False)
    assert (bench.states(), bench.result(1).warnings) == ([JobState.STORED], measured(job).warnings)


def test_without_a_process_every_result_says_why_it_has_no_depth(bench: Bench) -> None:
    nobody = NoDepths(bench.collector, bench.telemetry, "depth.device is off")
    bench.add(1)
    (job,) = bench.store.claim(1, 0).result()
    nobody.lend(job)
    nobody.take(measured(job), seated=False)
    assert bench.result(1).warnings[-1] == "no depth: depth.device is off"
    assert bench.telemetry.named("depth_skipped") == [("off",)]


@pytest.mark.parametrize("stops", range(1, 40, 3))
def test_whatever_stops_the_daemon_and_when_no_image_is_lost_or_doubled(stops: int) -> None:
    """The process dies, falls sick and is slow in turn; the daemon is stopped after every few turns."""
    bench = Bench(jobs=6)
    for turn in range(40):
        if turn % stops == 0 and turn:
            bench.store.restart()
            bench = _reborn(bench)
        bench.store.now += 11.0
        bench.measure(limit=3)
        bench.turn(later_s=0.1)
        _misfortune(bench, turn)
    for _ in range(20):
        _go_well(bench)
    events = bench.events()
    assert (bench.states(), bench.errors) == ([JobState.STORED] * 6, [])
    assert len(events) == len(set(events)), "an event went out twice"
    assert {event.split()[0] for event in events} == {str(number) for number in range(1, 7)}


def _misfortune(bench: Bench, turn: int) -> None:
    match turn % 5:
        case 0 if bench.keeper.asked:
            bench.dies()
        case 1 if bench.keeper.up:
            bench.falls_sick()
        case 2 if not bench.keeper.up:
            bench.gets_well()
        case 3:
            bench.turn(later_s=31.0)
        case _ if bench.keeper.asked:
            bench.answer()


def _reborn(before: Bench) -> Bench:
    before.desk.close()
    after = Bench()
    after.store.rows, after.store.outbox = before.store.rows, before.store.outbox
    after.store.now = before.store.now
    return after


def _go_well(bench: Bench) -> None:
    if not bench.keeper.up:
        bench.gets_well()
    bench.store.now += 11.0
    bench.turn(later_s=RECLAIM_EVERY_S)
    bench.measure()
    bench.turn(later_s=0.1)
    if bench.keeper.asked:
        bench.answer()
