"""CPU time and memory of a process and its children, seen from outside."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import psutil

SAMPLE_S = 0.25
IDLE_S = 0.03  # CPU time within half a second that counts as doing nothing
IDLE_LIMIT_S = 15.0
#: What a child's command line holds, and its role; every other child is a worker.
ROLES = {"resource_tracker": "helper", "engine.depth_process": "depth process"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one process has used since it was first seen."""

    role: str  #: "supervisor", "worker 1", ..., "depth process", "helper"
    pid: int
    cpu_before_s: float  #: CPU time when first seen
    cpu_s: float  #: CPU time when last seen
    rss_peak_bytes: int

    @property
    def spent_s(self) -> float:
        """CPU seconds while it was watched."""
        return self.cpu_s - self.cpu_before_s


class Meter:
    """Samples a process tree; a child that has ended keeps its last figures."""

    def __init__(self, role: str, pid: int) -> None:
        self._role = role
        self._top = psutil.Process(pid)
        self._usage: dict[int, Usage] = {}

    def sample(self) -> None:
        """Look at the process and all its children now."""
        try:
            processes = [self._top, *self._top.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in processes:
            self._note(process)

    def usage(self) -> list[Usage]:
        """Figures per process, in order of appearance."""
        return list(self._usage.values())

    def _note(self, process: psutil.Process) -> None:
        try:
            times, rss = process.cpu_times(), process.memory_info().rss
            before = self._usage.get(process.pid) or self._first_seen(process, times.user + times.system)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            return
        self._usage[process.pid] = replace(
            before,
            cpu_s=times.user + times.system,
            rss_peak_bytes=max(before.rss_peak_bytes, rss),
        )

    def _first_seen(self, process: psutil.Process, cpu_s: float) -> Usage:
        return Usage(
            role=self._role_of(process), pid=process.pid, cpu_before_s=cpu_s, cpu_s=cpu_s, rss_peak_bytes=0
        )

    def _role_of(self, process: psutil.Process) -> str:
        if process.pid == self._top.pid:
            return self._role
        command = " ".join(process.cmdline())
        for words, role in ROLES.items():
            if words in command:
                return role
        return f"worker {1 + sum(usage.role.startswith('worker') for usage in self._usage.values())}"


def wait_until_idle(pid: int) -> None:
    """Return when a process and its children have stopped working, so that their start is not counted."""
    spent_s, deadline = -1.0, time.monotonic() + IDLE_LIMIT_S
    while time.monotonic() < deadline:
        meter = Meter("", pid)
        meter.sample()
        now_s = sum(usage.cpu_s for usage in meter.usage())
        if now_s - spent_s < IDLE_S:
            return
        spent_s = now_s
        time.sleep(0.5)


def sample_until(meters: list[Meter], is_over: Callable[[], bool], limit_s: float) -> bool:
    """Sample until ``is_over`` says so; False when the limit came first."""
    deadline = time.monotonic() + limit_s
    while not is_over():
        for meter in meters:
            meter.sample()
        if time.monotonic() > deadline:
            return False
        time.sleep(SAMPLE_S)
    for meter in meters:
        meter.sample()
    return True
