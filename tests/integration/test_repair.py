"""A damaged journal is put right, nothing it held is thrown away, and whatever can be measured again is."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from semwatchd.adapters.sql.care import check_journal
from semwatchd.adapters.sql.jobs import SqlJobStore
from semwatchd.adapters.sql.repair import Repaired, mend_at_start, repair_journal
from semwatchd.adapters.sql.schema import journal_path, prepare_journal, sole_owner
from semwatchd.core.errors import EnvironmentFault, JournalInUseError
from semwatchd.core.job import JobState
from semwatchd.core.plan import Plan
from semwatchd.core.ports import Ending, RenderedEvent
from tests.daemon import Site
from tests.deliveries import FACTS, a_result
from tests.journals import lived_in, rows, running_journal, spoil

pytestmark = pytest.mark.integration

NOW = 1_800_000_000.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with running_journal(tmp_path) as journal:
        lived_in(journal)
    return tmp_path


def repaired(folder: Path) -> Repaired:
    done = repair_journal(folder, [Plan()], NOW)
    found = check_journal(journal_path(folder))
    assert found.sound, found
    return done


def set_aside(done: Repaired) -> list[tuple[str, int, str]]:
    return [(row.table, row.rowid, row.done) for row in done.rows]


def states(folder: Path) -> list[object]:
    return [row[0] for row in rows(folder, "SELECT state FROM job ORDER BY id")]


def test_nothing_is_done_to_a_sound_journal(folder: Path) -> None:
    before = rows(folder, "SELECT * FROM job")
    assert repaired(folder) == Repaired()
    assert rows(folder, "SELECT * FROM job") == before
    assert not list(folder.glob("*.jsonl"))


def test_a_daemons_journal_is_left_alone(folder: Path) -> None:
    with sole_owner(folder), pytest.raises(JournalInUseError, match="stop it"):
        repair_journal(folder, [], NOW)


@pytest.mark.parametrize(
    ("column", "value", "becomes"),
    [
        ("state", "?", "stored"),
        ("lane", "?", "live"),
        ("error_class", "?", None),
        ("warnings", "[", "[]"),
        ("not_before", "soon", 0.0),
        ("lot", b"\xff", None),
        ("revision", "two", 1),
    ],
)
def test_a_column_that_can_do_without_gets_its_default(
    folder: Path, column: str, value: object, becomes: object
) -> None:
    spoil(folder, "job", column, value)
    done = repaired(folder)
    assert set_aside(done) == [("job", 1, "mended")]
    assert rows(folder, f"SELECT {column}, state FROM job WHERE id = 1") == [(becomes, "stored")]  # noqa: S608 — a name of ours
    assert done.kept_in is not None
    (kept,) = map(json.loads, done.kept_in.read_text().splitlines())
    assert kept["content"][column] == (value if isinstance(value, str) else "\\xff")
    assert kept["content"]["path"].endswith("/1.tif")


def test_an_open_job_in_no_known_state_is_measured(folder: Path) -> None:
    with closing(sqlite3.connect(journal_path(folder))) as connection, connection:
        connection.execute("DROP TRIGGER job_moves")
        connection.execute("UPDATE job SET state = 'limbo' WHERE id = 2")
    repaired(folder)
    assert states(folder) == ["stored", "queued", "queued"]


def test_a_job_that_cannot_be_kept_goes_with_all_that_hangs_on_it(folder: Path) -> None:
    spoil(folder, "job", "size", "many")
    done = repaired(folder)
    assert {table for table, _, did in set_aside(done) if did == "removed"} == {
        "job",
        "result",
        "outbox",
        "sighting",
    }
    assert rows(folder, "SELECT name FROM sighting ORDER BY id") == [("2.tif",), ("3.tif",), ("4.tif",)]
    assert states(folder) == ["queued", "queued"]


@pytest.mark.parametrize(("table", "column"), [("result", "measurements"), ("outbox", "payload")])
def test_lost_numbers_and_events_are_made_anew_and_not_doubled(folder: Path, table: str, column: str) -> None:
    spoil(folder, table, column, "{")
    repaired(folder)
    assert states(folder) == ["queued", "queued", "queued"]
    event = RenderedEvent(event_id="e-1", event_type="t", order_key="sem1:L1", subject="1", payload="{}")
    with running_journal(folder) as journal:
        store = SqlJobStore(journal, ["mes"], lambda: NOW, lambda: None)
        (again, *_) = store.claim(1, alone=0).result()
        ending = Ending(outcome=a_result(again), state=JobState.STORED, events=(event,))
        assert store.finish(ending).result() is JobState.STORED
    assert rows(folder, "SELECT event_id, count(*) FROM outbox") == [("e-1", 1)]


@pytest.mark.parametrize(
    "document",
    ["{}}", "[]", "3", "{}", *(f'{{"stages": [], "depth": {depth}}}' for depth in ('"x"', "3", "[1]"))],
)
def test_a_plan_of_the_configuration_is_written_anew(folder: Path, document: str) -> None:
    spoil(folder, "plan", "document", document)
    repaired(folder)
    assert states(folder) == ["stored", "queued", "queued"]


def test_without_its_plan_only_what_is_measured_is_kept(folder: Path) -> None:
    spoil(folder, "plan", "document", "{}}")
    repair_journal(folder, [], NOW)
    assert check_journal(journal_path(folder)).sound
    assert states(folder) == ["stored"]
    assert rows(folder, "SELECT count(*) FROM sighting") == [(2,)]


def test_without_its_plan_what_was_told_stands_and_lacks_only_its_depth(folder: Path) -> None:
    with running_journal(folder) as journal:
        store = SqlJobStore(journal, ["mes"], lambda: NOW, lambda: None)
        (job,) = store.claim(1, alone=0).result()
        other = a_result(job, replace(FACTS, sha256="other"))
        event = RenderedEvent(event_id="e-2", event_type="t", order_key="k", subject="2", payload="{}")
        store.finish(Ending(outcome=other, state=JobState.CPU_DONE, events=(event,))).result()
    spoil(folder, "plan", "document", "{}}")
    repair_journal(folder, [], NOW)
    assert check_journal(journal_path(folder)).sound
    assert rows(folder, "SELECT id, state, reason FROM job") == [
        (1, "stored", None),
        (2, "stored", "no depth: its plan is lost"),
    ]
    assert rows(folder, "SELECT job_id FROM result ORDER BY job_id") == [(1,), (2,)]


def test_what_points_nowhere_is_cut(folder: Path) -> None:
    with closing(sqlite3.connect(journal_path(folder))) as connection, connection:
        connection.execute("DELETE FROM job WHERE id = 1")
    assert {row.table for row in repaired(folder).rows} == {"sighting", "result", "outbox"}
    assert states(folder) == ["queued", "queued"]


def hurt(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek(4096 * page)
        file.write(b"\xa5" * 4096)


def pages(path: Path) -> int:
    return path.stat().st_size // 4096


def test_whatever_page_is_lost_the_journal_works_again(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for page in range(pages(journal_path(folder))):
        copy = tmp_path_factory.mktemp("hurt")
        shutil.copy(journal_path(folder), journal_path(copy))
        hurt(journal_path(copy), page)
        done = repaired(copy)
        if done.damaged is not None:
            assert done.damaged.exists()
        with running_journal(copy) as journal:
            SqlJobStore(journal, ["mes"], lambda: NOW, lambda: None).claim(10, alone=0).result()


def test_rows_before_and_behind_a_lost_page_are_taken_over(tmp_path: Path) -> None:
    path = prepare_journal(tmp_path)
    entry = "INSERT INTO audit (at, actor, action, object, reason) VALUES (0, 'me', 'a', 'b', ?)"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(entry, [(f"{number} " + "x" * 400,) for number in range(200)])
    before = path.read_bytes()
    page = before.index(b"100 xxxx") // 4096
    hurt(path, page)
    done = repaired(tmp_path)
    assert done.damaged is not None
    lost = 200 - done.taken_over + len(rows(tmp_path, "SELECT 1 FROM plan UNION ALL SELECT 1 FROM identity"))
    assert 0 < lost < 20
    kept = rows(tmp_path, "SELECT min(id), max(id), count(*) FROM audit")
    assert kept == [(1, 200, 200 - lost + 1)]


def test_a_file_that_is_no_database_is_moved_aside_and_never_deleted(tmp_path: Path) -> None:
    journal_path(tmp_path).write_text("no database" * 1000)
    done = repaired(tmp_path)
    assert done.damaged is not None
    assert done.damaged.read_text().startswith("no database")
    assert done.taken_over == 0


def test_at_start_only_what_is_in_the_way_is_mended(folder: Path) -> None:
    spoil(folder, "result", "facts", "{")
    with closing(sqlite3.connect(journal_path(folder))) as connection, connection:
        connection.execute("UPDATE job SET warnings = 'x' WHERE id = 2")
        connection.execute("DROP TRIGGER job_moves")
        connection.execute("UPDATE job SET state = 'limbo' WHERE id = 3")
        connection.execute("UPDATE outbox SET payload = '{'")
    done = mend_at_start(journal_path(folder), [Plan()], NOW)
    assert ("job", 2, "mended") in set_aside(done)
    assert ("job", 3, "mended") in set_aside(done)
    assert ("outbox", 1, "removed") in set_aside(done)
    with running_journal(folder) as journal:
        claimed = SqlJobStore(journal, ["mes"], lambda: NOW, lambda: None).claim(10, alone=0).result()
    assert [job.id for job in claimed] == [1, 2, 3]
    assert mend_at_start(journal_path(folder), [Plan()], NOW) == Repaired()


def test_a_damaged_page_at_start_is_told_with_what_to_do(folder: Path) -> None:
    (root,) = rows(folder, "SELECT rootpage FROM sqlite_master WHERE name = 'job'")[0]
    hurt(journal_path(folder), int(str(root)) - 1)
    with pytest.raises(EnvironmentFault, match="semwatchd journal repair"):
        mend_at_start(journal_path(folder), [Plan()], NOW)


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.configure()
    with running_journal(site.state_dir) as journal:
        lived_in(journal)
    assert site.command("journal", "repair").stdout == "nothing to repair\n"
    spoil(site.state_dir, "job", "warnings", "?")
    done = site.command("journal", "repair")
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == "  job row 1: unreadable warnings: mended"
    assert done.stdout.splitlines()[-1] == "repaired"


def test_a_log_torn_anywhere_leaves_a_sound_journal(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running_journal(tmp_path) as journal:
        lived_in(journal)
        path = journal_path(tmp_path)
        kept = path.read_bytes(), path.with_name("journal.db-wal").read_bytes()
    for cut in (*range(0, 80, 16), *range(80, len(kept[1]), len(kept[1]) // 12), len(kept[1]) - 1):
        torn = journal_path(tmp_path_factory.mktemp("torn"))
        torn.write_bytes(kept[0])
        torn.with_name("journal.db-wal").write_bytes(kept[1][:cut])
        assert prepare_journal(torn.parent) == torn
        found = check_journal(torn)
        assert found.sound, (cut, found)
