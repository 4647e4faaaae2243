"""The process that touches a share, so that the daemon need not: ``python -m ...share_helper``.

A call on a share that hangs blocks in the kernel, where nothing in Python can end it. So each such folder
has a process of its own for it, which can be killed. Questions and answers are single datagrams: one that
stops in the middle leaves no half answer behind.
"""

from __future__ import annotations

import pickle
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from semwatchd.adapters.canary import lay, take_away
from semwatchd.adapters.listing import DiskListing
from semwatchd.adapters.probe import DiskProbe, ignore_lease_signal
from semwatchd.adapters.share_messages import MESSAGE_BYTES, READY, Answer, Question
from semwatchd.core.children import die_with_parent
from semwatchd.core.naming import NameRules
from semwatchd.core.ports import Entry

PORTION = 100  #: entries; with the longest names these are 90 kB, and a datagram may have some 200 kB
PORTION_S = 0.5  #: so that a slow share is not taken for one that hangs


class Portions:
    """A listing handed out piece by piece; one at a time."""

    def __init__(self, listing: DiskListing, clock: Callable[[], float]) -> None:
        self._listing = listing
        self._clock = clock
        self._open: Iterator[Entry] = iter(())

    def begin(self, root: str, directory: str, names: NameRules) -> list[Entry]:
        """Return the first piece of a directory; the rest of the one before is forgotten."""
        self._open = self._listing.entries(root, directory, names)
        return self.more()

    def more(self) -> list[Entry]:
        """Return the next piece; an empty one is the end."""
        end = self._clock() + PORTION_S
        portion: list[Entry] = []
        for entry in islice(self._open, PORTION):
            portion.append(entry)
            if self._clock() >= end:
                break
        return portion


def abilities() -> Mapping[str, Callable[..., Any]]:
    """Return what can be asked for."""
    probe, listing = DiskProbe(), DiskListing()
    portions = Portions(listing, time.monotonic)
    return {
        "look": probe.look,
        "being_written": probe.being_written,
        "completeness": probe.completeness,
        "place": listing.place,
        "changed_at": listing.changed_at,
        "lay": lay,
        "take_away": take_away,
        "begin": portions.begin,
        "more": portions.more,
    }


def answer(question: Question, able: Mapping[str, Callable[..., Any]]) -> Answer:
    """Do what is asked; an error of the disk is an answer too."""
    try:
        return Answer(able[question.what](*question.arguments))
    except OSError as error:
        return Answer(error=error)


def main(argv: Sequence[str]) -> None:
    """Answer until the other end is closed; ``argv`` is the socket and the parent's pid."""
    die_with_parent(int(argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the daemon's to handle
    ignore_lease_signal()
    able = abilities()
    with socket.socket(fileno=int(argv[0])) as line:
        line.send(READY)
        while asked := line.recv(MESSAGE_BYTES):
            line.send(pickle.dumps(answer(pickle.loads(asked), able)))  # noqa: S301 — from our own parent


if __name__ == "__main__":
    main(sys.argv[1:])
