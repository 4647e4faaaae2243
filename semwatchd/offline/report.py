"""What a demo leaves behind, as a table for people and as one JSON object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from semwatchd.offline.manifest import DEPTH_NM
from semwatchd.offline.meter import Usage
from semwatchd.offline.show import figure, show_rows
from semwatchd.offline.summary import DepthFigures, Latency, Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where everything of one demo lies."""

    config: Path
    state: Path
    journal: Path
    watched: Path
    drop: Path
    reference: Path
    manifest: Path  #: the tool's truth
    record: Path  #: what the receiver got
    log: Path  #: the daemon's

    @classmethod
    def under(cls, directory: Path) -> Places:
        """Lay the demo out below a folder of its own."""
        state = directory / "state"
        return cls(
            config=directory / "semwatchd.toml",
            state=state,
            journal=state / "journal.db",
            watched=directory / "sem01",
            drop=directory / "drop",
            reference=directory / "reference.tif",
            manifest=directory / "truth" / "manifest.jsonl",
            record=directory / "truth" / "received.jsonl",
            log=directory / "daemon.log",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a demo run left behind once every process has ended."""

    summary: Summary
    metrics_url: str  #: as it was while the daemon ran
    usage: Sequence[Usage]
    seconds: float
    problems: Sequence[str]


def as_document(images: int, run: Run, places: Places) -> dict[str, Any]:
    """Collect everything for the one JSON object of ``--json``."""
    return {
        "ok": not run.problems,
        "images": images,
        **asdict(run.summary),
        "problems": list(run.problems),
        "seconds": round(run.seconds, 1),
        "worker_cpu_ms_per_image": cpu_ms(run, "worker"),
        "depth_cpu_ms_per_image": cpu_ms(run, "depth"),
        "places": _shown(asdict(places)) | {"metrics_url": run.metrics_url},
    }


def show_run(console: Console, run: Run, places: Places) -> None:
    """Print the summary and where to look."""
    summary = run.summary
    show_rows(
        console,
        "Demo",
        {
            "files written": str(summary.written),
            "images stored": str(summary.stored),
            "duplicates refused by identity": str(summary.duplicates),
            **{f"quarantined ({count})": reason for reason, count in summary.quarantined.items()},
            **{
                f"delivered to {name}": f"{count} ({summary.repeats[name]} repeated)"
                for name, count in summary.delivered.items()
            },
            "deliveries that needed a retry": str(summary.retried),
            "throughput": figure(summary.images_per_min, "images/min", 0),
            "file finished → stored": _in_words(summary.file_to_stored),
            "file finished → delivered": _in_words(summary.file_to_delivered),
            "CPU of the workers": figure(cpu_ms(run, "worker"), "ms per image", 1),
            "CPU of the depth process": figure(cpu_ms(run, "depth"), "ms per image", 1),
            "depths told": _depths_in_words(summary.depth),
            "registration against the truth": f"{figure(summary.registration_rms_px, 'px RMS', 3)}, "
            f"{figure(summary.registration_worst_px, 'px', 3)} at worst, over {summary.registered} images",
        },
    )
    show_rows(console, "Where to look", _shown(asdict(places)) | {"metrics (were at)": run.metrics_url})
    for problem in run.problems:
        console.print(f"PROBLEM: {problem}", markup=False, highlight=False)
    if not run.problems:
        console.print("The books balance: every file once, every result delivered once.", highlight=False)


def _depths_in_words(depth: DepthFigures) -> str:
    if not depth.told:
        return "none; `semwatchd doctor` says what this machine lacks"
    return (
        f"{depth.told}, {depth.maps} of them with a map, {figure(depth.each_ms, 'ms', 0)} each; holes of "
        f"{figure(depth.holes_nm, 'nm', 1)}, in truth {figure(DEPTH_NM, 'nm', 1)}"
    )


def cpu_ms(run: Run, role: str) -> float | None:
    """CPU time of all processes whose role begins so, per file that was written."""
    seconds = sum(usage.spent_s for usage in run.usage if usage.role.startswith(role))
    return 1e3 * seconds / run.summary.written if run.summary.written else None


def _shown(places: Mapping[str, Path]) -> dict[str, str]:
    return {name: str(path) for name, path in places.items()}


def _in_words(latency: Latency) -> str:
    return f"{figure(latency.p50_s, 's')} median, {figure(latency.p99_s, 's')} p99"
