"""Looking into a real daemon while it works, while it is stuck, and while it ends."""

from __future__ import annotations

import json
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Site, picture, until

pytestmark = pytest.mark.system


def stacks(site: Site) -> dict[str, Any]:
    done = site.command("debug", "--json")
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def functions(said: dict[str, Any], thread: str) -> list[str]:
    (stack,) = (each for each in said["threads"] if each["name"] == thread)
    return [place["function"] for place in stack["places"]]


def test_a_running_daemon_shows_its_threads_its_workers_and_its_memory(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.configure()
    with site.running() as daemon:
        until(lambda: daemon.health("workers")["state"] == "ok", 20, "all workers")
        said = stacks(site)
        assert said["pid"] == daemon.process.pid
        names = {thread["name"] for thread in said["threads"]}
        assert {"MainThread", "journal", "overview", "auditor", "intake", "http"} <= names
        assert "Dispatcher.step" in functions(said, "MainThread")
        assert {worker["pid"] for worker in said["workers"]} == {each.pid for each in daemon.workers()}
        assert all("engine/worker.py" in worker["stacks"] for worker in said["workers"])
        shown = site.command("debug", "--stacks", "--memory", "1")
        assert "thread journal" in shown.stdout
        assert "memory, from the middle to the end of 1 s" in shown.stdout
        (site.watched / "after.tif").write_bytes(picture(1))
        until(lambda: site.ended() == 1, 20, "an image measured by the same workers")
        assert daemon.metric("semwatchd_worker_restarts_total") == 0
        assert daemon.stop() == 0
    assert not (site.state_dir / "debug.sock").exists()
    after = site.command("debug")
    assert (after.returncode, after.stdout) == (75, "")
    assert "no daemon runs on" in after.stderr


def test_what_a_stuck_loop_waits_for_is_shown(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.configure()
    with site.running() as daemon:
        with closing(sqlite3.connect(site.state_dir / "journal.db", timeout=10)) as other:
            other.execute("begin immediate")  # nobody else may write now
            (site.watched / "held.tif").write_bytes(picture(1))
            until(
                lambda: "Journal._next_group" not in functions(stacks(site), "journal"), 20, "it is held up"
            )
        until(lambda: site.ended() == 1, 30, "the image measured when it may write again")
        assert daemon.stop() == 0


def test_an_end_that_takes_long_shows_what_it_waits_for(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.configure(queue={"drain_s": 60.0})
    with site.running() as daemon:
        until(lambda: daemon.health("workers")["state"] == "ok", 20, "all workers")
        for worker in daemon.workers():
            worker.suspend()
        (site.watched / "long.tif").write_bytes(picture(1))
        until(lambda: site.jobs() == {"long.tif": "cpu_running"}, 20, "a job under way")
        daemon.process.terminate()
        until(lambda: "daemon_stopping" in site.log.read_text(), 10, "the beginning of the end")
        said = stacks(site)
        assert "Dispatcher.drain" in functions(said, "MainThread")
        assert [worker["stacks"] for worker in said["workers"]] == ["", ""], "they are stopped"
        daemon.process.terminate()
        assert daemon.process.wait(10.0) == 0


def test_a_signal_writes_the_stacks_to_the_log_and_work_goes_on(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.configure()
    with site.running() as daemon:
        daemon.process.send_signal(signal.SIGUSR1)
        until(lambda: "most recent call first" in site.log.read_text(), 10, "the stacks in the log")
        (site.watched / "after.tif").write_bytes(picture(1))
        until(lambda: site.ended() == 1, 20, "an image measured")
        assert daemon.stop() == 0
