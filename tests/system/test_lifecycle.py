"""Start, life and end of the daemon as systemd sees them."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.daemon import Daemon, Site, picture, until
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


def reload(daemon: Daemon) -> None:
    daemon.process.send_signal(signal.SIGHUP)


def test_a_reload_takes_up_another_folder_and_another_plan_and_loses_nothing(
    tmp_path: Path, systemd: Heard
) -> None:
    site, second = Site(tmp_path), tmp_path / "sem02"
    site.configure()
    second.mkdir()
    with site.running() as daemon:
        (site.watched / "before.tif").write_bytes(picture(1))
        until(lambda: site.ended() == 1, 20, "the first image measured")
        watch = [site.watch(), site.watch(root=str(second), tool="SEM02")]
        site.configure(watch=watch, plans={"default": {"stages": ["intensity"]}})
        (site.watched / "between.tif").write_bytes(picture(2))  # settling while the folders are exchanged
        reload(daemon)
        until(lambda: systemd.count("READY=1") == 2, 10, "the end of the reload")
        (second / "after.tif").write_bytes(picture(3))
        until(lambda: site.ended() == 3, 20, "all images measured")
        assert daemon.health("configuration")["state"] == "ok"
        assert daemon.health(f"watch:{second}")["state"] == "ok"
        assert daemon.metric("semwatchd_config_reload_success") == 1
        assert daemon.stop() == 0
    assert systemd.position("READY=1") < systemd.position("RELOADING=1")
    hashes = dict(site.rows("select path, plan_hash from job"))
    assert hashes[str(second / "after.tif")] != hashes[str(site.watched / "before.tif")]
    assert site.audit()["balanced"]


def test_a_folder_that_is_no_longer_named_is_no_longer_watched(tmp_path: Path) -> None:
    site, second = Site(tmp_path), tmp_path / "sem02"
    second.mkdir()
    site.configure(watch=[site.watch(), site.watch(root=str(second), tool="SEM02")])
    with site.running() as daemon:
        site.configure()
        reload(daemon)
        until(lambda: not daemon.health(f"watch:{second}")["state"], 10, "the folder off the board")
        (second / "unseen.tif").write_bytes(picture(1))
        (site.watched / "seen.tif").write_bytes(picture(2))
        until(lambda: site.ended() == 1, 20, "the image of the other folder")
        assert daemon.stop() == 0
    assert list(site.jobs()) == ["seen.tif"]


def test_a_bad_reload_keeps_everything_as_it_was_and_says_so(tmp_path: Path, systemd: Heard) -> None:
    site = Site(tmp_path)
    site.configure()
    with site.running() as daemon:
        good = site.config.read_text()
        for content, named in (
            (good.replace("quiet_s = 0.3", "quiet_s = -1"), "watch.0.quiet_s"),
            (good.replace("port = 0", "port = 1"), "http.port"),
            ("[watch", "not TOML"),
        ):
            site.config.write_text(content)
            reload(daemon)
            until(lambda named=named: named in daemon.health("configuration")["reason"], 10, named)  # type: ignore[misc] # bound at once
        assert daemon.get("/readyz").is_success
        assert daemon.metric("semwatchd_config_reload_success") == 0
        (site.watched / "still.tif").write_bytes(picture(1))
        until(lambda: site.ended() == 1, 20, "an image measured all the same")
        site.config.write_text(good)
        reload(daemon)
        until(lambda: daemon.health("configuration")["state"] == "ok", 10, "all well again")
        until(lambda: systemd.count("READY=1") == 5, 10, "the end of each reload")
        assert daemon.stop() == 0
    events = [line["event"] for line in site.log_lines()]
    assert (events.count("config_reload_failed"), events.count("config_reloaded")) == (3, 1)


def test_a_first_sigterm_lets_the_workers_finish_and_a_second_does_not_wait(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.configure(queue={"drain_s": 60.0})
    with site.running() as daemon:
        workers = daemon.workers()
        for worker in workers:
            worker.suspend()  # whatever they are given takes for ever
        (site.watched / "long.tif").write_bytes(picture(1))
        until(lambda: site.jobs() == {"long.tif": "cpu_running"}, 20, "a job under way")
        daemon.process.terminate()
        until(lambda: "daemon_stopping" in site.log.read_text(), 10, "the beginning of the end")
        with pytest.raises(subprocess.TimeoutExpired):
            daemon.process.wait(2.0)
        daemon.process.terminate()
        assert daemon.process.wait(10.0) == 0
        assert psutil.wait_procs(workers, timeout=5)[1] == [], "orphans live"
    assert site.rows("select state, attempt from job") == [("queued", 0)]


def test_a_second_sigterm_does_not_wait_for_a_receiver_that_does_not_answer(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        deaf.settimeout(20.0)
        mes = {
            "kind": "http",
            "name": "mes",
            "url": f"http://127.0.0.1:{deaf.getsockname()[1]}/",
            "timeout_s": 60,
        }
        site.configure(destinations=[mes])
        with site.running() as daemon:
            (site.watched / "one.tif").write_bytes(picture(1))
            connection, _ = deaf.accept()
            with connection:
                daemon.process.terminate()
                with pytest.raises(subprocess.TimeoutExpired):
                    daemon.process.wait(2.0)
                daemon.process.terminate()
                assert daemon.process.wait(10.0) == 0
    site.configure()
    with site.running() as daemon:
        assert daemon.stop() == 0
    assert site.rows("select state, attempts from outbox") == [("pending", 0)]
