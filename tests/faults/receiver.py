"""A receiver of events that can be put into any bad mood, and writes down everything it accepts."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LONGEST_HANG_S = 5.0


class Mood(StrEnum):
    WELL = "well"
    DOWN = "down"  #: refuses connections
    SICK = "sick"  #: answers 500
    HANGING = "hanging"  #: never answers
    HALF = "half"  #: accepts, and breaks off in the middle of its answer
    SILENT = "silent"  #: accepts, and hangs up without an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One accepted event."""

    event_id: str
    sha256: str  #: of the image it tells of
    order_key: str


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, owner: MoodyReceiver) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a sender that was killed in the middle of a word."""


class MoodyReceiver:
    """Listens on one port of 127.0.0.1 for as long as it is not down."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self._mood = Mood.WELL
        self._changed = threading.Condition()
        # Bound and never listening: keeps the port ours while the receiver is down.
        self._claim = socket.socket()
        self._claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._claim.bind(("127.0.0.1", 0))
        self._server = self._listen()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._claim.getsockname()[1]}/events"

    def _listen(self) -> _Server:
        server = _Server(self._claim.getsockname()[1], self)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return server

    @contextmanager
    def being(self, mood: Mood) -> Iterator[None]:
        """Keep it in this mood for as long as the block lasts."""
        self._change(mood)
        if mood is Mood.DOWN:
            self._hang_up()
        try:
            yield
        finally:
            if mood is Mood.DOWN:
                self._server = self._listen()
            self._change(Mood.WELL)

    def close(self) -> None:
        self._hang_up()
        self._claim.close()

    def _hang_up(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, event: dict[str, object]) -> Mood:
        """Decide on one event; what is accepted is written down before any answer."""
        with self._changed:
            mood = self._mood
            if mood is Mood.HANGING:
                self._changed.wait_for(lambda: self._mood is not Mood.HANGING, LONGEST_HANG_S)
            if mood in {Mood.WELL, Mood.HALF, Mood.SILENT}:
                self.arrivals.append(_arrival(event))
            return mood

    def _change(self, mood: Mood) -> None:
        with self._changed:
            self._mood = mood
            self._changed.notify_all()


def _arrival(event: dict[str, object]) -> Arrival:
    data = event["data"]
    assert isinstance(data, dict)
    context = data["context"]
    return Arrival(
        event_id=str(event["id"]),
        sha256=data["image"]["sha256"],
        order_key=f"{context['tool']}:{context['lot'] or ''}",
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        match self.server.owner.take(json.loads(body)):
            case Mood.WELL:
                self._answer(202)
            case Mood.SICK:
                self._answer(500)
            case Mood.HALF:
                self.wfile.write(b"HTTP/1.1 202 Acc")
                self.close_connection = True
            case Mood.DOWN | Mood.HANGING | Mood.SILENT:
                self.close_connection = True

    def _answer(self, status: int) -> None:
        self.send_response_only(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the base class's name
        pass
