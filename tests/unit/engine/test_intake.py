from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from semwatchd.core.job import Context, SightingState
from semwatchd.core.naming import NameRules
from semwatchd.core.plan import Plan
from semwatchd.core.ports import Completeness, FileLook
from semwatchd.engine.intake import LONGEST_STEP_S, STALE_S, STEP_LIMIT, Intake
from semwatchd.engine.settling import VANISH_CONFIRM_S, Patience
from semwatchd.engine.watched import WatchedFolder
from tests.fakes import FakeClock, ListLog, RecordingTelemetry
from tests.fakes_intake import BROKEN, COMPLETE, TRUNCATED, ZERO_TAIL, FakeDisk, MemorySightingLog

ROOT = "/watched"
FOLDER = WatchedFolder(
    root=ROOT, tool="SEM-1", plan=Plan(), names=NameRules(exclude=("old",)), patience=Patience(2.0, 30.0)
)


class Bench:
    """An intake on a fake disk, with a clock that is moved by hand."""

    def __init__(self, folder: WatchedFolder = FOLDER, max_settling: int = 100) -> None:
        self.clock = FakeClock(1000.0)
        self.disk = FakeDisk()
        self.log = MemorySightingLog()
        self.telemetry = RecordingTelemetry()
        self.lines = ListLog()
        self.folder = folder
        self.max_settling = max_settling
        self.intake = self.start()

    def start(self) -> Intake:
        self.intake = Intake(
            [self.folder],
            log=self.log,
            probe=self.disk,
            clock=self.clock,
            telemetry=self.telemetry,
            logger=self.lines,
            max_settling=self.max_settling,
        )
        return self.intake

    def see(self, relpath: str, how: str = "event") -> None:
        assert self.intake.sight(ROOT, relpath, how)
        self.intake.step(self.clock())

    def pass_time(self, seconds: float, tick: float = 0.25) -> None:
        end = self.clock() + seconds
        while self.clock() < end:
            self.clock.advance(min(tick, end - self.clock()))
            self.intake.step(self.clock())

    @property
    def ready(self) -> list[str]:
        return self.log.names()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_file_is_ready_once_it_has_been_quiet(bench: Bench) -> None:
    bench.disk.write("a.tif")
    bench.see("a.tif")
    assert bench.log.unsettled(ROOT) == ["a.tif"]
    bench.pass_time(1.9)
    assert bench.ready == []
    bench.pass_time(0.2)
    assert bench.ready == ["a.tif"]
    assert bench.intake.settling == 0
    assert bench.telemetry.named("sighted") == [("SEM-1", "event")]


def test_events_do_not_shorten_the_quiet_time(bench: Bench) -> None:
    bench.disk.write("a.tif")
    for _ in range(6):
        bench.see("a.tif")
        bench.pass_time(0.3)
    assert bench.ready == []
    assert bench.disk.opened == []


def test_every_change_starts_the_quiet_time_again(bench: Bench) -> None:
    bench.disk.write("a.tif")
    bench.see("a.tif")
    for _ in range(5):
        bench.pass_time(1.5)
        bench.disk.touch("a.tif")
        bench.see("a.tif")
    assert bench.ready == []
    bench.pass_time(2.1)
    assert bench.ready == ["a.tif"]


def test_a_file_renamed_into_place_needs_no_quiet_time(bench: Bench) -> None:
    bench.disk.write("a.tif.part")
    bench.see("a.tif.part")
    assert bench.intake.settling == 0
    bench.disk.rename("a.tif.part", "a.tif")
    bench.see("a.tif", "moved")
    assert bench.ready == ["a.tif"]


def test_a_rename_proves_nothing_while_a_writer_is_there(bench: Bench) -> None:
    file = bench.disk.write("a.tif", writer=True)
    bench.see("a.tif", "moved")
    bench.pass_time(60)
    assert bench.ready == []
    file.writer = False
    bench.see("a.tif")
    bench.pass_time(2.1)
    assert bench.ready == ["a.tif"]


def test_a_renamed_file_that_changes_is_treated_like_any_other(bench: Bench) -> None:
    bench.disk.write("a.tif", TRUNCATED)
    bench.see("a.tif", "moved")
    assert bench.ready == []
    bench.disk.write("a.tif", COMPLETE)
    bench.see("a.tif")
    assert bench.ready == []
    bench.pass_time(2.1)
    assert bench.ready == ["a.tif"]


def test_a_file_renamed_over_one_that_settles_is_taken_at_once(bench: Bench) -> None:
    bench.disk.write("a.tif", TRUNCATED)
    bench.see("a.tif")
    bench.disk.write(".a")
    bench.disk.rename(".a", "a.tif")
    bench.see("a.tif", "moved")
    assert bench.ready == ["a.tif"]
    assert bench.log.unsettled(ROOT) == []


def test_a_writer_is_waited_for_as_long_as_it_takes_and_never_read(bench: Bench) -> None:
    file = bench.disk.write("a.tif", ZERO_TAIL, writer=True)
    bench.see("a.tif")
    bench.pass_time(3 * STALE_S, tick=1.0)
    assert bench.ready == []
    assert [line for line in bench.lines.lines if line[1] == "stale_partial"] == [
        (
            "warning",
            "stale_partial",
            {"path": "/watched/a.tif", "reason": "a program still holds it open for writing"},
        )
    ]
    file.writer, file.content = False, COMPLETE
    bench.see("a.tif")
    bench.pass_time(2.1)
    assert bench.ready == ["a.tif"]


@pytest.mark.parametrize("content", [TRUNCATED, ZERO_TAIL])
def test_a_file_that_looks_incomplete_is_held_and_then_handed_over_with_a_warning(
    bench: Bench, content: Completeness
) -> None:
    bench.disk.write("a.tif", content)
    bench.see("a.tif")
    bench.pass_time(29.5)
    assert bench.ready == []
    bench.pass_time(1)
    order = bench.log.word_on("a.tif").order
    assert order is not None
    assert order.warnings == (f"suspect_partial: {content.reason}",)


def test_a_preallocated_file_reopened_in_time_is_handed_over_whole(bench: Bench) -> None:
    bench.disk.write("a.tif", ZERO_TAIL)
    bench.see("a.tif")
    bench.pass_time(20)
    bench.disk.write("a.tif", COMPLETE)
    bench.pass_time(20)
    order = bench.log.word_on("a.tif").order
    assert order is not None
    assert order.warnings == ()


def test_a_broken_file_is_the_workers_to_judge(bench: Bench) -> None:
    bench.disk.write("a.tif", BROKEN)
    bench.see("a.tif")
    bench.pass_time(2.1)
    assert bench.ready == ["a.tif"]


def test_a_writer_seen_anew_holds_the_file_again(bench: Bench) -> None:
    """The last word before the hold runs out counts from the writer, not from its first byte."""
    file = bench.disk.write("a.tif", ZERO_TAIL, writer=True)
    bench.see("a.tif")
    bench.pass_time(120)
    file.writer = False
    bench.see("a.tif")
    bench.pass_time(14)
    assert bench.ready == []
    bench.pass_time(20)
    assert bench.ready == ["a.tif"]


def test_a_file_written_anew_is_a_new_version(bench: Bench) -> None:
    bench.disk.write("a.tif")
    bench.see("a.tif")
    bench.pass_time(3)
    bench.see("a.tif")  # a stray event
    bench.pass_time(3)
    assert len(bench.log.settled[ROOT, "a.tif"]) == 1
    bench.disk.write("a.tif")
    bench.see("a.tif")
    bench.pass_time(3)
    assert len(bench.log.settled[ROOT, "a.tif"]) == 2


def test_a_file_that_goes_away_has_vanished_and_may_come_back(bench: Bench) -> None:
    bench.disk.write("a.tif")
    bench.see("a.tif")
    file = bench.disk.files.pop("a.tif")
    bench.pass_time(1 + VANISH_CONFIRM_S + 2)
    assert bench.log.gone == ["a.tif"]
    bench.disk.files["a.tif"] = file
    bench.see("a.tif", "scan")
    bench.pass_time(3)
    assert bench.ready == ["a.tif"]


def test_a_hint_of_a_file_that_is_not_there_leaves_no_trace(bench: Bench) -> None:
    bench.see("a.tif")
    bench.pass_time(10)
    assert (bench.intake.settling, bench.log.gone, bench.log.settled) == (0, [], {})


def test_nothing_vanishes_while_its_folder_is_lost(bench: Bench) -> None:
    bench.disk.write("a.tif")
    bench.see("a.tif")
    bench.intake.folder_lost(ROOT)
    files, bench.disk.files = bench.disk.files, {}
    bench.pass_time(3600, tick=5)
    assert bench.log.gone == []
    bench.disk.files = files
    bench.intake.folder_back(ROOT)
    bench.pass_time(10)
    assert bench.ready == ["a.tif"]


def test_what_was_settling_is_taken_up_again_after_a_restart(bench: Bench) -> None:
    bench.disk.write("a.tif")
    bench.disk.write("b.tif")
    bench.see("a.tif")
    bench.see("b.tif")
    del bench.disk.files["b.tif"]
    bench.start().restore(ROOT)
    bench.pass_time(10)
    assert bench.ready == ["a.tif"]
    assert bench.log.gone == ["b.tif"]


def test_what_the_journal_knows_is_not_done_twice_after_a_restart(bench: Bench) -> None:
    bench.disk.write("a.tif")
    bench.see("a.tif")
    bench.pass_time(3)
    bench.start()
    bench.see("a.tif", "scan")
    assert bench.intake.settling == 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("notes.docx", "unknown file type .docx; add a pattern to read it"),
        ("README", "unknown file type (no suffix); add a pattern to read it"),
        ("IMG_1.TXT", "sidecar of IMG_1.tif"),
        ("IMG_1-tif.hdr", "sidecar of IMG_1.tif"),
        ("IMG_2.txt", "sidecar of an image named like 'IMG_2', not here yet"),
    ],
)
def test_files_beside_images_are_ignored_with_the_reason(bench: Bench, name: str, reason: str) -> None:
    bench.disk.write("lot1/IMG_1.tif")
    bench.disk.write(f"lot1/{name}")
    bench.see(f"lot1/{name}")
    assert bench.log.word_on(f"lot1/{name}")[::3] == (SightingState.IGNORED, reason)
    assert bench.disk.opened == []


def test_a_sidecar_is_never_an_image_whatever_the_patterns_say() -> None:
    bench = Bench(replace(FOLDER, names=NameRules(patterns=("*",))))
    for name in ("a.txt", "a.sitif"):
        bench.disk.write(name)
        bench.see(name)
    bench.pass_time(3)
    assert bench.log.names(SightingState.IGNORED) == ["a.txt"]
    assert bench.ready == ["a.sitif"]


@pytest.mark.parametrize(
    "name", [".a.tif", "a.tif.part", "~$a.tif", "a.tif~", "up.tmp/a.tif", "old/x/a.tif", "OLD"]
)
def test_temporary_and_excluded_names_leave_no_trace(bench: Bench, name: str) -> None:
    bench.disk.write(name)
    bench.see(name)
    bench.pass_time(10)
    assert (bench.log.settled, bench.log.open, bench.intake.settling) == ({}, {}, 0)


def test_what_is_not_a_regular_file_is_ignored_unopened(bench: Bench) -> None:
    bench.disk.write("a.tif").oddity = "not a regular file: a named pipe"
    bench.see("a.tif")
    assert bench.log.word_on("a.tif").reason == "not a regular file: a named pipe"
    assert bench.disk.opened == []


def test_an_unreadable_file_is_waited_for(bench: Bench) -> None:
    file = bench.disk.write("a.tif")
    file.trouble = PermissionError(13, "Permission denied")
    bench.see("a.tif")
    bench.pass_time(STALE_S + 60, tick=1)
    assert bench.lines.lines[-1][2]["reason"] == "cannot be read: Permission denied"
    file.trouble = None
    bench.pass_time(60)
    assert bench.ready == ["a.tif"]


def test_a_first_look_goes_before_everything_that_has_been_seen() -> None:
    bench = Bench(max_settling=2 * STEP_LIMIT)
    for number in range(STEP_LIMIT + 1):
        bench.disk.write(f"{number}.tif")
        bench.see(f"{number}.tif")
    bench.clock.advance(5.0)
    bench.disk.write("fresh.tif")
    bench.see("fresh.tif")
    assert "fresh.tif" in bench.log.unsettled(ROOT)
    assert len(bench.ready) == STEP_LIMIT - 1


def test_without_room_a_hint_is_refused_and_nothing_is_forgotten() -> None:
    bench = Bench(max_settling=2)
    for name in ("a.tif", "b.tif", "c.tif"):
        bench.disk.write(name)
    bench.see("a.tif")
    bench.see("b.tif")
    assert not bench.intake.sight(ROOT, "c.tif", "event")
    assert bench.intake.refused == 1
    bench.pass_time(3)
    bench.see("c.tif", "scan")
    bench.pass_time(3)
    assert bench.ready == ["a.tif", "b.tif", "c.tif"]


def test_a_file_that_never_settles_makes_room_but_stays_in_the_journal() -> None:
    bench = Bench(max_settling=1)
    bench.disk.write("stuck.tif", writer=True)
    bench.see("stuck.tif")
    bench.pass_time(STALE_S + 60, tick=1)
    assert bench.intake.room == 1
    assert bench.log.unsettled(ROOT) == ["stuck.tif"]


def test_the_context_comes_from_the_path_and_is_never_invented() -> None:
    bench = Bench(replace(FOLDER, context=re.compile(r"(?P<lot>L\d+)/(?:W(?P<wafer>\d+)_)?")))
    for name in ("L7/W03_a.tif", "L8/a.tif", "a.tif", "L9/W\udcff_a.tif"):
        bench.disk.write(name)
        bench.see(name)
    bench.pass_time(3)
    orders = {name: bench.log.word_on(name).order for name in bench.ready}
    contexts = {name: order.context for name, order in orders.items() if order}
    assert contexts["L7/W03_a.tif"] == Context(tool="SEM-1", lot="L7", wafer="03")
    assert contexts["L8/a.tif"] == Context(tool="SEM-1", lot="L8")
    assert contexts["a.tif"] == Context(tool="SEM-1")
    assert contexts["L9/W\udcff_a.tif"].wafer is None


def test_a_step_says_when_the_next_is_due(bench: Bench) -> None:
    assert bench.intake.step(bench.clock()) is None
    bench.disk.write("a.tif")
    bench.intake.sight(ROOT, "a.tif", "event")
    assert bench.intake.step(bench.clock()) == bench.clock() + 2.0


CONTENTS = st.sampled_from([COMPLETE, TRUNCATED, ZERO_TAIL, BROKEN])
NAMES = st.sampled_from(["a.tif", "b.tif", "d/c.tif"])


class Disorder(RuleBasedStateMachine):
    """A tool, a disk and an operator do what they like, in any order."""

    @initialize()
    def begin(self) -> None:
        self.bench = Bench(max_settling=2)

    @rule(name=NAMES, content=CONTENTS, writer=st.booleans(), event=st.booleans())
    def write(self, name: str, content: Completeness, writer: bool, event: bool) -> None:  # noqa: FBT001 — drawn
        self.bench.disk.write(name, content, writer=writer)
        if event:
            self.bench.intake.sight(ROOT, name, "event")

    @rule(name=NAMES, event=st.booleans())
    def close(self, name: str, event: bool) -> None:  # noqa: FBT001 — drawn
        if name in self.bench.disk.files:
            self.bench.disk.files[name].writer = False
            if event:
                self.bench.intake.sight(ROOT, name, "event")

    @rule(source=NAMES, onto=NAMES)
    def rename(self, source: str, onto: str) -> None:
        if source in self.bench.disk.files and source != onto:
            self.bench.disk.rename(source, onto)
            self.bench.intake.sight(ROOT, onto, "moved")

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        self.bench.disk.files.pop(name, None)

    @rule(name=NAMES, trouble=st.sampled_from([None, PermissionError(13, "no"), OSError(5, "I/O error")]))
    def trouble(self, name: str, trouble: OSError | None) -> None:
        if name in self.bench.disk.files:
            self.bench.disk.files[name].trouble = trouble

    @rule(lost=st.booleans())
    def folder(self, lost: bool) -> None:  # noqa: FBT001 — drawn
        (self.bench.intake.folder_lost if lost else self.bench.intake.folder_back)(ROOT)

    @rule(seconds=st.floats(0.1, 40))
    def wait(self, seconds: float) -> None:
        self.bench.pass_time(seconds, tick=1.0)

    @rule()
    def restart(self) -> None:
        self.bench.start().restore(ROOT)

    @invariant()
    def nothing_is_handed_over_while_it_is_written(self) -> None:
        held = {(path, file.stamp) for path, file in self.bench.disk.files.items() if file.writer}
        ready = {
            (path, row.stamp)
            for (_, path), rows in self.bench.log.settled.items()
            for row in rows
            if row.state is SightingState.READY
        }
        assert not held & ready

    def teardown(self) -> None:
        """Once all is quiet, a few scans bring every file home."""
        bench = self.bench
        bench.intake.folder_back(ROOT)
        for file in bench.disk.files.values():
            file.writer, file.trouble = False, None
        for _ in range(3):
            for name, file in bench.disk.files.items():
                if not bench.log.known(ROOT, name, file.stamp):
                    bench.intake.sight(ROOT, name, "scan")
            bench.pass_time(45, tick=1.0)
        for name, file in bench.disk.files.items():
            assert bench.log.known(ROOT, name, file.stamp)
        assert (bench.intake.settling, bench.log.open) == (0, {})


TestDisorder = Disorder.TestCase
TestDisorder.settings = settings(
    max_examples=300, stateful_step_count=30, derandomize=True, deadline=None, database=None
)


@given(st.lists(st.floats(0.05, 1.9), min_size=1, max_size=10))
@settings(max_examples=40, derandomize=True, deadline=timedelta(seconds=2), database=None)
def test_a_slow_writer_without_a_lease_is_outwaited(pauses: list[float]) -> None:
    """Where leases cannot tell, no pause shorter than the quiet time hands the file over early."""
    bench = Bench()
    bench.disk.write("a.tif", writer=None)
    bench.see("a.tif")
    for pause in pauses:
        bench.pass_time(pause, tick=0.1)
        assert bench.ready == []
        bench.disk.write("a.tif", writer=None)
        bench.intake.step(bench.clock())
    bench.pass_time(4.1)  # the last change is noticed up to one quiet time late
    assert bench.ready == ["a.tif"]


def test_files_of_a_slow_share_do_not_keep_a_step_from_ending(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = FakeDisk.look

    def look_slowly(disk: FakeDisk, root: str, relpath: str) -> FileLook | None:
        bench.clock.advance(1.0)
        return look(disk, root, relpath)

    for number in range(50):
        bench.disk.write(f"{number}.tif")
        bench.intake.sight(ROOT, f"{number}.tif", "scan")
    monkeypatch.setattr(FakeDisk, "look", look_slowly)
    began = bench.clock()
    due = bench.intake.step(began)
    assert bench.clock() - began <= LONGEST_STEP_S + 1.0
    assert due is not None
    assert due <= bench.clock()
    for _ in range(100):
        bench.intake.step(bench.clock())
    assert len(bench.ready) == 50
