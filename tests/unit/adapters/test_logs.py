from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from semwatchd.adapters.logs import configure_logging


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_its_fields() -> None:
    stream = io.StringIO()
    configure_logging(json=True, stream=stream)
    structlog.get_logger().info("job_stored", job=7, elapsed_ms=12.5)
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "job_stored", "level": "info", "job": 7, "elapsed_ms": 12.5}


def test_lines_below_the_level_are_left_out() -> None:
    stream = io.StringIO()
    configure_logging(json=True, level="warning", stream=stream)
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_the_standard_librarys_lines_come_out_the_same_way() -> None:
    stream = io.StringIO()
    configure_logging(json=True, stream=stream)
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request %s", "received")
    logging.getLogger("uvicorn.error").info("chatter")
    (line,) = lines(stream)
    assert (line["event"], line["level"]) == ("Invalid HTTP request received", "warning")


def test_an_exception_is_told_in_full() -> None:
    stream = io.StringIO()
    configure_logging(json=True, stream=stream)
    try:
        int("no such lot")
    except ValueError:
        structlog.get_logger().exception("relay_died")
    assert "no such lot" in lines(stream)[0]["exception"]


@pytest.mark.parametrize("as_json", [True, False])
def test_undecodable_names_and_odd_values_do_not_break_a_line(tmp_path: Path, as_json: bool) -> None:  # noqa: FBT001 — parametrized
    file = tmp_path / "log"
    with file.open("w", encoding="utf-8", errors="strict") as stream:
        configure_logging(json=as_json, stream=stream)
        structlog.get_logger().info("image\udcff", path="/data/\udcff.tif", odd=object(), many=["\udcfe"])
        logging.getLogger("watchdog").warning("lost %s", "/data/\udcff.tif")
    text = file.read_text("utf-8")
    assert text.count("\n") == 2
    assert "xff.tif" in text


def test_under_the_systems_journal_each_line_has_its_priority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "log"
    with file.open("w", encoding="utf-8") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        configure_logging(json=True, stream=stream)
        structlog.get_logger().error("parked")
        structlog.get_logger().info("stored")
    assert [line[:4] for line in file.read_text().splitlines()] == ["<3>{", "<6>{"]


def test_an_inherited_journal_variable_does_not_mark_another_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:12345")
    stream = io.StringIO()
    configure_logging(json=True, stream=stream)
    structlog.get_logger().info("stored")
    assert stream.getvalue().startswith("{")


def test_a_person_gets_text(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(json=False)
    structlog.get_logger().info("job_stored", job=7)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "job_stored" in captured.err
    assert "job=7" in captured.err
