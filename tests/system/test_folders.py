"""Folders that are not there, go away, come back, or arrive all at once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil
import pytest

from tests.daemon import Daemon, Site, picture, until

pytestmark = pytest.mark.system


def watch_state(daemon: Daemon, folder: Path) -> str:
    return daemon.health(f"watch:{folder}")["state"]


def test_a_folder_may_come_late_and_go_away_and_come_back(tmp_path: Path) -> None:
    site, late = Site(tmp_path), tmp_path / "sem02"
    site.configure(watch=[site.watch(), site.watch(root=str(late), tool="SEM02")])
    with site.running() as daemon:
        until(lambda: watch_state(daemon, late) == "degraded", 5, "the missing folder named")
        part = daemon.health(f"watch:{late}")
        assert str(late) in part["reason"]
        assert "watch.root" in part["todo"]
        assert daemon.get("/readyz").is_success
        (site.watched / "W01_a.tif").write_bytes(picture(1))
        until(lambda: site.ended() == 1, 10, "the other folder works")

        late.mkdir()
        (late / "W01_b.tif").write_bytes(picture(2))
        until(lambda: site.ended() == 2, 10, "the late folder works")
        assert watch_state(daemon, late) == "ok"

        away = late.rename(tmp_path / "unplugged")
        until(lambda: watch_state(daemon, late) == "degraded", 5, "the loss noticed")
        (away / "W01_c.tif").write_bytes(picture(3))
        away.rename(late)
        until(lambda: watch_state(daemon, late) == "ok", 5, "the return noticed")
        until(lambda: site.ended() == 3, 10, "what came meanwhile is found")
        (late / "W01_d.tif").write_bytes(picture(4))
        until(lambda: site.ended() == 4, 10, "the folder is watched again")
        assert daemon.stop() == 0
    assert site.rows("select distinct state, attempt from job") == [("stored", 1)]
    assert site.audit()["balanced"]


def test_a_canary_proves_that_the_folder_is_heard_and_is_never_left_behind(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.configure(watch=[site.watch(canary_s=10)])

    def canaries() -> list[Path]:
        return list(site.watched.glob(".semwatchd-canary-*"))

    with site.running() as daemon:
        (site.watched / "W01_a.tif").write_bytes(picture(1))
        metric = "semwatchd_canary_latency_seconds"
        until(lambda: metric in daemon.get("/metrics").text, 10, "the first canary noticed")
        assert 0 < daemon.metric(metric, root=str(site.watched)) < 5
        assert daemon.health(f"canary:{site.watched}")["state"] == "ok"
        until(lambda: site.ended() == 1, 10, "the image measured")
        until(canaries, 20, "the next one laid")
        daemon.kill()
    (left,) = canaries() or [site.watched / f".semwatchd-canary-{(site.state_dir / 'canary.id').read_text()}"]
    left.touch()  # the daemon may have died just after it had removed it
    site.configure()  # the next life does without
    with site.running() as daemon:
        until(lambda: not canaries(), 10, "what was left behind is taken away")
        assert daemon.health(f"canary:{site.watched}")["state"] == ""
        assert daemon.stop() == 0
    assert site.rows("select directory, name from sighting") == [("", "W01_a.tif")]
    assert site.audit()["balanced"]


def test_a_share_that_hangs_holds_up_nobody_and_comes_back_by_itself(tmp_path: Path) -> None:
    """A process that is stopped answers as little as one that waits for a dead server."""
    site, share = Site(tmp_path), tmp_path / "share"
    share.mkdir()
    site.configure(watch=[site.watch(), site.watch(root=str(share), tool="SEM02", network=True)])
    with site.running() as daemon:
        (share / "W01_a.tif").write_bytes(picture(1))
        until(lambda: site.ended() == 1, 60, "the share works")
        assert watch_state(daemon, share) == "ok"
        helper = helper_of(daemon)
        helper.suspend()
        (share / "W01_b.tif").write_bytes(picture(2))
        (site.watched / "W01_c.tif").write_bytes(picture(3))
        until(lambda: site.ended() == 2, 10, "the other folder works")
        until(lambda: watch_state(daemon, share) == "degraded", 30, "the hang noticed")
        part = daemon.health(f"watch:{share}")
        assert "does not answer" in part["reason"]
        assert "server" in part["todo"]
        assert daemon.metric("semwatchd_health", part=f"watch:{share}") == 1
        assert daemon.metric("semwatchd_share_helpers_lost_total", root=str(share), reason="hang") == 1
        assert daemon.get("/readyz").is_success
        assert daemon.get("/livez").is_success
        until(lambda: site.ended() == 3, 30, "another helper finds what came meanwhile")
        assert watch_state(daemon, share) == "ok"
        assert not helper.is_running()
        helper_of(daemon).suspend()
        assert daemon.stop() == 0
    assert site.rows("select distinct state, attempt from job") == [("stored", 1)]


def helper_of(daemon: Daemon) -> psutil.Process:
    (helper,) = [child for child in daemon.workers() if any("share_helper" in a for a in child.cmdline())]
    return helper


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list any folder")
def test_a_folder_that_may_not_be_listed_is_named(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.configure()
    (site.watched / "W01_a.tif").write_bytes(picture(1))
    site.watched.chmod(0)
    with site.running() as daemon:
        until(lambda: watch_state(daemon, site.watched) == "degraded", 5, "named")
        assert "right to list" in daemon.health(f"watch:{site.watched}")["todo"]
        site.watched.chmod(0o755)
        until(lambda: site.ended() == 1, 10, "measured once it may be listed")
        assert daemon.stop() == 0


def test_three_thousand_images_moved_in_at_once(tmp_path: Path) -> None:
    site, count = Site(tmp_path), 3000
    site.configure()
    ready = tmp_path / "export"
    ready.mkdir()
    pattern = bytearray(picture(0, 32))
    for number in range(count):
        pattern[-4:] = number.to_bytes(4, "big")
        (ready / f"W01_{number:04d}.tif").write_bytes(pattern)
    with site.running() as daemon:
        shutil.move(ready, site.watched / "LOT9")
        until(lambda: site.ended() == count, 90, "all jobs ended")
        assert daemon.stop() == 0
    assert site.rows("select state, lot, count(*) from job group by 1, 2") == [("stored", "LOT9", count)]
    assert site.audit()["balanced"]
