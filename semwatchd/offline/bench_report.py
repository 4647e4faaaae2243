"""The figures of a pipeline benchmark, as tables for people and as one JSON object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from semwatchd.offline.meter import Usage
from semwatchd.offline.show import figure, show_columns, show_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Figures of one benchmark run."""

    images: int
    size_px: int
    settle_s: float
    stored: int
    received: int
    intake_s: float  #: from the files' arrival to the first job for a worker: settling, mostly
    seconds: float  #: from the first job for a worker to the last event at the receiver
    latency_s: tuple[float | None, float | None]  #: median and p99, from a worker's job to its event
    stages_ms: dict[str, float]  #: mean wall time per stage
    stages_cpu_ms: dict[str, float]  #: mean processor time per stage
    usage: Sequence[Usage]

    @property
    def images_per_min(self) -> float:
        """From the first job for a worker to the last event at the receiver."""
        return 60 * self.received / self.seconds

    def cpu_ms(self, usage: Usage) -> float:
        """CPU milliseconds of one process per image."""
        return 1e3 * usage.spent_s / self.images

    @property
    def cpu_ms_per_image(self) -> float:
        """CPU milliseconds of the daemon and its workers per image; the receiver is not ours."""
        return sum(self.cpu_ms(usage) for usage in self.usage if usage.role != "receiver")


def as_document(outcome: Outcome) -> dict[str, Any]:
    """Collect the figures for the one JSON object of ``--json``."""
    return {
        "images": outcome.images,
        "stored": outcome.stored,
        "received": outcome.received,
        "intake_s": outcome.intake_s,
        "seconds": outcome.seconds,
        "images_per_min": outcome.images_per_min,
        "cpu_ms_per_image": outcome.cpu_ms_per_image,
        "latency_s": {"p50": outcome.latency_s[0], "p99": outcome.latency_s[1]},
        "stages_ms": outcome.stages_ms,
        "stages_cpu_ms": outcome.stages_cpu_ms,
        "processes": [
            {
                "role": usage.role,
                "cpu_ms_per_image": outcome.cpu_ms(usage),
                "rss_peak_mib": usage.rss_peak_bytes / 2**20,
            }
            for usage in outcome.usage
        ],
    }


def show_outcome(console: Console, outcome: Outcome) -> None:
    """Print the figures."""
    rows = {
        "images": f"{outcome.images} of {outcome.size_px}x{outcome.size_px}, 8 bit; {outcome.stored} stored",
        "events received": str(outcome.received),
        "file → receiver": f"{outcome.images_per_min:.0f} images/min ({outcome.seconds:.1f} s)",
        "intake before that": f"{outcome.intake_s:.1f} s, of which {outcome.settle_s:.1f} s settling",
        "CPU": f"{outcome.cpu_ms_per_image:.1f} ms per image, all processes of the daemon",
        "given to a worker → event received": f"{figure(outcome.latency_s[0], 's')} median, "
        f"{figure(outcome.latency_s[1], 's')} p99",
    }
    show_rows(console, "Pipeline", rows)
    stages = [
        (name, f"{cpu_ms:.2f}", f"{outcome.stages_ms[name]:.2f}")
        for name, cpu_ms in outcome.stages_cpu_ms.items()
    ]
    show_columns(console, "Stages, mean per image", ("stage", "CPU ms", "wall ms"), stages)
    processes = [
        (usage.role, f"{outcome.cpu_ms(usage):.1f}", f"{usage.rss_peak_bytes / 2**20:.0f}")
        for usage in outcome.usage
    ]
    show_columns(console, "Processes", ("process", "CPU ms per image", "peak RSS MiB"), processes)
