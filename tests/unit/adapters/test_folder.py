from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from watchdog.events import FileClosedEvent, FileMovedEvent
from watchdog.observers.inotify import InotifyWatchGroup
from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent, InotifyFD, WatchDescriptor

from semwatchd.adapters import folder as folder_module
from semwatchd.adapters.folder import FolderWatcher, Listeners
from semwatchd.adapters.listing import DiskListing
from semwatchd.core.naming import NameRules
from semwatchd.core.ports import FolderState
from tests.fakes import FakeClock


class Bench:
    """A watcher whose hints are kept in lists."""

    def __init__(self, root: Path, *, network: bool = False) -> None:
        self.root = root
        self.posted: list[tuple[str, str]] = []
        self.wished: list[str] = []
        self.has_room = True
        self.arrived = threading.Event()
        self.clock = FakeClock(0.0)
        self.watcher = FolderWatcher(
            str(root),
            NameRules(exclude=("keep-out",)),
            Listeners(post=self.post, list_below=self.list_below),
            probe=DiskListing(),
            events=not network,
            clock=self.clock,
        )

    def post(self, relpath: str, how: str) -> bool:
        if self.has_room:
            self.posted.append((relpath, how))
        self.arrived.set()
        return self.has_room

    def list_below(self, directory: str) -> bool:
        self.wished.append(directory)
        return True

    def wait_for(self, hint: tuple[str, str]) -> None:
        for _ in range(500):
            if hint in self.posted:
                return
            self.arrived.wait(0.01)
            time.sleep(0.01)
        raise AssertionError(f"{hint} not among {self.posted}")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    path.mkdir()
    return path


@pytest.fixture
def bench(root: Path) -> Iterator[Bench]:
    bench = Bench(root)
    yield bench
    bench.watcher.stop()


def test_the_first_check_arms_the_watch_and_wishes_for_a_scan(bench: Bench) -> None:
    assert bench.watcher.check().state is FolderState.OK
    assert bench.wished == [""]
    bench.watcher.check()
    assert bench.wished == [""]
    (bench.root / "a.tif").write_bytes(b"x")
    bench.wait_for(("a.tif", "event"))
    (bench.root / "a.tif").rename(bench.root / "b.tif")
    bench.wait_for(("b.tif", "moved"))


def test_a_root_behind_a_link_reports_paths_below_the_link(tmp_path: Path, root: Path) -> None:
    (tmp_path / "alias").symlink_to(root)
    bench = Bench(tmp_path / "alias")
    bench.watcher.check()
    (root / "a.tif").write_bytes(b"x")
    bench.wait_for(("a.tif", "event"))
    bench.watcher.stop()


def test_excluded_directories_get_no_watch(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("keep-out/deep", ".hidden", "lot"):
        (bench.root / name).mkdir(parents=True)
    watched: list[object] = []
    add = InotifyFD.add_callback

    def remember(*arguments: object) -> WatchDescriptor:
        watched.append(arguments[1])
        return add(*arguments)  # type: ignore[arg-type]  # handed through as they came

    monkeypatch.setattr(InotifyFD, "add_callback", remember)
    bench.watcher.check()
    assert watched == [os.fsencode(bench.root), os.fsencode(bench.root / "lot")]


def test_directories_beyond_the_kernels_limit_are_admitted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bench.root / "lot").mkdir()
    add = InotifyFD.add_callback

    def refuse(*arguments: object) -> WatchDescriptor:
        if arguments[1] == os.fsencode(bench.root / "lot"):
            raise OSError(28, "inotify watch limit reached")
        return add(*arguments)  # type: ignore[arg-type]  # handed through as they came

    monkeypatch.setattr(InotifyFD, "add_callback", refuse)
    health = bench.watcher.check()
    assert health.state is FolderState.DEGRADED
    assert health.reason == f"{bench.root}: 1 directories cannot be watched"
    assert "max_user_watches" in health.todo


def test_without_an_inotify_instance_scans_go_on_and_arming_is_tried_ever_more_rarely(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[float] = []

    def refuse() -> None:
        tries.append(bench.clock())
        raise OSError(24, "inotify instance limit reached")

    with monkeypatch.context() as patch:
        patch.setattr(folder_module, "InotifyFD", refuse)
        for _ in range(100):
            assert bench.watcher.check().state is FolderState.DEGRADED
            bench.clock.advance(1.0)
    assert tries == [0, 1, 3, 7, 15, 31, 61, 91]
    bench.clock.advance(30)
    assert bench.watcher.check().state is FolderState.OK


def test_a_dead_observer_is_replaced_and_the_gap_scanned(bench: Bench) -> None:
    bench.watcher.check()
    watch = bench.watcher._watch
    assert watch is not None
    watch._observer.unschedule_all()
    bench.clock.advance(5)
    bench.watcher.check()
    assert bench.wished == ["", ""]
    (bench.root / "a.tif").write_bytes(b"x")
    bench.wait_for(("a.tif", "event"))


def test_an_overflow_in_the_kernel_is_noticed(bench: Bench) -> None:
    bench.watcher.check()
    watch = bench.watcher._watch
    assert watch is not None
    overflow = InotifyEvent(WatchDescriptor(-1), InotifyConstants.IN_Q_OVERFLOW, 0, b"")
    watch._inotify.handle_event(overflow)
    assert bench.watcher.missed.is_set()
    (bench.root / "a.tif").write_bytes(b"x")
    bench.wait_for(("a.tif", "event"))


def test_a_hint_without_room_is_marked_as_missed(bench: Bench) -> None:
    bench.has_room = False
    bench.watcher.check()
    (bench.root / "a.tif").write_bytes(b"x")
    assert bench.watcher.missed.wait(5)


def test_the_handler_never_raises_into_watchdogs_thread(root: Path) -> None:
    def explode(*_: str) -> bool:
        raise RuntimeError

    missed = threading.Event()
    handler = folder_module._Handler(str(root), Listeners(post=explode, list_below=explode), missed)
    handler.dispatch(FileClosedEvent(str(root / "a.tif")))
    assert missed.is_set()


def test_only_a_file_moved_by_itself_counts_as_moved_in_one_piece(root: Path) -> None:
    posted: list[tuple[str, str]] = []

    def post(relpath: str, how: str) -> bool:
        posted.append((relpath, how))
        return True

    listeners = Listeners(post=post, list_below=lambda _: True)
    handler = folder_module._Handler(str(root), listeners, threading.Event())
    handler.dispatch(FileMovedEvent(f"{root}/x", f"{root}/a.tif"))
    handler.dispatch(FileMovedEvent(f"{root}/y/b.tif", f"{root}/z/b.tif", is_synthetic=True))
    assert posted == [("a.tif", "moved"), ("z/b.tif", "event")]


def test_a_missing_root_is_lost_with_advice_and_found_again(bench: Bench) -> None:
    bench.watcher.check()
    away = bench.root.rename(bench.root.parent / "away")
    health = bench.watcher.check()
    assert health.state is FolderState.LOST
    assert health.reason == f"{bench.root}: No such file or directory"
    assert "mount" in health.todo
    away.rename(bench.root)
    assert bench.watcher.check().state is FolderState.OK
    assert bench.wished == ["", ""]


def test_a_root_that_is_a_file_is_lost(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert Bench(tmp_path / "file").watcher.check().state is FolderState.LOST


def test_what_lies_under_an_unmounted_mount_point_is_not_ours(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda _: True)
    bench.watcher.check()
    monkeypatch.setattr(os.path, "ismount", lambda _: False)
    for _ in range(3):
        health = bench.watcher.check()
        assert health.state is FolderState.LOST
        assert "nothing is mounted" in health.reason
    monkeypatch.setattr(os.path, "ismount", lambda _: True)
    assert bench.watcher.check().state is FolderState.OK


def test_a_network_root_has_no_observer(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "InotifyFD", None)
    bench = Bench(root, network=True)
    assert bench.watcher.check().state is FolderState.OK
    assert bench.wished == [""]


def test_stopping_leaves_no_thread_behind(bench: Bench) -> None:
    before = threading.active_count()
    bench.watcher.check()
    assert threading.active_count() == before + 3
    bench.watcher.stop()
    assert threading.active_count() == before


def test_the_methods_we_lean_on_are_still_watchdogs() -> None:
    """Were one renamed, our override would never be called and exclusions would silently cost watches."""
    for name in ("_add_callback", "on_queue_overflow", "_active_callbacks_by_path"):
        assert name in vars(InotifyWatchGroup) | InotifyWatchGroup.__annotations__
