"""core.ports.Telemetry for commands that nobody scrapes."""

from __future__ import annotations

from collections.abc import Mapping

from semwatchd.core.job import DepthSkip, ErrorClass, Job, JobState


class SilentTelemetry:
    """Counts nothing."""

    def sighted(self, tool: str, how: str) -> None:
        """Do nothing."""

    def watcher_overflowed(self, root: str) -> None:
        """Do nothing."""

    def canary(self, root: str, latency_s: float | None) -> None:
        """Do nothing."""

    def share_helper_lost(self, root: str, reason: str) -> None:
        """Do nothing."""

    def share_helper_stuck(self, root: str, *, stuck: bool) -> None:
        """Do nothing."""

    def job_ended(self, job: Job, state: JobState, error_class: ErrorClass | None) -> None:
        """Do nothing."""

    def job_timed(self, tool: str, elapsed_ms: Mapping[str, float], end_to_end_s: float) -> None:
        """Do nothing."""

    def worker_restarted(self, reason: str) -> None:
        """Do nothing."""

    def depth_skipped(self, reason: DepthSkip) -> None:
        """Do nothing."""

    def delivery(self, destination: str, outcome: str, elapsed_s: float) -> None:
        """Do nothing."""

    def breaker(self, destination: str, state: str) -> None:
        """Do nothing."""

    def beat(self, loop: str) -> None:
        """Do nothing."""

    def rest(self, loop: str) -> None:
        """Do nothing."""
