"""The process that runs the network: pictures where they lie in the slab, numbers and maps out.

It is started as ``python -m semwatchd.engine.depth_process`` and inherits nothing but a pipe, the slab and a
file for stack dumps. What loads torch is named in the first message; this file loads nothing heavy, so that
a machine without torch is told so in words.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Protocol

from semwatchd.core.children import resident_bytes, settle_in
from semwatchd.core.errors import EnvironmentFault
from semwatchd.core.failpoints import failpoint
from semwatchd.core.paths import one_line
from semwatchd.engine.messages import (
    Answered,
    Ask,
    DepthReady,
    DepthSetup,
    Mapped,
    Question,
    Refused,
    Sick,
)
from semwatchd.engine.ring import Slab, Slotted, TornSlotError
from semwatchd.pipeline.inference.batching import OutOfMemoryError, SickDeviceError

MAX_REASON_CHARS = 1000  #: a person reads it; a library may quote a whole picture
NICENESS = 10  #: on a processor that the workers measure on: they come first
NEEDED = ("torch", "safetensors")
_OOM_SCORE = 500  # when memory runs out, it goes before the workers: numbers matter more than maps

Shown = tuple[Question, Slotted]


class Teller(Protocol):
    """Whoever knows the depths."""

    @property
    def about(self) -> Mapping[str, str | float]: ...  # noqa: D102 — which network, and how it is run
    def answers(self, shown: Sequence[Shown]) -> Sequence[Mapped | Refused]: ...  # noqa: D102 — one each


def serve(connection: Connection, slab: Slab, teller: Teller) -> None:
    """Answer until the other end of the pipe is closed."""
    while True:
        try:
            ask: Ask = connection.recv()
        except EOFError:
            return
        said = answered(ask, slab, teller)
        failpoint("depth.before_answer")
        connection.send(said)


def answered(ask: Ask, slab: Slab, teller: Teller) -> Answered | Sick:
    """Answer each question; or say that it is the device that fails, and nothing of any picture."""
    found = [_found(slab, question) for question in ask.questions]
    pairs = zip(ask.questions, found, strict=True)
    shown = [(question, one) for question, one in pairs if isinstance(one, Slotted)]
    try:
        told = iter(_told(teller, shown))
    except (SickDeviceError, OutOfMemoryError, MemoryError) as error:
        return Sick(reason=_reason(error))
    answers = tuple(one if isinstance(one, Refused) else next(told) for one in found)
    return Answered(answers=answers, rss_bytes=resident_bytes(), cpu_s=time.process_time())


def _found(slab: Slab, question: Question) -> Slotted | Refused:
    seat = question.seat
    try:
        return slab.get(seat.slot, seat.ticket)
    except TornSlotError as error:
        return Refused(ticket=seat.ticket, reason=_reason(error))


def _told(teller: Teller, shown: Sequence[Shown]) -> Sequence[Mapped | Refused]:
    """Ask for all at once; where that raises, for each alone, so that one picture costs only itself."""
    if not shown:
        return ()
    try:
        return teller.answers(shown)
    except (SickDeviceError, OutOfMemoryError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 — one bad picture never stops the line
        if len(shown) == 1:
            return [Refused(ticket=shown[0][0].seat.ticket, reason=_reason(error))]
    return [answer for one in shown for answer in _told(teller, [one])]


def built(setup: DepthSetup) -> Teller | Sick:
    """Make the teller, or say what it lacks."""
    module, function = setup.factory.split(":")
    try:
        teller: Teller = getattr(importlib.import_module(module), function)(setup.settings)
    except Exception as error:  # noqa: BLE001 — whatever it is, the daemon goes on without depths and says why
        return Sick(reason=_reason(error))
    return teller


def _reason(error: Exception) -> str:
    match error:
        case ModuleNotFoundError(name=name) if name in NEEDED:
            said = f"{name} is not installed: pip install 'semwatchd[models]'"
        case EnvironmentFault() | SickDeviceError() | TornSlotError():
            said = str(error)
        case _:
            said = f"{type(error).__name__}: {error}"
    return one_line(said)[:MAX_REASON_CHARS]


def main(argv: Sequence[str]) -> None:
    """Run as a child: ``argv`` is the pipe, the parent's pid, the slab, and the file for stack dumps."""
    descriptor, parent, slab_descriptor, stacks = map(int, argv)
    settle_in(parent, stacks, _OOM_SCORE)
    connection = Connection(descriptor)
    setup: DepthSetup = connection.recv()
    teller = built(setup)
    if isinstance(teller, Sick):
        connection.send(teller)
        return
    if teller.about["device"] == "cpu":
        os.nice(NICENESS)
    slab = Slab(slab_descriptor, setup.slots, setup.picture_bytes)
    connection.send(DepthReady(about=dict(teller.about)))
    serve(connection, slab, teller)


if __name__ == "__main__":
    main(sys.argv[1:])
