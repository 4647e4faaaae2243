"""What a worker process does in the pool's tests: the job's file name says how it goes."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from functools import partial
from pathlib import PurePosixPath

from semwatchd.core.errors import DataError
from semwatchd.core.image import SemImage
from semwatchd.core.job import Job
from semwatchd.core.ports import SourceFile
from semwatchd.engine.worker import Analyse, analyse
from semwatchd.pipeline.stage import Measured, Picture, Stage
from tests.deliveries import FACTS

LIMIT_BYTES = 512 * 1024 * 1024  #: address space of a worker in these tests


def build(settings: object) -> Analyse:
    return partial(analyse, read=_read, decode=_decode, stages_of=_stages_of, cut=_cut)


def broken(settings: object) -> Analyse:
    raise RuntimeError("this worker cannot start")


def sleepy(settings: object) -> Analyse:
    time.sleep(3600)
    raise AssertionError


def _read(path: str) -> SourceFile:
    return SourceFile(path=path, data=b"", sha256="ab" * 32, size=100, mtime_ns=1)


def _decode(source: SourceFile) -> SemImage:
    match PurePosixPath(source.path).stem:
        case "hang":
            time.sleep(3600)
        case "slow":
            time.sleep(0.2)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "crash":
            ctypes.string_at(0)
        case "exits":
            os._exit(3)
        case "greedy":
            bytearray(2 * LIMIT_BYTES)
        case "bad":
            raise DataError("strip 3 of 59 ends beyond the file")
        case "odd":
            raise KeyError("no such \udcff\nkey" + "x" * 5000)
    return SemImage(pixels=None, facts=FACTS)  # type: ignore[arg-type] # nobody looks at pixels here


def _cut(pixels: object, plan: object) -> str:
    raise AssertionError("no plan here asks for a depth")


def _stages_of(job: Job) -> tuple[Stage, ...]:
    kept = ("NOTIFY_SOCKET", "WATCHDOG_PID", "OMP_NUM_THREADS", "GLIBC_TUNABLES")
    names = tuple(name for name in kept if name in os.environ)
    return (
        Stage(name="environment", measure=lambda _: Measured(warnings=names)),
        Stage(name="registration", measure=partial(_register, job.path)),
    )


def _register(path: str, _: Picture) -> Measured:
    match PurePosixPath(path).stem:
        case "lost":
            time.sleep(3600)
        case "crooked":
            os.kill(os.getpid(), signal.SIGKILL)
        case "tough":
            time.sleep(0.3)
    return Measured()
