"""A receiver on a real socket that answers exactly the bytes it was told to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Answer = Callable[[socket.socket, threading.Event], None]


def plain(status: str, headers: str = "", body: str = "") -> Answer:
    """Answer at once with this status line, these header lines and this body."""

    def answer(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(
            f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )

    return answer


def raw(content: bytes) -> Answer:
    """Send these bytes and hang up."""

    def answer(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_RDWR)

    return answer


def drip(start: bytes, drop: bytes = b"x") -> Answer:
    """Send ``start``, then one drop every 20 ms without end."""

    def answer(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(start)
        while not over.wait(0.02):
            connection.sendall(drop)

    return answer


@dataclass
class Receiver:
    answers: list[Answer]  #: in turn; the last one stays
    url: str = ""
    requests: list[str] = field(default_factory=list)
    connections: int = 0

    def next_answer(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def _read_request(connection: socket.socket) -> str:
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        if not part:
            return ""
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return (head + b"\r\n\r\n" + body).decode()


def _serve(connection: socket.socket, receiver: Receiver, over: threading.Event) -> None:
    with connection, suppress(OSError):
        while request := _read_request(connection):
            receiver.requests.append(request)
            receiver.next_answer()(connection, over)


@contextmanager
def receiving(*answers: Answer) -> Iterator[Receiver]:
    """Run a receiver on 127.0.0.1 for as long as the block lasts."""
    over = threading.Event()
    receiver = Receiver(answers=list(answers))
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        receiver.url = f"http://127.0.0.1:{listener.getsockname()[1]}/results"

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    receiver.connections += 1
                    connection.settimeout(5)
                    serving = threading.Thread(target=_serve, args=(connection, receiver, over))
                    serving.start()
                    threads.append(serving)

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield receiver
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for serving in threads:
                serving.join()
