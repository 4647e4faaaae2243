"""Depths in a running daemon: told, late, and never in the way of the numbers."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import tifffile

from tests.daemon import Daemon, Site, picture, until
from tests.depth_data import save_a_model
from tests.system.inbox import Event, Inbox, receiving

pytestmark = pytest.mark.system
pytest.importorskip("torch", reason="the models extra is not installed")

PATIENCE_S = 60.0  # torch is loaded from a cold disk, on a machine that does other things too
PLANS = {"default": {"stages": ["intensity", "sharpness"], "depth": {"where": "centre", "size_px": 64}}}


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with receiving() as made:
        yield made


@pytest.fixture
def site(tmp_path: Path, inbox: Inbox) -> Site:
    made = Site(tmp_path)
    weights = save_a_model(tmp_path / "model.safetensors")
    made.configure(inbox.url, plans=PLANS, depth={"weights": str(weights)})
    return made


def drop(site: Site, *names: str) -> None:
    for name in names:
        path = site.watched / "LOT1" / f"W01_{name}.tif"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(picture(sum(name.encode())))


def told(inbox: Inbox, *, revision: int = 1) -> list[Event]:
    return [event for event in inbox.events if event["data"]["revision"] == revision]


def depth_process(daemon: Daemon) -> psutil.Process:
    return next(child for child in daemon.workers() if "semwatchd.engine.depth_process" in child.cmdline())


def is_well(daemon: Daemon) -> bool:
    return daemon.health("depth")["state"] == "ok"


def test_a_result_has_its_depth_and_names_its_map(site: Site, inbox: Inbox) -> None:
    with site.running() as daemon:
        until(lambda: is_well(daemon), PATIENCE_S, "the network is loaded")
        drop(site, "a", "b")
        until(lambda: len(told(inbox)) == 2, PATIENCE_S, "both are told")
        assert daemon.stop() == 0
    for event in told(inbox):
        data = event["data"]
        assert data["measurements"]["depth.median_nm"] > 0
        assert data["measurements"]["intensity.mean"] > 0
        assert len(data["weights_sha256"]) == 64
        (map_path, _) = data["artefacts"]
        with tifffile.TiffFile(map_path) as tiff:
            assert tiff.pages.first.shape == (64, 64)


def test_a_process_that_is_killed_comes_back_and_no_image_waits_for_a_person(
    site: Site, inbox: Inbox
) -> None:
    with site.running() as daemon:
        until(lambda: is_well(daemon), PATIENCE_S, "the network is loaded")
        killed = depth_process(daemon)
        killed.send_signal(signal.SIGSTOP)
        drop(site, "a", "b")
        until(lambda: site.rows("select 1 from job where state = 'gpu_running'"), PATIENCE_S, "it is shown")
        killed.kill()
        until(lambda: len(told(inbox)) == 2, PATIENCE_S, "both are told")
        assert depth_process(daemon).pid != killed.pid
        assert daemon.stop() == 0
    assert site.rows("select state, count(*) from job group by state") == [("stored", 2)]
    assert all(event["data"]["measurements"]["depth.median_nm"] > 0 for event in told(inbox))


def test_a_device_that_is_sick_delays_no_number_and_depths_follow(site: Site, inbox: Inbox) -> None:
    weights = site.base / "model.safetensors"
    good = weights.read_bytes()
    weights.write_bytes(good[:-4])
    with site.running() as daemon:
        until(lambda: daemon.health("depth")["state"] == "degraded", PATIENCE_S, "it says that it is sick")
        assert "are not those of their manifest" in daemon.health("depth")["reason"]
        drop(site, "a")
        until(lambda: told(inbox), PATIENCE_S, "the numbers are told")
        assert daemon.get("/readyz").status_code == 200
        assert site.rows("select state from job") == [("cpu_done",)]
        assert "depth.median_nm" not in told(inbox)[0]["data"]["measurements"]
        weights.write_bytes(good)
        until(lambda: told(inbox, revision=2), PATIENCE_S, "the depth follows")
        assert daemon.stop() == 0
    (late,) = told(inbox, revision=2)
    assert late["data"]["measurements"]["depth.median_nm"] > 0
    assert late["id"] != told(inbox)[0]["id"]
    assert site.rows("select state from job") == [("stored",)]


def test_a_daemon_killed_with_a_picture_in_hand_tells_it_once(site: Site, inbox: Inbox) -> None:
    with site.running() as daemon:
        until(lambda: is_well(daemon), PATIENCE_S, "the network is loaded")
        depth_process(daemon).send_signal(signal.SIGSTOP)
        drop(site, "a")
        until(lambda: site.rows("select 1 from job where state = 'gpu_running'"), PATIENCE_S, "it is shown")
        group = [child.pid for child in daemon.workers()]
        daemon.kill()
        until(lambda: not any(map(psutil.pid_exists, group)), PATIENCE_S, "its children are gone")
    with site.running() as daemon:
        until(lambda: told(inbox), PATIENCE_S, "it is told")
        assert daemon.stop() == 0
    (event,) = inbox.events
    assert event["data"]["measurements"]["depth.median_nm"] > 0


def test_without_torch_or_switched_off_each_result_says_so(site: Site, inbox: Inbox) -> None:
    site.configure(inbox.url, plans=PLANS, depth={"device": "off"})
    with site.running() as daemon:
        drop(site, "a")
        until(lambda: told(inbox), PATIENCE_S, "it is told")
        assert daemon.metric("semwatchd_depth_skipped_total", reason="off") == 1
        assert not any("depth_process" in " ".join(child.cmdline()) for child in daemon.workers())
        assert daemon.stop() == 0
    assert told(inbox)[0]["data"]["warnings"][-1] == "no depth: depth.device is off"
    assert not (site.state_dir / "depth").exists()


def test_what_is_owed_ends_with_what_it_has_once_depths_are_switched_off(site: Site, inbox: Inbox) -> None:
    (site.base / "model.safetensors").write_bytes(b"no weights")
    with site.running() as daemon:
        until(lambda: daemon.health("depth")["state"] == "degraded", PATIENCE_S, "it says that it is sick")
        drop(site, "a")
        until(lambda: told(inbox), PATIENCE_S, "the numbers are told")
        assert daemon.stop() == 0
    site.configure(inbox.url, plans=PLANS, depth={"device": "off"})
    with site.running() as daemon:
        until(lambda: site.rows("select state from job") == [("stored",)], PATIENCE_S, "it has ended")
        assert daemon.stop() == 0
