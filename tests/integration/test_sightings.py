"""What the journal says of files: every legal move, any name, and the same words as its twin."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semwatchd.adapters.sql.journal import Journal
from semwatchd.adapters.sql.sightings import SqlSightingLog, reconsider_ignored
from semwatchd.core.job import SightingState
from semwatchd.core.ports import FileStamp, SightingLog
from tests.fakes_intake import MemorySightingLog
from tests.journals import ROOT, a_sighting, an_order, rows, running_journal, settle

pytestmark = pytest.mark.integration

HOSTILE = (
    "line\nbreak.tif",
    "back\\slash.tif",
    "\\x0a.tif",
    "\udcff\udc80.tif",
    "웨이퍼.tif",
    "x" * 251 + ".tif",
)


class Bench:
    def __init__(self, journal: Journal, folder: Path) -> None:
        self.journal = journal
        self.folder = folder
        self.now = 1000.0
        self.ready_told = 0
        self.errors: list[BaseException] = []
        self.log = SqlSightingLog(journal, lambda: self.now, self._on_ready, self.errors.append)

    def _on_ready(self) -> None:
        self.ready_told += 1

    def states(self) -> list[tuple[object, ...]]:
        settle(self.journal)
        return rows(self.folder, "SELECT state, mtime_ns, job_id FROM sighting ORDER BY id")

    def jobs(self) -> int:
        settle(self.journal)
        return len(rows(self.folder, "SELECT id FROM job"))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with running_journal(tmp_path) as journal:
        made = Bench(journal, tmp_path)
        yield made
        assert made.errors == []


def test_a_file_settles_and_becomes_a_job_that_remembers_its_first_sight(bench: Bench) -> None:
    bench.log.settling(a_sighting("L1/a.tif", 1))
    assert bench.states() == [("settling", 1, None)]
    assert bench.log.unsettled(ROOT) == ["L1/a.tif"]
    bench.now += 5
    bench.log.settling(a_sighting("L1/a.tif", 2))
    bench.log.ready(a_sighting("L1/a.tif", 2), an_order())
    assert bench.states() == [("ready", 2, 1)]
    assert bench.log.unsettled(ROOT) == []
    assert bench.ready_told == 1
    found = rows(bench.folder, "SELECT path, size, mtime_ns, detected_at, lot, lane, state FROM job")
    assert found == [(f"{ROOT}/L1/a.tif", 102, 2, 1000.0, "L1", "live", "queued")]


def test_the_same_version_twice_changes_nothing(bench: Bench) -> None:
    for _ in range(2):
        bench.log.ready(a_sighting("a.tif"), an_order())
        bench.log.ignored(a_sighting("b.txt"), "no image")
    bench.log.settling(a_sighting("a.tif"))
    bench.log.ready(a_sighting("a.tif"), an_order())
    bench.log.ignored(a_sighting("a.tif"), "too late")
    assert bench.states() == [("ready", 1, 1), ("ignored", 1, None), ("vanished", 1, None)]
    assert bench.jobs() == 1


def test_new_bytes_under_an_old_name_are_a_new_job(bench: Bench) -> None:
    for version in (1, 2, 3):
        bench.log.settling(a_sighting("a.tif", version))
        bench.log.ready(a_sighting("a.tif", version), an_order())
    assert bench.states() == [("superseded", 1, 1), ("superseded", 2, 2), ("ready", 3, 3)]
    for version in (1, 2, 3):
        assert bench.log.known(ROOT, "a.tif", a_sighting("a.tif", version).stamp)
    assert bench.log.known_in(ROOT, "") == {"a.tif": a_sighting("a.tif", 3).stamp}


@pytest.mark.parametrize("part", ["size", "mtime_ns", "ino"])
def test_any_difference_is_another_version(bench: Bench, part: str) -> None:
    bench.log.ready(a_sighting("a.tif"), an_order())
    settle(bench.journal)
    stamp = a_sighting("a.tif").stamp
    assert bench.log.known(ROOT, "a.tif", stamp)
    assert not bench.log.known(ROOT, "a.tif", stamp._replace(**{part: 77}))


def test_a_file_that_goes_away_is_remembered_as_gone_and_may_come_back(bench: Bench) -> None:
    bench.log.settling(a_sighting("a.tif"))
    bench.log.vanished(ROOT, "a.tif")
    bench.log.vanished(ROOT, "never seen.tif")
    assert bench.states() == [("vanished", 1, None)]
    assert not bench.log.known(ROOT, "a.tif", a_sighting("a.tif").stamp)
    bench.log.settling(a_sighting("a.tif"))
    bench.log.ready(a_sighting("a.tif"), an_order())
    assert bench.states() == [("vanished", 1, None), ("ready", 1, 1)]


def test_an_image_that_replaces_something_ignored_is_measured(bench: Bench) -> None:
    bench.log.ignored(a_sighting("a.tif", 1), "a symbolic link")
    bench.log.ready(a_sighting("a.tif", 2), an_order())
    assert bench.states() == [("superseded", 1, None), ("ready", 2, 1)]


def test_wider_patterns_let_ignored_files_settle_again(bench: Bench) -> None:
    bench.log.ignored(a_sighting("a.png"), "unknown file type")
    bench.log.ignored(a_sighting("b.txt"), "a sidecar")
    again = partial(reconsider_ignored, root=ROOT, reads=lambda name: name.endswith(".png"), now=bench.now)
    assert bench.journal.submit(again).result() == 1
    assert bench.log.unsettled(ROOT) == ["a.png"]
    bench.log.ready(a_sighting("a.png"), an_order())
    assert bench.states() == [("ready", 1, 1), ("ignored", 1, None)]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_comes_back_as_it_was(bench: Bench, name: str) -> None:
    for relpath in (name, f"{name}/{name}"):
        bench.log.settling(a_sighting(relpath, root=f"/data/{name}"))
        settle(bench.journal)
        assert bench.log.unsettled(f"/data/{name}") == [relpath]
        bench.log.ready(a_sighting(relpath, root=f"/data/{name}"), an_order())
        settle(bench.journal)
        assert bench.log.known(f"/data/{name}", relpath, a_sighting(relpath).stamp)
        assert list(bench.log.known_in(f"/data/{name}", os.path.dirname(relpath))) == [name]  # noqa: PTH120 — any bytes
    assert not bench.log.known(f"/data/{name}", name + "x", a_sighting(name).stamp)


def test_a_change_that_cannot_be_written_is_an_error_of_the_daemon(tmp_path: Path) -> None:
    with running_journal(tmp_path) as journal:
        bench = Bench(journal, tmp_path)
        huge = replace(a_sighting("a.tif"), stamp=FileStamp(size=2**70, mtime_ns=1, ino=1))
        bench.log.settling(huge)
        settle(journal)
        assert [type(error) for error in bench.errors] == [OverflowError]


NAMES = st.sampled_from(["a.tif", "d/a.tif", "d/b.tif", "\udcff\n.tif"])
PLACES = count()
MOVES = st.tuples(st.sampled_from(["settling", "ready", "ignored", "vanished"]), NAMES, st.integers(1, 3))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    with running_journal(tmp_path_factory.mktemp("shared")) as journal:
        yield journal


@settings(max_examples=60, derandomize=True, deadline=None, database=None)
@given(st.lists(MOVES, max_size=12))
def test_the_twins_tell_the_same(shared: Journal, moves: list[tuple[str, str, int]]) -> None:
    root = f"/data/{next(PLACES)}"
    real = SqlSightingLog(shared, lambda: 1.0, lambda: None, lambda _: None)
    twin = MemorySightingLog()
    logs: tuple[SightingLog, ...] = (real, twin)
    for move, name, version in moves:
        seen = a_sighting(name, version, root)
        for log in logs:
            match SightingState(move):
                case SightingState.SETTLING:
                    log.settling(seen)
                case SightingState.READY:
                    log.ready(seen, an_order())
                case SightingState.IGNORED:
                    log.ignored(seen, "why")
                case _ if name in twin.unsettled(root) or log is real:
                    log.vanished(root, name)
        settle(shared)
    assert sorted(real.unsettled(root)) == sorted(twin.unsettled(root))
    for directory in ("", "d"):
        assert real.known_in(root, directory) == twin.known_in(root, directory)
    for _, name, version in moves:
        stamp = a_sighting(name, version).stamp
        assert real.known(root, name, stamp) == twin.known(root, name, stamp)
