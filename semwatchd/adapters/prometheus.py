"""Metrics for Prometheus: counters fed by events, gauges read when Prometheus asks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from semwatchd.core.job import DeliveryState, DepthSkip, ErrorClass, Job, JobState
from semwatchd.core.paths import one_line
from semwatchd.core.version import VERSION

#: Seconds from a file's last write to its stored numbers; 30 s is the promise, so it is a boundary.
END_TO_END_BUCKETS = (0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 45, 60, 120, 300, 900, 3600)
#: Seconds in one stage, from a crop to a large mosaic.
STAGE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
#: Seconds of one delivery; 10 s is the receiver's time limit.
DELIVERY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40)

HELPER_ENDS = ("hang", "crash")
BREAKER_STATES = ("closed", "half-open", "open")
DELIVERY_OUTCOMES = (DeliveryState.DELIVERED, DeliveryState.RETRY_WAIT, DeliveryState.PARKED)
#: States in which a job has come to rest; from the others it is tried again.
FINAL_STATES = {
    JobState.STORED: "ok",
    JobState.QUARANTINED: "quarantined",
    JobState.DUPLICATE: "duplicate",
    JobState.CANCELLED: "cancelled",
}


#: States whose jobs are counted at every scrape; the others only grow, and have counters.
SHOWN_STATES = (*(state for state in JobState if state not in FINAL_STATES), JobState.QUARANTINED)

disable_created_metrics()  # type: ignore[no-untyped-call] # else every counter has a second series


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerGauges:
    """One worker process."""

    rss_bytes: int
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GaugeSnapshot:
    """What stands where at one moment. Read when Prometheus asks; must not wait for the journal."""

    jobs: Mapping[JobState, int] = field(default_factory=dict)
    stuck: Mapping[JobState, int] = field(default_factory=dict)  #: jobs that have not moved for too long
    outbox: Mapping[tuple[str, DeliveryState], int] = field(default_factory=dict)  #: by destination
    outbox_oldest_age_s: Mapping[str, float] = field(default_factory=dict)  #: by destination; undelivered
    queue_depth: int = 0
    queue_capacity: int = 0
    workers: Mapping[str, WorkerGauges] = field(default_factory=dict)  #: by slot, not by process id
    disk_free_bytes: Mapping[str, int] = field(default_factory=dict)  #: by what the disk is for
    disk_level: Mapping[str, int] = field(default_factory=dict)  #: engine.disk.DiskLevel, likewise
    health: Mapping[str, int] = field(default_factory=dict)  #: 0 ok, 1 degraded, 2 failed, by part


class PrometheusTelemetry:
    """core.ports.Telemetry on one registry of its own. Thread-safe.

    Parameters
    ----------
    destinations
        Known names, so that each series starts at zero and ``rate()`` sees the first event.
    gauges
        Called at every scrape, in the thread of the HTTP server.
    clock
        Epoch seconds.
    """

    def __init__(
        self,
        *,
        destinations: Sequence[str],
        gauges: Callable[[], GaugeSnapshot],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._beats: dict[str, float] = {}  # monotonic: a step of the clock must not look like a hang
        self._registry = registry = CollectorRegistry()
        self._detected = _counter(registry, "images_detected", "Files sighted.", "tool", "how")
        self._processed = _counter(registry, "images_processed", "Jobs ended.", "tool", "outcome")
        self._retries = _counter(registry, "retries", "Jobs to be tried again.", "tool", "error_class")
        self._errors = _counter(registry, "errors", "Failed attempts.", "tool", "error_class")
        self._overflows = _counter(registry, "watcher_overflows", "Times the kernel dropped events.", "root")
        self._canary = _gauge(
            registry, "canary_latency_seconds", "From laying the last canary to noticing it.", "root"
        )
        self._canaries: set[str] = set()
        self._helpers_lost = _counter(
            registry, "share_helpers_lost", "Helper processes of a share that were ended.", "root", "reason"
        )
        self._helpers_stuck = _gauge(
            registry, "share_helper_stuck", "1: the share's last helper hangs in the kernel.", "root"
        )
        self._restarts = _counter(registry, "worker_restarts", "Workers started anew.", "reason")
        self._depths_skipped = _counter(registry, "depth_skipped", "Images that go without depth.", "reason")
        for reason in DepthSkip:
            self._depths_skipped.labels(reason)
        self._requests = _counter(registry, "mes_requests", "Tries to deliver.", "destination", "outcome")
        self._transitions = _counter(registry, "breaker_transitions", "Breaker changes.", "destination", "to")
        self._end_to_end = _histogram(
            registry,
            "image_e2e_seconds",
            "From the last write of a file to its stored numbers.",
            "tool",
            END_TO_END_BUCKETS,
        )
        self._stage = _histogram(registry, "stage_seconds", "Wall time in one stage.", "stage", STAGE_BUCKETS)
        self._delivery = _histogram(
            registry, "mes_request_seconds", "Time of one delivery.", "destination", DELIVERY_BUCKETS
        )
        self._breaker = _gauge(registry, "breaker_state", "1 for the present state.", "destination", "state")
        self._last_image = _gauge(registry, "last_image_timestamp_seconds", "Newest stored image.", "tool")
        self._silence = _gauge(registry, "tool_silence_seconds", "Since the newest image came.", "tool")
        self._silent: set[str] = set()
        self._beat = _gauge(registry, "loop_last_beat_timestamp_seconds", "Last turn of a loop.", "loop")
        self._config = Info("semwatchd_config", "The configuration in force.", registry=registry)
        self._gap = _gauge(registry, "conservation_gap", "Unaccounted for at the last audit.")
        self._gap.set(float("nan"))
        self._config_good = _gauge(registry, "config_reload_success", "1: the last reload was taken.")
        Info("semwatchd_build", "What is running.", registry=registry).info({"version": VERSION})
        registry.register(_AtScrape(gauges))
        self._expect_destinations(destinations)

    def expect(self, *, tools: Sequence[str], roots: Sequence[str], shares: Sequence[str]) -> None:
        """Let the series of these start at zero; those there are go on. ``shares`` are the roots on one."""
        for root in roots:
            self._overflows.labels(one_line(root))
        for root in shares:
            self._helpers_stuck.labels(one_line(root))
            for reason in HELPER_ENDS:
                self._helpers_lost.labels(one_line(root), reason)
        for tool in tools:
            self._end_to_end.labels(tool)
            for outcome in FINAL_STATES.values():
                self._processed.labels(tool, outcome)
            for error_class in ErrorClass:
                self._retries.labels(tool, error_class)
                self._errors.labels(tool, error_class)

    def _expect_destinations(self, destinations: Sequence[str]) -> None:
        for destination in destinations:
            self._delivery.labels(destination)
            for outcome in DELIVERY_OUTCOMES:
                self._requests.labels(destination, outcome)
            for state in BREAKER_STATES:
                self._transitions.labels(destination, state)
                self._breaker.labels(destination, state).set(state == "closed")

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def sighted(self, tool: str, how: str) -> None:
        """Count a file seen; ``how`` says by which means."""
        self._detected.labels(one_line(tool), how).inc()

    def watcher_overflowed(self, root: str) -> None:
        """Count a loss of file events under ``root``."""
        self._overflows.labels(one_line(root)).inc()

    def canary(self, root: str, latency_s: float | None) -> None:
        """Record how long it took to notice the last canary, inf if nobody did; None: there are no more."""
        if latency_s is not None:
            self._canary.labels(one_line(root)).set(latency_s)
            self._canaries.add(root)
        elif root in self._canaries:
            self._canary.remove(one_line(root))
            self._canaries.remove(root)

    def share_helper_lost(self, root: str, reason: str) -> None:
        """Count the end of a share's helper process: it did not answer, or died by itself."""
        self._helpers_lost.labels(one_line(root), reason).inc()

    def share_helper_stuck(self, root: str, *, stuck: bool) -> None:
        """Record whether a helper that was killed is still there."""
        self._helpers_stuck.labels(one_line(root)).set(stuck)

    def job_ended(self, job: Job, state: JobState, error_class: ErrorClass | None) -> None:
        """Count an attempt's end, its error, and whether it is to be repeated."""
        tool = one_line(job.context.tool)
        if error_class is not None:
            self._errors.labels(tool, error_class).inc()
        if state in FINAL_STATES:
            self._processed.labels(tool, FINAL_STATES[state]).inc()
        elif error_class is not None:
            self._retries.labels(tool, error_class).inc()
        if state is JobState.STORED:
            self._last_image.labels(tool).set(self._clock())

    def job_timed(self, tool: str, elapsed_ms: Mapping[str, float], end_to_end_s: float) -> None:
        """Record how long an image took, in all and by stage."""
        self._end_to_end.labels(one_line(tool)).observe(end_to_end_s)
        for stage, milliseconds in elapsed_ms.items():
            self._stage.labels(stage).observe(milliseconds / 1e3)

    def worker_restarted(self, reason: str) -> None:
        """Count a worker started anew."""
        self._restarts.labels(reason).inc()

    def depth_skipped(self, reason: DepthSkip) -> None:
        """Count an image that goes without the depth that its plan asks for."""
        self._depths_skipped.labels(reason).inc()

    def delivery(self, destination: str, outcome: str, elapsed_s: float) -> None:
        """Count a try to deliver and record its time."""
        self._requests.labels(destination, outcome).inc()
        self._delivery.labels(destination).observe(elapsed_s)

    def breaker(self, destination: str, state: str) -> None:
        """Record that a breaker changed to ``state``."""
        self._transitions.labels(destination, state).inc()
        for each in BREAKER_STATES:
            self._breaker.labels(destination, each).set(each == state)

    @property
    def images_ended(self) -> float:
        """Jobs that have come to rest since the start."""
        return sum(
            sample.value
            for family in self._processed.collect()
            for sample in family.samples
            if sample.name.endswith("_total")
        )

    def config_loaded(self, digest: str) -> None:
        """Record which configuration is in force."""
        self._config.info({"hash": digest})
        self._config_good.set(1)

    def config_refused(self) -> None:
        """Record that the last one read was not taken."""
        self._config_good.set(0)

    def audited(self, gap: int) -> None:
        """Record what the last audit could not account for."""
        self._gap.set(gap)

    def silences(self, silent_s: Mapping[str, float]) -> None:
        """Record how long ago the newest image of each tool came; of no others."""
        for tool in self._silent - silent_s.keys():
            self._silence.remove(one_line(tool))
        self._silent = set(silent_s)
        for tool, seconds in silent_s.items():
            self._silence.labels(one_line(tool)).set(seconds)

    def beat(self, loop: str) -> None:
        """Record that a loop has turned."""
        self._beat.labels(loop).set(self._clock())
        self._beats[loop] = time.monotonic()

    def rest(self, loop: str) -> None:
        """Expect no more turns of a loop that has been ended."""
        if self._beats.pop(loop, None) is not None:
            self._beat.remove(loop)

    def oldest_beat_s(self) -> float:
        """Seconds since the loop that has been silent longest has turned; 0 before the first."""
        now = time.monotonic()
        return max((now - at for at in tuple(self._beats.values())), default=0.0)


class _AtScrape(Collector):
    """Gauges read at the moment Prometheus asks."""

    def __init__(self, gauges: Callable[[], GaugeSnapshot]) -> None:
        self._gauges = gauges

    def describe(self) -> Iterator[Metric]:
        """Name nothing in advance: registering must not ask for a snapshot."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        now = self._gauges()
        yield _family(
            "jobs",
            "Jobs that are open or set aside.",
            ["state"],
            {(state,): now.jobs.get(state, 0) for state in SHOWN_STATES},
        )
        yield _family(
            "stuck_jobs",
            "Jobs in one state for longer than they should be.",
            ["state"],
            {(state,): count for state, count in now.stuck.items()},
        )
        yield _family(
            "outbox_rows",
            "Events by state.",
            ["destination", "state"],
            {(name, state): rows for (name, state), rows in now.outbox.items()},
        )
        yield _family(
            "outbox_oldest_age_seconds",
            "Age of the oldest event not yet delivered.",
            ["destination"],
            _keyed(now.outbox_oldest_age_s),
        )
        yield _family("queue_depth", "Images waiting for a worker.", [], {(): now.queue_depth})
        yield _family("queue_capacity", "Images that may wait.", [], {(): now.queue_capacity})
        yield _family("disk_free_bytes", "Free space.", ["disk"], _keyed(now.disk_free_bytes))
        yield _family("disk_level", "0 ample, 1 low, 2 scarce, 3 full.", ["disk"], _keyed(now.disk_level))
        yield _family("health", "0 ok, 1 degraded, 2 failed.", ["part"], _keyed(now.health))
        yield _family(
            "worker_rss_bytes",
            "Memory of a worker.",
            ["worker"],
            {(slot,): worker.rss_bytes for slot, worker in now.workers.items()},
        )
        cpu = CounterMetricFamily("semwatchd_worker_cpu_seconds", "CPU time of a worker.", labels=["worker"])
        for slot, worker in now.workers.items():
            cpu.add_metric([slot], worker.cpu_s)
        yield cpu


def _family(
    name: str, says: str, labels: list[str], values: Mapping[tuple[str, ...], float]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"semwatchd_{name}", says, labels=labels)
    for key, value in values.items():
        family.add_metric([one_line(part) for part in key], value)
    return family


def _keyed(values: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    return {(name,): value for name, value in values.items()}


def _counter(registry: CollectorRegistry, name: str, says: str, *labels: str) -> Counter:
    return Counter(f"semwatchd_{name}", says, labels, registry=registry)


def _gauge(registry: CollectorRegistry, name: str, says: str, *labels: str) -> Gauge:
    return Gauge(f"semwatchd_{name}", says, labels, registry=registry)


def _histogram(
    registry: CollectorRegistry, name: str, says: str, label: str, buckets: Sequence[float]
) -> Histogram:
    return Histogram(f"semwatchd_{name}", says, [label], registry=registry, buckets=buckets)
