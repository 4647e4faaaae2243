from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import ValidationError

from semwatchd.adapters.mes.http import HttpMes, HttpSettings
from semwatchd.core.errors import PermanentRejection, TransientError
from tests.deliveries import an_event
from tests.fakes import FakeClock
from tests.receiver import Answer, Receiver, drip, plain, raw, receiving

EVENT = an_event(1, payload='{"specversion":"1.0"}')
JAN_15_2027 = 1_800_000_000.0  # Fri, 15 Jan 2027 08:00:00 GMT


@contextmanager
def sending(
    *answers: Answer, timeout_s: float = 5.0, token_file: Path | None = None
) -> Iterator[tuple[HttpMes, Receiver]]:
    with receiving(*answers) as receiver:
        settings = HttpSettings.model_validate(
            {
                "kind": "http",
                "name": "mes",
                "url": receiver.url,
                "timeout_s": timeout_s,
                "token_file": token_file,
            }
        )
        mes = HttpMes(settings, clock=FakeClock(JAN_15_2027))
        try:
            yield mes, receiver
        finally:
            mes.close()


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "202 Accepted", "204 No Content"])
def test_any_2xx_is_accepted(status: str) -> None:
    with sending(plain(status)) as (mes, _):
        mes.send(EVENT)


def test_the_request_carries_the_event_and_its_identity() -> None:
    with sending(plain("200 OK")) as (mes, receiver):
        mes.send(EVENT)
    head, _, body = receiver.requests[0].partition("\r\n\r\n")
    lines = [line.lower() for line in head.split("\r\n")]
    assert lines[0] == "post /results http/1.1"
    assert "content-type: application/cloudevents+json; charset=utf-8" in lines
    assert f"idempotency-key: {EVENT.event_id}" in lines
    assert body == EVENT.payload


def test_the_connection_is_kept_between_events() -> None:
    with sending(plain("200 OK", body="thanks")) as (mes, receiver):
        for _ in range(3):
            mes.send(EVENT)
    assert len(receiver.requests) == 3
    assert receiver.connections == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_answers_about_the_moment_are_transient(status: int) -> None:
    with sending(plain(f"{status} Later", body="busy")) as (mes, _), pytest.raises(TransientError) as caught:
        mes.send(EVENT)
    assert str(status) in str(caught.value)
    assert "busy" in str(caught.value)


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 409, 410, 413, 415, 422])
def test_other_answers_are_final(status: int) -> None:
    answer = plain(f"{status} No", headers="Location: /elsewhere\r\n", body="no such\n lot" + "." * 9000)
    with sending(answer) as (mes, receiver), pytest.raises(PermanentRejection) as caught:
        mes.send(EVENT)
    assert str(status) in str(caught.value)
    assert "no such lot" in str(caught.value)
    assert len(str(caught.value)) < 300
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("17", 17.0),
        ("Fri, 15 Jan 2027 08:01:30 GMT", 90.0),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
        ("86400", 900.0),
        ("9" * 400, 900.0),
        ("-5", None),
        ("soon", None),
        ("Fri, 99 Jan 2027 08:01:30 GMT", None),
    ],
)
def test_retry_after_is_honoured_within_bounds(header: str, seconds: float | None) -> None:
    answer = plain("503 Busy", headers=f"Retry-After: {header}\r\n")
    with sending(answer) as (mes, _), pytest.raises(TransientError) as caught:
        mes.send(EVENT)
    assert caught.value.retry_after_s == seconds


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda _, over: over.wait(), id="silent"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nX-Slow: "), id="drips its header"),
        pytest.param(drip(b"HTTP/1.1 503 Busy\r\nContent-Length: 99999\r\n\r\n"), id="drips its refusal"),
    ],
)
def test_a_slow_receiver_costs_no_more_than_the_time_limit(answer: Answer) -> None:
    with sending(answer, timeout_s=0.3) as (mes, _):
        start = time.monotonic()
        with pytest.raises(TransientError):
            mes.send(EVENT)
        assert time.monotonic() - start < 2.0


def test_a_2xx_is_accepted_although_its_body_never_ends() -> None:
    endless = drip(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"400\r\n" + b"x" * 1024 + b"\r\n"
    )
    with sending(endless, timeout_s=1.0) as (mes, _):
        mes.send(EVENT)


@pytest.mark.parametrize("answer", [raw(b""), raw(b"SSH-2.0-OpenSSH_9.2\r\n"), raw(b"\xff" * 64)])
def test_garbage_and_hanging_up_are_transient(answer: Answer) -> None:
    with sending(answer) as (mes, _), pytest.raises(TransientError):
        mes.send(EVENT)


def test_a_receiver_that_comes_back_is_found_again() -> None:
    with sending(raw(b""), plain("200 OK")) as (mes, _):
        with pytest.raises(TransientError):
            mes.send(EVENT)
        mes.send(EVENT)


def test_nobody_listening_is_transient() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    mes = HttpMes(HttpSettings.model_validate({"kind": "http", "name": "mes", "url": url}))
    with pytest.raises(TransientError, match="cannot be reached"):
        mes.send(EVENT)
    mes.close()


def test_the_token_is_read_anew_for_every_event(tmp_path: Path) -> None:
    token = tmp_path / "token"
    with sending(plain("200 OK"), token_file=token) as (mes, receiver):
        for secret in ("first", "second"):
            token.write_text(f"{secret}\n")
            mes.send(EVENT)
    assert ["Bearer first" in receiver.requests[0], "Bearer second" in receiver.requests[1]] == [True, True]


@pytest.mark.parametrize("content", [None, b"", b"two\nlines", "schlüssel".encode()])
def test_an_unusable_token_leaves_the_event_in_the_outbox(tmp_path: Path, content: bytes | None) -> None:
    token = tmp_path / "token"
    if content is not None:
        token.write_bytes(content)
    with sending(plain("200 OK"), token_file=token) as (mes, receiver):
        with pytest.raises(TransientError, match="token file"):
            mes.send(EVENT)
        assert receiver.requests == []


@pytest.mark.parametrize(
    "mistake",
    [
        {"url": "ftp://host/"},
        {"url": "not a url"},
        {"url": "http://user:secret@host/"},
        {"timeout_s": 0},
        {"timeout_s": float("nan")},
        {"name": "../etc"},
        {"headers": {}},
    ],
)
def test_settings_that_cannot_work_are_refused(mistake: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        HttpSettings.model_validate({"kind": "http", "name": "mes", "url": "http://host/"} | mistake)
