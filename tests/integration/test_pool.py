"""Real worker processes: fed in order, blamed justly, replaced when they die, and never left behind."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from semwatchd.core.job import ErrorClass, Failure, Job, Outcome, Result
from semwatchd.engine import burial, child, stacks
from semwatchd.engine.child import START_LIMIT_S
from semwatchd.engine.messages import Setup
from semwatchd.engine.pace import ENOUGH, SHORTEST_S
from semwatchd.engine.slots import anonymous_slots
from semwatchd.engine.stacks import worker_stacks
from semwatchd.engine.supervisor import DUMP_S, QUICK_DEATH_S, Limits, News, WorkerPool
from tests.fakes import FakeClock, ListLog, RecordingTelemetry
from tests.journals import some_job
from tests.workers import LIMIT_BYTES

pytestmark = pytest.mark.integration

PROJECT = Path(__file__).resolve().parents[2]
CORES = tuple(sorted(os.sched_getaffinity(0)))
PATIENCE_S = 30.0
LIMITS = Limits(deadline_s=30.0, recycle_rss_bytes=1 << 40, recycle_jobs=1000)


class Bench:
    """A pool under test and all that is seen of it."""

    def __init__(
        self, count: int = 1, factory: str = "build", cores: Sequence[int] = CORES, limits: Limits = LIMITS
    ) -> None:
        self.clock = FakeClock(0.0)
        self.log = ListLog()
        self.telemetry = RecordingTelemetry()
        setup = Setup(factory=f"tests.workers:{factory}", settings=None, memory_limit_bytes=LIMIT_BYTES)
        slots = anonymous_slots(count)
        self.pool = WorkerPool(
            setup, [tuple(cores)] * count, slots, limits, self.telemetry, self.log, self.clock
        )
        self.outcomes: list[Outcome] = []
        self.unstarted: list[Job] = []

    def turn(self, timeout_s: float = 0.05) -> News:
        news = self.pool.wait(timeout_s)
        self.outcomes += news.outcomes
        self.unstarted += news.unstarted
        return news

    def until(self, seen: Callable[[], object]) -> None:
        give_up_at = time.monotonic() + PATIENCE_S
        while not seen():
            assert time.monotonic() < give_up_at, self.log.lines
            self.turn()

    def until_ready(self) -> None:
        self.until(lambda: self.pool.ready_count == self.pool.size)

    def submit(self, *names: str) -> list[Job]:
        jobs = [replace(some_job(number), path=f"/data/{name}.tif") for number, name in enumerate(names, 1)]
        for job in jobs:
            self.pool.submit(job)
        return jobs

    def stage(self) -> str:
        (worker,) = self.pool._workers
        return worker.stage if worker else ""

    def stacks(self) -> str:
        (worker,) = self.pool._workers
        return worker.stacks() if worker else ""

    def dump_asked_at(self) -> float | None:
        (worker,) = self.pool._workers
        return worker.dump_asked_at if worker else None

    def failure(self) -> Failure:
        (outcome,) = self.outcomes
        assert isinstance(outcome, Failure)
        return outcome


@contextmanager
def bench(
    count: int = 1, factory: str = "build", cores: Sequence[int] = CORES, limits: Limits = LIMITS
) -> Iterator[Bench]:
    made = Bench(count, factory, cores, limits)
    try:
        yield made
    finally:
        made.pool.close()


@pytest.fixture(autouse=True)
def _workers_find_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def open_files() -> set[Path]:
    return set(Path("/proc/self/fd").iterdir())


def test_jobs_are_answered_in_order_with_what_the_worker_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    with bench() as b:
        b.until_ready()
        assert b.pool.free() == 2
        jobs = b.submit("slow", "good")
        assert b.pool.free() == 0
        assert b.pool.busy
        b.until(lambda: len(b.outcomes) == 2)
        assert [outcome.job for outcome in b.outcomes] == jobs
        first = b.outcomes[0]
        assert isinstance(first, Result)
        assert first.warnings == ("OMP_NUM_THREADS", "GLIBC_TUNABLES")
        (figures,) = b.pool.figures()
        assert figures.rss_bytes > 1_000_000
        assert figures.cpu_s > 0


def test_every_kind_of_bad_image_gets_its_class_and_the_worker_lives() -> None:
    with bench() as b:
        b.until_ready()
        before = b.pool.pids
        for name in ("bad", "greedy", "odd", "good"):
            b.submit(name)
            b.until(lambda: not b.pool.busy)
        bad, greedy, odd, good = b.outcomes
        assert isinstance(bad, Failure)
        assert (bad.error_class, bad.reason) == (ErrorClass.DATA, "strip 3 of 59 ends beyond the file")
        assert isinstance(greedy, Failure)
        assert greedy.error_class is ErrorClass.RESOURCE
        assert isinstance(odd, Failure)
        assert odd.error_class is ErrorClass.TASK
        assert odd.reason.startswith("KeyError: ")
        assert len(odd.reason) <= 1000
        odd.reason.encode()
        assert isinstance(good, Result)
        assert b.pool.pids == before


@pytest.mark.parametrize(("name", "told"), [("killed", "signal SIGKILL"), ("exits", "exit code 3")])
def test_a_death_is_blamed_on_the_image_in_work_alone(name: str, told: str) -> None:
    with bench() as b:
        b.until_ready()
        first, second = b.submit(name, "good")
        b.until(lambda: b.outcomes)
        assert b.failure().job == first
        assert b.failure().error_class is ErrorClass.TASK
        assert told in b.failure().reason
        assert b.unstarted == [second]
        assert b.pool.pids == []
        b.clock.advance(0.5)
        b.until_ready()
        b.pool.submit(second)
        b.until(lambda: len(b.outcomes) == 2)
        assert isinstance(b.outcomes[1], Result)
        assert b.telemetry.named("worker_restarted") == [("crash",)]


def test_a_killed_worker_takes_nothing_from_its_neighbour() -> None:
    with bench(2) as b:
        b.until_ready()
        b.submit("hang", "slow", "good", "good")
        victim = b.pool.pids[0]
        os.kill(victim, signal.SIGKILL)
        b.until(lambda: len(b.outcomes) == 3)
        assert sorted(outcome.job.id for outcome in b.outcomes) == [1, 2, 4]
        assert [job.id for job in b.unstarted] == [3]


def test_an_idle_worker_that_dies_is_replaced_after_growing_patience() -> None:
    with bench() as b:
        for delay_s in (0.5, 1.0, 2.0):
            b.until_ready()
            os.kill(b.pool.pids[0], signal.SIGKILL)
            b.until(lambda: not b.pool.pids)
            b.clock.advance(0.9 * delay_s)
            b.turn(0)
            assert b.pool.pids == []
            b.clock.advance(0.1 * delay_s + 1e-6)
            b.turn(0)
            assert len(b.pool.pids) == 1
        b.until_ready()
        b.clock.advance(QUICK_DEATH_S)
        before = b.pool.pids
        os.kill(before[0], signal.SIGKILL)
        b.until(lambda: b.pool.pids != before)
        assert len(b.pool.pids) == 1  # one that has lived is replaced at once
        assert b.outcomes == []


def test_an_overdue_image_costs_its_worker_and_only_itself() -> None:
    with bench() as b:
        b.until_ready()
        first, second = b.submit("hang", "good")
        b.until(lambda: b.stage() == "read")
        b.clock.advance(29.9)
        b.turn(0)
        assert b.pool.busy
        b.clock.advance(0.2)
        b.turn(0)
        assert b.outcomes == []
        b.clock.advance(DUMP_S)
        b.turn(0)
        assert b.failure().job == first
        assert b.failure().error_class is ErrorClass.RESOURCE
        assert b.failure().reason == (
            "no answer within 30 s, at last in stage read; the worker was ended; "
            "raise workers.deadline_s if that is normal"
        )
        assert b.unstarted == [second]
        assert b.telemetry.named("worker_restarted") == [("deadline",)]


def lost(b: Bench) -> dict[str, object]:
    (fields,) = [fields for _, event, fields in b.log.lines if event == "worker_lost"]
    return fields


def test_a_hung_worker_says_where_it_is_before_it_is_ended() -> None:
    with bench() as b:
        b.until_ready()
        b.submit("hang")
        b.until(lambda: b.stage() == "read")
        time.sleep(0.2)  # from the note of its beginning to the hang itself
        b.clock.advance(31)
        b.turn(0)
        worker = b.pool._workers[0]
        assert worker
        b.until(worker.stacks)
        b.clock.advance(DUMP_S)
        b.turn(0)
        assert "in _decode" in str(lost(b)["stacks"])


def test_workers_can_be_asked_where_they_are_from_any_thread_and_work_on() -> None:
    with bench(count=2) as made:
        made.until_ready()
        made.submit("slow")
        with ThreadPoolExecutor(1) as other:
            first = other.submit(worker_stacks, made.pool.living()).result()
        second = worker_stacks(made.pool.living())
        assert [worker.pid for worker in first] == made.pool.pids
        for told in (*first, *second):
            assert told.stacks.count("Current thread") == 1, "its own dump and no other"
            assert "engine/worker.py" in told.stacks
        made.until(lambda: made.outcomes)
        assert isinstance(made.outcomes[0], Result)
        os.kill(made.pool.pids[0], signal.SIGKILL)
        made.until(lambda: "worker_lost" in made.log.events())
        (lost,) = (fields for _, event, fields in made.log.lines if event == "worker_lost")
        assert "stacks" not in lost, "where it was when somebody asked is not where it died"


def test_a_stopped_worker_gives_no_stacks_and_holds_nobody_up_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stacks, "WORKERS_S", 0.1)
    with bench(count=2) as made:
        made.until_ready()
        os.kill(made.pool.pids[0], signal.SIGSTOP)
        stopped, _ = worker_stacks(made.pool.living())
        assert stopped.stacks == ""


def test_a_crash_in_a_library_leaves_its_stack() -> None:
    with bench() as b:
        b.until_ready()
        b.submit("crash")
        b.until(lambda: b.outcomes)
        assert lost(b)["reason"] == "signal SIGSEGV"
        assert "in _decode" in str(lost(b)["stacks"])


def test_a_stopped_worker_is_ended_all_the_same() -> None:
    with bench() as b:
        b.until_ready()
        (pid,) = b.pool.pids
        os.kill(pid, signal.SIGSTOP)
        b.submit("good")
        for seconds in (31, DUMP_S):
            b.clock.advance(seconds)
            b.turn(0)
        assert b.failure().error_class is ErrorClass.RESOURCE
        assert "stacks" not in lost(b)
        assert not alive(pid)


def hurried(**fixed_s: float) -> Limits:
    return replace(LIMITS, stage_deadline_s=fixed_s)


def test_a_stage_that_hangs_is_ended_and_named() -> None:
    with bench(limits=hurried(registration=10.0)) as b:
        b.until_ready()
        first, second = b.submit("lost", "good")
        b.until(lambda: b.stage() == "registration")
        b.clock.advance(8.0)  # what comes before it has its own time
        b.turn(0)
        b.clock.advance(9.9)
        b.turn(0)
        assert b.dump_asked_at() is None
        b.clock.advance(0.2)
        b.turn(0)
        b.until(b.stacks)
        b.clock.advance(DUMP_S)
        b.turn(0)
        assert b.failure().job == first
        assert b.failure().error_class is ErrorClass.RESOURCE
        assert b.failure().reason == (
            "stage registration ran 11.1 s, limit 10 s; the worker was ended; "
            "raise workers.stage_deadline_s.registration if that is normal"
        )
        assert b.unstarted == [second]
        assert lost(b)["stage"] == "registration"
        assert "in _register" in str(lost(b)["stacks"])


def test_a_stage_may_take_its_time_and_the_next_one_as_well() -> None:
    with bench(limits=hurried(read=10.0, registration=10.0)) as b:
        b.until_ready()
        b.submit("tough")
        b.until(lambda: b.stage() == "registration")
        for _ in range(3):
            b.clock.advance(3.0)
            b.turn(0)
        b.until(lambda: b.outcomes)
        assert isinstance(b.outcomes[0], Result)
        assert b.telemetry.named("worker_restarted") == []


def test_a_stage_that_ends_while_its_worker_is_asked_is_forgiven() -> None:
    with bench(limits=hurried(read=1.0)) as b:
        b.until_ready()
        b.submit("lost")
        b.until(lambda: b.stage() == "registration")
        worker = b.pool._workers[0]
        assert worker
        worker.dump_asked_at = b.clock()
        b.clock.advance(DUMP_S + 1)
        b.turn(0)
        assert b.dump_asked_at() is None
        assert b.outcomes == []


def test_the_limit_of_a_stage_is_learned_from_what_was_measured() -> None:
    with bench() as b:
        for _ in range(ENOUGH):
            b.pool._deadlines.took({"read": 1.0})
        b.until_ready()
        b.submit("hang")
        b.until(lambda: b.stage() == "read")
        for seconds in (0.5, SHORTEST_S + 0.1, DUMP_S):
            b.clock.advance(seconds)
            b.turn(0)
        assert b.failure().reason.startswith("stage read ran 6.1 s, limit 5 s;")


def test_a_death_names_the_stage_it_came_in() -> None:
    with bench() as b:
        b.until_ready()
        b.submit("crooked")
        b.until(lambda: b.outcomes)
        assert b.failure().reason == (
            "the worker died while measuring this image (signal SIGKILL, in stage registration)"
        )


def test_a_job_measured_alone_gets_all_the_time_the_operator_allows() -> None:
    with bench() as b:
        for _ in range(ENOUGH):
            b.pool._deadlines.took({"read": 1.0})
        hanging = replace(some_job(1), path="/data/hang.tif")
        for alone, limit_s in ((False, SHORTEST_S), (True, 30.0)):
            b.until_ready()
            b.pool.submit(replace(hanging, alone=alone, attempt=1 + alone))
            b.until(lambda: b.stage() == "read")
            for seconds in (0.5, limit_s + 0.1, DUMP_S):
                b.clock.advance(seconds)
                b.turn(0)
            failure = b.outcomes.pop()
            assert isinstance(failure, Failure)
            assert f" {limit_s:g} s" in failure.reason
            b.clock.advance(60)


@pytest.mark.parametrize("limits", [replace(LIMITS, recycle_jobs=2), replace(LIMITS, recycle_rss_bytes=1)])
def test_workers_are_replaced_one_at_a_time_between_jobs(limits: Limits) -> None:
    with bench(2, limits=limits) as b:
        b.until_ready()
        before = set(b.pool.pids)
        for _ in range(6):
            b.until(b.pool.free)
            b.submit("good")
            b.turn()
            assert b.pool.missing == 0
            assert b.pool.ready_count >= 1
        b.until(lambda: not b.pool.busy)
        assert len(b.outcomes) == 6
        assert all(isinstance(outcome, Result) for outcome in b.outcomes)
        b.until_ready()
        assert set(b.pool.pids) != before
        assert set(b.telemetry.named("worker_restarted")) == {("recycled",)}
        assert b.unstarted == []


def test_a_worker_that_cannot_start_is_tried_ever_less_often() -> None:
    with bench(factory="broken") as b:
        for delay_s in (0.5, 1.0):
            b.until(lambda: not b.pool.pids)
            assert b.pool.ready_count == b.pool.free() == 0
            b.clock.advance(delay_s)
            b.turn(0)
        lost = [fields["reason"] for _, event, fields in b.log.lines if event == "worker_lost"]
        assert lost[:2] == ["exit code 1"] * 2


def test_a_machine_without_a_process_to_spare_is_asked_ever_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with bench() as made:
        made.until_ready()
        start = child._started

        def refuse(*_: object) -> None:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

        monkeypatch.setattr(child, "_started", refuse)
        before = open_files()
        os.kill(made.pool.pids[0], signal.SIGKILL)
        made.until(lambda: "worker_lost" in made.log.events())
        for delay_s in (0.5, 1.0, 2.0):
            made.clock.advance(delay_s - 0.01)
            made.turn(0)
            made.clock.advance(0.01)
            made.turn(0)
        assert made.log.events().count("worker_not_started") == 3
        assert made.pool.missing == 1
        assert len(open_files()) < len(before), "nothing is left of the tries"
        monkeypatch.setattr(child, "_started", start)
        made.clock.advance(4.0)
        made.until_ready()


def test_a_worker_that_never_gets_ready_is_ended() -> None:
    with bench(factory="sleepy") as b:
        (pid,) = b.pool.pids
        b.clock.advance(START_LIMIT_S + 1)
        b.turn(0)
        b.clock.advance(DUMP_S)
        b.turn(0)
        assert pid not in b.pool.pids
        assert not alive(pid)


@pytest.mark.parametrize("core", CORES)
def test_a_worker_runs_on_its_core(core: int) -> None:
    with bench(cores=[core]) as b:
        b.until_ready()
        assert [fields["cores"] for _, event, fields in b.log.lines if event == "worker_ready"] == [[core]]
        assert os.sched_getaffinity(b.pool.pids[0]) == {core}


def test_an_interrupt_from_the_keyboard_is_not_for_the_workers() -> None:
    with bench() as b:
        b.until_ready()
        before = b.pool.pids
        os.kill(before[0], signal.SIGINT)
        b.submit("good")
        b.until(lambda: b.outcomes)
        assert isinstance(b.outcomes[0], Result)
        assert b.pool.pids == before


def test_closing_gives_back_what_was_not_answered_and_leaves_nothing_behind() -> None:
    before = open_files()
    with bench(2) as b:
        b.until_ready()
        pids = b.pool.pids
        jobs = b.submit("hang", "hang", "good")
        assert sorted(job.id for job in b.pool.close()) == [job.id for job in jobs]
        assert not any(map(alive, pids))
        assert open_files() == before
        b.pool.wake()  # a late call must not write into somebody else's file
        b.pool = Bench().pool
    assert open_files() == before


def test_many_deaths_leak_neither_files_nor_processes() -> None:
    with bench() as b:
        b.until_ready()
        before = len(open_files())
        for _ in range(5):
            os.kill(b.pool.pids[0], signal.SIGKILL)
            b.until(lambda: not b.pool.pids)
            b.clock.advance(60)
            b.until_ready()
        assert len(open_files()) == before
        children = Path(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/children").read_text()
        assert children.split() == [str(pid) for pid in b.pool.pids]


def test_a_wait_can_be_ended_early() -> None:
    with bench() as b:
        b.until_ready()
        threading.Timer(0.05, b.pool.wake).start()
        started = time.monotonic()
        b.turn(PATIENCE_S)
        assert time.monotonic() - started < PATIENCE_S / 2


def test_a_dead_worker_that_the_kernel_holds_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(burial, "BURY_S", 0.01)
    with bench() as b:
        b.until_ready()
        worker = b.pool._workers[0]
        assert worker
        process = worker.process

        def held(timeout: float | None = None) -> int:
            raise subprocess.TimeoutExpired("worker", timeout or 0)

        monkeypatch.setattr(process, "wait", held)
        b.submit("hang")
        b.clock.advance(31)
        b.turn(0)
        b.clock.advance(DUMP_S)
        b.turn(0)
        assert b.failure().error_class is ErrorClass.RESOURCE
        monkeypatch.undo()
        process.wait()


PARENT = """
import sys, time
from semwatchd.engine.messages import Setup
from semwatchd.engine.slots import anonymous_slots
from semwatchd.engine.stacks import worker_stacks
from semwatchd.engine.supervisor import Limits, WorkerPool
from tests.fakes import ListLog, RecordingTelemetry
setup = Setup(factory="tests.workers:build", settings=None, memory_limit_bytes=1 << 29)
limits = Limits(deadline_s=30.0, recycle_rss_bytes=1 << 40, recycle_jobs=1000)
cores = [(int(sys.argv[1]),)] * 2
pool = WorkerPool(setup, cores, anonymous_slots(2), limits, RecordingTelemetry(), ListLog())
while pool.ready_count < 2:
    pool.wait(1.0)
print(*pool.pids, flush=True)
time.sleep(3600)
"""


def test_workers_die_with_a_killed_parent() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(CORES[0])], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert all(map(alive, pids))
        parent.kill()
        give_up_at = time.monotonic() + PATIENCE_S
        while any(map(alive, pids)):
            assert time.monotonic() < give_up_at
            time.sleep(0.02)
    assert len(pids) == 2
