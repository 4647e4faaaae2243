"""All watched folders as one source of hints: their observers, their scanners, one bounded queue."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain

from semwatchd.adapters.folder import FolderWatcher, Listeners
from semwatchd.adapters.scanner import FULL_EVERY_S, HOT_EVERY_S, KnownIn, Scanner
from semwatchd.core.naming import NameRules
from semwatchd.core.ports import FolderHealth, FolderProbe, Log, Sight, Telemetry

HINTS = 50_000  #: about 10 MB; what does not fit is found again by a scan
FOUND = 2_000  #: scanners wait while more hints than this are waiting, and so leave the rest to events
BACK_PRESSURE_S = 0.02
REQUESTS = 1_000  #: directories waiting to be scanned, per folder


class WatchedFolders:
    """core.ports.FolderSource on disk. ``start`` before, ``stop`` after."""

    def __init__(
        self,
        known_in: KnownIn,
        telemetry: Telemetry,
        logger: Log,
        *,
        hints: int = HINTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._known_in = known_in
        self._telemetry = telemetry
        self._logger = logger
        self._clock = clock
        self._hints: queue.Queue[Sight] = queue.Queue(hints)
        self._stop = threading.Event()
        self._watchers: dict[str, FolderWatcher] = {}
        self._scans: dict[str, _ScanThread] = {}

    def add(self, root: str, names: NameRules, probe: FolderProbe, *, events: bool) -> None:
        """Watch one more folder, on ``events`` and by scans or by scans alone; only before ``start``."""
        scanner = Scanner(
            root,
            names,
            self._known_in,
            probe,
            clock=time.time,
            logger=self._logger,
            stopped=self._stop.is_set,
        )
        scan = _ScanThread(root, scanner, self._post_found, self._stop, self._clock)
        listeners = Listeners(post=lambda relpath, how: self._post(root, relpath, how), list_below=scan.wish)
        self._scans[root] = scan
        self._watchers[root] = FolderWatcher(
            root, names, listeners, probe=probe, events=events, clock=self._clock
        )

    def start(self) -> None:
        """Begin to scan; the observers are armed by the first ``check``."""
        for scan in self._scans.values():
            scan.start()

    def stop(self) -> None:
        """Stop every thread."""
        self._stop.set()
        for watcher in self._watchers.values():
            watcher.stop()
        for root, scan in self._scans.items():
            scan.wish("")  # wakes it
            scan.join(timeout=5.0)
            if scan.is_alive():
                self._logger.warning("scan_did_not_stop", root=root, reason="the file system does not answer")

    def drain(self, limit: int, timeout_s: float) -> Sequence[Sight]:
        """Return up to ``limit`` hints, waiting at most ``timeout_s`` for the first."""
        if limit <= 0:
            self._stop.wait(timeout_s)
            return []
        drained: list[Sight] = []
        try:
            drained.append(self._hints.get(timeout=max(timeout_s, 0.0)))
            while len(drained) < limit:
                drained.append(self._hints.get_nowait())
        except queue.Empty:
            pass
        return drained

    def check(self) -> list[FolderHealth]:
        """Ask after every folder, and have scanned what events have missed."""
        health = [watcher.check() for watcher in self._watchers.values()]
        for root, watcher in self._watchers.items():
            if watcher.missed.is_set():
                watcher.missed.clear()
                self._logger.warning("watch_overflow", root=root, reason="events were lost; scanning")
                self._telemetry.watcher_overflowed(root)
                self.rescan(root)
            self._scans[root].raise_error()
        return health

    def rescan(self, root: str | None = None) -> None:
        """Have one folder, or all, listed in full as soon as possible."""
        for scan in self._scans.values() if root is None else [self._scans[root]]:
            scan.wish("")

    def rearm(self, root: str) -> None:
        """Watch a folder anew and have it scanned."""
        self._watchers[root].rearm()

    def hint(self, root: str, relpath: str) -> None:
        """Have one file looked at again; from any thread."""
        if not self._post(root, relpath, "event"):
            self.rescan(root)

    def _post(self, root: str, relpath: str, how: str) -> bool:
        try:
            self._hints.put_nowait(Sight(root, relpath, how))
        except queue.Full:
            return False
        return True

    def _post_found(self, root: str, relpath: str) -> bool:
        """Post what a scan found once there is room; False when it is time to stop."""
        while not self._stop.is_set():
            if self._hints.qsize() < FOUND and self._post(root, relpath, "scan"):
                return True
            self._stop.wait(BACK_PRESSURE_S)
        return False


class _ScanThread(threading.Thread):
    """Scans one folder on a schedule and on wish, at the pace at which its finds are taken."""

    def __init__(
        self,
        root: str,
        scanner: Scanner,
        post: Callable[[str, str], bool],
        stop: threading.Event,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(name=f"scan {root}", daemon=True)  # a hung share must not hold up our end
        self._root = root
        self._scanner = scanner
        self._post = post
        self._stopping = stop
        self._clock = clock
        self._wishes: queue.Queue[str] = queue.Queue(REQUESTS)
        self._everything = threading.Event()
        self._hot_at = clock() + HOT_EVERY_S
        self._full_at = clock() + FULL_EVERY_S
        self._error: Exception | None = None

    def wish(self, directory: str) -> bool:
        """Ask for a directory and all below it, "" for the whole folder; never blocks."""
        if not directory:
            self._everything.set()
        try:
            self._wishes.put_nowait(directory)
        except queue.Full:
            self._everything.set()  # the queue holds enough to wake the thread
        return True

    def raise_error(self) -> None:
        """Raise what ended the thread, if anything did."""
        if self._error is not None:
            raise self._error

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._deliver(self._next())
        except Exception as error:  # noqa: BLE001 — the edge of this thread; raise_error hands it on
            self._error = error

    def _next(self) -> Iterable[str]:
        """Wait for the next wish or the schedule, and begin the scan it asks for."""
        wished = self._wait_for_wishes()
        now = self._clock()
        if self._everything.is_set() or now >= self._full_at:
            self._everything.clear()
            self._hot_at, self._full_at = now + HOT_EVERY_S, now + FULL_EVERY_S
            return self._scanner.full()
        scans = [self._scanner.below(directory) for directory in sorted(wished)]
        if now >= self._hot_at:
            self._hot_at = now + HOT_EVERY_S
            scans.append(self._scanner.hot())
        return chain.from_iterable(scans)

    def _wait_for_wishes(self) -> set[str]:
        wished: set[str] = set()
        try:
            wished.add(self._wishes.get(timeout=max(self._hot_at - self._clock(), 0.001)))
            while True:
                wished.add(self._wishes.get_nowait())
        except queue.Empty:
            return wished

    def _deliver(self, found: Iterable[str]) -> None:
        for relpath in found:
            if not self._post(self._root, relpath):
                return
