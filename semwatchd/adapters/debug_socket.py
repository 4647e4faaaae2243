"""A socket in the state folder on which the daemon shows its insides, to its own user and to root only.

One question and one answer for each connection, as JSON. Each is answered in a thread of its own, so it works
while every other thread of the daemon is stuck.
"""

from __future__ import annotations

import json
import os
import socket
import socketserver
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import Any

from semwatchd.core.errors import EnvironmentFault
from semwatchd.core.ports import Log

NAME = "debug.sock"
QUESTION_BYTES = 1000
QUESTION_S = 5.0  #: from the connection to its question
ANSWER_S = 10.0  #: from the question to an answer that needs no waiting
LEAST_S = 0.001  #: no time at all would mean something else to a socket
LONGEST_S = 3600.0  #: of a question that does; nobody leaves a tracer on for good
_UCRED = struct.Struct("iII")  # pid, uid, gid

Pause = Callable[[float], None]
Answer = Callable[[float, Pause], Mapping[str, Any]]
"""Makes an answer that may take so many seconds; Pause waits, and raises when nobody listens any more."""


@contextmanager
def answering(state_dir: Path, answers: Mapping[str, Answer], log: Log) -> Iterator[None]:
    """Answer questions, each by its name, until the end. The state folder must be ours alone.

    Where the folder's file system has no sockets this is logged, and nothing else changes.
    """
    try:
        server = _listen(state_dir, answers, log)
    except OSError as error:
        log.warning("debug_unavailable", path=str(state_dir / NAME), error=str(error))
        yield
        return
    told, tell = socket.socketpair()
    with server, told, tell:
        thread = threading.Thread(target=_serve, args=(server, told), name="debug", daemon=True)
        thread.start()
        try:
            yield
        finally:
            (state_dir / NAME).unlink(missing_ok=True)
            tell.shutdown(socket.SHUT_WR)
            thread.join()


def _serve(server: _Server, told: socket.socket) -> None:
    """Serve until told to end; idle, it never wakes up."""
    with DefaultSelector() as selector:
        selector.register(server, EVENT_READ)
        selector.register(told, EVENT_READ)
        while all(key.fileobj is not told for key, _ in selector.select()):
            server.handle_request()


def _listen(state_dir: Path, answers: Mapping[str, Answer], log: Log) -> _Server:
    (state_dir / NAME).unlink(missing_ok=True)  # left by a daemon that was killed
    with _short(state_dir) as address:
        return _Server(address, answers, log)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False  # a question under way may die with the process

    def __init__(self, address: str, answers: Mapping[str, Answer], log: Log) -> None:
        self.answers = answers
        self.log = log
        super().__init__(address, _Question)

    def server_bind(self) -> None:
        super().server_bind()
        Path(str(self.server_address)).chmod(0o600)  # before listen(): nobody has come in yet

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 — the library's words
        del request, client_address
        self.log.warning("debug_question_failed", exc_info=sys.exception())


class _Question(socketserver.StreamRequestHandler):
    timeout = QUESTION_S
    server: _Server

    def handle(self) -> None:
        try:
            asked = json.loads(self.rfile.readline(QUESTION_BYTES))
            name, seconds = asked["name"], float(asked["seconds"])
            answer = self.server.answers[name]
        except (ValueError, TypeError, KeyError, TimeoutError):
            self._say({"error": "not a question this version of semwatchd knows"})
            return
        self.server.log.info("debug_asked", question=name, seconds=seconds)
        try:
            self._say(answer(min(max(seconds, 0.0), LONGEST_S), partial(_pause, self.connection)))
        except EnvironmentFault as error:
            self._say({"error": str(error)})
        except ConnectionError:
            return  # nobody listens any more

    def _say(self, answer: Mapping[str, Any]) -> None:
        self.wfile.write(json.dumps(answer).encode())


def _pause(connection: socket.socket, seconds: float) -> None:
    """Wait, but not for somebody who has gone."""
    connection.settimeout(max(seconds, LEAST_S))
    with suppress(TimeoutError):
        connection.recv(1)
        raise ConnectionResetError("the one who asked has gone")


def ask(state_dir: Path, name: str, seconds: float = 0.0) -> dict[str, Any]:
    """Ask the daemon that owns this folder.

    Raises
    ------
    EnvironmentFault
        There is none, it may not be asked, it does not answer, or it says why it cannot.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
        connection.settimeout(ANSWER_S)
        _connect(connection, state_dir)
        connection.sendall(json.dumps({"name": name, "seconds": seconds}).encode() + b"\n")
        connection.settimeout(seconds + ANSWER_S)
        answer = _answer(connection, seconds)
    if "error" in answer:
        raise EnvironmentFault(f"the daemon says: {answer['error']}")
    return answer


def _connect(connection: socket.socket, state_dir: Path) -> None:
    try:
        with _short(state_dir) as address:
            connection.connect(address)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise EnvironmentFault(
            f"no daemon runs on {state_dir}: start it, or name its configuration with -c; "
            "if it ended by itself, its log says why"
        ) from error
    except PermissionError as error:
        raise EnvironmentFault(
            f"{state_dir / NAME}: only the daemon's user and root may ask: sudo -u semwatchd semwatchd debug"
        ) from error
    except TimeoutError as error:
        raise _hangs("the daemon") from error
    except OSError as error:
        raise EnvironmentFault(f"{state_dir / NAME}: {error.strerror}") from error


def _answer(connection: socket.socket, seconds: float) -> dict[str, Any]:
    pid, _, _ = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    try:
        with connection.makefile("rb") as stream:
            answer: dict[str, Any] = json.loads(stream.read())
    except TimeoutError as error:
        raise _hangs(f"the daemon (pid {pid})", seconds, str(pid)) from error
    except (OSError, ValueError) as error:
        raise EnvironmentFault(f"the daemon (pid {pid}) ended before it had answered; see its log") from error
    return answer


def _hangs(who: str, seconds: float = 0.0, pid: str = "PID") -> EnvironmentFault:
    return EnvironmentFault(
        f"{who} did not answer within {seconds + ANSWER_S:g} s: it is stopped, or something holds its "
        f"interpreter. `py-spy dump --pid {pid}` looks from outside; `kill -USR1 {pid}` has it write all "
        f"stacks to its log and go on, `kill -ABRT {pid}` to its log and end"
    )


@contextmanager
def _short(state_dir: Path) -> Iterator[str]:
    """Name the socket by way of its folder's descriptor: its address may have no more than 107 bytes."""
    folder = os.open(state_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{NAME}"
    finally:
        os.close(folder)
