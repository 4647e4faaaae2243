from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from semwatchd.pipeline.stage import Measured, Picture, Stage, run_stages
from tests.scenes import as_image

if TYPE_CHECKING:
    from semwatchd.core.image import Pixels

IMAGE = as_image(np.zeros((4, 4), np.uint8))


def saying(name: str, *warnings: str, **values: float | None) -> Stage:
    return Stage(name=name, measure=lambda image: Measured(values=values, warnings=warnings))


def test_numbers_of_all_stages_are_gathered_and_timed() -> None:
    analysis = run_stages(IMAGE, (saying("one", a=1.0), saying("two", b=2.0)))
    assert analysis.values == {"a": 1.0, "b": 2.0}
    assert set(analysis.elapsed_ms) == set(analysis.cpu_ms) == {"one", "two"}
    assert analysis.warnings == ()


def test_each_stage_is_told_before_it_runs() -> None:
    told: list[str] = []

    def measure(_: Picture) -> Measured:
        told.append("runs")
        return Measured()

    run_stages(IMAGE, [Stage(name=name, measure=measure) for name in ("one", "two")], told.append)
    assert told == ["one", "runs", "two", "runs"]


def test_a_number_that_is_not_finite_becomes_none_and_a_warning() -> None:
    analysis = run_stages(IMAGE, (saying("one", a=math.inf, b=math.nan, c=3.0),))
    assert analysis.values == {"a": None, "b": None, "c": 3.0}
    assert analysis.warnings == ("no finite value for a, b",)


def test_what_two_stages_say_alike_is_said_once() -> None:
    analysis = run_stages(IMAGE, (saying("one", "too small"), saying("two", "too small", "too dark")))
    assert analysis.warnings == ("too small", "too dark")


def test_what_two_stages_need_is_worked_out_once() -> None:
    calls = []

    def total(pixels: Pixels) -> int:
        calls.append(pixels)
        return int(pixels.sum())

    def measure(picture: Picture) -> Measured:
        return Measured(values={"total": picture.of(total)})

    analysis = run_stages(IMAGE, [Stage(name=name, measure=measure) for name in ("a", "b")])
    assert analysis.values == {"total": float(IMAGE.pixels.sum())}
    assert len(calls) == 1


def test_a_null_that_the_stage_expects_needs_no_word() -> None:
    stage = Stage(
        name="one",
        measure=lambda picture: Measured(values={"a": None, "b": None}, expected_nulls=frozenset({"a"})),
    )
    assert run_stages(IMAGE, (stage,)).warnings == ("no finite value for b",)
