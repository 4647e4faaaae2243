"""Real microscopes' files and files that break readers, all at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.daemon import Site, until
from tests.real_data import BAD, REAL, catalogue, needs_real_data
from tests.system.inbox import Inbox, receiving

pytestmark = [pytest.mark.system, needs_real_data]

TIFF = (".tif", ".tiff")
PICTURE = (*TIFF, ".png", ".jpg", ".bmp", ".sitif")


def settled(site: Site) -> int:
    """Count the files decided about."""
    ignored = site.rows("select count(*) from sighting where state = 'ignored'")
    return site.ended() + int(ignored[0][0])


def run_on(site: Site, inbox: Inbox, patterns: list[str]) -> dict[str, str]:
    """Give the daemon both folders and return the state of every job's file."""
    site.configure(inbox.url, watch=[site.watch(patterns=patterns)])
    shutil.copytree(REAL, site.watched / "real")
    shutil.copytree(BAD, site.watched / "bad")
    files = sum(path.is_file() for path in site.watched.rglob("*"))
    with site.running() as daemon:
        until(lambda: settled(site) == files, 60, "every file decided about")
        until(lambda: site.owed() == 0, 10, "all events delivered")
        assert daemon.stop() == 0
    return site.jobs()


def test_tiffs_are_measured_and_all_else_is_ignored_with_a_reason(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with receiving() as inbox:
        jobs = run_on(site, inbox, ["*.tif", "*.tiff"])
    expected = {f"bad/{entry['file']}": entry["expected"] for entry in catalogue(BAD)}
    states = {"decode": {"stored"}, "quarantine": {"quarantined"}, "either": {"stored", "quarantined"}}
    for path, state in jobs.items():
        assert state in states[expected.get(path, "decode")], path
    stored = [path for path, state in jobs.items() if state == "stored"]
    assert len(inbox.ids) == len(set(inbox.ids)) == len(stored)
    ignored = site.rows("select name, reason from sighting where state = 'ignored'")
    assert {Path(name).suffix for name, _ in ignored} >= {".json", ".md", ".png", ".jpg", ".bmp", ".txt"}
    assert all(reason for _, reason in ignored)
    reasons = site.rows("select path, reason from job where state = 'quarantined'")
    assert all(reason for _, reason in reasons)
    assert site.rows("select count(*) from job where attempt > 1 and state = 'stored'") == [(0,)]
    report = site.audit()
    assert report["balanced"], report


def test_other_kinds_of_pictures_are_measured_where_they_are_asked_for(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with receiving() as inbox:
        jobs = run_on(site, inbox, [f"*{suffix}" for suffix in PICTURE])
    real = {f"real/{path.name}" for path in REAL.iterdir() if path.suffix in PICTURE}
    assert {path for path, state in jobs.items() if path in real and state == "stored"} == real
    assert site.audit()["balanced"]
