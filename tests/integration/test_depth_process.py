"""The depth process as a process: real pipe, real slab, once with a real network."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path

import numpy as np
import pytest

from semwatchd.core.failpoints import VARIABLE
from semwatchd.engine.depth_process import NICENESS
from semwatchd.engine.messages import (
    Answered,
    Ask,
    DepthReady,
    DepthSetup,
    Mapped,
    Question,
    Refused,
    Sick,
    TellerSettings,
)
from semwatchd.engine.ring import Slab, create_slab
from tests.depth_data import save_a_model
from tests.tellers import ABOUT, a_question, day_folder

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]  # a process loads torch

SLOTS, PICTURE_BYTES = 4, 32 * 48
REAL, FAKE = "semwatchd.depth_teller:build", "tests.tellers:build"


@pytest.fixture
def slab() -> Iterator[Slab]:
    made = create_slab(SLOTS, PICTURE_BYTES)
    yield made
    made.close()
    os.close(made.descriptor)


@dataclass(frozen=True, slots=True)
class Running:
    process: subprocess.Popen[bytes]
    pipe: Connection

    def asked(self, *questions: Question) -> Answered | Sick:
        self.pipe.send(Ask(questions=questions))
        said = self.pipe.recv()
        assert isinstance(said, Answered | Sick)
        return said


@contextmanager
def running(slab: Slab, factory: str, settings: object = None, **environment: str) -> Iterator[Running]:
    """Start it; at the end its pipe is closed, and it has a minute to go."""
    ours, theirs = Pipe()
    stacks = os.memfd_create("stacks")
    inherited = (theirs.fileno(), slab.descriptor, stacks)
    numbers = map(str, (theirs.fileno(), os.getpid(), slab.descriptor, stacks))
    process = subprocess.Popen(
        [sys.executable, "-m", "semwatchd.engine.depth_process", *numbers],
        pass_fds=inherited,
        env=os.environ | environment,
    )
    theirs.close()
    os.close(stacks)
    try:
        ours.send(DepthSetup(factory=factory, settings=settings, slots=SLOTS, picture_bytes=PICTURE_BYTES))
        yield Running(process, ours)
        ours.close()
        process.wait(60)
    finally:
        process.kill()
        process.wait()


def seated(slab: Slab, stem: str, slot: int) -> Question:
    question = a_question(stem, ticket=slot + 1, slot=slot)
    pixels = np.random.default_rng(slot).integers(60, 180, (32, 48)).astype(np.uint8)
    slab.put(slot, slot + 1, (32, 48), "uint8", pixels.data)
    return question


def test_a_real_network_answers_from_the_slab(slab: Slab, tmp_path: Path) -> None:
    weights = save_a_model(tmp_path / "model.safetensors")
    settings = TellerSettings(folder=tmp_path / "maps", weights=weights, device="cpu")
    with running(slab, REAL, settings) as child:
        ready = child.pipe.recv()
        assert isinstance(ready, DepthReady)
        assert ready.about["device"] == "cpu"
        assert float(ready.about["ms_per_image"]) > 0
        assert os.getpriority(os.PRIO_PROCESS, child.process.pid) == os.nice(0) + NICENESS
        torn = a_question("torn", ticket=77, slot=3)
        said = child.asked(seated(slab, "a", 0), torn, seated(slab, "b", 1))
        assert isinstance(said, Answered)
        assert [type(one) for one in said.answers] == [Mapped, Refused, Mapped]
        assert said.rss_bytes > 50e6
    assert child.process.returncode == 0
    assert len(list(day_folder(tmp_path / "maps").glob("*.tif"))) == 2


def test_a_process_killed_before_it_told_leaves_nothing_that_is_in_the_way(
    slab: Slab, tmp_path: Path
) -> None:
    weights = save_a_model(tmp_path / "model.safetensors")
    settings = TellerSettings(folder=tmp_path / "maps", weights=weights, device="cpu")
    question = seated(slab, "a", 0)
    with running(slab, REAL, settings, **{VARIABLE: "depth.before_answer:1"}) as child:
        child.pipe.recv()
        with pytest.raises(EOFError):
            child.asked(question)
    assert child.process.returncode == -signal.SIGKILL
    left = sorted(day_folder(tmp_path / "maps").iterdir())
    with running(slab, REAL, settings) as child:
        child.pipe.recv()
        said = child.asked(question)
    assert isinstance(said, Answered)
    (told,) = said.answers
    assert isinstance(told, Mapped)
    assert sorted(map(Path, told.artefacts)) == sorted(left)


def test_missing_weights_are_told_and_the_process_ends(slab: Slab, tmp_path: Path) -> None:
    settings = TellerSettings(folder=tmp_path, weights=tmp_path / "none.safetensors")
    with running(slab, REAL, settings) as child:
        said = child.pipe.recv()
        assert isinstance(said, Sick)
        assert "no manifest of trained weights" in said.reason
        with pytest.raises(EOFError):
            child.pipe.recv()
    assert child.process.returncode == 0


def test_a_machine_without_torch_is_told_what_to_install(slab: Slab) -> None:
    with running(slab, "tests.tellers:without_torch") as child:
        assert child.pipe.recv() == Sick(reason="torch is not installed: pip install 'semwatchd[models]'")


def test_a_picture_that_kills_it_leaves_the_others_in_the_slab(slab: Slab) -> None:
    good, deadly = seated(slab, "a", 0), seated(slab, "killed", 1)
    with running(slab, FAKE) as child:
        assert child.pipe.recv() == DepthReady(about=ABOUT)
        with pytest.raises(EOFError):
            child.asked(good, deadly)
    assert child.process.returncode == -signal.SIGKILL
    with running(slab, FAKE) as child:
        child.pipe.recv()
        said = child.asked(good)
    assert isinstance(said, Answered)
    assert isinstance(said.answers[0], Mapped)


def test_ctrl_c_is_not_its_business(slab: Slab) -> None:
    with running(slab, FAKE) as child:
        child.pipe.recv()
        child.process.send_signal(signal.SIGINT)
        assert isinstance(child.asked(seated(slab, "a", 0)), Answered)
    assert child.process.returncode == 0
