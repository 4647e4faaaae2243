"""What the daemon says, and with which exit code, where it cannot or must not start, or is told to stop."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import pytest

from tests.daemon import Site

pytestmark = pytest.mark.system


def test_a_second_daemon_on_the_same_journal_is_told_to_come_later(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.configure()
    with site.running() as daemon:
        second = site.command("run")
        assert second.returncode == 75
        assert f"pid {daemon.process.pid}" in second.stderr
        assert "state_dir" in second.stderr
        assert daemon.get("/readyz").is_success
        assert site.command("healthcheck").returncode == 0
        assert daemon.stop() == 0


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        site.configure(http={"port": port})
        done = site.command("run")
    assert done.returncode == 75
    assert str(port) in done.stderr
    assert "http.port" in done.stderr


def test_all_mistakes_of_a_configuration_are_named_at_once(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.configure(
        watch=[site.watch(quiet_s=-1, plan="nonsense")], workers={"count": "many"}, guard={"retries": 3}
    )
    done = site.command("run")
    assert done.returncode == 78
    for mistake in ("watch.0.quiet_s", "nonsense", "workers.count", "guard.retries"):
        assert mistake in done.stderr
    assert "Traceback" not in done.stderr


def test_an_impatient_person_may_ask_it_to_stop_more_than_once(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.configure()
    with site.running() as daemon:
        for number in (signal.SIGINT, signal.SIGTERM) * 20:
            daemon.process.send_signal(number)
            time.sleep(0.001)
        assert daemon.process.wait(10) == 0
