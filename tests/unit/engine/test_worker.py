from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from semwatchd.core.errors import DataError, EnvironmentFault, FileChangedError, FileGoneError
from semwatchd.core.image import SemImage
from semwatchd.core.job import ErrorClass, Evidence, Failure, Job, Outcome, Result
from semwatchd.core.plan import DepthPlan
from semwatchd.core.ports import SourceFile
from semwatchd.engine.worker import MAX_REASON_CHARS, analyse, error_class_of, leave_nothing
from semwatchd.pipeline.stage import Begin, Measured, Picture, Stage
from tests.deliveries import FACTS
from tests.journals import some_job

SOURCE = SourceFile(path="/d/a.tif", data=b"", sha256="ab" * 32, size=100, mtime_ns=1)
IMAGE = SemImage(pixels=None, facts=FACTS, warnings=("doubtful",))  # type: ignore[arg-type] # nobody looks


if TYPE_CHECKING:
    from semwatchd.core.image import Pixels


def uncut(pixels: Pixels, _: DepthPlan) -> Pixels:
    return pixels


def outcome(
    job: Job | None = None,
    found: SourceFile = SOURCE,
    error: Exception | None = None,
    at: str = "",
    begin: Begin = str,
) -> Outcome:
    def step(name: str) -> None:
        if error is not None and at == name:
            raise error

    def read(path: str) -> SourceFile:
        step("read")
        return found

    def decode(source: SourceFile) -> SemImage:
        step("decode")
        return IMAGE

    def measure(_: Picture) -> Measured:
        step("measure")
        return Measured(values={"n": 1.0})

    def stages_of(_: Job) -> tuple[Stage, ...]:
        return (Stage(name="counting", measure=measure),)

    return analyse(job or some_job(1), begin, leave_nothing, read, decode, stages_of, uncut)


def test_a_good_image_becomes_a_result() -> None:
    done = outcome(replace(some_job(1), warnings=("late",)))
    assert isinstance(done, Result)
    assert done.measurements == {"n": 1.0}
    assert done.warnings == ("late", "doubtful")
    assert list(done.elapsed_ms) == list(done.cpu_ms) == ["read", "counting"]


def test_each_step_is_told_before_it_begins() -> None:
    told: list[str] = []
    outcome(begin=told.append)
    assert told == ["read", "plan", "counting"]
    told.clear()
    outcome(error=OSError("away"), at="read", begin=told.append)
    assert told == ["read"]


@pytest.mark.parametrize(
    ("error", "error_class"),
    [
        (DataError("bad"), ErrorClass.DATA),
        (EnvironmentFault("away"), ErrorClass.ENVIRONMENT),
        (FileChangedError("changed"), ErrorClass.ENVIRONMENT),
        (MemoryError(), ErrorClass.RESOURCE),
        (KeyError("odd"), ErrorClass.TASK),
        (RecursionError("deep"), ErrorClass.TASK),
    ],
)
@pytest.mark.parametrize("at", ["read", "decode", "measure"])
def test_whatever_happens_becomes_a_failure_of_its_class(
    error: Exception, error_class: ErrorClass, at: str
) -> None:
    failed = outcome(error=error, at=at)
    assert isinstance(failed, Failure)
    assert failed.error_class is error_class is error_class_of(error)
    assert failed.sha256 == (None if at == "read" else SOURCE.sha256)
    assert failed.file_changed is isinstance(error, FileChangedError)


@pytest.mark.parametrize("change", [{"size": 101}, {"mtime_ns": 2}])
def test_another_version_than_the_settled_one_is_not_measured(change: dict[str, int]) -> None:
    failed = outcome(found=replace(SOURCE, **change))  # type: ignore[arg-type] # the fields are integers
    assert isinstance(failed, Failure)
    assert failed.file_changed


def test_a_failure_holds_what_was_read_of_the_file() -> None:
    found = replace(SOURCE, data=bytes(range(200)))
    failed = outcome(found=found, error=DataError("no"), at="decode")
    assert isinstance(failed, Failure)
    assert failed.evidence == Evidence(size=100, sha256=SOURCE.sha256, first_bytes=bytes(range(64)).hex())


def test_a_reason_is_one_short_clean_line() -> None:
    failed = outcome(error=ValueError("/d/\udcff.tif\n" + "x" * 10_000), at="decode")
    assert isinstance(failed, Failure)
    assert failed.reason.startswith("ValueError: /d/\\xff.tif\\x0axxx")
    assert len(failed.reason) == MAX_REASON_CHARS


def test_a_removed_file_is_set_aside_but_a_lost_folder_is_waited_for(tmp_path: Path) -> None:
    def read(path: str) -> SourceFile:
        raise FileGoneError(f"{path} cannot be read")

    def failure_in(root: Path) -> Failure:
        job = replace(some_job(1), root=str(root), path=str(root / "a.tif"))
        failed = analyse(job, str, leave_nothing, read, lambda _: IMAGE, lambda _: (), uncut)
        assert isinstance(failed, Failure)
        return failed

    assert failure_in(tmp_path).error_class is ErrorClass.ENVIRONMENT  # an empty mount point
    assert failure_in(tmp_path / "away").error_class is ErrorClass.ENVIRONMENT
    (tmp_path / "b.tif").touch()
    assert failure_in(tmp_path).error_class is ErrorClass.DATA
