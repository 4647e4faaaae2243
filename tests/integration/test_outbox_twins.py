"""The journal's outbox and its twin in memory answer alike, so the relay's unit tests mean something."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, insert

from semwatchd.adapters.mes.guard import Guard, GuardSettings
from semwatchd.adapters.mes.http import HttpMes, HttpSettings
from semwatchd.adapters.sql.journal import Journal
from semwatchd.adapters.sql.outbox import SqlOutbox
from semwatchd.adapters.sql.recovery import recover
from semwatchd.adapters.sql.schema import prepare_journal
from semwatchd.adapters.sql.tables import job, outbox, plan
from semwatchd.core.job import DeliveryState
from semwatchd.core.ports import Event, Verdict
from semwatchd.engine.relay import Relay, RelaySettings
from tests.deliveries import an_event
from tests.fakes import ListLog, MemoryOutbox, RecordingTelemetry
from tests.receiver import plain, receiving

pytestmark = pytest.mark.integration

LONGEST_WAIT_S = 300.0


@contextmanager
def running_journal(folder: Path) -> Iterator[Journal]:
    journal = Journal(prepare_journal(folder), ListLog(), lambda *_: None)
    writer = threading.Thread(target=journal.run)
    writer.start()
    try:
        journal.submit(_one_job).result()
        yield journal
    finally:
        journal.close()
        writer.join()
        journal.dispose()


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    with running_journal(tmp_path_factory.mktemp("state")) as journal:
        yield journal


def _one_job(connection: Connection) -> None:
    connection.execute(insert(plan).values(plan_hash="p", document="{}"))
    connection.execute(
        insert(job).values(
            id=1,
            plan_hash="p",
            path="/d/a.tif",
            root="/d",
            size=1,
            mtime_ns=1,
            tool="sem1",
            lane="live",
            state="queued",
            detected_at=0.0,
        )
    )


def put(journal: Journal, events: list[Event]) -> None:
    def work(connection: Connection) -> None:
        connection.execute(delete(outbox))
        connection.execute(
            insert(outbox),
            [
                {
                    "seq": event.seq,
                    "event_id": event.event_id,
                    "destination": event.destination,
                    "job_id": 1,
                    "order_key": event.order_key,
                    "event_type": "t",
                    "subject": event.subject,
                    "payload": event.payload,
                    "state": "pending",
                    "created_at": 0.0,
                }
                for event in events
            ],
        )

    journal.submit(work).result()


ENDINGS = st.sampled_from(["delivered", "parked", "retry", "pending", "crash"])


@settings(
    max_examples=30,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["mes", "other"])), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(1, 4), st.lists(ENDINGS, min_size=4, max_size=4)), max_size=8),
)
def test_the_twins_answer_alike(
    journal: Journal, places: list[tuple[str, str]], steps: list[tuple[int, list[str]]]
) -> None:
    events = [an_event(seq, key=key, destination=to) for seq, (key, to) in enumerate(places, start=1)]
    put(journal, events)
    real, twin = SqlOutbox(journal, LONGEST_WAIT_S), MemoryOutbox(LONGEST_WAIT_S)
    for event in events:
        twin.add(event)
    for turn, (limit, endings) in enumerate(steps):
        now = 100.0 * turn
        taken = real.take("mes", limit, now)
        assert list(taken) == list(twin.take("mes", limit, now))
        verdicts = [
            _verdict(event, ending, now)
            for event, ending in zip(taken, endings, strict=False)
            if ending != "crash"
        ]
        real.settle(verdicts, now)
        twin.settle(verdicts, now)
        if "crash" in endings:
            journal.submit(partial(recover, begun=(), now=now)).result()
            twin.restart()


def _verdict(event: Event, ending: str, now: float) -> Verdict:
    states = {"retry": DeliveryState.RETRY_WAIT, "pending": DeliveryState.PENDING}
    return Verdict(
        seq=event.seq,
        state=states.get(ending) or DeliveryState(ending),
        attempts=event.attempts + (ending != "pending"),
        not_before=now + 250.0 if ending == "retry" else 0.0,
    )


@pytest.mark.parametrize("back_s", [299.0, 301.0, 86_400.0])
def test_a_clock_set_back_lets_no_event_wait_longer_than_any_may(journal: Journal, back_s: float) -> None:
    put(journal, [an_event(1)])
    outbox_of_both = (SqlOutbox(journal, LONGEST_WAIT_S), MemoryOutbox(LONGEST_WAIT_S))
    outbox_of_both[1].add(an_event(1))
    wrong = 1_000_000.0
    for box in outbox_of_both:
        (event,) = box.take("mes", 1, wrong)
        box.settle([_verdict(event, "retry", wrong)], wrong)
        now = wrong - back_s
        waited_s = next(s for s in range(302) if box.take("mes", 1, now + s))
        assert waited_s <= LONGEST_WAIT_S


def test_a_receiver_that_stutters_gets_every_event_once_in_order(journal: Journal) -> None:
    events = [an_event(seq, key="ab"[seq % 2], payload=f'{{"n":{seq}}}') for seq in range(1, 41)]
    put(journal, events)
    answers = [plain("503 Busy"), plain("200 OK"), plain("200 OK"), plain("500 Oops"), plain("200 OK")]
    with receiving(*answers) as receiver:
        url = receiver.url
        mes = HttpMes(HttpSettings.model_validate({"kind": "http", "name": "mes", "url": url}))
        quick = GuardSettings(first_wait_s=0.001, longest_wait_s=0.001)
        with closing(mes):
            relay = Relay(
                "mes",
                Guard(mes, quick, on_breaker=lambda _: None, stop=threading.Event()),
                SqlOutbox(journal, LONGEST_WAIT_S),
                RelaySettings(batch=7),
                telemetry=RecordingTelemetry(),
                log=ListLog(),
                clock=time.time,
            )
            while relay.step():
                pass
    bodies = [request.rpartition("\r\n\r\n")[2] for request in receiver.requests]
    assert list(dict.fromkeys(bodies)) == [event.payload for event in events]
    assert len(bodies) == len(events) + 2  # two tries were answered with 5xx
