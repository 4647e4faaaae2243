"""The journal's disk runs full and is freed again."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Site, picture, until

pytestmark = pytest.mark.system

SIZE_MB = 4
IMAGES = 30


@pytest.fixture(params=[SIZE_MB])
def site(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    site = Site(tmp_path)
    site.state_dir.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={request.param}m", "tmpfs", str(site.state_dir)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no right to mount a small disk: {mounted.stderr.strip()}")
    try:
        yield site
    finally:
        subprocess.run(["umount", "--lazy", str(site.state_dir)], check=True)  # noqa: S607 — as above


def fill_up(file: Path) -> None:
    """Take every free byte of the disk the file lies on."""
    with file.open("wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(4096))
        except OSError:
            return


def test_a_full_disk_is_named_and_work_resumes_by_itself(site: Site) -> None:
    site.configure()
    with site.running() as daemon:
        (site.watched / "first.tif").write_bytes(picture(999))
        until(lambda: site.ended() == 1, 10, "works at first")
        ballast = site.state_dir / "ballast"
        fill_up(ballast)
        for seed in range(IMAGES):
            (site.watched / f"W01_{seed:02d}.tif").write_bytes(picture(seed))
        until(lambda: daemon.health("journal")["state"] == "failed", 15, "the full disk noticed")
        journal = daemon.health("journal")
        assert "full" in journal["reason"]
        assert "free space" in journal["todo"]
        assert daemon.get("/readyz").status_code == 503
        assert daemon.get("/livez").is_success

        ballast.unlink()
        until(lambda: daemon.health("journal")["state"] == "ok", 10, "writes again")
        until(lambda: site.ended() == IMAGES + 1, 20, "all jobs ended")
        assert daemon.get("/readyz").is_success
        assert daemon.stop() == 0
    assert site.rows("select distinct state, attempt from job") == [("stored", 1)]
    assert site.audit()["balanced"]


def test_a_full_disk_does_not_hold_up_the_end_and_nothing_is_lost_by_it(site: Site) -> None:
    site.configure("http://127.0.0.1:9/")
    with site.running() as daemon:
        ballast = site.state_dir / "ballast"
        fill_up(ballast)
        for seed in range(IMAGES):
            (site.watched / f"W01_{seed:02d}.tif").write_bytes(picture(seed))
        until(lambda: daemon.health("journal")["state"] == "failed", 15, "the full disk noticed")
        daemon.process.terminate()
        assert daemon.process.wait(20.0) == 1, "not in order: some of it could not be written down"
    ballast.unlink()
    with site.running() as daemon:
        until(lambda: site.ended() == IMAGES, 20, "all jobs ended")
        assert daemon.stop() == 0
    assert site.audit()["balanced"]


@pytest.mark.parametrize("site", [64], indirect=True)
def test_on_a_full_disk_the_journal_goes_on_from_its_reserve_and_no_work_is_begun(site: Site) -> None:
    site.configure()
    reserve = site.state_dir / "journal.reserve"
    with site.running() as daemon:
        until(reserve.exists, 10, "the reserve is made")
        assert daemon.metric("semwatchd_disk_level") == 0
        ballast = site.state_dir / "ballast"
        fill_up(ballast)
        until(lambda: daemon.health("disk")["state"] == "failed", 10, "the full disk noticed")
        for seed in range(IMAGES):
            (site.watched / f"W01_{seed:02d}.tif").write_bytes(picture(seed))
        until(lambda: not reserve.exists(), 10, "the reserve is given up")
        until(lambda: len(site.rows("select 1 from job")) == IMAGES, 10, "every image is written down")
        assert daemon.metric("semwatchd_disk_level") == 3
        assert site.ended() == 0

        ballast.unlink()
        until(lambda: site.ended() == IMAGES, 20, "all jobs ended")
        until(reserve.exists, 10, "the reserve is made again")
        assert daemon.health("disk")["state"] == "ok"
        assert daemon.stop() == 0
    assert site.audit()["balanced"]
