"""The end of a child: collected, and its cause told."""

from __future__ import annotations

import signal
import subprocess

LAST_BREATH_S = 0.5  # from a closed pipe to the end of its process, whose own exit code is worth knowing
BURY_S = 2.0  # a killed process that is still there hangs in the kernel; nobody waits for it


def bury(process: subprocess.Popen[bytes]) -> str:
    """Collect a child that is dead or must be, and return how it ended."""
    for limit_s in (LAST_BREATH_S, BURY_S):
        try:
            return _how_it_ended(process.wait(limit_s))
        except subprocess.TimeoutExpired:
            process.kill()
    # subprocess collects it once the kernel lets go of it
    return "hangs inside the kernel, most likely on a share that does not answer"


def _how_it_ended(status: int) -> str:
    if status >= 0:
        return f"exit code {status}"
    known = {number.value: number.name for number in signal.Signals}
    return f"signal {known.get(-status, -status)}"
