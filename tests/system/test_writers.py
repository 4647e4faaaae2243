"""Files that look finished before they are."""

from __future__ import annotations

import hashlib
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from semwatchd.offline.writers import write
from tests.daemon import Site, picture, until

pytestmark = pytest.mark.system


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.configure(watch=[site.watch(hold_s=3.0)])
    return site


def test_no_file_is_read_before_its_writer_is_done(site: Site) -> None:
    resumed, finished = threading.Event(), {}

    def pause() -> None:
        resumed.wait(10)

    def tool(way: str, seed: int) -> None:
        finished[way] = write(way, site.watched / f"{way}.tif", picture(seed), pause).sha256

    tools = [threading.Thread(target=tool, args=(way, seed)) for seed, way in enumerate(SLY)]
    with site.running() as daemon:
        for each in tools:
            each.start()
        held_until = time.monotonic() + 2.5
        while time.monotonic() < held_until:
            assert site.jobs() == {}
            time.sleep(0.1)
        resumed.set()
        for each in tools:
            each.join()
        until(lambda: site.ended() == 2, 10, "both measured")
        assert daemon.stop() == 0
    read = site.rows("select path, sha256, attempt, state, warnings from job order by path")
    assert read == [
        (str(site.watched / f"{way}.tif"), finished[way], 1, "stored", "[]") for way in sorted(SLY)
    ]


SLY = ("preallocated", "reopened")


def test_a_name_written_anew_is_a_second_image(site: Site) -> None:
    path, images = site.watched / "W01_same.tif", [picture(1), picture(2)]
    with site.running() as daemon:
        for count, image in enumerate(images, 1):
            path.write_bytes(image)
            until(partial(has_ended, site, count), 10, "measured")
        assert daemon.stop() == 0
    jobs = site.rows("select state, sha256 from job order by id")
    assert jobs == [("stored", hashlib.sha256(image).hexdigest()) for image in images]
    assert site.rows("select state from sighting order by id") == [("superseded",), ("ready",)]
    assert site.audit()["balanced"]


def has_ended(site: Site, count: int) -> bool:
    return site.ended() == count
