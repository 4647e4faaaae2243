import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert

from semwatchd.adapters.sql.journal import open_engine
from semwatchd.adapters.sql.tables import job, metadata, outbox, plan, result
from semwatchd.core.job import DeliveryState, JobState
from semwatchd.offline.books import Standing, read_books, read_standing

JOB = {
    "plan_hash": "p",
    "root": "/s",
    "size": 1,
    "mtime_ns": 1,
    "tool": "T",
    "lane": "live",
    "detected_at": 0.0,
}
EVENT = {
    "event_id": "e",
    "job_id": 1,
    "order_key": "T:",
    "event_type": "t",
    "subject": "s",
    "payload": "{}",
    "created_at": 0.0,
}
SHIFT = {"status": "ok", "dx_px": 1.5, "dy_px": -2.0}


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine = open_engine(tmp_path / "journal.db")
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(plan), {"plan_hash": "p", "document": "{}"})
        connection.execute(
            insert(job),
            [
                JOB | {"id": 1, "path": "/s/a.tif", "state": "stored", "reason": None},
                JOB | {"id": 2, "path": "/s/b.tif", "state": "quarantined", "reason": "ends early"},
                JOB | {"id": 3, "path": "/s/c.tif", "state": "cpu_running", "reason": None},
            ],
        )
        stored = {"job_id": 1, "facts": "{}", "measurements": "{}", "warnings": "[]", "code_version": "0"}
        stored |= {"cpu_ms": '{"read": 2.5}'}
        numbers = {"registration": json.dumps(SHIFT), "elapsed_ms": '{"read": 3.5}', "stored_at": 7.0}
        connection.execute(insert(result), stored | numbers)
        connection.execute(
            insert(outbox),
            [
                EVENT
                | {"event_id": "e", "destination": "mes", "job_id": 1, "state": "delivered", "attempts": 2},
                EVENT
                | {"event_id": "e", "destination": "drop", "job_id": 1, "state": "pending", "attempts": 0},
            ],
        )
        yield connection
    engine.dispose()


def test_the_books_hold_every_job_and_every_delivery(connection: Connection) -> None:
    books = read_books(connection)
    first, second, third = books.jobs
    assert (first.path, first.state, first.stored_at) == ("/s/a.tif", JobState.STORED, 7.0)
    assert (first.registration, first.elapsed_ms) == (SHIFT, {"read": 3.5})
    assert first.cpu_ms == {"read": 2.5}
    assert (second.state, second.reason) == (JobState.QUARANTINED, "ends early")
    assert (third.registration, third.elapsed_ms, third.stored_at) == (None, {}, None)
    assert [(line.destination, line.state) for line in books.deliveries] == [
        ("mes", DeliveryState.DELIVERED),
        ("drop", DeliveryState.PENDING),
    ]


def test_the_standing_tells_what_has_ended_from_what_has_not(connection: Connection) -> None:
    assert read_standing(connection) == Standing(ended=2, open=1, stored=1, delivered=1, undelivered=1)
