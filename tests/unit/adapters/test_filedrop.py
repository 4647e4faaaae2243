from __future__ import annotations

import csv
import errno
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from semwatchd.adapters.mes.filedrop import FileDropMes, FileDropSettings
from semwatchd.adapters.mes.payload import render_result
from semwatchd.core.errors import TransientError
from semwatchd.core.job import Result
from semwatchd.core.ports import Event
from tests.deliveries import a_result, an_event


def event_of(result: Result) -> Event:
    rendered = render_result(result, site="fab3", finished_at=1_800_000_000.0, detected_at=None)
    return replace(
        an_event(1, payload=rendered.payload), event_id=rendered.event_id, subject=rendered.subject
    )


def dropping(directory: Path) -> FileDropMes:
    return FileDropMes(FileDropSettings(kind="filedrop", name="drop", directory=directory))


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def row_of(directory: Path) -> dict[str, str]:
    (path,) = directory.glob("*.csv")
    (row,) = csv.DictReader(io.StringIO(path.read_text("utf-8"), newline=""))
    return row


def test_both_files_carry_the_numbers_and_nothing_else_is_left(tmp_path: Path) -> None:
    event = event_of(a_result())
    dropping(tmp_path).send(event)
    stem = f"L1_W3_img_001.tif-{event.event_id}"
    assert set(content(tmp_path)) == {f"{stem}.json", f"{stem}.csv"}
    assert json.loads((tmp_path / f"{stem}.json").read_bytes()) == json.loads(event.payload)
    row = row_of(tmp_path)
    assert row["id"] == event.event_id
    assert row["context.lot"] == "L1"
    assert row["context.step"] == ""
    assert float(row["measurements.sharpness.tenengrad_corrected"]) == 12.5
    assert row["measurements.snr.db"] == ""
    assert float(row["registration.dx_px"]) == 2.4
    assert row["warnings"] == "the tail is all zero | no finite value for snr.db"


def test_the_columns_do_not_depend_on_whether_there_was_a_shift(tmp_path: Path) -> None:
    columns = []
    for name, result in {"with": a_result(), "without": a_result(registration=None)}.items():
        (tmp_path / name).mkdir()
        dropping(tmp_path / name).send(event_of(result))
        columns.append(list(row_of(tmp_path / name)))
    assert columns[0] == columns[1]


def test_sending_again_gives_the_same_bytes(tmp_path: Path) -> None:
    mes, event = dropping(tmp_path), event_of(a_result())
    mes.send(event)
    first = content(tmp_path)
    mes.send(event)
    assert content(tmp_path) == first


def test_a_torn_temp_file_of_a_crash_is_written_over(tmp_path: Path) -> None:
    event = event_of(a_result())
    torn = tmp_path / f".L1_W3_img_001.tif-{event.event_id}.json.part"
    torn.write_bytes(b"x" * 99_999)
    dropping(tmp_path).send(event)
    assert not torn.exists()
    assert len(content(tmp_path)) == 2


def test_the_json_appears_last_and_only_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    sync = os.fsync

    def looking(handle: int) -> None:
        seen.append(sorted(path.suffix for path in tmp_path.glob("[!.]*")))
        sync(handle)

    monkeypatch.setattr(os, "fsync", looking)
    dropping(tmp_path).send(event_of(a_result()))
    assert seen == [[], [".csv"], [".csv"], [".csv", ".json"]]


@pytest.mark.parametrize(
    "subject", ["../../etc/passwd", "a/b\x00c", "%2e%2e/" * 200, "웨이퍼/이미지", "", "...", "-rf"]
)
def test_no_subject_leaves_the_folder_or_breaks_the_name(tmp_path: Path, subject: str) -> None:
    dropping(tmp_path).send(replace(event_of(a_result()), subject=subject))
    names = set(content(tmp_path))
    assert len(names) == 2
    assert all(name[0].isalnum() and name.isascii() and len(name) < 200 for name in names)


def test_a_missing_folder_is_not_made_but_waited_for(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="create the folder or mount the share"):
        dropping(tmp_path / "share").send(event_of(a_result()))
    assert not (tmp_path / "share").exists()


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EACCES, "let the service write"),
        (errno.EROFS, "mount it writable"),
        (errno.EIO, "see to the disk"),
    ],
)
def test_a_disk_in_trouble_is_transient_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, remedy: str
) -> None:
    def failing(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(TransientError, match=remedy):
        dropping(tmp_path).send(event_of(a_result()))
    assert list(tmp_path.glob("[!.]*")) == []
