import json
from io import StringIO

import pytest
from rich.console import Console

from semwatchd.offline.bench_report import Outcome, as_document, show_outcome
from semwatchd.offline.meter import Usage


def usage(role: str, cpu_s: float) -> Usage:
    return Usage(role=role, pid=1, cpu_before_s=1.0, cpu_s=cpu_s, rss_peak_bytes=50 * 2**20)


OUTCOME = Outcome(
    images=100,
    size_px=1024,
    settle_s=0.5,
    stored=100,
    received=100,
    intake_s=0.6,
    seconds=12.0,
    latency_s=(6.0, 11.9),
    stages_ms={"read": 10.0, "spectrum": 30.0},
    stages_cpu_ms={"read": 6.0, "spectrum": 20.0},
    usage=(usage("supervisor", 2.0), usage("worker 1", 9.0), usage("receiver", 2.0)),
)


def test_rate_and_cpu_follow_from_what_was_counted() -> None:
    document = json.loads(json.dumps(as_document(OUTCOME)))
    assert document["images_per_min"] == pytest.approx(500.0)
    assert document["cpu_ms_per_image"] == pytest.approx(10.0 + 80.0)  # without the receiver
    assert document["stages_ms"]["spectrum"] == 30.0
    assert document["stages_cpu_ms"]["read"] == 6.0
    assert document["processes"][1] == {"role": "worker 1", "cpu_ms_per_image": 80.0, "rss_peak_mib": 50.0}


def test_people_see_rate_stages_and_processes() -> None:
    text = StringIO()
    show_outcome(Console(file=text, width=160), OUTCOME)
    for expected in ("500 images/min", "spectrum", "worker 1", "80.0"):
        assert expected in text.getvalue()
