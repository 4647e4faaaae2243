"""Real folders, real inotify, real leases; only the journal is a twin."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from semwatchd.adapters.canary import DiskCanary
from semwatchd.adapters.listing import DiskListing
from semwatchd.adapters.probe import DiskProbe, ignore_lease_signal
from semwatchd.adapters.share import Share, ShareCanary, ShareLimits
from semwatchd.adapters.watching import WatchedFolders
from semwatchd.core.job import SightingState
from semwatchd.core.naming import NameRules
from semwatchd.core.plan import Plan
from semwatchd.core.ports import CanaryFile, FolderHealth, FolderState, Sight
from semwatchd.engine.canary import Canary, CanarySource
from semwatchd.engine.intake import Intake
from semwatchd.engine.intake_loop import IntakeLoop
from semwatchd.engine.settling import Patience
from semwatchd.engine.watched import WatchedFolder
from tests.fakes import ListLog, RecordingTelemetry
from tests.fakes_intake import MemorySightingLog

pytestmark = [
    pytest.mark.integration,
    # Watchdog warns of a directory it meets twice while it is being made; no event is lost by that.
    pytest.mark.filterwarnings("ignore:Callback with id:RuntimeWarning"),
]

PATIENCE = Patience(quiet_s=0.3, hold_s=4.0)
NAMES = NameRules(exclude=("keep-out",))


class Site:
    """A watched folder with everything that watches it, running in a thread."""

    def __init__(
        self,
        root: Path,
        log: MemorySightingLog,
        *,
        network: bool = False,
        share: Share | None = None,
        canary: CanaryFile | None = None,
        hints: int = 50_000,
    ) -> None:
        self.root = root
        self.log = log
        self.telemetry = RecordingTelemetry()
        self.lines = ListLog()
        self.health: list[FolderHealth] = []
        self.errors: list[BaseException] = []
        self.deaf: list[str] = []
        self.source = WatchedFolders(log.known_in, self.telemetry, self.lines, hints=hints)
        names = replace(NAMES, heard=canary.name) if canary and share else NAMES
        self.source.add(str(root), names, share or DiskListing(), events=not (network or share))
        folder = WatchedFolder(root=str(root), tool="SEM-1", plan=Plan(), names=NAMES, patience=PATIENCE)
        self.intake = Intake(
            [folder],
            log=log,
            probe=share or DiskProbe(),
            clock=time.monotonic,
            telemetry=self.telemetry,
            logger=self.lines,
        )
        self.tested = CanarySource(self.source, {str(root): self._canary(canary)} if canary else {})
        self.loop = IntakeLoop(
            self.intake,
            self.tested,
            clock=time.monotonic,
            telemetry=self.telemetry,
            logger=self.lines,
            report=self.health.append,
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _canary(self, file: CanaryFile) -> Canary:
        return Canary(
            str(self.root),
            file,
            every_s=1.5,
            clock=time.monotonic,
            telemetry=self.telemetry,
            report=lambda reason, _: self.deaf.append(reason),
        )

    def _run(self) -> None:
        try:
            self.loop.run(self._stop)
        except Exception as error:  # noqa: BLE001 — the test asserts that there was none
            self.errors.append(error)

    def start(self) -> None:
        self.source.start()
        self._thread.start()
        until(lambda: bool(self.health or self.errors))

    def stop(self) -> None:
        self.stop_thread()
        self.source.stop()

    def stop_thread(self) -> None:
        self._stop.set()
        self._thread.join(timeout=10)
        assert not self._thread.is_alive()
        self.tested.end()
        assert self.errors == []

    @property
    def ready(self) -> list[str]:
        return self.log.names()

    def state(self) -> FolderState:
        return self.health[-1].state


def until(condition: Callable[[], bool], timeout_s: float = 15.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def picture(path: Path, seed: int = 1) -> Path:
    pixels = np.random.default_rng(seed).integers(1, 255, (64, 64), dtype=np.uint8)
    tifffile.imwrite(path, pixels)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "sem"
    folder.mkdir()
    return folder


@pytest.fixture
def log() -> MemorySightingLog:
    return MemorySightingLog()


@pytest.fixture(autouse=True)
def _lease_signal() -> Iterator[None]:
    before = signal.getsignal(signal.SIGIO)
    ignore_lease_signal()
    yield
    signal.signal(signal.SIGIO, before)


@pytest.fixture
def site(root: Path, log: MemorySightingLog) -> Iterator[Site]:
    site = Site(root, log)
    site.start()
    try:
        yield site
    finally:
        site.stop()


def test_files_there_before_and_files_written_later_are_found(root: Path, log: MemorySightingLog) -> None:
    picture(root / "before.tif")
    site = Site(root, log)
    site.start()
    picture(root / "later.TIF")
    until(lambda: site.ready == ["before.tif", "later.TIF"])
    site.stop()
    assert ("SEM-1", "event") in site.telemetry.named("sighted")


def test_hostile_names_are_only_names(site: Site) -> None:
    names = ["a b.tif", "line\nbreak.tif", "\udcff\udcfe.tif", "x" * 251 + ".tif", "%s{}.tif", "-rf.tif"]
    for name in names:
        picture(site.root / name)
    until(lambda: site.ready == sorted(names))


def test_a_preallocating_writer_that_pauses_is_not_handed_over_before_it_closes(site: Site) -> None:
    whole = picture(site.root.parent / "whole.tif").read_bytes()
    path = site.root / "a.tif"
    with path.open("wb") as file:
        file.truncate(len(whole))
        file.write(whole[: len(whole) // 2])
        file.flush()
        time.sleep(5 * PATIENCE.quiet_s)
        assert site.ready == []
        assert site.intake.settling == 1
        file.write(whole[len(whole) // 2 :])
    until(lambda: site.ready == ["a.tif"])
    assert site.log.word_on("a.tif").stamp.mtime_ns == path.stat().st_mtime_ns


def test_a_preallocating_writer_that_closes_and_reopens_is_caught_by_its_zeros(site: Site) -> None:
    pixels = np.random.default_rng(3).integers(1, 255, (256, 256), dtype=np.uint8)
    whole_path = site.root.parent / "whole.tif"
    tifffile.imwrite(whole_path, pixels)
    whole = whole_path.read_bytes()
    path = site.root / "a.tif"
    path.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
    time.sleep(4 * PATIENCE.quiet_s)
    assert site.ready == []
    path.write_bytes(whole)
    until(lambda: site.ready == ["a.tif"])
    order = site.log.word_on("a.tif").order
    assert order is not None
    assert order.warnings == ()


def test_a_cut_file_is_handed_over_at_last_with_a_warning(site: Site) -> None:
    whole = picture(site.root.parent / "whole.tif").read_bytes()
    (site.root / "a.tif").write_bytes(whole[:-100])
    until(lambda: site.ready == ["a.tif"])
    order = site.log.word_on("a.tif").order
    assert order is not None
    assert order.warnings[0].startswith("suspect_partial: ")


def test_a_slow_writer_is_waited_for(site: Site) -> None:
    whole = picture(site.root.parent / "whole.tif").read_bytes()
    path = site.root / "a.tif"
    for start in range(0, len(whole), 1000):
        with path.open("ab") as file:
            file.write(whole[start : start + 1000])
        time.sleep(0.15)
        assert site.ready == []
    until(lambda: site.ready == ["a.tif"])
    assert site.log.word_on("a.tif").stamp.size == len(whole)


def test_a_file_renamed_into_place_leaves_no_trace_of_its_first_name(site: Site) -> None:
    picture(site.root / "a.tif.part").rename(site.root / "a.tif")
    until(lambda: site.ready == ["a.tif"])
    assert {path for _, path in site.log.settled} == {"a.tif"}


def test_directories_moved_in_and_made_deep_are_watched(site: Site) -> None:
    lot = site.root.parent / "lot"
    lot.mkdir()
    picture(lot / "moved.tif")
    lot.rename(site.root / "lot")
    deep = site.root / "a" / "b" / "c"
    deep.mkdir(parents=True)
    picture(deep / "deep.tif")
    until(lambda: site.ready == ["a/b/c/deep.tif", "lot/moved.tif"])
    picture(site.root / "lot" / "later.tif")
    until(lambda: "lot/later.tif" in site.ready)


def test_excluded_directories_are_neither_watched_nor_scanned(root: Path, log: MemorySightingLog) -> None:
    for name in ("keep-out", ".hidden", "lot"):
        (root / name).mkdir()
        picture(root / name / "a.tif")
    site = Site(root, log)
    site.start()
    until(lambda: site.ready == ["lot/a.tif"])
    picture(root / "keep-out" / "b.tif")
    picture(root / "lot" / "b.tif")
    until(lambda: site.ready == ["lot/a.tif", "lot/b.tif"])
    site.stop()
    assert set(log.settled) == {(str(root), "lot/a.tif"), (str(root), "lot/b.tif")}


def test_what_is_no_file_is_ignored_unopened(site: Site) -> None:
    os.mkfifo(site.root / "pipe.tif")
    (site.root / "out.tif").symlink_to("/etc/hostname")
    (site.root / "dir.tif").symlink_to(site.root.parent, target_is_directory=True)
    picture(site.root / "a.tif")
    (site.root / "in.tif").symlink_to(site.root / "a.tif")
    until(lambda: site.ready == ["a.tif", "in.tif"])
    until(lambda: site.log.names(SightingState.IGNORED) == ["dir.tif", "out.tif", "pipe.tif"])
    assert site.log.word_on("out.tif").reason == "refused: symbolic link leaves the watched folder"


def test_a_root_removed_and_made_again_is_watched_again(site: Site) -> None:
    picture(site.root / "a.tif")
    until(lambda: site.ready == ["a.tif"])
    shutil.rmtree(site.root)
    until(lambda: site.state() is FolderState.LOST)
    site.root.mkdir()
    until(lambda: site.state() is FolderState.OK)
    picture(site.root / "b.tif")
    until(lambda: "b.tif" in site.ready)
    assert site.log.gone == []


def test_a_root_renamed_away_is_lost_and_what_settled_in_it_waits(site: Site) -> None:
    with (site.root / "a.tif").open("wb") as file:
        until(lambda: site.intake.settling == 1)
        away = site.root.rename(site.root.parent / "away")
        until(lambda: site.state() is FolderState.LOST)
        time.sleep(0.5)
        away.rename(site.root)
        until(lambda: site.state() is FolderState.OK)
        file.write(picture(site.root.parent / "whole.tif").read_bytes())
    until(lambda: site.ready == ["a.tif"])
    assert site.log.gone == []


def test_a_root_exchanged_for_another_is_noticed_without_its_ever_being_away(site: Site) -> None:
    other = site.root.parent / "other"
    other.mkdir()
    picture(other / "b.tif")
    site.root.rename(site.root.parent / "away")
    other.rename(site.root)
    until(lambda: site.ready == ["b.tif"])
    picture(site.root / "c.tif")
    until(lambda: site.ready == ["b.tif", "c.tif"])


def test_a_root_that_is_missing_at_first_is_awaited(tmp_path: Path, log: MemorySightingLog) -> None:
    site = Site(tmp_path / "late", log)
    site.start()
    assert site.state() is FolderState.LOST
    assert site.health[-1].todo
    site.root.mkdir()
    picture(site.root / "a.tif")
    until(lambda: site.ready == ["a.tif"])
    site.stop()


def test_a_network_share_is_only_scanned(root: Path, log: MemorySightingLog) -> None:
    picture(root / "a.tif")
    site = Site(root, log, network=True)
    site.start()
    until(lambda: site.ready == ["a.tif"])
    picture(root / "b.tif")
    time.sleep(3 * PATIENCE.quiet_s)
    assert site.ready == ["a.tif"]
    site.loop.rescan()
    until(lambda: site.ready == ["a.tif", "b.tif"])
    site.stop()


def test_a_share_that_hangs_is_lost_and_comes_back_by_itself(root: Path, log: MemorySightingLog) -> None:
    share = Share(
        str(root),
        telemetry=RecordingTelemetry(),
        logger=ListLog(),
        clock=time.monotonic,
        limits=ShareLimits(answer_s=0.5, pause_s=1.0),
    )
    picture(root / "before.tif")
    site = Site(root, log, share=share)
    site.start()
    until(lambda: site.ready == ["before.tif"])
    assert share._helper is not None
    share._helper.process.send_signal(signal.SIGSTOP)
    picture(root / "meanwhile.tif")
    until(lambda: site.state() is FolderState.LOST)
    assert "does not answer" in site.health[-1].reason
    assert "server" in site.health[-1].todo
    until(lambda: site.ready == ["before.tif", "meanwhile.tif"])
    assert site.state() is FolderState.OK
    assert log.gone == []
    share.close()
    site.stop()


def test_a_writer_on_a_share_is_waited_for_through_the_helper(root: Path, log: MemorySightingLog) -> None:
    share = Share(str(root), telemetry=RecordingTelemetry(), logger=ListLog(), clock=time.monotonic)
    whole = picture(root.parent / "whole.tif").read_bytes()
    site = Site(root, log, share=share)
    with (root / "a.tif").open("wb") as file:
        file.write(whole[: len(whole) // 2])
        file.flush()
        site.start()
        until(lambda: site.intake.settling == 1)
        time.sleep(5 * PATIENCE.quiet_s)
        assert site.ready == []
        file.write(whole[len(whole) // 2 :])
    until(lambda: site.ready == ["a.tif"])
    order = log.word_on("a.tif").order
    assert order is not None
    assert order.warnings == ()
    share.close()
    site.stop()


def test_a_canary_is_noticed_at_once_and_leaves_no_trace(root: Path, log: MemorySightingLog) -> None:
    site = Site(root, log, canary=DiskCanary(".canary-1"))
    site.start()
    until(lambda: len(site.telemetry.named("canary")) == 2)
    for _, latency_s in site.telemetry.named("canary"):
        assert isinstance(latency_s, float)
        assert 0 < latency_s < 1.0
    site.stop()
    assert site.telemetry.named("canary")[-1] == (str(root), None)
    assert list(root.iterdir()) == []
    assert (log.settled, log.open, site.telemetry.named("sighted")) == ({}, {}, [])


def test_a_watch_that_has_gone_deaf_is_found_out_and_armed_anew(
    root: Path, log: MemorySightingLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(root, log, canary=DiskCanary(".canary-1"))
    site.start()
    until(lambda: bool(site.telemetry.named("canary")))
    (watcher,) = site.source._watchers.values()
    deaf = watcher._watch
    assert deaf is not None
    (emitter,) = deaf._observer.emitters
    monkeypatch.setattr(emitter, "queue_event", lambda _: None)  # alive by every other sign
    picture(root / "a.tif")
    until(lambda: site.ready == ["a.tif"])
    assert site.telemetry.named("sighted") == [("SEM-1", "scan")]
    assert any(site.deaf)
    assert watcher._watch is not deaf
    until(lambda: site.deaf[-1] == "")
    site.stop()


def test_on_a_share_a_scan_notices_the_canary(root: Path, log: MemorySightingLog) -> None:
    share = Share(str(root), telemetry=RecordingTelemetry(), logger=ListLog(), clock=time.monotonic)
    site = Site(root, log, share=share, canary=ShareCanary(share, ".canary-1"))
    site.start()
    until((root / ".canary-1").exists)
    site.loop.rescan()
    until(lambda: bool(site.telemetry.named("canary")))
    until(lambda: not (root / ".canary-1").exists())
    site.stop_thread()
    share.close()
    site.source.stop()
    assert list(root.iterdir()) == []
    assert (log.settled, log.open) == ({}, {})


def test_after_an_overflow_a_scan_finds_everything(
    root: Path, log: MemorySightingLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(root, log, hints=5)
    site.start()
    (watcher,) = site.source._watchers.values()
    drain, may_drain = site.source.drain, threading.Event()

    def drain_later(limit: int, timeout_s: float) -> Sequence[Sight]:
        may_drain.wait(15)
        return drain(limit, timeout_s)

    monkeypatch.setattr(site.source, "drain", drain_later)
    whole = picture(root.parent / "whole.tif").read_bytes()
    for number in range(300):
        (root / f"{number:03}.tif").write_bytes(whole)
    until(watcher.missed.is_set)
    may_drain.set()
    until(lambda: len(site.ready) == 300)
    site.stop()
    assert site.telemetry.named("watcher_overflowed")


def test_a_burst_of_five_thousand_files_is_found_to_the_last(site: Site) -> None:
    whole = picture(site.root.parent / "whole.tif").read_bytes()
    for number in range(5000):
        (site.root / f"{number:04}.tif").write_bytes(whole)
    until(lambda: len(site.ready) == 5000, timeout_s=60)


def test_what_was_settling_at_the_end_is_done_by_the_next_start(root: Path, log: MemorySightingLog) -> None:
    first = Site(root, log)
    first.start()
    with (root / "a.tif").open("wb") as file:
        until(lambda: log.unsettled(str(root)) == ["a.tif"])
        first.stop()
        file.write(picture(root.parent / "whole.tif").read_bytes())
    second = Site(root, log)
    second.start()
    until(lambda: second.ready == ["a.tif"])
    second.stop()
