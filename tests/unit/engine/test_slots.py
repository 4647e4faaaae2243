from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from semwatchd.engine.slots import anonymous_slots, begun, note, noted, open_slots, stage_in
from tests.deliveries import a_job


def test_the_last_note_of_each_worker_is_read_back(tmp_path: Path) -> None:
    first, second, idle = open_slots(tmp_path / "slots", 3)
    note(first, replace(a_job(), id=7, attempt=1), "read")
    note(first, replace(a_job(), id=12345678, attempt=2), "registration")
    note(second, replace(a_job(), id=3, attempt=3), "x" * 99)
    for descriptor in (first, second, idle):
        os.close(descriptor)
    assert list(begun(tmp_path / "slots")) == [(12345678, 2), (3, 3)]


def test_a_new_start_forgets_the_old_notes_and_workers(tmp_path: Path) -> None:
    for descriptor in open_slots(tmp_path, 2):
        note(descriptor, a_job(), "read")
        os.close(descriptor)
    (only,) = open_slots(tmp_path, 1)
    os.close(only)
    assert list(begun(tmp_path)) == []


def test_before_the_first_start_nothing_was_begun(tmp_path: Path) -> None:
    assert list(begun(tmp_path / "absent")) == []


def test_a_damaged_note_blames_nobody(tmp_path: Path) -> None:
    (tmp_path / "worker-0").write_bytes(b"\xff\x00 garbage")
    (tmp_path / "worker-1").write_bytes(b"")
    assert list(begun(tmp_path)) == []


def test_a_note_names_the_stage_of_its_own_attempt_alone() -> None:
    job = replace(a_job(), id=7, attempt=2)
    (slot,) = anonymous_slots(1)
    assert stage_in(noted(slot), job) == ""
    note(slot, job, "registration")
    note(slot, job, "scan")
    assert stage_in(noted(slot), job) == "scan"
    assert stage_in(noted(slot), replace(job, attempt=3)) == stage_in(noted(slot), replace(job, id=8)) == ""
    os.close(slot)


def test_the_notes_of_a_daemon_that_knew_no_stages_are_read(tmp_path: Path) -> None:
    (tmp_path / "worker-0").write_bytes(b"                   7          2\n")
    assert list(begun(tmp_path)) == [(7, 2)]
