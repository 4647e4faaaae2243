"""The daemon: build, start in order, wait, stop in reverse."""

from __future__ import annotations

import faulthandler
import gc
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

import structlog

from semwatchd.adapters.debug_socket import Pause, answering
from semwatchd.adapters.http_api import HttpServer, build_app
from semwatchd.adapters.mounts import on_network
from semwatchd.adapters.probe import ignore_lease_signal
from semwatchd.adapters.prometheus import GaugeSnapshot, PrometheusTelemetry
from semwatchd.adapters.share import StuckHelpers
from semwatchd.adapters.sql.schema import journal_path, sole_owner
from semwatchd.adapters.systemd import service_manager
from semwatchd.audit import Auditor
from semwatchd.config import Config
from semwatchd.core.version import VERSION
from semwatchd.engine.crew import Crew
from semwatchd.engine.disk import DiskGuard
from semwatchd.engine.health import Health, HealthBoard
from semwatchd.engine.heartbeat import Heartbeat, Rate, status_line
from semwatchd.engine.memory import MemoryTracer
from semwatchd.engine.opening import Opening, effort
from semwatchd.engine.stacks import thread_stacks, worker_stacks
from semwatchd.engine.surroundings import Surroundings
from semwatchd.engine.wishes import Wishes
from semwatchd.line import Line, running_line
from semwatchd.lookout import Lookout, health_part, watching
from semwatchd.overview import Overview
from semwatchd.reload import LiveConfig
from semwatchd.retention import Retention
from semwatchd.silence import SilenceWatch

ASIDE_END_S = 2.0  # what runs beside the work, and may wait for a sick disk, may die with the process
TURN_S = 0.2  # longest turn of the main loop, so that a stop is never far
STUCK_S = 180.0  # a loop silent for longer is stuck, and /livez says so
# A burst of files keeps 100,000 objects alive, and Python's own thresholds would walk through them time and
# again: a tenth of what it costs to take the burst in.
GARBAGE_THRESHOLDS = (20_000, 20, 100)
CLOSING_S = 90.0  # beyond the drain: for deliveries under way and the journal's last commit


class Daemon:
    """The service. One instance per process: it owns the process's signals.

    Parameters
    ----------
    load
        Reads the configuration again; asked on SIGHUP.

    Raises
    ------
    EnvironmentFault
        From :meth:`run`: the journal or the HTTP port cannot be had.
    """

    def __init__(self, config: Config, load: Callable[[], Config]) -> None:
        self._config = config
        self._log = structlog.get_logger("semwatchd")
        self._wishes = Wishes()
        self._started = False
        self._line: Line | None = None
        self._overview: Overview | None = None
        self._lookout: Lookout | None = None
        self._telemetry = PrometheusTelemetry(
            destinations=[destination.name for destination in config.destinations],
            gauges=lambda: self._overview.gauges() if self._overview else GaugeSnapshot(),
        )
        self._health = HealthBoard(time.time, self._log)
        self._crew = Crew(self._log, self._wishes.stop)
        self._manager = service_manager(os.environ, self._log)
        self._heartbeat = Heartbeat(
            self._manager, alive=self._alive, status=self._status, clock=time.monotonic, log=self._log
        )
        self._rate = Rate(time.monotonic)
        self._in_force = LiveConfig(
            config, load, telemetry=self._telemetry, health=self._health, log=self._log
        )

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; return the exit code."""
        self._log.info("daemon_starting", version=VERSION, pid=os.getpid(), site=self._config.site)
        around = Surroundings(
            log=self._log,
            telemetry=self._telemetry,
            health=self._health,
            crew=self._crew,
            hurried=lambda: self._wishes.hurried,
        )
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        with ExitStack() as stack:
            faulthandler.enable()  # systemd ends a hung service by SIGABRT: the log then has all stacks
            faulthandler.register(signal.SIGUSR1)  # the same without the end, also where Python hangs
            ignore_lease_signal()
            self._wishes.take_signals()
            stack.enter_context(
                sole_owner(self._config.state_dir)
            )  # first, to be refused for the true reason
            port = stack.enter_context(self._serving())
            stack.enter_context(self._debugging())  # before the line, so that its start and its end show too
            with self._opening():
                self._line = line = stack.enter_context(running_line(self._config, around, self._resight))
            stack.enter_context(self._announcing(port))
            stack.enter_context(self._overviewing(line))
            stack.enter_context(self._auditing())
            stack.enter_context(self._pruning(line))
            stack.enter_context(self._listening(line))
            stuck: StuckHelpers = {}
            while not self._wishes.stopping:
                folders = self._in_force.folders
                with watching(folders, line, around, self._config.state_dir, stuck) as self._lookout:
                    self._turn(line)
                    self._announce_end(line)
        self._log.info("daemon_stopped", failed=self._crew.failed)
        return 1 if self._crew.failed else 0

    @contextmanager
    def _opening(self) -> Iterator[None]:
        opening = Opening(self._manager, effort, time.monotonic)
        with self._crew.beside("opening", opening.run):
            yield

    def _turn(self, line: Line) -> None:
        """Keep the line moving until it is time to stop, or other folders are to be watched."""
        if self._started:
            self._manager.ready()
        while not self._wishes.stopping:
            line.dispatcher.step(TURN_S)
            self._telemetry.beat("dispatcher")
            if not self._started and line.pool.ready_count and self._folders_armed():
                self._started = True
                self._log.info("daemon_ready")
                self._manager.ready()
            self._heartbeat.turn()
            if self._wishes.take_reload() and self._reload():
                return

    def _announce_end(self, line: Line) -> None:
        if not self._wishes.stopping:
            return
        line.journal.stop_trying()  # before intake is told to end, which may wait for a disk too
        self._started = False
        self._log.info("daemon_stopping")
        self._manager.stopping()
        self._manager.extend(self._config.queue.drain_s + CLOSING_S)

    def _reload(self) -> bool:
        self._manager.reloading()
        taken = self._in_force.reload()
        if not taken:
            self._manager.ready()
        return taken

    def _folders_armed(self) -> bool:
        """Whether every folder was asked after once, which arms its observer."""
        parts = self._health.snapshot()
        return all(health_part(folder.root) in parts for folder in self._in_force.folders)

    def _alive(self, limit_s: float) -> bool:
        """Whether every loop turns. While the disk refuses to be written they wait for the journal, which
        tries again by itself: to be started anew would not help.
        """
        journal = self._health.snapshot().get("journal")
        waiting = journal is not None and journal.state is Health.FAILED
        return waiting or self._telemetry.oldest_beat_s() < limit_s

    def _status(self) -> str:
        queued = self._overview.queued if self._overview else 0
        rate = self._rate.per_min(self._telemetry.images_ended)
        return status_line(queued, rate, self._health.snapshot())

    @contextmanager
    def _serving(self) -> Iterator[int]:
        app = build_app(
            self._health,
            self._telemetry.render,
            ready=lambda: self._started and self._health.ready,
            live=lambda: self._alive(STUCK_S),
            status=lambda: self._overview.status() if self._overview else {},
        )
        server = HttpServer(app, self._crew.start, self._config.http.host, self._config.http.port)
        port = server.start()
        self._log.info("http_listening", url=f"http://{self._config.http.host}:{port}/")
        try:
            yield port
        finally:
            server.stop()

    def _debugging(self) -> AbstractContextManager[None]:
        tracer = MemoryTracer()
        about = {"version": VERSION, "pid": os.getpid()}

        def stacks(_seconds: float, _pause: Pause) -> dict[str, object]:
            living = self._line.pool.living() if self._line else []
            threads = [asdict(thread) for thread in thread_stacks()]
            return about | {"threads": threads, "workers": [asdict(each) for each in worker_stacks(living)]}

        def memory(seconds: float, pause: Pause) -> dict[str, object]:
            return about | {"memory": asdict(tracer.growth(seconds, pause))}

        return answering(self._config.state_dir, {"stacks": stacks, "memory": memory}, self._log)

    @contextmanager
    def _announcing(self, port: int) -> Iterator[None]:
        """Write the port down once the state folder is ours: a second daemon must not hide the first."""
        port_file(self._config).write_text(f"{port}\n", "ascii")
        try:
            yield
        finally:
            port_file(self._config).unlink(missing_ok=True)

    @contextmanager
    def _overviewing(self, line: Line) -> Iterator[None]:
        disk = DiskGuard(self._disk_usage, line.reserve, line.dispatcher, self._health)
        self._overview = Overview(self._config, line, disk, self._health, self._telemetry.beat)
        with self._crew.beside("overview", self._overview.run):
            yield

    @contextmanager
    def _auditing(self) -> Iterator[None]:
        auditor = Auditor(
            journal_path(self._config.state_dir),
            lambda: self._in_force.config.watch,
            self._telemetry.audited,
            self._health,
            self._log,
        )
        with self._crew.beside("auditor", partial(auditor.run, self._config.audit.every_s), ASIDE_END_S):
            yield

    @contextmanager
    def _listening(self, line: Line) -> Iterator[None]:
        silence = SilenceWatch(
            line.journal.engine,
            lambda: self._in_force.folders,
            tell=self._telemetry.silences,
            health=self._health,
            clock=time.time,
            log=self._log,
        )
        with self._crew.beside("silence", silence.run, ASIDE_END_S):
            yield

    @contextmanager
    def _pruning(self, line: Line) -> Iterator[None]:
        settings = self._config.retention
        if not settings.wanted:
            yield
            return
        path = journal_path(self._config.state_dir)
        retention = Retention(
            path,
            lambda work: line.journal.submit(work).result(),
            self._is_local,
            time.time,
            health=self._health,
            log=self._log,
        )
        with self._crew.beside("retention", partial(retention.run, settings), ASIDE_END_S):
            yield

    def _is_local(self, root: str) -> bool:
        """Whether a folder is watched now, and on a disk of ours."""
        watches = self._in_force.config.watch
        return any(str(watch.root) == root and not watch.on_share(on_network) for watch in watches)

    def _disk_usage(self) -> tuple[int, int]:
        usage = shutil.disk_usage(self._config.state_dir)
        return usage.free, usage.total

    def _resight(self, root: str, path: str) -> None:
        if self._lookout:
            self._lookout.hint(root, os.path.relpath(path, root))


def port_file(config: Config) -> Path:
    """Where the daemon writes the HTTP port it was given."""
    return config.state_dir / "http.port"
