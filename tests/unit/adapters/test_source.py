from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from semwatchd.adapters.source import read_once
from semwatchd.core.errors import DataError, EnvironmentFault, FileChangedError


def test_bytes_and_hash_belong_together(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"II*\0 some bytes")
    read = read_once(str(path))
    assert read.data == b"II*\0 some bytes"
    assert read.sha256 == hashlib.sha256(read.data).hexdigest()
    assert (read.size, read.mtime_ns) == (len(read.data), path.stat().st_mtime_ns)


def test_an_absent_file_is_no_fault_of_the_image(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"gone\.tif cannot be read: No such file.*moved or deleted"):
        read_once(str(tmp_path / "gone.tif"))


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_only_regular_files_are_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(DataError, match="not a regular file"):
        read_once(str(path))


def test_the_byte_limit_is_kept_before_reading(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(bytes(100))
    with pytest.raises(DataError, match="100 bytes; the limit is 99"):
        read_once(str(path), max_bytes=99)


def test_a_file_that_grows_while_it_is_read_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(bytes(100))
    first_look = os.fstat

    def look_then_grow(descriptor: int) -> os.stat_result:
        status = first_look(descriptor)
        with path.open("ab") as file:
            file.write(b"more")
        return status

    monkeypatch.setattr(os, "fstat", look_then_grow)
    with pytest.raises(FileChangedError, match="written to while it was read"):
        read_once(str(path))


def test_a_file_that_is_replaced_while_it_is_read_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / "a.tif", tmp_path / "b.tif"
    path.write_bytes(bytes(100))
    other.write_bytes(bytes(100))
    open_first = os.open

    def open_then_replace(name: str, flags: int) -> int:
        descriptor = open_first(name, flags)
        other.rename(path)
        return descriptor

    monkeypatch.setattr(os, "open", open_then_replace)
    with pytest.raises(FileChangedError, match="replaced"):
        read_once(str(path))


@pytest.mark.parametrize(
    ("code", "remedy"), [(5, "disk or the share"), (116, "mounted anew"), (13, "permissions")]
)
def test_every_fault_of_the_disk_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, remedy: str
) -> None:
    def fail(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(EnvironmentFault, match=remedy):
        read_once(str(tmp_path / "a.tif"))
