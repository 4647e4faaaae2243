"""Start, life and end of the daemon as systemd sees them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Site, picture, until
from tests.service_manager import Heard, listening

pytestmark = pytest.mark.system

WATCHDOG_S = 2.0


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """Stand in for systemd towards every daemon started in the test."""
    address = tmp_path / "notify"
    monkeypatch.setenv("NOTIFY_SOCKET", str(address))
    monkeypatch.setenv("WATCHDOG_USEC", f"{WATCHDOG_S * 1e6:.0f}")
    with listening(address) as heard:
        yield heard


def test_it_says_ready_gives_signs_of_life_and_says_goodbye(tmp_path: Path, systemd: Heard) -> None:
    site = Site(tmp_path)
    site.configure()
    with site.running() as daemon:
        until(lambda: systemd.count("READY=1") == 1, 10, "READY")
        events = [line["event"] for line in site.log_lines()]
        assert {"journal_opened", "worker_ready", "folder_ok"} <= set(events), "READY came too early"
        (site.watched / "one.tif").write_bytes(picture(1))
        until(lambda: systemd.count("WATCHDOG=1") > 4, 10, "signs of life")
        until(lambda: "queued" in systemd.status(), 10, "a line of status")
        pid = daemon.process.pid
        assert daemon.stop() == 0
    assert systemd.pids == {pid}, "no child speaks in its name"
    assert systemd.position("EXTEND_TIMEOUT_USEC=") < systemd.position("READY=1")
    assert systemd.position("READY=1") < systemd.position("STOPPING=1")
    last = systemd.lines[systemd.position("STOPPING=1") :]
    assert any(line.startswith("EXTEND_TIMEOUT_USEC=") for line in last), "the drain may take its time"
    assert "WATCHDOG=1" not in last


def test_what_is_not_well_stands_in_the_status(tmp_path: Path, systemd: Heard) -> None:
    site = Site(tmp_path)
    site.configure()
    with site.running() as daemon:
        shutil.rmtree(site.watched)
        until(lambda: str(site.watched) in systemd.status(), 20, "the lost folder in the status")
        assert "degraded" in systemd.status()
        before = systemd.count("WATCHDOG=1")
        until(lambda: systemd.count("WATCHDOG=1") > before, 5, "signs of life: degraded is not hung")
        assert daemon.stop() == 0
