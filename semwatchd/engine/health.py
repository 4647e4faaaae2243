"""Which part is well, which is not, since when, why, and what to do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from semwatchd.core.ports import Log


class Health(StrEnum):
    """How a part fares."""

    OK = "ok"
    DEGRADED = "degraded"  #: works with a loss a person should know of; still ready
    FAILED = "failed"  #: cannot do its work; the daemon is not ready


#: The same as a number, for alarms: the higher the worse.
LEVEL: Mapping[Health, int] = MappingProxyType({state: level for level, state in enumerate(Health)})


@dataclass(frozen=True, slots=True, kw_only=True)
class PartHealth:
    """One part's state, for a person."""

    state: Health
    since: float  #: epoch seconds of the last change of state
    reason: str = ""
    todo: str = ""  #: what the person should do


class HealthBoard:
    """Every part writes its own line here; the HTTP server and the watchdog read. Thread-safe."""

    def __init__(self, clock: Callable[[], float], log: Log) -> None:
        self._clock = clock
        self._log = log
        self._lock = threading.Lock()
        self._parts: dict[str, PartHealth] = {}

    def set(self, part: str, state: Health, reason: str = "", todo: str = "") -> None:
        """Write down how ``part`` fares. Only a change of state is logged, and moves ``since``."""
        with self._lock:
            before = self._parts.get(part)
            changed = before is None or before.state is not state
            since = self._clock() if before is None or changed else before.since
            self._parts[part] = PartHealth(state=state, since=since, reason=reason, todo=todo)
        if changed:
            tell = self._log.info if state is Health.OK else self._log.warning
            tell("health_changed", part=part, state=state.value, reason=reason, todo=todo)

    def drop(self, part: str) -> None:
        """Forget a part that is no longer ours."""
        with self._lock:
            self._parts.pop(part, None)

    def snapshot(self) -> Mapping[str, PartHealth]:
        """Return all parts by name, in the order of their names."""
        with self._lock:
            return dict(sorted(self._parts.items()))

    @property
    def ready(self) -> bool:
        """True while no part has failed; a degraded one does not count."""
        return all(part.state is not Health.FAILED for part in self.snapshot().values())
