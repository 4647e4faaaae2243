"""One honest run: every kind of writer and every kind of thing that is no image, counted at the end."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from semwatchd.offline.writers import write
from tests.daemon import Daemon, Site, picture, until
from tests.system.inbox import Event, receiving

pytestmark = pytest.mark.system

WRITERS = {
    "direct": ["LOT1/W01_a.tif", "LOT1/W01_b.tif", "LOT2/W03_a.tif", "LOT2/W03_line\nbreak.tif"],
    "slow": ["LOT1/W01_c.tif", "LOT2/W03_b.tif"],
    "renamed": ["LOT1/W02_a.tif", "LOT1/W02_b.TIFF"],
    "preallocated": ["LOT1/W02_c.tif", "LOT2/W04_a.tif"],
    "reopened": ["LOT2/W04_b.tif"],
}
NOT_UTF8 = os.fsdecode(b"LOT2/W04_\xff.tif")
GOOD = [*(name for names in WRITERS.values() for name in names), NOT_UTF8]
RESENT, BROKEN = "LOT1/W01_a_again.tif", "LOT1/W02_broken.tif"


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    site: Site
    before: dict[str, tuple[int, str]]
    after: dict[str, tuple[int, str]]
    received: list[Event]
    dropped: Path
    health: dict[str, Any]
    processed: dict[str, float]
    exit_code: int
    survivors: list[int]


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Light]:
    site = Site(tmp_path_factory.mktemp("light"))
    dropped = site.base / "drop"
    dropped.mkdir()
    with receiving() as inbox:
        filedrop = {"kind": "filedrop", "name": "drop", "directory": str(dropped)}
        mes = {"kind": "http", "name": "mes", "url": inbox.url}
        site.configure(destinations=[mes, filedrop])
        with site.running() as daemon:
            play_tool(site)
            lie_about(site)
            until(lambda: site.ended() == len(GOOD) + 2, 30, "all jobs ended")
            until(lambda: len(site.rows("select 1 from sighting where state = 'ignored'")) == 4, 5, "ignored")
            until(lambda: site.owed() == 0, 10, "all events delivered")
            before = photograph(site.watched)
            health, processed = daemon.get("/healthz").json(), outcomes(daemon)
            children = [daemon.process.pid, *(worker.pid for worker in daemon.workers())]
            exit_code = daemon.stop()
        yield Light(
            site=site,
            before=before,
            after=photograph(site.watched),
            received=inbox.events,
            dropped=dropped,
            health=health,
            processed=processed,
            exit_code=exit_code,
            survivors=[pid for pid in children if psutil.pid_exists(pid)],
        )


def play_tool(site: Site) -> None:
    """Write every image in its way, all at the same time."""
    shots = [(way, name) for way, names in WRITERS.items() for name in names]
    shots += [("direct", NOT_UTF8), ("broken", BROKEN)]
    with ThreadPoolExecutor(len(shots)) as tool:
        writing = [
            tool.submit(write, way, site.watched / name, picture(seed), lambda: time.sleep(0.4))
            for seed, (way, name) in enumerate(shots)
        ]
    for shot in writing:
        shot.result()
    (site.watched / RESENT).write_bytes((site.watched / "LOT1/W01_a.tif").read_bytes())


def lie_about(site: Site) -> None:
    """Leave what is no image of ours."""
    lot = site.watched / "LOT1"
    outside = site.base / "outside.tif"
    outside.write_bytes(picture(999))
    (lot / "W01_a.txt").write_text("CM_MAG 1000\n")
    (lot / "tool.log").write_text("beam on\n")
    os.mkfifo(lot / "W01_pipe.tif")
    (lot / "W01_out.tif").symlink_to(outside)


def photograph(folder: Path) -> dict[str, tuple[int, str]]:
    """Time and content of everything in a folder."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mtime_ns, _digest(path))
        for path in sorted(folder.rglob("*"))
    }


def _digest(path: Path) -> str:
    regular = stat.S_ISREG(path.lstat().st_mode)
    return hashlib.sha256(path.read_bytes()).hexdigest() if regular else ""


def outcomes(daemon: Daemon) -> dict[str, float]:
    """Jobs ended so far, as Prometheus is told."""
    name = "semwatchd_images_processed_total"
    kinds = ("ok", "duplicate", "quarantined", "cancelled")
    return {kind: daemon.metric(name, tool="SEM01", outcome=kind) for kind in kinds}


def test_every_good_image_is_stored_and_the_others_set_aside(light: Light) -> None:
    jobs = light.site.jobs()
    assert jobs == dict.fromkeys(GOOD, "stored") | {RESENT: "duplicate", BROKEN: "quarantined"}


def test_each_image_is_read_once_and_whole(light: Light) -> None:
    rows = light.site.rows("select path, sha256, attempt from job where state = 'stored'")
    assert {attempt for _, _, attempt in rows} == {1}
    on_disk = {digest for _, digest in light.after.values()}
    assert {sha256 for _, sha256, _ in rows} <= on_disk


def test_what_is_no_image_is_ignored_with_a_reason(light: Light) -> None:
    ignored = dict(light.site.rows("select name, reason from sighting where state = 'ignored'"))
    assert sorted(ignored) == ["W01_a.txt", "W01_out.tif", "W01_pipe.tif", "tool.log"]
    assert ignored["W01_a.txt"] == "sidecar of W01_a.tif"
    assert "leaves the watched folder" in ignored["W01_out.tif"]
    assert "named pipe" in ignored["W01_pipe.tif"]
    assert ".log" in ignored["tool.log"]


def test_each_result_arrives_exactly_once_with_its_lot_and_wafer(light: Light) -> None:
    ids = Counter(event["id"] for event in light.received)
    assert len(ids) == len(GOOD)
    assert set(ids.values()) == {1}
    owed = light.site.rows(
        "select distinct event_id, lot, wafer, sha256 from outbox join job on job.id = outbox.job_id"
    )
    told = {
        (event["id"], data["context"]["lot"], data["context"]["wafer"], data["image"]["sha256"])
        for event in light.received
        for data in [event["data"]]
    }
    assert told == set(owed)
    assert {(lot, wafer) for _, lot, wafer, _ in told} == {
        ("LOT1", "01"),
        ("LOT1", "02"),
        ("LOT2", "03"),
        ("LOT2", "04"),
    }


def test_the_file_drop_holds_a_json_and_a_csv_of_each(light: Light) -> None:
    suffixes = Counter(path.suffix for path in light.dropped.iterdir())
    assert suffixes == {".json": len(GOOD), ".csv": len(GOOD)}


def test_the_books_balance(light: Light) -> None:
    report = light.site.audit()
    assert report["balanced"], report
    assert report["in_flight"] == 0
    assert report["jobs"] == {"stored": len(GOOD), "duplicate": 1, "quarantined": 1}


def test_metrics_count_what_the_journal_holds(light: Light) -> None:
    assert light.processed == {"ok": len(GOOD), "duplicate": 1, "quarantined": 1, "cancelled": 0}


def test_health_is_ok_in_all_parts(light: Light) -> None:
    assert light.health["state"] == "ok", light.health
    assert {"journal", "workers", "destination:mes", f"watch:{light.site.watched}"} <= set(
        light.health["parts"]
    )


def test_it_ends_well_and_leaves_no_process(light: Light) -> None:
    assert light.exit_code == 0
    assert light.survivors == []
    assert light.site.log_lines()[-1]["event"] == "daemon_stopped"


def test_every_log_line_is_json_with_a_name_and_a_level(light: Light) -> None:
    assert all({"event", "level", "timestamp"} <= set(line) for line in light.site.log_lines())
    assert not [line for line in light.site.log_lines() if line["level"] == "error"]


def test_the_tools_folder_is_only_read(light: Light) -> None:
    assert light.before == light.after
