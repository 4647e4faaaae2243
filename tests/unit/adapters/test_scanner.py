from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from semwatchd.adapters.listing import DiskListing
from semwatchd.adapters.mounts import filesystem_of, is_network, on_network, resolved
from semwatchd.adapters.probe import DiskProbe
from semwatchd.adapters.scanner import HOT_S, Scanner
from semwatchd.core.job import Context
from semwatchd.core.naming import NameRules
from semwatchd.core.plan import Plan
from semwatchd.core.ports import Entry, JobOrder, NoAnswerError, Sighting
from tests.fakes import FakeClock, ListLog
from tests.fakes_intake import MemorySightingLog


class Bench:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = MemorySightingLog()
        self.lines = ListLog()
        self.clock = FakeClock(root.stat().st_mtime)
        names = NameRules(exclude=("old",))
        self.stopping = False
        self.scanner = Scanner(
            str(root),
            names,
            self.log.known_in,
            DiskListing(),
            clock=self.clock,
            logger=self.lines,
            stopped=lambda: self.stopping,
        )

    def put(self, relpath: str, content: bytes = b"x") -> Path:
        path = self.root / relpath
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def learn(self, relpath: str) -> None:
        look = DiskProbe().look(str(self.root), relpath)
        assert look is not None
        sighting = Sighting(root=str(self.root), relpath=relpath, stamp=look.stamp)
        self.log.ready(sighting, JobOrder(plan=Plan(), context=Context(tool="T")))

    def age(self, relpath: str) -> None:
        long_ago = self.clock() - 2 * HOT_S
        os.utime(self.root / relpath, (long_ago, long_ago))

    def full(self) -> list[str]:
        return sorted(self.scanner.full())

    def hot(self) -> list[str]:
        return sorted(self.scanner.hot())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_only_versions_the_journal_does_not_know_are_found(bench: Bench) -> None:
    for name in ("a.tif", "lot/b.tif", "lot/deep/c.tif", "notes.doc"):
        bench.put(name)
    assert bench.full() == ["a.tif", "lot/b.tif", "lot/deep/c.tif", "notes.doc"]
    for name in bench.full():
        bench.learn(name)
    assert bench.full() == []
    bench.put("lot/b.tif", b"written anew")
    assert bench.full() == ["lot/b.tif"]


def test_temporary_and_excluded_names_are_passed_over(bench: Bench) -> None:
    for name in (".a.tif", "b.tif.part", "old/c.tif", ".snapshot/d.tif", "lot/e.tif"):
        bench.put(name)
    assert bench.full() == ["lot/e.tif"]


def test_links_to_directories_are_reported_but_not_entered(bench: Bench) -> None:
    bench.put("lot/a.tif")
    (bench.root / "lot" / "loop").symlink_to(bench.root, target_is_directory=True)
    (bench.root / "nowhere.tif").symlink_to("gone")
    assert bench.full() == ["lot/a.tif", "lot/loop", "nowhere.tif"]
    for name in bench.full():
        bench.learn(name)
    assert bench.full() == []


def test_names_that_are_not_text_are_found(bench: Bench) -> None:
    name = os.fsdecode(b"\xff\xfe.tif")
    bench.put(name)
    bench.put("a\nb.tif")
    assert bench.full() == ["a\nb.tif", name]


def test_a_hot_scan_leaves_alone_what_has_long_been_still(bench: Bench) -> None:
    bench.put("new/a.tif")
    bench.put("still/b.tif")
    bench.full()
    bench.age("still")
    assert bench.hot() == ["new/a.tif"]


def test_a_hot_scan_enters_directories_made_since(bench: Bench) -> None:
    bench.put("still/b.tif")
    bench.full()
    bench.age("still")
    bench.put("made/deep/c.tif")
    assert bench.hot() == ["made/deep/c.tif"]
    bench.put("made/deep/d.tif")
    assert bench.hot() == ["made/deep/c.tif", "made/deep/d.tif"]


def test_a_scan_ends_when_it_is_told_to(bench: Bench) -> None:
    bench.put("lot/a.tif")
    bench.stopping = True
    assert bench.full() == []


def test_a_directory_that_went_away_is_no_trouble(bench: Bench) -> None:
    path = bench.put("lot/a.tif")
    bench.full()
    path.unlink()
    path.parent.rmdir()
    assert (bench.hot(), bench.full(), bench.lines.lines) == ([], [], [])


def test_a_directory_that_cannot_be_listed_is_named_once_and_the_rest_is_found(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.put("closed/a.tif")
    bench.put("open/b.tif")
    refuse_in(monkeypatch, str(bench.root / "closed"))
    assert bench.full() == ["open/b.tif"]
    assert bench.full() == ["open/b.tif"]
    path = str(bench.root / "closed")
    assert bench.lines.lines == [
        ("warning", "directory_not_scanned", {"path": path, "reason": "Permission denied"})
    ]


def test_a_scan_of_a_folder_that_does_not_answer_ends_without_a_word(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def no_answer(_root: str, directory: str, _names: NameRules) -> Iterator[Entry]:
        asked.append(directory)
        raise NoAnswerError(110, "the share does not answer")

    for number in range(20):
        bench.put(f"lot{number}/a.tif")
    bench.full()
    monkeypatch.setattr(bench.scanner._probe, "entries", no_answer)
    assert bench.hot() == []
    assert bench.full() == []
    assert asked[-1] == ""
    assert bench.lines.lines == []


def refuse_in(monkeypatch: pytest.MonkeyPatch, closed: str) -> None:
    scandir: Callable[[str], object] = os.scandir

    def refuse(path: str) -> object:
        if path == closed:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)


MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 22 0:50 / /mnt/sem rw - cifs //tool/images rw
41 22 0:51 / /mnt/with\\040blank rw - nfs4 server:/x rw
42 22 0:52 / /mnt/local rw master:3 - ext4 /dev/vdb rw
43 42 0:53 / /mnt/local/ssh rw - fuse.sshfs host:/ rw
44 22 0:54 / /mnt/usb rw - fuseblk /dev/sdb1 rw
garbage
"""


@pytest.mark.parametrize(
    ("path", "kind", "network"),
    [
        ("/", "ext4", False),
        ("/mnt/semantics", "ext4", False),
        ("/mnt/sem/lot/7", "cifs", True),
        ("/mnt/with blank", "nfs4", True),
        ("/mnt/local/x", "ext4", False),
        ("/mnt/local/ssh/x", "fuse.sshfs", True),
        ("/mnt/usb", "fuseblk", False),
    ],
)
def test_the_mount_decides_whether_a_folder_is_on_the_network(path: str, kind: str, network: bool) -> None:  # noqa: FBT001 — a parameter
    assert filesystem_of(path, MOUNTS) == kind
    assert is_network(kind) is network


def test_links_are_followed_up_to_a_share_and_no_further(tmp_path: Path) -> None:
    share = tmp_path / "share"
    (share / "lot").mkdir(parents=True)
    (share / "inside").symlink_to("/")
    (tmp_path / "link").symlink_to("share/lot")
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "link").symlink_to("../link/../inside")
    (tmp_path / "loop").symlink_to("loop")
    base = os.path.realpath(tmp_path)
    mounts = f"40 22 0:50 / {base}/share rw - nfs4 server:/ rw\n22 1 254:0 / / rw - ext4 /dev/vda rw\n"
    for path in ("share/lot", "link", "up/link/etc", "link/../../up/link"):
        assert resolved(f"{tmp_path}/{path}", mounts) == f"{base}/share"
        assert is_network(filesystem_of(resolved(f"{tmp_path}/{path}", mounts), mounts))
    assert resolved(f"{tmp_path}/up/./not//there", mounts) == f"{base}/up/not/there"
    assert resolved(f"{tmp_path}/loop", mounts) == f"{base}/loop"


def test_this_machines_own_mounts_can_be_read(tmp_path: Path) -> None:
    assert on_network("/proc") is False
    on_network(str(tmp_path / "not" / "there"))
