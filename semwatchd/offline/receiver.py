"""A receiver for the demo and the benchmark: takes events over HTTP and writes down what it got.

Runs as its own process, ``python -m semwatchd.offline.receiver '{"record": ...}'`` with the fields of
:class:`ReceiverSpec`. It listens on 127.0.0.1 only, and ends when its standard input closes or its time
is over.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverSpec:
    """Where the receiver keeps its record, and how it misbehaves."""

    record: str  #: JSON lines, one per accepted event
    port_file: str  #: the port is written here as soon as it is known
    lifetime_s: float = 3600.0
    down_for_s: float = 0.0  #: connections are refused at first
    fail_first: int = 0  #: so many requests are answered with 503
    fail_for_s: float = 0.0  #: every request is answered with 503 for so long


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One accepted event, as the record holds it."""

    event_id: str
    subject: str | None
    sha256: str | None  #: of the image the event tells of
    received_at: float  #: epoch seconds
    repeats: int  #: how often the same id had been accepted before


class Ledger:
    """Accepted events in order of arrival, and the faults still to be played."""

    def __init__(self, spec: ReceiverSpec, opened_at: float) -> None:
        self._spec = spec
        self._opened_at = opened_at
        self._requests = 0
        self._seen: Counter[str] = Counter()
        self._lock = Lock()
        Path(spec.record).parent.mkdir(parents=True, exist_ok=True)
        self._file = Path(spec.record).open("w", encoding="utf-8", buffering=1)  # noqa: SIM115 — lives as long as the receiver

    def refuses(self, now: float) -> bool:
        """Whether this request is one of those to be answered with 503."""
        with self._lock:
            self._requests += 1
            return self._requests <= self._spec.fail_first or now - self._opened_at < self._spec.fail_for_s

    def accept(self, event: dict[str, Any], now: float) -> None:
        """Write the event down."""
        with self._lock:
            repeats = self._seen[event["id"]]
            self._seen[event["id"]] += 1
            line = Received(
                event_id=event["id"],
                subject=event.get("subject"),
                sha256=event.get("data", {}).get("image", {}).get("sha256"),
                received_at=now,
                repeats=repeats,
            )
            self._file.write(json.dumps(asdict(line)) + "\n")

    def close(self) -> None:
        """Close the record."""
        with self._lock:
            self._file.close()


class Receiver(ThreadingHTTPServer):
    """The server; bound at once, so the port is known, but deaf until :meth:`server_activate`."""

    daemon_threads = True

    def __init__(self, spec: ReceiverSpec) -> None:
        super().__init__(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self.server_bind()
        self.ledger = Ledger(spec, opened_at=time.time() + spec.down_for_s)

    @property
    def port(self) -> int:
        """TCP port on 127.0.0.1."""
        return int(self.socket.getsockname()[1])

    def server_close(self) -> None:
        """Stop listening and close the record."""
        super().server_close()
        self.ledger.close()


class Handler(BaseHTTPRequestHandler):
    """POST of one CloudEvents envelope: 202, 503 while a fault is played, 400 for anything else."""

    protocol_version = "HTTP/1.1"
    server: Receiver

    def setup(self) -> None:
        """Switch Nagle's delay off: an answer of a few bytes must not wait for an acknowledgement."""
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_POST(self) -> None:
        """Take one event."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(self._judge(body))

    def _judge(self, body: bytes) -> int:
        now = time.time()
        if self.server.ledger.refuses(now):
            return 503
        try:
            self.server.ledger.accept(json.loads(body), now)
        except (ValueError, TypeError, KeyError, AttributeError):
            return 400
        return 202

    def _answer(self, status: int) -> None:
        self.send_response_only(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the base class's name
        """Say nothing; the record is the log."""


def read_record(path: Path) -> list[Received]:
    """Events accepted so far; a line still being written is left for the next time."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    return [Received(**json.loads(line)) for line in text[: text.rfind("\n") + 1].splitlines()]


def run_receiver(spec: ReceiverSpec) -> None:
    """Announce the port, stay deaf for a while if asked to, then serve until standard input ends."""
    with Receiver(spec) as server:
        announcement = Path(spec.port_file)
        announcement.with_suffix(".tmp").write_text(str(server.port), encoding="ascii")
        announcement.with_suffix(".tmp").rename(announcement)
        time.sleep(spec.down_for_s)
        server.server_activate()
        serving = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        serving.start()
        # Standard input ends when our starter closes it or is gone.
        select.select([sys.stdin], [], [], spec.lifetime_s)
        server.shutdown()


def main(argv: Sequence[str]) -> int:
    """Run the receiver described by the JSON object that is the only argument."""
    run_receiver(ReceiverSpec(**json.loads(argv[0])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
