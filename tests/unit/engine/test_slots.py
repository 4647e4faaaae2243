from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from semwatchd.engine.slots import begun, note, open_slots
from tests.deliveries import a_job


def test_the_last_note_of_each_worker_is_read_back(tmp_path: Path) -> None:
    first, second, idle = open_slots(tmp_path / "slots", 3)
    note(first, replace(a_job(), id=7, attempt=1))
    note(first, replace(a_job(), id=12345678, attempt=2))
    note(second, replace(a_job(), id=3, attempt=3))
    for descriptor in (first, second, idle):
        os.close(descriptor)
    assert list(begun(tmp_path / "slots")) == [(12345678, 2), (3, 3)]


def test_a_new_start_forgets_the_old_notes_and_workers(tmp_path: Path) -> None:
    for descriptor in open_slots(tmp_path, 2):
        note(descriptor, a_job())
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
