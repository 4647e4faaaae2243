"""Asks the service manager for more time while a start goes on, and only while it does.

To open a journal of many years may take longer than any limit told beforehand; ended in the middle of it, the
daemon would begin it anew for ever.
"""

from __future__ import annotations

import resource
import threading
from collections.abc import Callable

from semwatchd.core.ports import Lifecycle

LOOK_S = 10.0
STANDSTILL_S = 600.0  #: a start that has done nothing for so long hangs; a sick disk may pause for minutes
LONGEST_S = 12 * 3600.0  #: a start that is not done by then never will be
LEAST_EFFORT = 0.1  #: between two looks; more than threads use that only wait


def effort() -> float:
    """Return what this process has done so far: seconds of processor time and blocks read and written."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime + used.ru_inblock + used.ru_oublock


class Opening:
    """Puts off the moment at which the start is taken for hung.

    Parameters
    ----------
    done
        Grows while the start makes progress, see :func:`effort`.
    clock
        Monotonic seconds.
    """

    def __init__(self, manager: Lifecycle, done: Callable[[], float], clock: Callable[[], float]) -> None:
        self._manager = manager
        self._done = done
        self._clock = clock
        self._until = clock() + LONGEST_S
        self._before = done()
        manager.extend(STANDSTILL_S)

    def run(self, stop: threading.Event) -> None:
        """Look until the start has ended."""
        while not stop.wait(LOOK_S):
            self.turn()

    def turn(self) -> None:
        """Ask for more time if anything was done since the last look."""
        done, before = self._done(), self._before
        self._before = done
        if done - before >= LEAST_EFFORT and self._clock() < self._until:
            self._manager.extend(STANDSTILL_S)
