"""Images compared with earlier ones of their lot; what is wrong with those spoils only the shift."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from semwatchd import analyser
from semwatchd.core.image import Registration, RegistrationStatus
from semwatchd.core.job import Earlier, Result
from semwatchd.core.plan import Plan
from semwatchd.engine.settings import WorkerSettings
from semwatchd.engine.worker import leave_nothing
from semwatchd.offline.bench.files import job_of
from tests.images import write_image, write_truncated

pytestmark = pytest.mark.integration

ANALYSE = analyser.build(WorkerSettings())


def earlier_of(path: Path) -> Earlier:
    job = job_of(1, path, Plan())
    return Earlier(path=job.path, size=job.size, mtime_ns=job.mtime_ns)


def measured(path: Path, reference: Earlier | None) -> Result:
    outcome = ANALYSE(
        replace(job_of(2, path, Plan(against="previous")), reference=reference), str, leave_nothing
    )
    assert isinstance(outcome, Result)
    return outcome


def shift_of(result: Result) -> Registration:
    assert result.registration is not None
    return result.registration


def test_the_result_names_the_image_it_was_compared_with(tmp_path: Path) -> None:
    first = write_image(tmp_path / "a.tif", 1)
    found = shift_of(measured(write_image(tmp_path / "b.tif", 1), earlier_of(first)))
    assert (found.reference, found.status) == (str(first), RegistrationStatus.OK)
    assert found.dx_px == pytest.approx(0, abs=0.01)


def test_the_first_image_of_a_lot_has_no_shift_and_no_warning(tmp_path: Path) -> None:
    alone = measured(write_image(tmp_path / "a.tif", 1), None)
    assert alone.registration is None
    assert not any("reference" in warning for warning in alone.warnings)


def test_an_earlier_image_that_is_gone_or_changed_or_cut_fails_only_the_shift(tmp_path: Path) -> None:
    image, other = write_image(tmp_path / "b.tif", 1), write_image(tmp_path / "a.tif", 2)
    gone = replace(earlier_of(other), path=str(tmp_path / "gone.tif"))
    changed = replace(earlier_of(other), mtime_ns=1)
    cut = earlier_of(write_truncated(tmp_path / "cut.tif", 4))
    for reference, why in ((gone, "moved or deleted"), (changed, "written to"), (cut, "cannot be used")):
        result = measured(image, reference)
        assert shift_of(result).status is RegistrationStatus.FAILED
        assert shift_of(result).dx_px is None
        assert any(why in warning for warning in result.warnings), result.warnings
        assert result.measurements["snr.ratio"] is not None
