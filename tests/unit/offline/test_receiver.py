import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread

import pytest

from semwatchd.offline.receiver import Ledger, Receiver, ReceiverSpec, read_record


def spec_in(directory: Path, fail_first: int = 0, fail_for_s: float = 0.0) -> ReceiverSpec:
    return ReceiverSpec(
        record=str(directory / "record.jsonl"),
        port_file=str(directory / "port"),
        fail_first=fail_first,
        fail_for_s=fail_for_s,
    )


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[HTTPConnection]:
    with Receiver(spec_in(tmp_path, fail_first=2)) as server:
        server.server_activate()
        serving = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        client = HTTPConnection("127.0.0.1", server.port, timeout=5)
        yield client
        client.close()
        server.shutdown()
        serving.join()


def post(client: HTTPConnection, body: str) -> int:
    client.request("POST", "/events", body, {"Content-Type": "application/cloudevents+json"})
    response = client.getresponse()
    response.read()
    return response.status


def test_faults_first_then_every_event_is_taken_on_one_connection(
    connection: HTTPConnection, tmp_path: Path
) -> None:
    event = json.dumps({"id": "a", "subject": "L1/W1/a.tif", "data": {"image": {"sha256": "5e"}}})
    assert [post(connection, event) for _ in range(4)] == [503, 503, 202, 202]
    assert post(connection, json.dumps({"id": "b"})) == 202
    record = read_record(tmp_path / "record.jsonl")
    assert [(line.event_id, line.subject, line.sha256, line.repeats) for line in record] == [
        ("a", "L1/W1/a.tif", "5e", 0),
        ("a", "L1/W1/a.tif", "5e", 1),
        ("b", None, None, 0),
    ]


@pytest.mark.parametrize("body", ["", "not json", "[]", "3", '{"subject": "no id"}'])
def test_what_is_no_event_is_refused_for_good(connection: HTTPConnection, tmp_path: Path, body: str) -> None:
    post(connection, "{}"), post(connection, "{}")
    assert post(connection, body) == 400
    assert read_record(tmp_path / "record.jsonl") == []


def test_an_outage_ends_after_its_time(tmp_path: Path) -> None:
    ledger = Ledger(spec_in(tmp_path, fail_for_s=5.0), opened_at=100.0)
    assert [ledger.refuses(now) for now in (100.0, 104.9, 105.0)] == [True, True, False]
    ledger.close()


def test_a_receiver_that_is_down_refuses_connections_on_the_port_it_will_have(tmp_path: Path) -> None:
    with Receiver(spec_in(tmp_path)) as server:
        client = HTTPConnection("127.0.0.1", server.port, timeout=5)
        with pytest.raises(ConnectionRefusedError):
            client.connect()
        server.server_activate()
        client.connect()
        client.close()
