"""Make a data set with several processes; what is there already is kept. Loads no numpy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import IO, cast

from semwatchd.core.errors import EnvironmentFault
from semwatchd.offline.dataset import Batch, DatasetSpec, batches, claim_folder

Advance = Callable[[int], None]


def generate(folder: Path, spec: DatasetSpec, workers: int, advance: Advance) -> None:
    """Make every batch that is missing; ``advance`` hears of scenes that are there.

    Raises
    ------
    ForeignDatasetError
        The folder holds something else.
    EnvironmentFault
        A process died, or the disk refused; what is written stays and is used the next time.
    """
    claim_folder(folder, spec)
    missing = []
    for batch in batches(spec):
        if batch.path(folder, spec.format).exists():
            advance(batch.count)
        else:
            missing.append(batch)
    makers: SimpleQueue[_Maker] = SimpleQueue()
    count = min(workers, len(missing))
    with ExitStack() as stack, ThreadPoolExecutor(max(count, 1)) as threads:
        for _ in range(count):
            makers.put(stack.enter_context(closing(_Maker(folder))))
        tasks = [threads.submit(_make, makers, batch) for batch in missing]
        try:
            for done in as_completed(tasks):
                advance(done.result().count)
        finally:
            threads.shutdown(cancel_futures=True)


def _make(makers: SimpleQueue[_Maker], batch: Batch) -> Batch:
    maker = makers.get()
    try:
        maker.make(batch)
    finally:
        makers.put(maker)
    return batch


class _Maker:
    """A process that makes one batch after the other."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "semwatchd.offline.scenes", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        self._orders = cast("IO[str]", self._process.stdin)
        self._answers = cast("IO[str]", self._process.stdout)

    def make(self, batch: Batch) -> None:
        try:
            self._orders.write(json.dumps(asdict(batch)) + "\n")
            self._orders.flush()
            answer = self._answers.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            code = self._process.wait()
            raise EnvironmentFault(f"a process making scenes ended early ({code}); start again to go on")

    def close(self) -> None:
        """End it at once: a batch is whole or not there, so nothing is lost."""
        self._process.terminate()
        self._process.wait()
        self._answers.close()
        with suppress(BrokenPipeError):
            self._orders.close()
