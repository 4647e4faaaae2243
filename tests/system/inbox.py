"""A receiver in the test's own process: keeps what it accepts, and refuses what it is told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Event = dict[str, Any]


class Inbox(ThreadingHTTPServer):
    """Bound at once, so that its address is known; connections are refused until it is opened."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler, bind_and_activate=False)
        self.server_bind()
        self.events: list[Event] = []  #: accepted, in order of arrival
        self.refused = 0
        self.judge: Callable[[Event], int] = lambda _: 202  #: decides the answer's status
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/events"

    @property
    def ids(self) -> list[str]:
        return [event["id"] for event in self.events]

    def open(self) -> None:
        """Begin to listen."""
        self.server_activate()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def take(self, event: Event) -> int:
        with self._lock:
            status = self.judge(event)
            if status < 300:
                self.events.append(event)
            else:
                self.refused += 1
            return status


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Inbox

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response_only(self.server.take(json.loads(body)))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the base class's name
        pass


@contextmanager
def receiving(*, at_once: bool = True) -> Iterator[Inbox]:
    """Keep an inbox for as long as the block lasts; opened by the test where not ``at_once``."""
    with Inbox() as inbox:
        if at_once:
            inbox.open()
        yield inbox
        inbox.shutdown()
