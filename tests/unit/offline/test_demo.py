import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from semwatchd.offline.demo import DEFAULT_NAME, EXIT_USAGE, arrivals, fresh_directory, run_demo
from semwatchd.offline.meter import Usage
from semwatchd.offline.report import Places, Run, as_document, show_run
from semwatchd.offline.summary import DepthFigures, Latency, Summary

SUMMARY = Summary(
    written=43,
    stored=40,
    duplicates=1,
    quarantined={"strip 3 ends early": 1},
    delivered={"mes": 40, "drop": 40},
    repeats={"mes": 0, "drop": 0},
    retried=2,
    images_per_min=400.0,
    file_to_stored=Latency(p50_s=2.5, p99_s=3.5),
    file_to_delivered=Latency(p50_s=None, p99_s=None),
    registered=40,
    registration_rms_px=0.012,
    registration_worst_px=0.03,
    depth=DepthFigures(told=40, maps=40, holes_nm=149.0, each_ms=60.0),
    problems=(),
)


def run_with(problems: tuple[str, ...] = ()) -> Run:
    worker = Usage(role="worker 1", pid=2, cpu_before_s=1.0, cpu_s=5.3, rss_peak_bytes=1)
    above = Usage(role="supervisor", pid=1, cpu_before_s=0.0, cpu_s=9.0, rss_peak_bytes=1)
    return Run(
        summary=SUMMARY,
        metrics_url="http://127.0.0.1:5/metrics",
        usage=(above, worker),
        seconds=30.0,
        problems=problems,
    )


def test_without_a_wish_each_demo_gets_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = [fresh_directory(None).name for _ in range(3)]
    assert names == [DEFAULT_NAME, f"{DEFAULT_NAME}-2", f"{DEFAULT_NAME}-3"]


def test_an_empty_folder_may_be_used_and_a_full_one_is_left_alone(tmp_path: Path) -> None:
    assert fresh_directory(tmp_path / "new") == tmp_path / "new"
    (tmp_path / "mine.txt").write_text("precious")
    assert run_demo(1, tmp_path, as_json=True, console=Console(file=StringIO())) == EXIT_USAGE
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["mine.txt"]


def test_arrivals_are_counted_by_id_wherever_they_arrived(tmp_path: Path) -> None:
    record, drop = tmp_path / "received.jsonl", tmp_path / "drop"
    drop.mkdir()
    line = {"event_id": "a", "subject": None, "sha256": None, "received_at": 1.0, "repeats": 0}
    record.write_text(json.dumps(line) + "\n")
    (drop / "x.json").write_text(json.dumps({"id": "b"}))
    (drop / "x.csv").write_text("id\nb\n")
    assert arrivals(record, drop) == {"mes": ["a"], "drop": ["b"]}


def test_the_document_is_one_json_object_with_verdict_figures_and_places(tmp_path: Path) -> None:
    document = json.loads(json.dumps(as_document(40, run_with(), Places.under(tmp_path))))
    assert document["ok"] is True
    assert document["stored"] == 40
    assert document["file_to_stored"] == {"p50_s": 2.5, "p99_s": 3.5}
    assert document["worker_cpu_ms_per_image"] == pytest.approx(100.0)
    assert document["places"]["journal"] == str(tmp_path / "state" / "journal.db")


def test_people_see_the_figures_the_places_and_every_problem(tmp_path: Path) -> None:
    text = StringIO()
    console = Console(file=text, width=200)
    show_run(console, run_with(("a [tif] was lost",)), Places.under(tmp_path))
    for expected in ("40", "0.012 px RMS", "strip 3 ends early", str(tmp_path / "drop"), "a [tif] was lost"):
        assert expected in text.getvalue()
    assert "balance" not in text.getvalue()
