"""Single files, measured without a daemon by the workers of the daemon."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from semwatchd import line
from semwatchd.adapters.silent import SilentTelemetry
from semwatchd.core.errors import EnvironmentFault
from semwatchd.core.job import ErrorClass, Failure, Outcome, Result
from semwatchd.core.plan import Plan
from semwatchd.engine.settings import WorkerSettings
from semwatchd.offline import analyze as analyze_module
from semwatchd.offline.analyze import analyze, as_record
from tests.fakes import ListLog
from tests.images import write_image, write_truncated

pytestmark = pytest.mark.integration


def outcomes_of(*paths: Path | str) -> list[Outcome]:
    names = [str(path) for path in paths]
    return list(analyze(names, Plan(), WorkerSettings(count=2), SilentTelemetry(), ListLog()))


def test_every_path_gets_its_answer_in_order(tmp_path: Path) -> None:
    text = tmp_path / "text.tif"
    text.write_text("no image")
    future = write_image(tmp_path / "future.tif", 3)
    os.utime(future, (13_569_465_600, 13_569_465_600))  # a tool's clock in the year 2400
    paths: list[Path | str] = [
        tmp_path / "missing.tif",
        write_image(tmp_path / "a.tif", 1),
        tmp_path,
        text,
        write_truncated(tmp_path / "cut.tif", 4),
        tmp_path / "\udcff.tif",
        "nul\0.tif",
        future,
    ]
    outcomes = outcomes_of(*paths)
    assert [outcome.job.path for outcome in outcomes] == [str(path) for path in paths]
    classes = [outcome.error_class if isinstance(outcome, Failure) else None for outcome in outcomes]
    missing, _, folder, _, cut, odd, nul, _ = classes
    assert missing is odd is ErrorClass.ENVIRONMENT
    assert folder is cut is ErrorClass.DATA
    assert nul is not None
    assert [isinstance(outcomes[index], Result) for index in (1, 7)] == [True, True]
    for outcome in outcomes:
        record = json.loads(json.dumps(as_record(outcome), allow_nan=False))
        assert record["status"] == ("ok" if isinstance(outcome, Result) else "rejected")
        assert record["path"].isprintable()


def test_nothing_asked_nothing_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analyze_module, "start_workers", None)
    assert outcomes_of() == []


def test_workers_that_never_start_are_told_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    monkeypatch.setattr(line, "ANALYSER", "tests.workers:broken")
    monkeypatch.setattr(analyze_module, "SILENCE_S", 0.5)
    with pytest.raises(EnvironmentFault, match="no worker has started"):
        outcomes_of(tmp_path / "a.tif")
