"""A real helper process before a folder that stops answering."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from semwatchd.adapters.listing import DiskListing
from semwatchd.adapters.probe import DiskProbe
from semwatchd.adapters.share import Share, ShareCanary, ShareLimits
from semwatchd.core.naming import NameRules
from semwatchd.core.ports import NoAnswerError
from tests.daemon import picture
from tests.fakes import FakeClock, ListLog, RecordingTelemetry

pytestmark = pytest.mark.integration

LIMITS = ShareLimits(answer_s=0.5, pause_s=5.0)
NAMES = NameRules(exclude=("old",))


class Bench:
    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.clock = FakeClock(0.0)
        self.telemetry, self.lines = RecordingTelemetry(), ListLog()
        self.share = Share(
            self.root, telemetry=self.telemetry, logger=self.lines, clock=self.clock, limits=LIMITS
        )

    @property
    def helper(self) -> subprocess.Popen[bytes]:
        assert self.share._helper is not None
        return self.share._helper.process

    def stop_the_helper(self) -> None:
        self.share.place(self.root)
        self.helper.send_signal(signal.SIGSTOP)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.share.close()


def test_the_helper_says_what_the_disk_itself_would_say(bench: Bench, tmp_path: Path) -> None:
    for name in ("a.tif", "cut.tif", "\udcff.tif", ".hidden"):
        (tmp_path / name).write_bytes(picture(1))
    (tmp_path / "cut.tif").write_bytes(picture(1)[:-50])
    (tmp_path / "old").mkdir()
    (tmp_path / "lot").mkdir()
    (tmp_path / "nowhere.tif").symlink_to("gone")
    share, disk, listing = bench.share, DiskProbe(), DiskListing()
    for name in ("a.tif", "cut.tif", "\udcff.tif", "nowhere.tif", "not-there.tif", "lot"):
        assert share.look(bench.root, name) == disk.look(bench.root, name)
    for name in ("a.tif", "cut.tif", "\udcff.tif"):
        path = str(tmp_path / name)
        assert share.completeness(path) == disk.completeness(path)
        assert share.being_written(path) == disk.being_written(path)
    found = list(share.entries(bench.root, "", NAMES))
    assert found == list(listing.entries(bench.root, "", NAMES))
    assert {entry.name for entry in found} == {"a.tif", "cut.tif", "\udcff.tif", "lot", "nowhere.tif"}
    assert share.changed_at(bench.root) == listing.changed_at(bench.root)
    there = share.place(bench.root)
    assert (there.device, there.inode) == (tmp_path.stat().st_dev, tmp_path.stat().st_ino)


def test_errors_of_the_disk_come_back_as_what_they_are(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        bench.share.completeness(str(tmp_path / "gone.tif"))
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        list(bench.share.entries(bench.root, "file", NAMES))
    assert bench.telemetry.named("share_helper_lost") == []


def test_the_canary_of_a_share_is_laid_and_taken_away_by_the_helper(bench: Bench, tmp_path: Path) -> None:
    file = ShareCanary(bench.share, ".canary")
    file.lay(bench.root)
    assert (tmp_path / ".canary").exists()
    with pytest.raises(FileExistsError):
        file.lay(bench.root)
    file.take_away(bench.root)
    file.take_away(bench.root)
    assert list(tmp_path.iterdir()) == []


def test_a_large_directory_comes_in_pieces_and_other_questions_are_answered_in_between(
    bench: Bench, tmp_path: Path
) -> None:
    for number in range(250):
        (tmp_path / f"{number:03}{'x' * 240}.tif").touch()
    listed = bench.share.entries(bench.root, "", NAMES)
    names = [next(listed).name]
    assert bench.share.look(bench.root, names[0]) is not None
    names += [entry.name for entry in listed]
    assert sorted(names) == sorted(os.listdir(tmp_path))  # noqa: PTH208 — names, not paths


def test_a_helper_that_does_not_answer_is_killed_and_the_share_called_silent(bench: Bench) -> None:
    bench.stop_the_helper()
    stopped = bench.helper
    with pytest.raises(NoAnswerError, match="the share does not answer"):
        bench.share.place(bench.root)
    assert stopped.returncode == -signal.SIGKILL
    assert bench.telemetry.named("share_helper_lost") == [(bench.root, "hang")]
    assert bench.lines.events() == ["share_helper_lost"]


def test_after_a_pause_another_helper_answers_and_says_that_it_is_another(bench: Bench) -> None:
    before = bench.share.place(bench.root)
    bench.stop_the_helper()
    began = time.monotonic()
    with pytest.raises(NoAnswerError):
        bench.share.look(bench.root, "a.tif")
    assert time.monotonic() - began >= LIMITS.answer_s
    for _ in range(100):  # at once, each of them, and no helper is started
        with pytest.raises(NoAnswerError):
            bench.share.look(bench.root, "a.tif")
    assert len(bench.telemetry.named("share_helper_lost")) == 1
    bench.clock.advance(LIMITS.pause_s)
    after = bench.share.place(bench.root)
    assert (after.device, after.inode) == (before.device, before.inode)
    assert after != before


def test_a_helper_that_dies_is_a_crash_not_a_hang(bench: Bench) -> None:
    bench.share.place(bench.root)
    bench.helper.kill()
    with pytest.raises(NoAnswerError, match="ended: SIGKILL"):
        bench.share.place(bench.root)
    assert bench.telemetry.named("share_helper_lost") == [(bench.root, "crash")]


def test_where_no_process_can_be_started_it_is_tried_again_after_a_pause(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[object] = []

    def refuse(*_: object, **__: object) -> None:
        tries.append(None)
        raise FileNotFoundError(2, "No such file or directory")  # as in the middle of an upgrade

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", refuse)
        for _ in range(10):
            with pytest.raises(NoAnswerError, match="no process can be started"):
                bench.share.look(bench.root, "a.tif")
    assert len(tries) == 1
    assert bench.telemetry.named("share_helper_lost") == [(bench.root, "crash")]
    bench.clock.advance(LIMITS.pause_s)
    assert bench.share.look(bench.root, "a.tif") is None


def test_no_second_helper_is_started_while_the_kernel_keeps_the_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a broken share makes a process that SIGKILL does not end; so the signal is held back."""
    bench.stop_the_helper()
    kept = bench.helper
    with monkeypatch.context() as patch:
        patch.setattr(kept, "kill", lambda: None)
        with pytest.raises(NoAnswerError):
            bench.share.place(bench.root)
    assert bench.telemetry.named("share_helper_stuck") == [(bench.root, True)]
    bench.clock.advance(100 * LIMITS.pause_s)
    with pytest.raises(NoAnswerError, match=rf"process {kept.pid}, hangs in the kernel"):
        bench.share.place(bench.root)
    reloaded = Share(
        bench.root,
        telemetry=bench.telemetry,
        logger=bench.lines,
        clock=bench.clock,
        limits=LIMITS,
        stuck=bench.share._stuck,
    )
    with pytest.raises(NoAnswerError, match="hangs in the kernel"):
        reloaded.place(bench.root)
    kept.kill()
    kept.wait()
    bench.share.place(bench.root)
    assert bench.telemetry.named("share_helper_stuck") == [(bench.root, True), (bench.root, False)]


def test_a_listing_does_not_go_on_with_another_helper(bench: Bench, tmp_path: Path) -> None:
    for number in range(250):
        (tmp_path / f"{number}.tif").touch()
    listed = bench.share.entries(bench.root, "", NAMES)
    next(listed)
    bench.helper.kill()
    with pytest.raises(NoAnswerError):
        bench.share.look(bench.root, "a.tif")
    bench.clock.advance(LIMITS.pause_s)
    bench.share.look(bench.root, "a.tif")
    with pytest.raises(NoAnswerError, match="exchanged"):
        list(listed)


def test_closing_frees_whoever_waits_and_leaves_no_process(bench: Bench) -> None:
    patient = Share(
        bench.root, telemetry=bench.telemetry, logger=bench.lines, clock=bench.clock, limits=ShareLimits()
    )
    patient.place(bench.root)
    assert patient._helper is not None
    process = patient._helper.process
    process.send_signal(signal.SIGSTOP)
    freed = threading.Event()

    def wait_for_an_answer() -> None:
        with pytest.raises(NoAnswerError):
            patient.place(bench.root)
        freed.set()

    waiting = threading.Thread(target=wait_for_an_answer)
    waiting.start()
    while not patient._turn.locked():
        time.sleep(0.01)
    patient.close()
    assert freed.wait(5)
    waiting.join()
    assert process.returncode == -signal.SIGKILL
    assert bench.lines.events() == []
    with pytest.raises(NoAnswerError, match="watched no more"):
        patient.place(bench.root)


def test_a_helper_ends_with_the_line_to_its_daemon(bench: Bench) -> None:
    bench.share.place(bench.root)
    assert bench.share._helper is not None
    process = psutil.Process(bench.helper.pid)
    bench.share._helper._line.close()
    assert psutil.wait_procs([process], timeout=5)[0]
