"""The oracle: a tool that writes in every way tools write, and remembers the truth about each file."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from semwatchd.offline.writers import write
from tests.daemon import picture
from tests.faults.gate import Gate
from tests.faults.truth import Fate, Truth
from tests.hostile_tiffs import gigapixel, many_samples, text_as_width, zero_width

#: What one cycle writes, by way of writing.
MIX = {
    "direct": 8,
    "renamed": 6,
    "slow": 3,
    "preallocated": 3,
    "reopened": 2,
    "dated": 2,
    "moved in": 1,
    "sent again": 2,
    "written over": 2,
    "broken": 1,
    "hostile": 1,
    "empty": 1,
    "pipe": 1,
    "link": 1,
}
SIZES_PX = (96,) * 14 + (512,) * 5 + (1536,)  #: mostly quick, now and then one long enough to be killed at
ODDITIES = ("",) * 20 + (" of two words", "_line\nbreak", "_\udcff", "_" + "x" * 200)  #: in names
CLOCK_ERRORS_S = (-3600.0, 3600.0, -1e9, 1e9)
HOSTILE = (gigapixel, zero_width, many_samples, text_as_width)
MOVED_IN = 4  #: images in a folder that arrives whole
CHANNELS = 6  #: files being written at the same time
PAUSE_S = 0.15

Stored = Callable[[str], bool]  #: whether the journal holds a result of these bytes (sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One thing to be written; everything about it that chance decides is decided."""

    way: str
    seed: int
    size_px: int
    folder: str
    cycle: int

    @property
    def name(self) -> str:
        return f"W{self.seed % 4 + 1:02d}_{self.seed}{ODDITIES[self.seed % len(ODDITIES)]}.tif"


class Oracle:
    """Writes below ``root``; ``staging`` is a folder on the same disk that is not watched."""

    def __init__(self, root: Path, staging: Path, seed: int, stored: Stored) -> None:
        self.gate = Gate()
        self.truths: list[Truth] = []
        self._root = root
        self._staging = staging
        self._seeds = itertools.count(seed * 10_000_000)
        self._stored = stored
        self._lock = threading.Lock()
        self._sources: dict[str, Shot] = {}  # by sha256, to send the same bytes again
        self._written_over: set[str] = set()
        staging.mkdir(parents=True, exist_ok=True)

    @property
    def images(self) -> int:
        """Files written so far that must come to a result or into quarantine."""
        return sum(truth.fate is not Fate.IGNORED for truth in self.truths)

    @contextmanager
    def writing(self, cycle: int, rng: random.Random, spread_s: float) -> Iterator[None]:
        """Write one cycle's files beside the block, spread over so many seconds; wait for the last."""
        shots = self.plan(cycle, rng)
        with ThreadPoolExecutor(CHANNELS) as channels:
            feeding = channels.submit(self._feed, channels, shots, spread_s)
            yield
            for shot in feeding.result():
                shot.result()

    def plan(self, cycle: int, rng: random.Random) -> list[Shot]:
        """Lay out one cycle's files in an order of chance."""
        ways = [way for way, count in MIX.items() for _ in range(count)]
        rng.shuffle(ways)
        return [self._shot(way, cycle, rng) for way in ways]

    def make_noise(self, events: int, name: str) -> None:
        """Let at least so many things happen to temporary files, which the daemon leaves alone."""
        with self.gate.passing():
            noisy = self._root / f"{name}.tmp"
            for _ in range(events // 2):  # made and closed
                noisy.touch()
                noisy.unlink()

    def write_now(self, cycle: int, count: int) -> list[Truth]:
        """Write plain images, done when this returns."""
        rng, before = random.Random(cycle), len(self.truths)
        for _ in range(count):
            self._take(self._shot("renamed", cycle, rng))
        return self.truths[before:]

    def _shot(self, way: str, cycle: int, rng: random.Random) -> Shot:
        folder = f"LOT{cycle:04d}{rng.choice('AB')}"
        size_px = rng.choice(SIZES_PX)
        return Shot(way=way, seed=next(self._seeds), size_px=size_px, folder=folder, cycle=cycle)

    def _feed(
        self, channels: ThreadPoolExecutor, shots: Sequence[Shot], spread_s: float
    ) -> list[Future[None]]:
        futures = []
        for shot in shots:
            futures.append(channels.submit(self._take, shot))
            time.sleep(spread_s / len(shots))
        return futures

    def _take(self, shot: Shot) -> None:
        with self.gate.passing():
            match shot.way:
                case "moved in":
                    self._move_in(shot)
                case "sent again":
                    self._send_again(shot)
                case "written over":
                    self._write_over(shot)
                case "dated":
                    self._write("direct", self._path(shot), shot)
                    self._set_date(self._path(shot), shot)
                case "hostile" | "empty":
                    self._write_bad(shot)
                case "pipe" | "link":
                    self._make_no_file(shot)
                case _:
                    self._write(shot.way, self._path(shot), shot)

    def _path(self, shot: Shot) -> Path:
        return self._root / shot.folder / shot.name

    def _write(self, writer: str, path: Path, shot: Shot) -> None:
        data = picture(shot.seed, shot.size_px)
        written = write(writer, path, data, lambda: time.sleep(PAUSE_S))
        self._know(shot, path, written.sha256, Fate.QUARANTINED if writer == "broken" else Fate.STORED)

    def _set_date(self, path: Path, shot: Shot) -> None:
        """Give it the time of a clock that goes wrong, as a copy with its dates would have."""
        then = time.time() + CLOCK_ERRORS_S[shot.seed % len(CLOCK_ERRORS_S)]
        os.utime(path, (then, then))

    def _move_in(self, shot: Shot) -> None:
        folder = self._staging / f"{shot.folder}_{shot.seed}"
        folder.mkdir()
        digests = {}
        for number in range(MOVED_IN):
            data = picture(shot.seed + 5_000_000 + number, shot.size_px)
            (folder / f"W01_{number}.tif").write_bytes(data)
            digests[f"W01_{number}.tif"] = hashlib.sha256(data).hexdigest()
        self._root.mkdir(exist_ok=True)
        folder.rename(self._root / folder.name)
        for name, digest in digests.items():
            self._know(shot, self._root / folder.name / name, digest, Fate.STORED)

    def _send_again(self, shot: Shot) -> None:
        with self._lock:
            old = random.Random(shot.seed).choice([*self._sources.values()] or [shot])
        path = self._path(shot).with_name(f"again_{shot.name}")
        written = write("direct", path, picture(old.seed, old.size_px), lambda: None)
        self._know(shot, path, written.sha256, Fate.STORED)

    def _write_over(self, shot: Shot) -> None:
        """Put new bytes under a name whose old ones are stored; what was not seen yet cannot be asked for."""
        old = self._one_to_write_over(shot)
        self._write("direct", Path(old.path) if old else self._path(shot), shot)

    def _one_to_write_over(self, shot: Shot) -> Truth | None:
        with self._lock:
            plain = [t for t in self.truths if t.way in {"direct", "renamed"} and t.cycle < shot.cycle]
            for old in random.Random(shot.seed).sample(plain, min(5, len(plain))):
                if old.path not in self._written_over and self._stored(old.sha256):
                    self._written_over.add(old.path)
                    return old
        return None

    def _write_bad(self, shot: Shot) -> None:
        make = HOSTILE[shot.seed % len(HOSTILE)]
        data = b"" if shot.way == "empty" else make() + str(shot.seed).encode()
        written = write("direct", self._path(shot), data, lambda: None)
        self._know(shot, written.path, written.sha256, Fate.QUARANTINED)

    def _make_no_file(self, shot: Shot) -> None:
        path = self._path(shot)
        path.parent.mkdir(parents=True, exist_ok=True)
        if shot.way == "pipe":
            os.mkfifo(path)
        else:
            outside = self._staging / shot.name
            outside.write_bytes(picture(shot.seed))
            path.symlink_to(outside)
        self._know(shot, path, "", Fate.IGNORED)

    def _know(self, shot: Shot, path: Path, sha256: str, fate: Fate) -> None:
        with self._lock:
            self.truths.append(
                Truth(path=str(path), sha256=sha256, fate=fate, way=shot.way, cycle=shot.cycle)
            )
            if shot.way in {"direct", "renamed", "slow"}:
                self._sources[sha256] = shot
