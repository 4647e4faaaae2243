from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from semwatchd.adapters import watching as watching_module
from semwatchd.adapters.listing import DiskListing
from semwatchd.adapters.watching import WatchedFolders
from semwatchd.core.naming import NameRules
from semwatchd.core.ports import FileStamp, Sight
from tests.fakes import ListLog, RecordingTelemetry


def folders(root: Path, *, hints: int = 100) -> WatchedFolders:
    source = WatchedFolders(lambda _root, _directory: {}, RecordingTelemetry(), ListLog(), hints=hints)
    source.add(str(root), NameRules(), DiskListing(), events=False)
    return source


def drained(source: WatchedFolders, count: int) -> list[Sight]:
    found: list[Sight] = []
    while len(found) < count:
        found += source.drain(count - len(found), 5.0)
    return found


def test_what_a_scan_finds_is_handed_out_in_portions(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"{number}.tif").touch()
    source = folders(tmp_path)
    assert source.drain(5, 0.0) == []
    source.start()
    source.check()
    first, second = drained(source, 4), drained(source, 6)
    source.stop()
    assert len(first) == 4
    assert sorted(hint.relpath for hint in [*first, *second]) == [f"{number}.tif" for number in range(10)]
    assert {hint.how for hint in first} == {"scan"}


def test_a_scan_waits_for_room_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching_module, "FOUND", 3)
    for number in range(50):
        (tmp_path / f"{number}.tif").touch()
    source = folders(tmp_path)
    source.start()
    source.check()
    assert len({hint.relpath for hint in drained(source, 50)}) == 50
    source.stop()


def test_a_scan_that_waits_for_room_can_be_stopped(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / f"{number}.tif").touch()
    before = threading.active_count()
    source = folders(tmp_path, hints=5)
    source.start()
    source.check()
    assert drained(source, 1)
    source.stop()
    assert threading.active_count() == before


def test_an_error_nobody_foresaw_in_a_scan_reaches_the_loop(tmp_path: Path) -> None:
    failed = threading.Event()

    def explode(_root: str, _directory: str) -> Mapping[str, FileStamp]:
        failed.set()
        raise ZeroDivisionError

    source = WatchedFolders(explode, RecordingTelemetry(), ListLog())
    source.add(str(tmp_path), NameRules(), DiskListing(), events=False)
    source.start()
    source.check()
    assert failed.wait(5)
    for thread in threading.enumerate():
        if thread.name == f"scan {tmp_path}":
            thread.join(5)
    with pytest.raises(ZeroDivisionError):
        source.check()
    source.stop()


def test_a_new_directory_is_scanned_on_wish(tmp_path: Path) -> None:
    source = folders(tmp_path)
    (tmp_path / "lot").mkdir()
    (tmp_path / "lot" / "a.tif").touch()
    source.start()
    assert source._scans[str(tmp_path)].wish("lot")
    assert drained(source, 1) == [Sight(str(tmp_path), "lot/a.tif", "scan")]
    source.stop()


def test_more_wishes_than_can_be_kept_become_one_for_everything(tmp_path: Path) -> None:
    source = folders(tmp_path)
    scan = source._scans[str(tmp_path)]
    for number in range(watching_module.REQUESTS + 1):
        assert scan.wish(f"lot{number}")
    (tmp_path / "a.tif").touch()
    source.start()
    assert drained(source, 1)[0].relpath == "a.tif"
    source.stop()
