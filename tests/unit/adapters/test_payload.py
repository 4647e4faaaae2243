from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semwatchd.adapters.mes.payload import (
    RESULT_TYPE,
    event_id,
    event_schema,
    render_result,
    schema_text,
)
from semwatchd.core.job import Context, Result
from semwatchd.core.ports import RenderedEvent
from tests.deliveries import FACTS, a_job, a_result

SCHEMA_FILE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "event.schema.json"
ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates too


def rendered(result: Result, revision: int = 1) -> RenderedEvent:
    return render_result(
        result, site="fab3", finished_at=1_800_000_000.25, detected_at=1_800_000_000.0, revision=revision
    )


def told(result: Result) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(rendered(result).payload)
    jsonschema.validate(event, event_schema(), format_checker=jsonschema.FormatChecker())
    return event


def test_a_result_becomes_a_cloudevent_with_its_numbers() -> None:
    event = told(a_result())
    assert event["specversion"] == "1.0"
    assert event["type"] == RESULT_TYPE
    assert event["source"] == "/semwatchd/fab3/sem1"
    assert event["subject"] == "L1/W3/img_001.tif"
    assert event["partitionkey"] == "sem1:L1"
    data = event["data"]
    assert data["measurements"] == {"sharpness.tenengrad_corrected": 12.5, "snr.db": None}
    assert data["registration"]["dx_px"] == 2.4
    assert data["image"] | {"width": 1280, "bytes": 2_662_400, "vendor": "zeiss"} == data["image"]
    assert data["warnings"] == ["the tail is all zero", "no finite value for snr.db"]
    assert data["timing"]["finished_at"] == "2027-01-15T08:00:00.250Z"


def test_missing_context_is_null_and_leaves_its_place_in_the_subject_empty() -> None:
    event = told(a_result(a_job(context=Context(tool="sem1", wafer="W3"))))
    assert event["data"]["context"]["lot"] is None
    assert event["subject"] == "/W3/img_001.tif"


def test_no_registration_is_null() -> None:
    assert told(a_result(registration=None))["data"]["registration"] is None


@pytest.mark.parametrize(
    ("acquired_at", "time"),
    [
        (None, None),
        ("2026-03-01T10:00:00", None),
        ("2026-03-01T10:00:00+09:00", "2026-03-01T10:00:00+09:00"),
        ("1 March, tea time", None),
    ],
)
def test_time_is_there_only_where_the_tool_says_its_offset(acquired_at: str | None, time: str | None) -> None:
    event = told(a_result(facts=replace(FACTS, acquired_at=acquired_at)))
    assert event.get("time") == time
    assert ("time" in event) == (time is not None)
    assert event["data"]["image"]["acquired_at"] == acquired_at


def test_what_was_made_beside_the_numbers_is_named() -> None:
    result = replace(a_result(), artefacts=("/maps/\udcff.tif",), weights_sha256="cd" * 32)
    data = told(result)["data"]
    assert (data["artefacts"], data["weights_sha256"]) == (["/maps/\\xff.tif"], "cd" * 32)
    data = told(a_result())["data"]
    assert (data["artefacts"], data["weights_sha256"]) == ([], None)


def test_numbers_that_are_not_finite_become_null() -> None:
    result = replace(a_result(), measurements={"a": float("nan"), "b": float("inf")})
    assert told(result)["data"]["measurements"] == {"a": None, "b": None}


def test_rendering_twice_gives_the_same_identity_and_another_revision_another_one() -> None:
    first, again, second = rendered(a_result()), rendered(a_result()), rendered(a_result(), revision=2)
    assert first == again
    assert first.event_id != second.event_id
    assert json.loads(second.payload)["data"]["revision"] == 2


def test_the_identity_is_fixed_for_ever() -> None:
    assert (
        event_id("fab3", "sem1", "ab" * 32, "0123", RESULT_TYPE, 1) == "db08b027-aa59-5002-8ab0-7ac5f533f8a9"
    )


def test_the_parts_of_the_identity_do_not_run_into_each_other() -> None:
    assert event_id("a", "bc", "", "", "", 1) != event_id("ab", "c", "", "", "", 1)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(ANY_TEXT, st.none() | ANY_TEXT, ANY_TEXT)
def test_whatever_the_names_hold_the_event_is_json_in_utf8(tool: str, lot: str | None, name: str) -> None:
    event = rendered(a_result(a_job(path=f"/data/{name}", context=Context(tool=tool, lot=lot))))
    for text in (event.payload, event.subject, event.order_key, event.event_id):
        text.encode()
    jsonschema.validate(json.loads(event.payload), event_schema())
    assert event.subject.isascii()


def test_undecodable_bytes_of_a_file_name_are_written_out() -> None:
    event = told(a_result(a_job(path="/data/sem1/\udcff.tif", context=Context(tool="sem1", lot="L\udc80"))))
    assert event["data"]["image"]["name"] == "\\xff.tif"
    assert event["partitionkey"] == "sem1:L\\x80"


def test_the_committed_schema_is_the_models_own() -> None:
    assert SCHEMA_FILE.read_text("utf-8") == schema_text()


def test_the_schema_is_a_valid_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(event_schema())
