"""A backfill measures what is on the disk, once, and may be run again; the audit holds it to that."""

from __future__ import annotations

import io
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from semwatchd.adapters.sql.journal import Journal
from semwatchd.adapters.sql.schema import journal_path, prepare_journal
from semwatchd.audit import Audit, audit
from semwatchd.config import Config, check_config
from semwatchd.core.errors import ConfigError, EnvironmentFault
from semwatchd.offline import backfill as backfill_module
from semwatchd.offline.backfill import Summary, backfill
from tests.fakes import ListLog
from tests.images import write_image, write_truncated
from tests.journals import rows

YEAR_2400 = 13_569_465_600  #: more nanoseconds since 1970 than 64 bits hold

pytestmark = pytest.mark.integration


def config_for(folder: Path, **more: object) -> Config:
    watch = {"root": str(folder / "tool"), "tool": "SEM-1", "quiet_s": 0.1, "hold_s": 1}
    raw: dict[str, Any] = {"state_dir": str(folder / "state"), "watch": [watch], "workers": {"count": 1}}
    return check_config(raw | more)


def run(config: Config, root: Path) -> Summary:
    return backfill(config, root, Console(file=io.StringIO()))


def audited(config: Config) -> Audit:
    return audit(config.watch, journal_path(config.state_dir), ListLog())


def test_a_folder_is_measured_once_and_its_books_balance(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    config = config_for(
        tmp_path, destinations=[{"kind": "filedrop", "name": "archive", "directory": str(out)}]
    )
    root = tmp_path / "tool"
    for number in range(3):
        write_image(root / f"L{number}" / "a.tif", number)
    write_image(root / "L0" / "a again.tif", 0)
    write_image(root / os.fsdecode(b"\xff [b]\n.tif"), 9)
    from_the_future = write_image(root / "L2" / "future.tif", 5)
    os.utime(from_the_future, (YEAR_2400, YEAR_2400))
    (root / "L0" / "a.txt").write_text("$CM_MAG 1000\n")
    (root / "L0" / ".hidden.tif").write_text("no")
    summary = run(config, root)
    assert summary.exit_code == 0
    assert (summary.found, summary.jobs) == (6, {"stored": 5, "duplicate": 1})
    assert (summary.unsettled, summary.events_waiting) == (0, 0)
    assert len(list(out.rglob("*.json"))) == 5
    assert rows(config.state_dir, "SELECT DISTINCT tool, lane FROM job") == [("SEM-1", "backfill")]

    again = run(config, root)
    assert (again.exit_code, again.found) == (0, 0)

    books = audited(config)
    assert books.gap == 0
    assert (books.sighted, books.terminal, books.in_flight) == (7, 7, 0)
    assert books.roots[0].files == 7

    write_image(root / "L1" / "late.tif", 77)
    late = audited(config)
    assert late.roots[0].unaccounted == ("L1/late.tif",)
    assert late.gap == 1


def test_part_of_a_watched_folder_keeps_its_tool_also_through_a_link(tmp_path: Path) -> None:
    write_image(tmp_path / "disk" / "L1" / "a.tif", 1)
    write_image(tmp_path / "disk" / "L2" / "b.tif", 2)
    (tmp_path / "tool").symlink_to(tmp_path / "disk")
    config = config_for(tmp_path)
    assert run(config, tmp_path / "tool" / "L1").found == 1
    assert run(config, tmp_path / "disk" / "L2").found == 1
    expected = [(str(tmp_path / "tool"), "SEM-1")]
    assert rows(config.state_dir, "SELECT DISTINCT root, tool FROM job") == expected


def test_a_broken_file_is_set_aside_and_told(tmp_path: Path) -> None:
    config = config_for(tmp_path)
    write_truncated(tmp_path / "tool" / "bad.tif", 1)
    write_image(tmp_path / "tool" / "good.tif", 2)
    summary = run(config, tmp_path / "tool")
    assert summary.exit_code == 1
    assert summary.jobs == {"stored": 1, "quarantined": 1}
    assert audited(config).gap == 0
    with closing(sqlite3.connect(journal_path(config.state_dir))) as connection, connection:
        connection.execute("DROP TRIGGER job_moves")  # without it the journal would not let us lie
        connection.execute("UPDATE job SET state = 'stored' WHERE state = 'quarantined'")
        connection.execute("UPDATE sighting SET job_id = NULL WHERE job_id = 1")
    books = audited(config)
    assert books.loose_ends["stored jobs without a result"] == 1
    assert books.loose_ends["ready files without a job"] == 1
    assert books.gap >= 2


OWNER = """
import sys
from pathlib import Path
from semwatchd.adapters.sql.schema import sole_owner
with sole_owner(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_journal_that_lags_behind_hides_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_for(tmp_path)
    write_image(tmp_path / "tool" / "a.tif", 1)
    next_group = Journal._next_group

    def late(journal: Journal) -> tuple[list[Any], bool]:
        time.sleep(0.3)
        return next_group(journal)

    monkeypatch.setattr(Journal, "_next_group", late)
    assert run(config, tmp_path / "tool").jobs == {"stored": 1}


def test_beside_a_daemon_that_does_nothing_it_ends_and_the_next_run_finishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill_module, "STALLED_S", 1.0)
    config = config_for(tmp_path)
    write_image(tmp_path / "tool" / "a.tif", 1)
    command = [sys.executable, "-c", OWNER, str(config.state_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout
        owner.stdout.readline()
        with pytest.raises(EnvironmentFault, match="no journal"):
            run(config, tmp_path / "tool")
        prepare_journal(config.state_dir)
        summary = run(config, tmp_path / "tool")
        assert (summary.exit_code, summary.jobs) == (75, {"queued": 1})
        owner.kill()
    monkeypatch.undo()
    again = run(config, tmp_path / "tool")
    assert (again.exit_code, again.jobs) == (0, {"stored": 1})


def test_an_unwatched_folder_needs_the_default_plan(tmp_path: Path) -> None:
    config = check_config({"state_dir": str(tmp_path / "state"), "plans": {"quick": {}}})
    with pytest.raises(ConfigError, match="there are: quick"):
        run(config, tmp_path)
