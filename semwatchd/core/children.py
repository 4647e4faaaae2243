"""What every child process of the daemon is given, and when it must end."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def environment() -> dict[str, str]:
    """Return our environment, less what tells a process that it is systemd's main one."""
    return {k: v for k, v in os.environ.items() if k != "NOTIFY_SOCKET" and not k.startswith("WATCHDOG_")}


def die_with_parent(parent: int) -> None:
    """End this process with the thread that started it, however that one ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call above
        sys.exit(1)
