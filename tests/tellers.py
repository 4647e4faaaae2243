"""What a depth process does in tests: the job's file name says how it goes. And questions to ask it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from semwatchd.core.image import ImageFacts
from semwatchd.core.job import Job
from semwatchd.core.plan import DepthPlan, Plan
from semwatchd.engine.messages import Mapped, Question, Refused, Seat
from semwatchd.engine.ring import Slotted
from semwatchd.pipeline.inference.batching import OutOfMemoryError, SickDeviceError
from tests.journals import some_job

SEEN_S = 1_780_000_000.0  # on 2026-05-28
ABOUT: Mapping[str, str | float] = {
    "device": "none",
    "precision": "fp32",
    "layout": "nchw",
    "ms_per_image": 1.0,
    "architecture": "none",
    "weights_sha256": "ab" * 32,
}


class PixelTeller:
    """Says the first pixel of each picture; keeps how many it was shown each time."""

    def __init__(self) -> None:
        self.about = ABOUT
        self.shown: list[int] = []

    def answers(self, shown: Sequence[tuple[Question, Slotted]]) -> list[Mapped | Refused]:
        self.shown.append(len(shown))
        return [_told(question, picture) for question, picture in shown]


def _told(question: Question, picture: Slotted) -> Mapped | Refused:
    ticket = question.seat.ticket
    match PurePosixPath(question.job.path).stem:
        case "bad":
            raise ValueError("no such\ndepth" + "x" * 5000)
        case "refused":
            return Refused(ticket=ticket, reason="the network's answer is not finite")
        case "sick":
            raise SickDeviceError("the device fails, and a known image too")
        case "greedy":
            raise OutOfMemoryError("no room for one picture")
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hang":
            time.sleep(3600)
    depth_nm = float(picture.samples[0])
    return Mapped(
        ticket=ticket,
        measurements={"depth.median_nm": depth_nm},
        warnings=(),
        artefacts=(),
        elapsed_ms=1.0,
    )


def build(settings: object) -> PixelTeller:
    return PixelTeller()


def without_torch(settings: object) -> PixelTeller:
    raise ModuleNotFoundError("No module named 'torch'", name="torch")


def broken(settings: object) -> PixelTeller:
    raise RuntimeError("this teller cannot start")


def a_question(
    stem: str = "a",
    *,
    ticket: int = 1,
    slot: int = 0,
    depth: DepthPlan | None = DepthPlan(where="whole"),  # noqa: B008 — frozen
    shape: tuple[int, int] = (32, 48),
    sha256: str = "ab" * 32,
) -> Question:
    """Ask for a picture that is shown whole, unless ``depth`` says otherwise."""
    facts = ImageFacts(
        width=shape[1],
        height=shape[0],
        dtype="uint8",
        pages=1,
        compression="none",
        sha256=sha256,
        pixel_size_nm=1.5,
    )
    job: Job = replace(
        some_job(ticket), path=f"/data/sem1/{stem}.tif", plan=Plan(depth=depth), detected_at=SEEN_S
    )
    return Question(job=job, facts=facts, seat=Seat(slot=slot, ticket=ticket))


def day_folder(folder: Path) -> Path:
    """Return where maps of these jobs are kept."""
    return folder / "2026-05-28"
