"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from semwatchd.core.version import VERSION

LIBRARIES = (
    *("numpy", "opencv-python-headless", "tifffile", "imagecodecs"),
    *("scikit-image", "scipy"),
)


def describe() -> Mapping[str, str]:
    """Processor, cores, memory, system and versions, in words."""
    load = os.getloadavg()[0]
    return {
        "processor": _processor(),
        "cores": f"{len(os.sched_getaffinity(0))} allowed of {os.cpu_count()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "load at the start": f"{load:.1f}",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "semwatchd": VERSION,
    } | {name: _version(name) for name in LIBRARIES}


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    return found[1] if found else platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
