"""The daemon of one run: started, killed and started again on one journal, as a service manager would."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from semwatchd.core.failpoints import VARIABLE
from semwatchd.offline.stand import STOP_S, stop, wait_for_daemon
from tests.daemon import Daemon, Site
from tests.faults.clocked import WrongClock
from tests.faults.receiver import MoodyReceiver

DEADLINE_S = 3.0  #: for a worker; one that stands still for longer is ended
TMPFS_MB = 2048
CLOCKED = "tests.faults.clocked"  #: semwatchd, with a clock of its own
ROOT = Path(__file__).parents[2]
ORPHANS_S = 5.0  #: after the daemon's death its workers may live so long


@dataclass(frozen=True, slots=True)
class Start:
    """One start of the daemon."""

    at: float  #: epoch seconds
    measurable: bool  #: work lay ready and nothing but the start itself stood in its way


class Stand:
    def __init__(self, base: Path, *, deadline_s: float = DEADLINE_S) -> None:
        self.site = Site(base)
        self.drop = base / "drop"
        self.drop.mkdir(parents=True)
        self.receiver = MoodyReceiver()
        self.clock = WrongClock(base / "clock")
        self.starts: list[Start] = []
        self.problems: list[str] = []
        self.disturbed: list[float] = []  #: epoch seconds at which a fault struck, other than a death
        self.hindered = False  #: a fault lasts under which the daemon may refuse to start
        self._groups: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = self._armed = self._excused = False
        self.site.configure(
            destinations=[
                {"kind": "http", "name": "mes", "url": self.receiver.url, "timeout_s": 1.0},
                {"kind": "filedrop", "name": "drop", "directory": str(self.drop)},
            ],
            workers={"count": 2, "pin": False, "deadline_s": deadline_s},
        )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, failpoint: str = "", *, measurable: bool = False) -> None:
        """Start the daemon and return at once."""
        (self.site.state_dir / "http.port").unlink(missing_ok=True)
        self.starts.append(Start(time.time(), measurable and not self.hindered))
        self._killed, self._armed, self._excused = False, bool(failpoint), self.hindered
        with self.site.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", CLOCKED, str(self.clock.path), "run", "-c", str(self.site.config)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
                env=os.environ | {VARIABLE: failpoint},
            )
        self._groups.add(self._process.pid)

    def kill(self, *, group: bool = False) -> None:
        """End the daemon by SIGKILL, alone or with all its workers."""
        if not self.alive:
            return
        self._killed = True
        workers = self.workers()
        (os.killpg if group else os.kill)(self.pid, signal.SIGKILL)
        assert self._process is not None
        self._process.wait()
        if psutil.wait_procs(workers, ORPHANS_S)[1]:
            self.problems.append(f"workers outlived their daemon by {ORPHANS_S:g} s")

    def keep_running(self, *, measurable: bool = False) -> None:
        """Start the daemon again if it has ended; an end that nobody caused is a problem."""
        if self.alive:
            return
        self._judge_end()
        self.start(measurable=measurable)

    def disarm(self) -> None:
        """Replace a daemon that waits at a failpoint by one that does not."""
        if self._armed:
            self.kill()
            self.start()

    def ready(self) -> Daemon:
        """Wait until the daemon takes work, started again where it had ended."""
        self.keep_running()
        assert self._process is not None
        return Daemon(self._process, wait_for_daemon(self._process, self.site.state_dir, self.site.log))

    def stop(self) -> None:
        """End the daemon in order."""
        if self._process is None:
            return
        code = stop(self._process, STOP_S)
        # Before the daemon has taken its signals, nothing is begun that it could leave behind.
        if code not in {0, -signal.SIGTERM} and not (self._killed or self._excused or self._armed):
            self.problems.append(f"the daemon ended with {code} when asked to stop")

    def hinder(self, *, lasting: bool) -> None:
        """Say that a fault begins, or is over, under which even a sound daemon may refuse to start."""
        self.disturbed.append(time.time())
        self.hindered = lasting
        self._excused = True

    def workers(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.pid).children()
        except psutil.NoSuchProcess:
            return []

    def survivors(self) -> list[str]:
        """Name every living process of all daemons of this run."""
        return [
            f"process {process.pid} of the daemon is left"
            for process in psutil.process_iter()
            if _group_of(process) in self._groups
        ]

    def handles(self) -> Counter[str]:
        """Count what the daemon holds open: files, sockets, pipes, watches (inotify), memory (memfd)."""
        kinds: Counter[str] = Counter()
        for descriptor in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed while we look
                kinds[_kind_of(str(descriptor.readlink()))] += 1
        return kinds

    def shared_memory(self) -> list[str]:
        """Name the shared memory with a name that daemon and workers use; it would outlive them."""
        family = [psutil.Process(self.pid), *self.workers()]
        maps = {
            line for process in family for line in Path(f"/proc/{process.pid}/maps").read_text().splitlines()
        }
        return sorted(path for line in maps if (path := line.split()[-1]).startswith("/dev/shm/"))  # noqa: S108

    def stored(self, sha256: str) -> bool:
        """Whether the journal holds a result of these bytes; False where it cannot be asked now."""
        query = "select 1 from job where sha256 = ? and state = 'stored'"
        try:
            return bool(self.site.rows(query, sha256))
        except sqlite3.Error:
            return False

    def count(self, query: str) -> int:
        return int(self.site.rows(query)[0][0])

    def _judge_end(self) -> None:
        if self._process is None or self._killed or self._excused:
            return
        code = self._process.returncode
        if not (self._armed and code == -signal.SIGKILL):
            self.problems.append(f"the daemon ended by itself with {code}; its log: {self.site.log}")


def _kind_of(target: str) -> str:
    """Tell from where a descriptor's link points: /memfd:..., /a/file, anon_inode:inotify, socket:[1]."""
    if target.startswith("/memfd:"):
        return "memory"
    if "/journal.db" in target:
        return "journal"
    return "file" if target.startswith("/") else target.removeprefix("anon_inode:").split(":")[0]


def _group_of(process: psutil.Process) -> int:
    try:
        return 0 if process.status() == psutil.STATUS_ZOMBIE else os.getpgid(process.pid)
    except (OSError, psutil.NoSuchProcess):
        return 0


@contextmanager
def small_disk(folder: Path, options: str = f"size={TMPFS_MB}m") -> Iterator[bool]:
    """Lay a file system of its own under the folder where we may; tells whether we could."""
    folder.mkdir(parents=True, exist_ok=True)
    if not _mount(options, folder):
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)  # noqa: S607 — found by its name


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Leave no free byte on the folder's own file system for as long as the block lasts."""
    for spare_kb in (0, 64, 256, 1024):  # it grows while we look
        space = os.statvfs(folder)
        used_kb = (space.f_blocks - space.f_bfree) * space.f_frsize // 1024
        if _mount(f"remount,size={used_kb + spare_kb}k", folder):
            break
    try:
        yield
    finally:
        _mount(f"remount,size={TMPFS_MB}m", folder)


def _mount(options: str, folder: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
