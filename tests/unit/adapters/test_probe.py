from __future__ import annotations

import fcntl
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from semwatchd.adapters.probe import DiskProbe, ignore_lease_signal
from semwatchd.core.ports import CompletenessKind

PROBE = DiskProbe()


@pytest.fixture(autouse=True)
def _lease_signal() -> Iterator[None]:
    before = signal.getsignal(signal.SIGIO)
    ignore_lease_signal()
    yield
    signal.signal(signal.SIGIO, before)


def oddity(root: Path, name: str) -> str | None:
    look = PROBE.look(str(root), name)
    assert look is not None
    return look.oddity


def test_a_stamp_tells_every_version_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"one")
    first = PROBE.look(str(tmp_path), "a.tif")
    os.utime(path, ns=(0, 0))
    second = PROBE.look(str(tmp_path), "a.tif")
    assert first is not None
    assert second is not None
    assert (first.stamp.size, first.oddity) == (3, None)
    assert first.stamp != second.stamp


def test_nothing_and_directories_are_not_files(tmp_path: Path) -> None:
    (tmp_path / "dir.tif").mkdir()
    (tmp_path / "file").touch()
    assert [PROBE.look(str(tmp_path), name) for name in ("none", "dir.tif", "file/below")] == [None] * 3


def test_what_is_not_a_regular_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    os.mkfifo("pipe.tif")
    (tmp_path / "null.tif").symlink_to("/dev/null")
    (tmp_path / "sub").mkdir()
    (tmp_path / "dir.tif").symlink_to("sub")
    (tmp_path / "pipe-link.tif").symlink_to("pipe.tif")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("sock.tif")
        assert oddity(tmp_path, "sock.tif") == "not a regular file: a socket"
    assert oddity(tmp_path, "pipe.tif") == "not a regular file: a named pipe"
    assert oddity(tmp_path, "pipe-link.tif") == "not a regular file: a named pipe"
    assert oddity(tmp_path, "dir.tif") == "not a regular file: a symbolic link to a directory"
    assert oddity(tmp_path, "null.tif") == "refused: symbolic link leaves the watched folder"


def test_links_are_followed_only_inside_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "rootling").mkdir()
    for path in (root / "real.tif", tmp_path / "secret", tmp_path / "rootling" / "near.tif"):
        path.write_bytes(b"x")
    (root / "in.tif").symlink_to("real.tif")
    (root / "out.tif").symlink_to("../secret")
    (root / "near.tif").symlink_to("../rootling/near.tif")
    (root / "loop.tif").symlink_to("loop.tif")
    (root / "nowhere.tif").symlink_to("gone")
    (tmp_path / "alias").symlink_to(root)
    assert oddity(root, "in.tif") is None
    assert oddity(tmp_path / "alias", "in.tif") is None
    for name in ("out.tif", "near.tif"):
        assert oddity(root, name) == "refused: symbolic link leaves the watched folder"
    for name in ("loop.tif", "nowhere.tif"):
        assert str(oddity(root, name)).startswith("symbolic link to nothing")


def test_a_writer_is_noticed_and_a_reader_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"x")
    assert PROBE.being_written(str(path)) is False
    with path.open("rb"):
        assert PROBE.being_written(str(path)) is False
    with path.open("ab"):
        assert PROBE.being_written(str(path)) is True
    assert PROBE.being_written(str(path)) is False


def test_the_lease_is_given_back_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"x")
    PROBE.being_written(str(path))
    writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK)  # would be refused while a lease is held
    os.close(writer)


@pytest.mark.parametrize(
    "error", [PermissionError(13, "no"), OSError(22, "invalid"), OSError(95, "unsupported")]
)
def test_where_leases_are_not_to_be_had_nothing_is_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def refuse(*_: object) -> int:
        raise error

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    (tmp_path / "a.tif").write_bytes(b"x")
    assert PROBE.being_written(str(tmp_path / "a.tif")) is None


def test_a_pipe_is_asked_without_being_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tif")
    assert PROBE.being_written(str(tmp_path / "pipe.tif")) is None


def test_a_lease_being_broken_by_a_writer_counts_as_a_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "open", busy)
    assert PROBE.being_written("a.tif") is True


def test_content_is_judged_by_the_file_itself(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"no image at all")
    assert PROBE.completeness(str(tmp_path / "a.tif")).kind is CompletenessKind.BROKEN
