"""In-memory twins of the ports. Each keeps what it was told and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from semwatchd.core.job import DeliveryState, DepthSkip, ErrorClass, Job, JobState, Measurements
from semwatchd.core.ports import Event, Verdict

WAITING = (DeliveryState.PENDING, DeliveryState.RETRY_WAIT)


class FakeClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass(slots=True)
class OutboxRow:
    event: Event
    state: DeliveryState = DeliveryState.PENDING
    not_before: float = 0.0
    error: str | None = None


class MemoryOutbox:
    """Twin of the journal's outbox; ``rows`` by seq is open to the test."""

    def __init__(self, longest_wait_s: float = 900.0) -> None:
        self._longest_wait_s = longest_wait_s
        self.rows: dict[int, OutboxRow] = {}
        self.settlements: list[list[Verdict]] = []

    def add(self, event: Event) -> None:
        self.rows[event.seq] = OutboxRow(event)

    def take(self, destination: str, limit: int, now: float) -> Sequence[Event]:
        taken: list[Event] = []
        blocked: set[str] = set()
        for _, row in sorted(self.rows.items()):
            key = row.event.order_key
            if len(taken) == limit:
                break
            if row.event.destination != destination or key in blocked:
                continue
            if row.state in WAITING and not now < row.not_before <= now + self._longest_wait_s:
                row.state = DeliveryState.SENDING
                taken.append(row.event)
            elif row.state in (*WAITING, DeliveryState.SENDING):
                blocked.add(key)
        return taken

    def settle(self, verdicts: Sequence[Verdict], now: float) -> None:
        self.settlements.append(list(verdicts))
        for verdict in verdicts:
            row = self.rows[verdict.seq]
            row.event = replace(row.event, attempts=verdict.attempts)
            row.state, row.not_before, row.error = verdict.state, verdict.not_before, verdict.error

    def restart(self) -> None:
        """What the journal does when the daemon starts again."""
        for row in self.rows.values():
            if row.state is DeliveryState.SENDING:
                row.state = DeliveryState.PENDING

    def states(self) -> list[DeliveryState]:
        return [row.state for _, row in sorted(self.rows.items())]


@dataclass
class RecordingMes:
    """Receiver that keeps what it was sent; ``answer`` may raise to refuse."""

    answer: Callable[[Event], object] = lambda _: None
    sent: list[Event] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)

    def send(self, event: Event) -> None:
        self.sent.append(event)
        self.answer(event)
        self.accepted.append(event.event_id)


class RecordingTelemetry:
    """Counts nothing, remembers every call as ``(name, *arguments)``."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def named(self, name: str) -> list[tuple[object, ...]]:
        return [call[1:] for call in self.calls if call[0] == name]

    def sighted(self, tool: str, how: str) -> None:
        self.calls.append(("sighted", tool, how))

    def watcher_overflowed(self, root: str) -> None:
        self.calls.append(("watcher_overflowed", root))

    def canary(self, root: str, latency_s: float | None) -> None:
        self.calls.append(("canary", root, latency_s))

    def share_helper_lost(self, root: str, reason: str) -> None:
        self.calls.append(("share_helper_lost", root, reason))

    def share_helper_stuck(self, root: str, *, stuck: bool) -> None:
        self.calls.append(("share_helper_stuck", root, stuck))

    def job_ended(self, job: Job, state: JobState, error_class: ErrorClass | None) -> None:
        self.calls.append(("job_ended", job, state, error_class))

    def job_timed(self, tool: str, elapsed_ms: Measurements, end_to_end_s: float) -> None:
        self.calls.append(("job_timed", tool, elapsed_ms, end_to_end_s))

    def worker_restarted(self, reason: str) -> None:
        self.calls.append(("worker_restarted", reason))

    def depth_skipped(self, reason: DepthSkip) -> None:
        self.calls.append(("depth_skipped", reason))

    def delivery(self, destination: str, outcome: str, elapsed_s: float) -> None:
        self.calls.append(("delivery", destination, outcome, elapsed_s))

    def breaker(self, destination: str, state: str) -> None:
        self.calls.append(("breaker", destination, state))

    def beat(self, loop: str) -> None:
        self.calls.append(("beat", loop))

    def rest(self, loop: str) -> None:
        self.calls.append(("rest", loop))


class ListLog:
    """Log that keeps ``(level, event, fields)``."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def events(self) -> list[str]:
        return [event for _, event, _ in self.lines]

    def info(self, event: str, **fields: object) -> None:
        self.lines.append(("info", event, fields))

    def warning(self, event: str, **fields: object) -> None:
        self.lines.append(("warning", event, fields))

    def error(self, event: str, **fields: object) -> None:
        self.lines.append(("error", event, fields))
