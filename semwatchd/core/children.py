"""What every child process of the daemon is given, and when it must end."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import resource
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def environment() -> dict[str, str]:
    """Return our environment, less what tells a process that it is systemd's main one."""
    return {k: v for k, v in os.environ.items() if k != "NOTIFY_SOCKET" and not k.startswith("WATCHDOG_")}


def die_with_parent(parent: int) -> None:
    """End this process with the thread that started it, however that one ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call above
        sys.exit(1)


def settle_in(parent: int, stacks: int, oom_score: int) -> None:
    """Prepare this process to be a child: Ctrl-C is the parent's to handle, and our end is no surprise to it.

    Parameters
    ----------
    stacks
        Descriptor of the file for stack dumps, written at a crash and on SIGUSR1.
    oom_score
        Above 0, so that we go before the parent when memory runs out.
    """
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Path("/proc/self/oom_score_adj").write_text(str(oom_score), "ascii")
    faulthandler.enable(stacks)
    faulthandler.register(signal.SIGUSR1, stacks)  # written in C: works while Python is stuck in a library


def resident_bytes() -> int:
    """Return how much of the machine's memory this process holds."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize()
