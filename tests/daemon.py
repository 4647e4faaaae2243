"""The daemon as its users start it, on folders of its own, for tests that break things around it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from prometheus_client.parser import text_string_to_metric_families

from semwatchd.core.paths import unescape
from semwatchd.offline.stand import STOP_S, Process, running, stop, wait_for_daemon
from semwatchd.offline.writers import tiff_bytes

POLL_S = 0.05
ENDED = frozenset({"stored", "quarantined", "duplicate", "cancelled"})

#: Short waits everywhere, so that a test of minutes takes seconds.
IMPATIENT: Mapping[str, Any] = {
    "site": "test-fab",
    "http": {"port": 0},
    "workers": {"count": 2, "pin": False},
    "relay": {"poll_s": 0.2, "first_wait_s": 0.2, "longest_wait_s": 1.0},
    "guard": {"tries": 2, "first_wait_s": 0.05, "longest_wait_s": 0.1, "reset_s": 0.5},
    "plans": {"default": {"stages": ["intensity", "sharpness"]}},
}
WATCH: Mapping[str, Any] = {
    "tool": "SEM01",
    "quiet_s": 0.3,
    "hold_s": 1.5,
    "context": r"(?P<lot>[^/]+)/W(?P<wafer>\d+)_",
}


def picture(seed: int, size_px: int = 96) -> bytes:
    """Encode an image like no other: a TIFF of seeded noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size_px, size_px), dtype=np.uint8)
    return tiff_bytes(pixels, pixel_size_nm=2.0)


def until(is_so: Callable[[], object], limit_s: float, what: str) -> None:
    """Poll until ``is_so``; fail the test when it takes longer than the limit."""
    deadline = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < deadline, f"not within {limit_s:g} s: {what}"
        time.sleep(POLL_S)


@dataclass(frozen=True, slots=True)
class Daemon:
    """A running daemon."""

    process: Process
    address: str

    def get(self, page: str) -> httpx.Response:
        return httpx.get(f"{self.address}{page}", trust_env=False, timeout=5.0)

    def health(self, part: str) -> dict[str, str]:
        parts: dict[str, dict[str, str]] = self.get("/healthz").json()["parts"]
        return parts.get(part, {"state": "", "reason": "", "todo": ""})

    def metric(self, name: str, **labels: str) -> float:
        """Sum the samples of this name that carry these labels."""
        samples = [
            sample
            for family in text_string_to_metric_families(self.get("/metrics").text)
            for sample in family.samples
        ]
        return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self) -> int:
        return stop(self.process, STOP_S)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass(frozen=True, slots=True)
class Site:
    """Folders, configuration and journal of one daemon."""

    base: Path

    @property
    def watched(self) -> Path:
        return self.base / "sem01"

    @property
    def state_dir(self) -> Path:
        return self.base / "state"

    @property
    def config(self) -> Path:
        return self.base / "semwatchd.toml"

    @property
    def log(self) -> Path:
        return self.base / "daemon.log"

    def configure(self, *urls: str, **sections: object) -> None:
        """Make the folders and write the configuration; whatever is given replaces the default."""
        self.watched.mkdir(parents=True, exist_ok=True)
        http = [{"kind": "http", "name": f"mes{i or ''}", "url": url} for i, url in enumerate(urls)]
        content = {"state_dir": str(self.state_dir), "watch": [self.watch()], "destinations": http}
        self.config.write_text(as_toml(dict(IMPATIENT) | content | sections), "utf-8")

    def watch(self, **settings: object) -> dict[str, Any]:
        """Return the section of the watched folder; whatever is given replaces the default."""
        return {"root": str(self.watched)} | dict(WATCH) | settings

    @contextmanager
    def running(self) -> Iterator[Daemon]:
        """Run the daemon, and stop it in the end if nobody has."""
        (self.state_dir / "http.port").unlink(missing_ok=True)
        with running(["semwatchd", "run", "-c", str(self.config)], self.log) as process:
            yield Daemon(process, wait_for_daemon(process, self.state_dir, self.log))

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the commands on this site."""
        command = [sys.executable, "-m", "semwatchd", *arguments, "-c", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def audit(self) -> dict[str, Any]:
        """Let the daemon's own audit count."""
        done = self.command("audit", "--json")
        assert done.stdout, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def rows(self, query: str, *values: object) -> list[Any]:
        """Ask the journal from outside."""
        with closing(sqlite3.connect(self.state_dir / "journal.db", timeout=10)) as journal:
            return journal.execute(query, values).fetchall()

    def jobs(self) -> dict[str, str]:
        """State of the newest job of each path below the watched folder."""
        rows = self.rows("select path, state from job order by id")
        return {os.path.relpath(unescape(path), self.watched): state for path, state in rows}

    def ended(self) -> int:
        """Count the jobs that have come to rest."""
        return sum(state in ENDED for (state,) in self.rows("select state from job"))

    def owed(self) -> int:
        """Count the events not yet delivered."""
        return int(self.rows("select count(*) from outbox where state != 'delivered'")[0][0])

    def log_lines(self) -> list[dict[str, Any]]:
        """Read the log; every line must be JSON."""
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]


def as_toml(content: Mapping[str, Any], below: str = "") -> str:
    """Write sections and lists of sections as TOML; JSON's scalars and lists are TOML's too."""
    plain, tables = [], []
    for name, value in content.items():
        match value:
            case dict():
                tables.append(f"[{below}{name}]\n{as_toml(value, f'{below}{name}.')}")
            case [dict(), *_]:
                tables += [f"[[{below}{name}]]\n{as_toml(each, f'{below}{name}.')}" for each in value]
            case _:
                plain.append(f"{name} = {json.dumps(value)}\n")
    return "".join(plain + tables)
