"""Killed workers and a killed daemon: nothing is lost, nothing doubled, nobody innocent punished."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.daemon import Daemon, Site, picture, until
from tests.system.inbox import Inbox, receiving

pytestmark = pytest.mark.system

#: So much of so large a picture takes a worker long enough to be killed at it.
LONG_PX, LONG_STAGES = 4096, ["intensity", "sharpness", "spectrum", "scan", "features"]


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with receiving() as inbox:
        yield inbox


def kill_one_at_work(site: Site, daemon: Daemon) -> bool:
    """SIGKILL a worker that is measuring; False where none is, at this moment."""
    ready = {line["pid"] for line in site.log_lines() if line["event"] == "worker_ready"}
    before = {worker: spent_s(worker) for worker in daemon.workers() if worker.pid in ready}
    time.sleep(0.1)
    at_work = [worker for worker, spent in before.items() if spent_s(worker) - spent > 0.03]
    for worker in at_work[:1]:
        worker.kill()
    return bool(at_work)


def spent_s(worker: psutil.Process) -> float:
    try:
        times = worker.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0  # the one that has just been killed
    return float(times.user + times.system)


def assert_each_stored_and_received_once(site: Site, inbox: Inbox, names: list[str]) -> None:
    assert site.jobs() == dict.fromkeys(names, "stored")
    assert len(site.rows("select 1 from job")) == len(names)
    owed = {event_id for (event_id,) in site.rows("select event_id from outbox")}
    assert len(owed) == len(names)
    assert set(inbox.ids) == owed
    by_image = {(event["data"]["image"]["sha256"], event["id"]) for event in inbox.events}
    assert len(by_image) == len(names)
    report = site.audit()
    assert report["balanced"], report


def write_images(folder: Path, count: int, size_px: int) -> list[str]:
    names = [f"LOT1/W01_{number:02d}.tif" for number in range(count)]
    (folder / "LOT1").mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        (folder / name).write_bytes(picture(seed, size_px))
    return names


def test_killed_workers_cost_attempts_and_nothing_else(tmp_path: Path, inbox: Inbox) -> None:
    site = Site(tmp_path)
    site.configure(inbox.url, plans={"default": {"stages": LONG_STAGES}})
    with site.running() as daemon:
        names = write_images(site.watched, 24, LONG_PX)
        for _ in range(3):
            until(partial(kill_one_at_work, site, daemon), 30, "a worker at work")
        until(lambda: site.ended() == len(names), 60, "all jobs ended")
        until(lambda: site.owed() == 0, 10, "all events delivered")
        restarts = daemon.metric("semwatchd_worker_restarts_total", reason="crash")
        attempts = Counter(attempt for (attempt,) in site.rows("select attempt from job"))
        assert daemon.stop() == 0
    assert restarts == 3
    assert 0 < sum(count * (attempt - 1) for attempt, count in attempts.items()) <= 3
    assert_each_stored_and_received_once(site, inbox, names)
    assert Counter(inbox.ids).most_common(1)[0][1] == 1


def test_a_daemon_killed_again_and_again_takes_up_where_it_was(tmp_path: Path, inbox: Inbox) -> None:
    site, moments = Site(tmp_path), random.Random(7)
    site.configure(inbox.url)
    names = write_images(site.watched, 40, 1024)
    for _ in range(3):
        with site.running() as daemon:
            workers = daemon.workers()
            time.sleep(moments.uniform(0.2, 1.2))
            daemon.kill()
            assert psutil.wait_procs(workers, timeout=5)[1] == [], "orphans live"
    with site.running() as daemon:
        until(lambda: site.ended() == len(names), 60, "all jobs ended")
        until(lambda: site.owed() == 0, 10, "all events delivered")
        assert daemon.stop() == 0
    assert_each_stored_and_received_once(site, inbox, names)
