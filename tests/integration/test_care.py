"""The journal's file is looked after: what is wrong is found, and a copy can be had at any time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from semwatchd.adapters.sql.care import back_up, check_journal
from semwatchd.adapters.sql.journal import Journal
from semwatchd.adapters.sql.schema import journal_path, newest_schema
from semwatchd.adapters.sql.unreadable import UnreadableRow
from semwatchd.core.errors import EnvironmentFault
from tests.daemon import Site
from tests.journals import lived_in, rows, running_journal, spoil

pytestmark = pytest.mark.integration


def wrong_rows(folder: Path) -> list[tuple[str, int, tuple[str, ...]]]:
    found = check_journal(journal_path(folder))
    assert found.sound is not bool(found.unreadable)
    return [(row.table, row.rowid, row.columns) for row in found.unreadable]


def test_a_journal_that_has_worked_is_sound(tmp_path: Path) -> None:
    with running_journal(tmp_path) as journal:
        lived_in(journal)
        found = check_journal(journal_path(tmp_path))
    assert found.sound
    assert (found.schema, found.size_bytes > 0, found.wal_bytes > 0) == (newest_schema(), True, True)


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("job", "state", "gone fishing"),
        ("job", "lane", ""),
        ("job", "error_class", "nobody"),
        ("job", "warnings", '["half'),
        ("job", "warnings", "{}"),
        ("job", "size", "many"),
        ("job", "path", b"\xff\xfe"),
        ("job", "tool", b"bytes"),
        ("sighting", "state", "Ready"),
        ("plan", "document", '{"no": "plan"}'),
        ("plan", "document", "[]"),
        ("result", "facts", "nonsense"),
        ("result", "registration", "3"),
        ("result", "artefacts", "{}"),
        ("result", "weights_sha256", b"bytes"),
        ("job", "revision", "two"),
        ("outbox", "state", "lost"),
        ("outbox", "payload", ""),
        ("outbox", "created_at", "yesterday"),
    ],
)
def test_a_row_we_cannot_read_is_found(tmp_path: Path, table: str, column: str, value: object) -> None:
    with running_journal(tmp_path) as journal:
        lived_in(journal)
    spoil(tmp_path, table, column, value)
    assert wrong_rows(tmp_path) == [(table, 1, (column,))]


def test_text_that_is_not_unicode_is_found_where_it_stands(tmp_path: Path) -> None:
    with running_journal(tmp_path) as journal:
        lived_in(journal)
    with closing(sqlite3.connect(journal_path(tmp_path))) as connection, connection:
        connection.execute("UPDATE job SET path = CAST(x'2fff2e746966' AS TEXT) WHERE id = 2")
    assert wrong_rows(tmp_path) == [("job", 2, ("path",))]


def test_broken_rules_and_rows_that_point_nowhere_are_found(tmp_path: Path) -> None:
    with running_journal(tmp_path) as journal:
        lived_in(journal)
    spoil(tmp_path, "sighting", "job_id", 99)
    spoil(tmp_path, "job", "state", "quarantined")
    found = check_journal(journal_path(tmp_path))
    assert not found.sound
    assert found.foreign_keys == ("sighting row 1: no such job",)
    assert found.loose_ends["results of jobs that are not stored"] == 1


def loose_ends_with_job(folder: Path, number: int, state: str, revision: int) -> Mapping[str, int]:
    """Put a job of a sound journal into a state that no move leads to, and check."""
    with running_journal(folder) as journal:
        lived_in(journal)
    with closing(sqlite3.connect(journal_path(folder))) as connection, connection:
        connection.execute("DROP TRIGGER job_moves")
        change = (state, revision, number)
        connection.execute("UPDATE job SET state = ?, revision = ? WHERE id = ?", change)
    return check_journal(journal_path(folder)).loose_ends


@pytest.mark.parametrize(
    ("state", "revision", "broken"),
    [("cpu_done", 1, 1), ("gpu_queued", 1, 1), ("queued", 1, 1), ("gpu_queued", 0, 0)],
)
def test_a_job_that_was_told_of_must_have_its_result(
    tmp_path: Path, state: str, revision: int, broken: int
) -> None:
    found = loose_ends_with_job(tmp_path, 2, state, revision)
    assert sum(found.values()) == found["stored jobs without a result"] == broken


@pytest.mark.parametrize(
    ("state", "revision", "broken"),
    [("cpu_done", 1, 0), ("cpu_running", 1, 0), ("gpu_running", 0, 1), ("cancelled", 1, 1)],
)
def test_only_what_is_stored_or_was_told_may_have_a_result(
    tmp_path: Path, state: str, revision: int, broken: int
) -> None:
    found = loose_ends_with_job(tmp_path, 1, state, revision)
    assert sum(found.values()) == found["results of jobs that are not stored"] == broken


def test_a_torn_page_is_found_and_does_not_end_the_check(tmp_path: Path) -> None:
    with running_journal(tmp_path) as journal:
        lived_in(journal)
    path = journal_path(tmp_path)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (path.stat().st_size - 4096))
    found = check_journal(path)
    assert not found.sound
    assert found.integrity


def test_a_copy_is_made_while_the_writer_writes(tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    copy.write_bytes(b"an older one")
    with running_journal(tmp_path) as journal:
        lived_in(journal)
        held = write_on(journal)
        size = back_up(journal_path(tmp_path), copy)
        assert write_on(journal) > held
    assert sorted(path.name for path in tmp_path.glob("*copy*")) == ["copy.db"]
    assert size == copy.stat().st_size
    assert check_journal(copy).sound
    with closing(sqlite3.connect(f"file:{copy}?mode=ro&immutable=1", uri=True)) as reader:
        assert reader.execute("SELECT count(*) FROM job").fetchone() == (3,)


def write_on(journal: Journal) -> int:
    def once(connection: object) -> int:
        added = connection.exec_driver_sql(  # type: ignore[attr-defined] # a Connection
            "INSERT INTO audit (at, actor, action, object, reason) VALUES (0, 'me', 'test', '-', '-')"
        )
        return int(added.lastrowid)

    return journal.submit(once).result()


def test_a_copy_never_replaces_the_journal(tmp_path: Path) -> None:
    with running_journal(tmp_path) as journal:
        lived_in(journal)
        with pytest.raises(EnvironmentFault, match="is the journal itself"):
            back_up(journal_path(tmp_path), tmp_path / "." / "journal.db")
    assert rows(tmp_path, "SELECT count(*) FROM job") == [(3,)]


@pytest.mark.parametrize("name", ["no/such/folder/copy.db", "."])
def test_a_place_that_takes_no_copy_is_told(tmp_path: Path, name: str) -> None:
    with running_journal(tmp_path), pytest.raises(EnvironmentFault, match="copy"):
        back_up(journal_path(tmp_path), tmp_path / name)


def test_the_commands_tell_people_and_programs(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.configure()
    with running_journal(site.state_dir) as journal:
        lived_in(journal)
    done = site.command("journal", "check")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "sound")
    spoil(site.state_dir, "job", "state", "[b]")
    done = site.command("journal", "check", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["sound"]) == (1, False)
    assert UnreadableRow(**report["unreadable"][0]).rowid == 1
    done = site.command("journal", "check")
    assert "  job row 1: unreadable state" in done.stdout.splitlines()
    done = site.command("journal", "backup", str(tmp_path / "copy.db"))
    assert (done.returncode, done.stdout.startswith(f"{tmp_path}/copy.db: ")) == (0, True)


def test_a_file_that_is_no_database_is_a_finding(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.configure()
    assert site.command("journal", "check").returncode == 75
    site.state_dir.mkdir()
    journal_path(site.state_dir).write_text("not a database" * 100)
    done = site.command("journal", "check")
    assert done.returncode == 1
    assert "not a database" in done.stdout
