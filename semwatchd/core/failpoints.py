"""Named places at which a test may let the process die, as at a power cut: SIGKILL, and no last words.

``SEMWATCHD_FAILPOINT=journal.before_commit:3`` ends the process when that place is passed for the third
time. Without the variable a place costs one comparison. For developers only; see docs/reliability.md.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable

VARIABLE = "SEMWATCHD_FAILPOINT"

#: Every place there is: on both sides of each step that makes something durable or visible; and in the
#: workers, each of which counts for itself.
FAILPOINTS = (
    "journal.before_commit",
    "journal.after_commit",
    "filedrop.before_fsync",
    "filedrop.before_rename",
    "filedrop.after_rename",
    "relay.before_send",
    "relay.after_send",
    "worker.before_read",
    "worker.after_read",
    "worker.before_answer",
    "depth.before_answer",
)


def die() -> None:
    """End this process at once, whatever it is doing."""
    os.kill(os.getpid(), signal.SIGKILL)


class Trap:
    """Counts how often its place is passed, and does its deed once the count is reached."""

    def __init__(self, order: str, deed: Callable[[], None] = die) -> None:
        self._name, _, count = order.partition(":")
        if self._name not in FAILPOINTS or not count.isdecimal():
            raise ValueError(
                f"{VARIABLE}={order!r}: write NAME:COUNT, where NAME is one of {', '.join(FAILPOINTS)}"
            )
        self._count = int(count)
        self._passed = itertools.count(1)  # one step of it cannot be split between threads
        self._deed = deed

    def passed(self, name: str) -> None:
        """Tell it that this place is being passed."""
        if name == self._name and next(self._passed) == self._count:
            self._deed()


_order = os.environ.get(VARIABLE)
_trap = Trap(_order) if _order else None


def failpoint(name: str) -> None:
    """Mark a place of :data:`FAILPOINTS`."""
    if _trap is not None:
        _trap.passed(name)
