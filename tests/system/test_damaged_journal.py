"""The daemon starts on what a power cut or a sick disk has left of its journal, and loses no image."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.daemon import Site, picture, until

pytestmark = pytest.mark.system

IMAGES = 6


@pytest.fixture
def killed(tmp_path: Path) -> Site:
    """A site whose daemon was killed with some of its work still in the log beside the journal."""
    site = Site(tmp_path)
    site.configure()
    with site.running() as daemon:
        for seed in range(IMAGES):
            (site.watched / f"W01_{seed}.tif").write_bytes(picture(seed))
        until(lambda: site.ended() >= IMAGES // 2, 20, "half of the images")
        daemon.kill()
    return site


def works_again(site: Site) -> None:
    with site.running() as daemon:
        until(lambda: site.ended() >= IMAGES, 20, "all images")
        until(lambda: site.audit()["balanced"], 10, "the books balance")
        assert daemon.stop() == 0
    assert dict.fromkeys(site.jobs().values()) == {"stored": None}


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_torn_log_costs_no_image(killed: Site, share: float) -> None:
    log = killed.state_dir / "journal.db-wal"
    size = log.stat().st_size
    assert size
    os.truncate(log, int(size * share))
    (killed.state_dir / "journal.db-shm").unlink()  # it was memory, and did not survive either
    works_again(killed)


def test_rows_that_cannot_be_read_are_set_aside_and_named(killed: Site) -> None:
    with closing(sqlite3.connect(killed.state_dir / "journal.db")) as connection, connection:
        connection.execute("DROP TRIGGER job_moves")
        connection.execute("UPDATE job SET state = 'limbo', warnings = '[' WHERE id = 1")
        connection.execute("UPDATE job SET state = 'queued', lane = 'fast' WHERE id = 2")
        connection.execute("UPDATE plan SET document = 'nonsense'")
    with killed.running() as daemon:
        part = daemon.health("journal rows")
        assert part["state"] == "degraded"
        assert "2 row(s)" in part["reason"]
        until(lambda: killed.ended() >= IMAGES, 20, "all images")
        until(lambda: killed.audit()["balanced"], 10, "the books balance")
        assert daemon.stop() == 0
    # The plan is not among them: its content is the configuration's.
    named = [line for line in killed.log_lines() if line["event"] == "journal_row_set_aside"]
    assert {(line["table"], line["row"]) for line in named} == {("job", 1), ("job", 2)}
    assert len(list(killed.state_dir.glob("journal.set-aside-*.jsonl"))) == 1
