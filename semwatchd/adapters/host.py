"""What the machine lets us use: our control group's processor quota, and each memory node's cores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
SYS = Path("/sys")


def cpu_quota(proc: Path = PROC, sys: Path = SYS) -> float | None:
    """Return how many cores' worth of time our control group may use; None where there is no limit.

    A container's limit does not show in the set of allowed cores. The tightest limit on the way up to the
    root holds. Control groups of version 2 and of version 1 are understood.
    """
    limits = [limit for group in _groups(proc, sys) if (limit := _limit_of(group)) is not None]
    return min(limits, default=None)


def memory_nodes(sys: Path = SYS) -> list[frozenset[int]]:
    """Return the cores of each memory node; none where the kernel does not say."""
    files = sorted((sys / "devices/system/node").glob("node[0-9]*/cpulist"))
    return [frozenset(cores_in(_text(file))) for file in files]


def cpu_flags(proc: Path = PROC) -> frozenset[str]:
    """Return what the processor says it can do; nothing where it does not say."""
    flags = (line for line in _text(proc / "cpuinfo").splitlines() if line.startswith("flags"))
    return frozenset(next(flags, "").partition(":")[2].split())


def cores_in(cpulist: str) -> Iterator[int]:
    """Yield the numbers in a kernel's list such as ``0-3,8``."""
    for part in cpulist.strip().split(","):
        first, _, last = part.partition("-")
        if first:
            yield from range(int(first), int(last or first) + 1)


def _groups(proc: Path, sys: Path) -> Iterator[Path]:
    """Yield our control groups with their parents. Inside a container the path may be one of the host's, and
    only the top of the tree is to be seen.
    """
    for line in _text(proc / "self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = sys / "fs/cgroup" / controllers
        group = top / path.lstrip("/")
        yield from (group, *(parent for parent in group.parents if parent.is_relative_to(top)))


def _limit_of(group: Path) -> float | None:
    version_2 = _text(group / "cpu.max")
    version_1 = f"{_text(group / 'cpu.cfs_quota_us')} {_text(group / 'cpu.cfs_period_us')}"
    match (version_2.strip() or version_1).split():
        case ["max" | "-1", _]:
            return None
        case [quota, period]:
            return int(quota) / int(period)
        case _:
            return None


def _text(file: Path) -> str:
    try:
        return file.read_text("ascii")
    except OSError:
        return ""
