from __future__ import annotations

import math

import pytest

from semwatchd.core.ports import FolderHealth, FolderState, Sight
from semwatchd.engine.canary import Canary, CanarySource
from tests.fakes import FakeClock, RecordingTelemetry
from tests.fakes_intake import FakeSource, MemoryCanary

ROOT = "/watched"
REFUSED = PermissionError(13, "Permission denied")


class Bench:
    def __init__(self, every_s: float | None = 60.0) -> None:
        self.clock = FakeClock(1000.0)
        self.file = MemoryCanary()
        self.telemetry = RecordingTelemetry()
        self.told: list[tuple[str, str]] = []
        self.canary = Canary(
            ROOT,
            self.file,
            every_s=every_s,
            clock=self.clock,
            telemetry=self.telemetry,
            report=lambda reason, todo: self.told.append((reason, todo)),
        )

    def turn(self, seconds: float = 0.0) -> bool:
        self.clock.advance(seconds)
        return self.canary.turn()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_time_until_it_is_noticed_is_measured_and_the_file_goes(bench: Bench) -> None:
    assert not bench.turn()
    assert bench.file.there
    bench.clock.advance(0.25)
    assert bench.canary.heard(".canary")
    assert bench.telemetry.named("canary") == [(ROOT, 0.25)]
    assert bench.told == [("", "")]
    assert not bench.turn(1.0)
    assert not bench.file.there


def test_another_is_laid_when_its_time_has_come(bench: Bench) -> None:
    bench.turn()
    bench.canary.heard(".canary")
    bench.turn(59.0)
    assert not bench.file.there
    bench.turn(1.0)
    assert bench.file.there


def test_no_image_is_taken_for_the_canary(bench: Bench) -> None:
    bench.turn()
    for relpath in ("a.tif", "lot/.canary", ".canary.tif", ""):
        assert not bench.canary.heard(relpath)
    assert bench.telemetry.named("canary") == []


def test_only_the_first_hint_counts_and_a_late_one_is_no_image_either(bench: Bench) -> None:
    bench.turn()
    for _ in range(3):
        bench.clock.advance(1.0)
        assert bench.canary.heard(".canary")
    assert bench.telemetry.named("canary") == [(ROOT, 1.0)]


def test_one_that_is_not_noticed_means_deaf_once_and_another_is_laid_after_the_rearming(bench: Bench) -> None:
    bench.turn()
    assert not bench.turn(59.0)
    assert bench.turn(1.0)
    reason, todo = bench.told[-1]
    assert "not noticed within 60 s" in reason
    assert "scanned" in todo
    assert bench.telemetry.named("canary") == [(ROOT, math.inf)]
    assert bench.file.there  # the one that nobody noticed
    assert not bench.turn()
    bench.clock.advance(0.5)
    bench.canary.heard(".canary")
    assert bench.told[-1] == ("", "")
    assert bench.telemetry.named("canary")[-1] == (ROOT, 0.5)


def test_what_a_killed_daemon_left_behind_goes_first(bench: Bench) -> None:
    bench.file.there = True
    bench.turn()
    assert bench.file.there
    assert bench.told == []


def test_without_the_option_only_what_was_left_behind_goes() -> None:
    bench = Bench(every_s=None)
    bench.file.there = True
    for _ in range(1000):
        assert not bench.turn(10.0)
        assert not bench.file.there
    assert bench.told == []


def test_a_folder_that_may_not_be_written_is_named_until_it_may(bench: Bench) -> None:
    bench.file.trouble = REFUSED
    assert not bench.turn()
    reason, todo = bench.told[-1]
    assert "Permission denied" in reason
    assert "watch.canary_s" in todo
    bench.file.trouble = None
    bench.turn(60.0)
    assert bench.told[-1] == ("", "")
    assert bench.file.there


def test_one_that_cannot_be_removed_is_tried_again_and_again(bench: Bench) -> None:
    bench.turn()
    bench.canary.heard(".canary")
    bench.file.trouble = REFUSED
    bench.turn(1.0)
    assert "cannot be written or removed" in bench.told[-1][0]
    bench.file.trouble = None
    bench.turn(1.0)
    assert not bench.file.there
    assert bench.told[-1] == ("", "")


def test_a_lost_folder_is_not_deaf_and_tidied_when_it_is_back(bench: Bench) -> None:
    bench.turn()
    bench.canary.interrupt()
    bench.file.there = False
    bench.clock.advance(1000.0)
    bench.file.there = True  # the share brings back what lay there
    assert not bench.turn()
    assert bench.file.there
    assert bench.telemetry.named("canary") == []


def test_the_end_leaves_nothing_behind(bench: Bench) -> None:
    bench.turn()
    bench.canary.end()
    assert not bench.file.there
    assert bench.telemetry.named("canary") == [(ROOT, None)]


def test_an_end_on_a_share_that_does_not_answer_is_no_trouble(bench: Bench) -> None:
    bench.turn()
    bench.file.trouble = REFUSED
    bench.canary.end()
    assert bench.told == []


class Listener:
    """A source of hints behind a canary."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.behind = FakeSource()
        self.behind.health = [FolderHealth(root=ROOT), FolderHealth(root="/without")]
        self.source = CanarySource(self.behind, {ROOT: self.bench.canary})

    def check(self, times: int) -> None:
        for _ in range(times):
            assert self.source.check() == self.behind.health
            self.bench.clock.advance(1.0)


def test_behind_the_canary_nobody_sees_it_and_every_other_hint_passes() -> None:
    listener = Listener()
    listener.check(1)
    image, elsewhere = Sight(ROOT, "a.tif", "event"), Sight("/without", ".canary", "event")
    listener.behind.hints = [
        Sight(ROOT, ".canary", "event"),
        image,
        Sight(ROOT, ".canary", "event"),
        elsewhere,
    ]
    assert listener.source.drain(10, 0.0) == [image, elsewhere]
    assert listener.bench.telemetry.named("canary") == [(ROOT, 1.0)]


def test_a_folder_that_does_not_hear_its_canary_is_watched_anew_and_a_lost_one_is_not() -> None:
    listener = Listener()
    listener.check(61)
    assert listener.behind.rearmed == [ROOT]
    listener.behind.health = [FolderHealth(root=ROOT, state=FolderState.LOST)]
    listener.check(200)
    assert listener.behind.rearmed == [ROOT]


def test_wishes_pass_and_the_end_takes_the_canaries_away() -> None:
    listener = Listener()
    listener.check(1)
    listener.source.rescan()
    listener.source.rearm(ROOT)
    listener.source.end()
    assert (listener.behind.wished, listener.behind.rearmed) == ([None], [ROOT])
    assert not listener.bench.file.there
