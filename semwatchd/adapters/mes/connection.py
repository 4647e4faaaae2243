"""One HTTP exchange after the other over a kept connection, each within a limit of time for all of it.

Libraries limit single reads only: a receiver that sends one byte now and then would hold the sender for
ever. Here every operation on the socket gets what is left of the whole exchange.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import h11
from pydantic import HttpUrl

MAX_ANSWER_BYTES = 4096  #: read of an answer's body; the status has already decided
MAX_HEAD_BYTES = 65_536  #: of an answer; what is longer is no answer of an HTTP server
READ_BYTES = 65_536
IDLE_S = 30.0  #: unused for longer, a connection is made anew: a firewall may have forgotten it

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said."""

    status: int
    reason: str
    retry_after: str | None
    body: bytes  #: the beginning; a broken or endless body changes nothing


class HttpConnection:
    """Posts to one URL. For one thread.

    Raises
    ------
    TimeoutError
        The exchange did not end in time.
    OSError, UnicodeError, h11.RemoteProtocolError
        The server cannot be reached, or speaks something else.
    """

    def __init__(self, url: HttpUrl) -> None:
        host, self._target = url.host or "", (url.path or "/") + (f"?{url.query}" if url.query else "")
        self._address = host.strip("[]"), url.port or 0
        self._host = host if url.port in {80, 443} else f"{host}:{url.port}"
        # The system's trust store, not certifi's: a fab's own certificate authority lives there.
        self._tls = ssl.create_default_context() if url.scheme == "https" else None
        self._socket: socket.socket | None = None
        self._protocol = h11.Connection(h11.CLIENT)
        self._used_at = 0.0
        self._end = 0.0

    def post(self, body: bytes, headers: Headers, limit_s: float) -> Answer:
        """Send one request and take the answer."""
        self._end = time.monotonic() + limit_s
        try:
            connected = self._usable() or self._connect()
            self._write(connected, self._request(body, headers))
            answer = self._answer(connected)
        except BaseException:
            self.close()
            raise
        if self._protocol.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
            self._protocol.start_next_cycle()
            self._used_at = time.monotonic()
        else:
            self.close()
        return answer

    def close(self) -> None:
        """Let go of the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _usable(self) -> socket.socket | None:
        """Give back the kept connection, unless it is old or the server has hung up meanwhile."""
        if self._socket is None:
            return None
        if time.monotonic() - self._used_at <= IDLE_S and not _has_something_to_say(self._socket):
            return self._socket
        self.close()
        return None

    def _connect(self) -> socket.socket:
        self._protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        plain = socket.create_connection(self._address, self._left_s())
        self._socket = plain
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            plain.settimeout(self._left_s())
            self._socket = self._tls.wrap_socket(plain, server_hostname=self._address[0])
        return self._socket

    def _request(self, body: bytes, headers: Headers) -> bytes:
        headers = [("Host", self._host), ("Content-Length", str(len(body))), *headers]
        events = (
            h11.Request(method="POST", target=self._target, headers=headers),
            h11.Data(data=body),
            h11.EndOfMessage(),
        )
        return b"".join(self._protocol.send(event) or b"" for event in events)

    def _write(self, connected: socket.socket, data: bytes) -> None:
        """Send all, unless the server hangs up: it may have answered before it did."""
        rest = memoryview(data)
        with suppress(ConnectionError):
            while rest:
                connected.settimeout(self._left_s())
                rest = rest[connected.send(rest) :]

    def _answer(self, connected: socket.socket) -> Answer:
        events = self._events(connected)
        head = next(event for event in events if isinstance(event, h11.Response))
        body = b""
        with suppress(OSError, h11.RemoteProtocolError):
            for event in events:
                body += event.data if isinstance(event, h11.Data) else b""
                if isinstance(event, h11.EndOfMessage) or len(body) >= MAX_ANSWER_BYTES:
                    break
        return Answer(
            status=head.status_code,
            reason=head.reason.decode("latin-1"),
            retry_after=next(
                (v.decode("latin-1") for name, v in head.headers if name == b"retry-after"), None
            ),
            body=body,
        )

    def _events(self, connected: socket.socket) -> Iterator[h11.Event]:
        while True:
            event = self._protocol.next_event()
            if event is h11.NEED_DATA:
                connected.settimeout(self._left_s())
                self._protocol.receive_data(connected.recv(READ_BYTES))
            elif isinstance(event, h11.ConnectionClosed):
                raise ConnectionResetError("it hung up without an answer")
            elif isinstance(event, h11.Event):
                yield event

    def _left_s(self) -> float:
        """Return the seconds left of the exchange; TimeoutError when there are none."""
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the whole exchange took too long")
        return seconds


def _has_something_to_say(kept: socket.socket) -> bool:
    """Whether an idle connection can be read: nobody asked, so it can only be good-bye."""
    poll = select.poll()
    poll.register(kept, select.POLLIN)
    return bool(poll.poll(0))
