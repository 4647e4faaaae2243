"""A test stand: the daemon as its users start it, between a folder and receivers on this machine.

Whatever is started here is stopped here, by its process id, however the block is left.
"""

from __future__ import annotations

import ctypes
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from semwatchd.offline.manifest import FramesSpec, ToolSpec
from semwatchd.offline.receiver import ReceiverSpec

START_S = 60.0  # a cold, busy PC may need this long to import everything
STOP_S = 40.0  # the daemon drains before it ends
END_S = 60.0  # for a helper process that ends by itself
PR_SET_PDEATHSIG = 1  # from linux/prctl.h

_libc = ctypes.CDLL(None)

Process = subprocess.Popen[bytes]


class StandError(Exception):
    """A process of the stand did not do its part; the message says which and where its log is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandSettings:
    """What differs between the uses of the stand."""

    watched: Path
    reference: Path
    events_url: str
    drop: Path | None = None  #: folder for events as files; None leaves that destination out
    workers: int | None = None  #: None lets the daemon choose
    quiet_s: float = 2.0
    hold_s: float = 6.0
    depth: bool = False  #: whether the plan asks for depths


@contextmanager
def running(arguments: Sequence[str], log: Path, stop_s: float = STOP_S) -> Iterator[Process]:
    """Start ``python -m <arguments>``; on leaving, ask it to stop, wait, and only then kill it."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            process_group=0,  # a Ctrl-C is ours to pass on, in order
            preexec_fn=_end_with_parent,  # noqa: PLW1509 — one system call, bound beforehand
        )
    try:
        yield process
    finally:
        stop(process, stop_s)


def run_to_end(arguments: Sequence[str], log: Path, limit_s: float = END_S) -> None:
    """Run ``python -m <arguments>`` and wait for its end."""
    with running(arguments, log) as process:
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired as error:
            raise StandError(f"{arguments[0]} did not end within {limit_s:g} s; its log: {log}") from error
    if code:
        raise StandError(f"{arguments[0]} ended with code {code}; its log: {log}")


def tool_command(task: str, spec: ToolSpec | FramesSpec) -> Sequence[str]:
    """Return what starts the simulated tool on one of its tasks."""
    return ("semwatchd.offline.tool", task, json.dumps(asdict(spec)))


def stop(process: Process, stop_s: float) -> int:
    """End a process: its standard input closes, then SIGTERM, then SIGKILL after ``stop_s``."""
    if process.stdin is not None:
        process.stdin.close()
    if process.poll() is None:
        process.terminate()
    try:
        return process.wait(stop_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


@contextmanager
def running_receiver(spec: ReceiverSpec, log: Path) -> Iterator[tuple[Process, str]]:
    """Start the receiver; hand out its process and the URL it takes events at."""
    arguments = ("semwatchd.offline.receiver", json.dumps(asdict(spec)))
    with running(arguments, log, stop_s=5.0) as process:
        port_file = Path(spec.port_file)
        wait_until(port_file.exists, process, f"the receiver did not start; its log: {log}")
        yield process, f"http://127.0.0.1:{port_file.read_text(encoding='ascii')}/events"


def write_config(path: Path, state_dir: Path, settings: StandSettings) -> None:
    """Write the daemon's configuration for one watched folder."""
    sections = [
        f"""\
site = "demo-fab"
state_dir = {_quoted(state_dir)}

[http]
host = "127.0.0.1"
port = 0

[[watch]]
root = {_quoted(settings.watched)}
tool = "SEM01"
plan = "default"
quiet_s = {settings.quiet_s}
hold_s = {settings.hold_s}
context = '(?P<lot>[^/]+)/W(?P<wafer>\\d+)_.*'

[plans.default]
stages = ["intensity", "sharpness", "spectrum", "scan", "registration"]
reference = {_quoted(settings.reference)}

[[destinations]]
kind = "http"
name = "mes"
url = "{settings.events_url}"
"""
    ]
    if settings.depth:
        sections.append("""
[plans.default.depth]
where = "centre"
size_px = 128
""")
    if settings.workers is not None:
        sections.append(f"""
[workers]
count = {settings.workers}
""")
    if settings.drop is not None:
        sections.append(f"""
[[destinations]]
kind = "filedrop"
name = "drop"
directory = {_quoted(settings.drop)}
""")
    path.write_text("".join(sections), encoding="utf-8")


def wait_for_daemon(process: Process, state_dir: Path, log: Path) -> str:
    """Wait until the daemon says it is ready and return the address of its HTTP server."""
    port_file = state_dir / "http.port"
    complaint = f"the daemon did not become ready; its log: {log}"
    wait_until(lambda: bool(_text_of(port_file)), process, complaint)
    address = f"http://127.0.0.1:{_text_of(port_file)}"
    with closing(httpx.Client(timeout=5.0, trust_env=False)) as client:
        wait_until(lambda: _is_ready(client, address), process, complaint)
    return address


def wait_until(is_so: Callable[[], bool], process: Process, complaint: str) -> None:
    """Poll until ``is_so``; a process that ends meanwhile, or takes too long, is an error."""
    deadline = time.monotonic() + START_S
    while not is_so():
        if process.poll() is not None:
            raise StandError(f"{complaint} (it ended with code {process.returncode})")
        if time.monotonic() > deadline:
            raise StandError(f"{complaint} (waited {START_S:.0f} s)")
        time.sleep(0.05)


def _text_of(file: Path) -> str:
    """Content of a file that may not be there, or not be written, yet."""
    return file.read_text(encoding="ascii").strip() if file.exists() else ""


def _is_ready(client: httpx.Client, address: str) -> bool:
    try:
        return client.get(f"{address}/readyz").is_success
    except httpx.TransportError:
        return False


def _quoted(path: Path) -> str:
    """Write a path as a TOML basic string; JSON's escapes are a subset of TOML's."""
    return json.dumps(str(path), ensure_ascii=False)


def _end_with_parent() -> None:
    """Let the kernel stop the child when we are killed without a chance to do it ourselves."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
