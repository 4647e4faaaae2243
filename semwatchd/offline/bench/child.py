"""A benchmark runs as a process of its own: single-threaded libraries, and no numpy in the command line."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from semwatchd.engine.child import SINGLE_THREADED

_PR_SET_PDEATHSIG = 1


def run_bench(name: str, options: Mapping[str, Any]) -> int:
    """Run ``semwatchd.offline.bench.<name>`` on our terminal to its end; return its exit code."""
    return subprocess.run(command(name, options), env=os.environ | SINGLE_THREADED, check=False).returncode


def document_of(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Run a benchmark and return what it says with ``--json``."""
    ended = subprocess.run(
        command(name, {**options, "as_json": True}),
        env=os.environ | SINGLE_THREADED,
        check=True,
        stdout=subprocess.PIPE,
    )
    document: dict[str, Any] = json.loads(ended.stdout)
    return document


def command(name: str, options: Mapping[str, Any]) -> list[str]:
    """Return what starts a benchmark."""
    return [sys.executable, "-m", f"{__package__}.{name}", json.dumps(dict(options))]


def end_with_parent() -> None:
    """Let the kernel end this process with the one that started it; a pool's would else stay for ever."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
