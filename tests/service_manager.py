"""A socket that listens as systemd does: to whom it belongs, and who speaks."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

CREDENTIALS = struct.Struct("3i")  # pid, uid, gid; see unix(7)


@dataclass(slots=True)
class Heard:
    """What was said, in order, and by which processes."""

    lines: list[str] = field(default_factory=list)
    pids: set[int] = field(default_factory=set)

    def count(self, line: str) -> int:
        return self.lines.count(line)

    def position(self, start: str) -> int:
        return next(i for i, line in enumerate(self.lines) if line.startswith(start))

    def status(self) -> str:
        """Return the last line of status; "" before the first."""
        said = [line for line in self.lines if line.startswith("STATUS=")]
        return said[-1].removeprefix("STATUS=") if said else ""


@contextmanager
def listening(address: Path) -> Iterator[Heard]:
    """Keep what is said to the socket ``address`` while the block runs."""
    heard = Heard()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        listener.bind(str(address))
        thread = threading.Thread(target=_listen, args=(listener, heard))
        thread.start()
        try:
            yield heard
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _listen(listener: socket.socket, heard: Heard) -> None:
    while True:
        message, extra, _, _ = listener.recvmsg(4096, socket.CMSG_SPACE(CREDENTIALS.size))
        if not message:
            return
        heard.lines += message.decode().split("\n")
        heard.pids |= {CREDENTIALS.unpack(data)[0] for _, _, data in extra}
