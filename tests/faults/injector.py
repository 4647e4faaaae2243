"""What breaks: weather lasts for a while, blows fall at a moment. Chance is given, so a seed tells all."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from semwatchd.core.failpoints import FAILPOINTS
from tests.faults.oracle import Oracle
from tests.faults.receiver import Mood
from tests.faults.stand import DEADLINE_S, Stand, full, small_disk

Blow = Callable[["Scene", random.Random], None]
Weather = Callable[["Scene"], AbstractContextManager[None]]

EVENT_QUEUE = 16_384  #: what Linux remembers for one listener, where nobody has changed it
#: A time server at work, an hour too many, a dead battery, a year of somebody's typing: forward and back.
CLOCK_ERRORS_S = tuple(sign * s for s in (120.0, 3600.0, 3 * 86_400.0, 3e7) for sign in (-1, 1))
OFTEN = (3, 6)  #: images to a worker's death; with fewer its image would die with each worker it is given to
WHILE_DOWN = 2  #: images that come while the daemon is dead


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything a fault may touch, and the cycle it strikes in."""

    stand: Stand
    oracle: Oracle
    cycle: int


def kill_worker(scene: Scene, rng: random.Random) -> None:
    for worker in rng.sample(workers := scene.stand.workers(), min(1, len(workers))):
        _signal(worker, signal.SIGKILL)


def kill_busy_worker(scene: Scene, rng: random.Random) -> None:
    """Wait for one that is measuring."""
    before = {worker: _spent_s(worker) for worker in scene.stand.workers()}
    time.sleep(0.05)
    for worker in [w for w, spent_s in before.items() if _spent_s(w) - spent_s > 0.02][:1]:
        _signal(worker, signal.SIGKILL)


def kill_all_workers(scene: Scene, rng: random.Random) -> None:
    for worker in scene.stand.workers():
        _signal(worker, signal.SIGKILL)


def stop_worker(scene: Scene, rng: random.Random) -> None:
    """Let a worker stand still and go on."""
    for worker in rng.sample(workers := scene.stand.workers(), min(1, len(workers))):
        _signal(worker, signal.SIGSTOP)
        time.sleep(rng.uniform(0.2, 1.0))
        _signal(worker, signal.SIGCONT)


def hang_worker(scene: Scene, rng: random.Random) -> None:
    """Let a worker stand still until the daemon ends it, if it has work; else until we do."""
    for worker in rng.sample(workers := scene.stand.workers(), min(1, len(workers))):
        _signal(worker, signal.SIGSTOP)
        psutil.wait_procs([worker], DEADLINE_S + 1.0)
        _signal(worker, signal.SIGKILL)


def starve_worker(scene: Scene, rng: random.Random) -> None:
    """Leave a worker no more memory than it has, for a while."""
    for worker in rng.sample(workers := scene.stand.workers(), min(1, len(workers))):
        try:
            before = worker.rlimit(psutil.RLIMIT_AS)
            worker.rlimit(psutil.RLIMIT_AS, (worker.memory_info().vms, before[1]))
            time.sleep(rng.uniform(0.3, 1.0))
            worker.rlimit(psutil.RLIMIT_AS, before)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return  # it died of it, as it may; or it has just started, and set a limit of its own


def freeze_daemon(scene: Scene, rng: random.Random) -> None:
    daemon = psutil.Process(scene.stand.pid)
    _signal(daemon, signal.SIGSTOP)
    time.sleep(rng.uniform(0.2, 1.5))
    _signal(daemon, signal.SIGCONT)


def kill_daemon(scene: Scene, rng: random.Random) -> None:
    scene.stand.kill()
    _revive(scene, rng)


def kill_group(scene: Scene, rng: random.Random) -> None:
    scene.stand.kill(group=True)
    _revive(scene, rng)


def restart_in_order(scene: Scene, rng: random.Random) -> None:
    scene.stand.stop()
    _revive(scene, rng)


def clock_jumps(scene: Scene, rng: random.Random) -> None:
    """Set the daemon's clock wrong for a while."""
    with scene.stand.clock.wrong_by(rng.choice(CLOCK_ERRORS_S)):
        time.sleep(rng.uniform(0.2, 1.0))
    scene.stand.disturbed.append(time.time())


def clock_wrong_at_start(scene: Scene, rng: random.Random) -> None:
    """Start the daemon again with a wrong clock, which is soon set right."""
    scene.stand.kill()
    with scene.stand.clock.wrong_by(rng.choice(CLOCK_ERRORS_S)):
        _revive(scene, rng)
        time.sleep(rng.uniform(0.5, 2.0))
    scene.stand.disturbed.append(time.time())


def die_at(place: str, scene: Scene, rng: random.Random) -> None:
    """Kill the daemon now, and let the next one, or each of its workers, die at a place of its code."""
    scene.stand.kill()
    count = rng.randint(*(OFTEN if _whose(place) == "worker" else (1, 12)))
    _revive(scene, rng, f"{place}:{count}")


def _revive(scene: Scene, rng: random.Random, failpoint: str = "") -> None:
    at_rest = not scene.stand.hindered
    if at_rest:  # else the folder may be away, and its writers wait
        scene.oracle.write_now(scene.cycle, WHILE_DOWN)
    time.sleep(rng.uniform(0.0, 0.3))
    scene.stand.start(failpoint, measurable=at_rest)


def receiver(mood: Mood, scene: Scene) -> AbstractContextManager[None]:
    return scene.stand.receiver.being(mood)


@contextmanager
def events_overflow(scene: Scene) -> Iterator[None]:
    """More happens in the folder than the kernel remembers, while nobody looks; images among it."""
    scene.stand.keep_running()
    daemon = psutil.Process(scene.stand.pid)
    _signal(daemon, signal.SIGSTOP)
    scene.oracle.make_noise(EVENT_QUEUE, f"noise{scene.cycle}")
    scene.oracle.write_now(scene.cycle, WHILE_DOWN)
    _signal(daemon, signal.SIGCONT)
    yield


@contextmanager
def drop_away(scene: Scene) -> Iterator[None]:
    """The host's share is not mounted."""
    away = scene.stand.drop.rename(scene.stand.drop.with_name("drop.away"))
    try:
        yield
    finally:
        away.rename(scene.stand.drop)


@contextmanager
def root_away(scene: Scene) -> Iterator[None]:
    """The watched folder is gone, and comes back as it was."""
    with scene.oracle.gate.shut(), _hindered(scene):
        root = scene.stand.site.watched
        away = root.rename(root.with_name("root.away"))
        try:
            yield
        finally:
            away.rename(root)


@contextmanager
def root_emptied(scene: Scene) -> Iterator[None]:
    """An empty folder lies in the place of the watched one, as where a share has lost its mount."""
    with root_away(scene):
        scene.stand.site.watched.mkdir()
        try:
            yield
        finally:
            scene.stand.site.watched.rmdir()


@contextmanager
def root_covered(scene: Scene) -> Iterator[None]:
    """Another, empty file system is mounted over the watched folder, and unmounted again."""
    with scene.oracle.gate.shut(), _hindered(scene):
        starts = len(scene.stand.starts)
        with small_disk(scene.stand.site.watched):
            yield
        if len(scene.stand.starts) > starts:  # one that took the mount for its folder asks for this
            scene.stand.stop()
            scene.stand.start()


@contextmanager
def disk_full(scene: Scene) -> Iterator[None]:
    with _hindered(scene), full(scene.stand.site.state_dir):
        yield


@contextmanager
def writes_fail(scene: Scene) -> Iterator[None]:
    """Every write of the daemon to a file is refused; SQLite then speaks of a disk I/O error."""
    scene.stand.keep_running()
    daemon = psutil.Process(scene.stand.pid)
    with _hindered(scene):
        _limit_files(daemon, 0)
        try:
            yield
        finally:
            for process in (daemon, *scene.stand.workers()):  # one started meanwhile has its limits from it
                _limit_files(process, psutil.RLIM_INFINITY)


def _limit_files(process: psutil.Process, size_bytes: int) -> None:
    try:
        process.rlimit(psutil.RLIMIT_FSIZE, (size_bytes, process.rlimit(psutil.RLIMIT_FSIZE)[1]))
    except psutil.NoSuchProcess:
        return  # killed meanwhile; the next one is free


@contextmanager
def drop_read_only(scene: Scene) -> Iterator[None]:
    with small_disk(scene.stand.drop, "ro"):
        yield


@contextmanager
def drop_forbidden(scene: Scene) -> Iterator[None]:
    scene.stand.drop.chmod(0o500)
    try:
        yield
    finally:
        scene.stand.drop.chmod(0o700)


@contextmanager
def root_unreadable(scene: Scene) -> Iterator[None]:
    root = scene.stand.site.watched
    with scene.oracle.gate.shut(), _hindered(scene):
        root.chmod(0)
        try:
            yield
        finally:
            root.chmod(0o755)


@contextmanager
def _hindered(scene: Scene) -> Iterator[None]:
    scene.stand.hinder(lasting=True)
    try:
        yield
    finally:
        scene.stand.hinder(lasting=False)


def _whose(place: str) -> str:
    return "worker" if place.startswith("worker.") else "daemon"


#: No plan of the harness asks for depths; tests/system/test_depth.py kills that process.
PLACES = tuple(place for place in FAILPOINTS if not place.startswith("depth."))

BLOWS: Mapping[str, Blow] = {
    "worker killed": kill_worker,
    "busy worker killed": kill_busy_worker,
    "all workers killed": kill_all_workers,
    "worker stopped for a while": stop_worker,
    "worker hangs": hang_worker,
    "worker out of memory": starve_worker,
    "daemon frozen for a while": freeze_daemon,
    "daemon killed": kill_daemon,
    "whole group killed": kill_group,
    "daemon restarted": restart_in_order,
    "clock jumps": clock_jumps,
    "clock wrong at a start": clock_wrong_at_start,
    **{f"{_whose(place)} dies at {place}": partial(die_at, place) for place in PLACES},
}
RECEIVER: Mapping[str, Weather] = {
    f"receiver {mood}": partial(receiver, mood) for mood in Mood if mood is not Mood.WELL
}
SURROUNDINGS: Mapping[str, Weather] = {
    "event queue overflows": events_overflow,
    "writes fail": writes_fail,
    "drop folder away": drop_away,
    "root away": root_away,
    "root emptied": root_emptied,
}


def weathers(*, own_disk: bool, may_forbid: bool) -> tuple[Mapping[str, Weather], tuple[str, ...]]:
    """Return what can be had on this machine, and the names of what cannot."""
    here = {**RECEIVER, **SURROUNDINGS}
    skipped = []
    for name, weather, possible in (
        ("state disk full", disk_full, own_disk),
        ("root covered", root_covered, own_disk),
        ("drop folder read-only", drop_read_only, own_disk),
        ("drop folder forbidden", drop_forbidden, may_forbid),
        ("root unreadable", root_unreadable, may_forbid),
    ):
        if possible:
            here[name] = weather
        else:
            skipped.append(name)
    return here, tuple(skipped)


def may_forbid(folder: Path) -> bool:
    """Whether a folder can be closed to ourselves; root passes every door."""
    probe = folder / "closed"
    probe.mkdir(mode=0)
    try:
        list(probe.iterdir())
    except PermissionError:
        return True
    else:
        return False
    finally:
        probe.rmdir()


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return  # somebody was faster


def _spent_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)
