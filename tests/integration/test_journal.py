"""The journal keeps its word: durable when it says so, one bad change alone, and no loss on a full disk."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, Table, event, insert, select
from sqlalchemy.exc import IntegrityError, OperationalError

from semwatchd.adapters.sql import claims, endings, jobs, operator, outbox, queries, schema, sightings
from semwatchd.adapters.sql import journal as journal_module
from semwatchd.adapters.sql.jobs import SqlJobStore
from semwatchd.adapters.sql.journal import QUEUE_LIMIT, Journal, open_engine, reading, writing
from semwatchd.adapters.sql.outbox import SqlOutbox
from semwatchd.adapters.sql.prepared import Prepared
from semwatchd.adapters.sql.schema import (
    current_journal,
    journal_path,
    prepare_journal,
    sole_owner,
    upgrade,
)
from semwatchd.adapters.sql.sightings import SqlSightingLog
from semwatchd.adapters.sql.stuck import stuck_jobs
from semwatchd.adapters.sql.tables import audit, metadata
from semwatchd.core.errors import EnvironmentFault, JournalInUseError
from semwatchd.core.job import JobState
from semwatchd.core.ports import Ending
from semwatchd.engine.stuck import stuck_after_s
from tests.deliveries import a_result
from tests.fakes import ListLog
from tests.journals import ROOT, a_sighting, an_order, rows, running_journal, settle

pytestmark = pytest.mark.integration


def note(text: str, number: int | None = None) -> Callable[[Connection], str]:
    def work(connection: Connection) -> str:
        entry = {"id": number, "at": 0.0, "actor": "test", "action": text, "object": "-", "reason": "-"}
        connection.execute(insert(audit), entry)
        return text

    return work


def refuse(_: Connection) -> None:
    raise ValueError("not this one")


def never(_: Connection) -> None:
    raise OperationalError("statement", {}, sqlite3.OperationalError("disk I/O error"))


def noted(folder: Path) -> list[str]:
    return [str(row[0]) for row in rows(folder, "SELECT action FROM audit ORDER BY id")]


@contextmanager
def held_up(journal: Journal) -> Iterator[None]:
    """Keep the writer busy, so that what is submitted meanwhile is committed together."""
    entered, go_on = threading.Event(), threading.Event()

    def hold(_: Connection) -> None:
        entered.set()
        go_on.wait(30)

    journal.submit(hold)
    entered.wait(30)
    try:
        yield
    finally:
        go_on.set()


def test_one_bad_change_harms_only_itself(tmp_path: Path) -> None:
    with running_journal(tmp_path) as journal:
        with held_up(journal):
            good = [journal.submit(note("first", 1))]
            bad = journal.submit(refuse)
            twice = journal.submit(note("same number", 1))
            good += [journal.submit(note("last"))]
        assert [done.result() for done in good] == ["first", "last"]
        assert isinstance(bad.exception(), ValueError)
        assert isinstance(twice.exception(), IntegrityError)
        assert noted(tmp_path) == ["first", "last"]


def test_a_change_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    def half(connection: Connection) -> None:
        note("half")(connection)
        raise ValueError

    with running_journal(tmp_path) as journal:
        assert isinstance(journal.submit(half).exception(), ValueError)
        journal.submit(note("whole")).result()
        assert noted(tmp_path) == ["whole"]


def test_a_row_that_is_no_text_is_no_sick_disk(tmp_path: Path) -> None:
    def read_it(connection: Connection) -> object:
        return connection.exec_driver_sql("SELECT CAST(x'ff' AS TEXT)").scalar_one()

    with running_journal(tmp_path) as journal:
        assert "decode" in str(journal.submit(read_it).exception(timeout=5))
        journal.submit(note("goes on")).result()
    assert noted(tmp_path) == ["goes on"]


def test_what_is_done_is_seen_by_others(tmp_path: Path) -> None:
    with running_journal(tmp_path) as journal:
        for number in range(20):
            journal.submit(note(str(number))).result()
            assert noted(tmp_path)[-1] == str(number)


def test_a_full_disk_keeps_every_change_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "RETRY_S", 0.02)
    states: list[tuple[bool, str]] = []
    sick = threading.Event()

    def on_state(healthy: bool, reason: str) -> None:  # noqa: FBT001 — told by position
        states.append((healthy, reason))
        sick.set()

    room = [1]  # pages; SQLite takes the present size where that is more

    def large(connection: Connection) -> str:
        connection.exec_driver_sql(f"PRAGMA max_page_count={room[0]}")
        return note("x" * 1_000_000)(connection)

    with running_journal(tmp_path, on_state) as journal:
        with held_up(journal):
            done = [journal.submit(note("before")), journal.submit(large), journal.submit(note("after"))]
        assert sick.wait(30)
        later = journal.submit(note("later"))
        assert not any(change.done() for change in (*done, later))
        room[0] = 100_000
        assert later.result(30) == "later"
    assert [action[:6] for action in noted(tmp_path)] == ["before", "xxxxxx", "after", "later"]
    assert states[0] == (False, "database or disk is full")
    assert states[-1] == (True, "")


def test_a_sick_disk_is_given_up_on_at_the_end(tmp_path: Path) -> None:
    with running_journal(tmp_path) as journal:
        lost = journal.submit(never)
        journal.close()
        assert isinstance(lost.exception(30), OperationalError)


def test_whoever_waits_hears_of_a_disk_that_is_not_tried_again(tmp_path: Path) -> None:
    with running_journal(tmp_path) as journal:
        lost = journal.submit(never)
        journal.stop_trying()
        assert isinstance(lost.exception(30), OperationalError)
        assert journal.submit(note("a disk that is well is still written")).result(30)


def test_nobody_waits_for_a_writer_that_has_died(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(prepare_journal(tmp_path), ListLog(), lambda *_: None)
    waiting = [journal.submit(note("one")), journal.submit(note("two"))]

    def die(*_: object) -> None:
        waiting.append(journal.submit(note("came meanwhile")))
        raise MemoryError

    monkeypatch.setattr(journal, "_commit", die)
    monkeypatch.setattr(journal_module, "GROUP_LIMIT", 1)
    with pytest.raises(MemoryError):
        journal.run()
    waiting.append(journal.submit(note("came too late")))
    assert [type(change.exception(0)) for change in waiting] == [MemoryError] + 3 * [EnvironmentFault]
    journal.dispose()


def test_closing_writes_what_is_queued(tmp_path: Path) -> None:
    done: list[Future[str]] = []
    with running_journal(tmp_path) as journal, held_up(journal):
        done += [journal.submit(note(str(number))) for number in range(600)]
        journal.close()
    assert noted(tmp_path) == [change.result(0) for change in done]


def test_ten_thousand_changes_may_wait(tmp_path: Path) -> None:
    with running_journal(tmp_path) as journal:
        with held_up(journal):
            done = [journal.submit(note(str(number))) for number in range(QUEUE_LIMIT)]
        assert not wait(done, 60).not_done
        assert noted(tmp_path) == [str(number) for number in range(QUEUE_LIMIT)]


def test_a_lock_held_by_an_operator_is_waited_for(tmp_path: Path) -> None:
    with running_journal(tmp_path) as journal:
        with writing(open_engine(journal_path(tmp_path))) as connection:
            mine = journal.submit(note("daemon"))
            note("operator")(connection)
            assert not mine.done()
        mine.result(30)
    assert noted(tmp_path) == ["operator", "daemon"]


# The schema


def test_an_upgrade_from_nothing_gives_the_tables_the_code_knows(tmp_path: Path) -> None:
    engine = open_engine(prepare_journal(tmp_path))
    upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    made = open_engine(tmp_path / "made.db")
    metadata.create_all(made)
    assert indexes(engine) == indexes(made)


REVISIONS = [script.revision for script in ScriptDirectory.from_config(schema._alembic()).walk_revisions()]
#: Foreign keys fit each other because every number is 1 and every other text the same.
A_VALUE: dict[type, object] = {int: 1, float: 1.5, str: "{}"}


@pytest.mark.parametrize("revision", REVISIONS)
def test_the_rows_of_every_older_version_come_through_an_upgrade(tmp_path: Path, revision: str) -> None:
    engine = open_engine(journal_path(tmp_path))
    config = schema._alembic()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    there = MetaData()
    there.reflect(engine)
    ours = [table for table in there.sorted_tables if table.name != "alembic_version"]
    with engine.begin() as connection:
        for table in ours:
            row = {column.name: A_VALUE[column.type.python_type] for column in table.columns}
            connection.execute(insert(table).values(row))
    before = {table: contents(engine, table) for table in ours}

    prepare_journal(tmp_path)
    assert {table: contents(engine, table) for table in ours} == before
    assert all(len(held) == 1 for held in before.values())
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    metadata.create_all(made := open_engine(tmp_path / "made.db"))
    assert indexes(engine) == indexes(made)


def contents(engine: Engine, table: Table) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(table))]


def indexes(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_master WHERE sql LIKE 'CREATE%INDEX%'"
        )
        return {row.name: " ".join((row.sql or "").split()) for row in found}


def test_preparing_twice_keeps_what_is_there(tmp_path: Path) -> None:
    with running_journal(tmp_path) as journal:
        journal.submit(note("kept")).result()
    prepare_journal(tmp_path)
    assert noted(tmp_path) == ["kept"]


def make_text(path: Path) -> None:
    path.write_bytes(b"these are not the bytes of a database\n" * 50)


def make_foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE job (id)")


def make_newer(path: Path) -> None:
    prepare_journal(path.parent)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (make_text, "not a sound journal of semwatchd"),
        (make_foreign, "not a sound journal of semwatchd"),
        (make_newer, "written by a newer semwatchd"),
        (Path.mkdir, "unable to open database file"),
    ],
)
def test_a_file_that_is_no_journal_of_ours_is_refused_in_words(
    tmp_path: Path, make: Callable[[Path], None], told: str
) -> None:
    make(journal_path(tmp_path))
    with pytest.raises(EnvironmentFault, match=told):
        prepare_journal(tmp_path)
    with pytest.raises(EnvironmentFault, match=str(journal_path(tmp_path))):
        current_journal(tmp_path)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for take in (prepare_journal, lambda folder: sole_owner(folder).__enter__()):
        with pytest.raises(EnvironmentFault, match="may write there"):
            take(tmp_path / "file" / "state")


def test_a_share_is_no_place_for_a_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "on_network", lambda _: True)
    with pytest.raises(EnvironmentFault, match="on a local disk"):
        prepare_journal(tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_any_folder_name_will_do(tmp_path: Path) -> None:
    folder = tmp_path / "what? 100%20 #1;a=b"
    assert prepare_journal(folder) == folder / "journal.db"
    assert (folder / "journal.db").is_file()
    assert current_journal(folder) == folder / "journal.db"


def test_a_journal_of_another_version_is_not_worked_on(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="no journal"):
        current_journal(tmp_path)
    make_newer(journal_path(tmp_path))
    with pytest.raises(EnvironmentFault, match="has schema 9999"):
        current_journal(tmp_path)


OWNER = """
import sys
from pathlib import Path
from semwatchd.adapters.sql.schema import sole_owner
with sole_owner(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_owner(folder: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_two_daemons_never_share_a_journal(tmp_path: Path) -> None:
    with another_owner(tmp_path) as other:
        with pytest.raises(JournalInUseError, match=rf"pid {other.pid}\b"), sole_owner(tmp_path):
            pass
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        with sole_owner(tmp_path):
            assert (tmp_path / "journal.lock").read_text() == f"{os.getpid()}\n"
    with sole_owner(tmp_path):
        pass


# Indexes: what is asked all day must not read the whole history.


@contextmanager
def explained(engine: Engine) -> Iterator[list[str]]:
    """Collect how SQLite carries out every statement."""
    steps: list[str] = []

    def explain(
        _connection: object, cursor: sqlite3.Cursor, sql: str, values: tuple[object, ...], *_: object
    ) -> None:
        if sql.startswith(("SELECT", "UPDATE")):
            plan = cursor.connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
            steps.extend(str(row[3]) for row in plan)

    event.listen(engine, "before_cursor_execute", explain)
    try:
        yield steps
    finally:
        event.remove(engine, "before_cursor_execute", explain)


def prepared_steps(connection: Connection) -> list[str]:
    """Say how SQLite carries out every prepared statement; its values stay open, as in the product."""
    statements = [
        each for module in (claims, endings, jobs, outbox, sightings) for each in vars(module).values()
    ]
    questions = [
        each.sql
        for each in statements
        if isinstance(each, Prepared) and each.sql.startswith(("SELECT", "UPDATE"))
    ]
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    nothing: defaultdict[str, None] = defaultdict(lambda: None)
    return [str(row[3]) for sql in questions for row in driver.execute(f"EXPLAIN QUERY PLAN {sql}", nothing)]


def test_no_daily_question_reads_the_whole_history(tmp_path: Path) -> None:
    with running_journal(tmp_path) as journal:
        store = SqlJobStore(journal, ["mes"], lambda: 1.0, lambda: None)
        sightings = SqlSightingLog(journal, lambda: 1.0, lambda: None, lambda _: None)
        with explained(journal.engine) as steps:
            sightings.settling(a_sighting("L1/a.tif"))
            sightings.ready(a_sighting("L1/a.tif"), an_order())
            settle(journal)
            sightings.known(ROOT, "L1/a.tif", a_sighting("L1/a.tif").stamp)
            sightings.known_in(ROOT, "L1")
            sightings.unsettled(ROOT)
            (job,) = store.claim(4, alone=1).result()
            ending = Ending(outcome=a_result(job), state=JobState.CPU_DONE)
            assert store.finish(ending).result() == JobState.CPU_DONE
            assert (store.owed().result(), store.reclaim_owed(10).result()) == (1, 1)
            SqlOutbox(journal, 900.0).take("mes", 10, 1.0)
            with reading(journal.engine) as connection:
                queries.open_counts(connection)
                list(queries.quarantined(connection))
                queries.last_done_before(connection, ROOT)
                stuck_jobs(connection, stuck_after_s(deadline_s=30.0, capacity=8), 0.0, 1.0)
                steps.extend(prepared_steps(connection))
    text = "\n".join(steps)
    for index in ("job_open", "job_alone", "job_identity", "job_set_aside", "outbox_undelivered"):
        assert f"INDEX {index}" in text
    for index in ("outbox_parked", "sighting_by_place", "sighting_in_flight"):
        assert f"INDEX {index}" in text
    scans = {step for step in steps if step.startswith("SCAN") and "INDEX" not in step}
    assert scans <= {"SCAN CONSTANT ROW"}


def test_words_of_odd_bytes_can_be_kept(tmp_path: Path) -> None:
    with running_journal(tmp_path) as journal:
        sightings = SqlSightingLog(journal, lambda: 1.0, lambda: None, lambda _: None)
        sightings.ignored(a_sighting("\udcff\n.tif"), "an image named \udcff\nby nobody")
        settle(journal)
    assert rows(tmp_path, "SELECT name, reason FROM sighting") == [
        ("\\xff\\x0a.tif", "an image named \\xff\\x0aby nobody")
    ]


def test_the_person_behind_sudo_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "semwatchd")
    monkeypatch.setenv("SUDO_USER", "kim")
    assert operator._user() == "semwatchd (sudo: kim)"


def test_an_operator_without_a_name_is_known_by_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("getpass.getuser", nameless)
    monkeypatch.delenv("SUDO_USER", raising=False)
    with running_journal(tmp_path) as journal:
        sightings = SqlSightingLog(journal, lambda: 1.0, lambda: None, lambda _: None)
        sightings.ready(a_sighting("a.tif"), an_order())
        settle(journal)
    with writing(open_engine(schema.journal_path(tmp_path))) as connection:
        connection.exec_driver_sql("UPDATE job SET state = 'cpu_running'")
        connection.exec_driver_sql("UPDATE job SET state = 'quarantined'")
        assert operator.requeue(connection, 1, "again", 2.0)
    assert rows(tmp_path, "SELECT actor, object FROM audit") == [(f"uid {os.getuid()}", "job 1")]
