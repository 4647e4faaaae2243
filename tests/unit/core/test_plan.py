from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from semwatchd.core.plan import DEFAULT_STAGES, Plan
from semwatchd.pipeline.settings import USUAL_STAGES, PlanSettings, plan_from

PLAN = Plan(reference="/ref/golden.tif", reference_sha256="aa")


def test_the_hash_covers_what_can_change_a_number() -> None:
    changed = [
        PLAN,
        replace(PLAN, stages=("intensity",)),
        replace(PLAN, stages=tuple(reversed(DEFAULT_STAGES))),
        replace(PLAN, reference_sha256="bb"),
        replace(PLAN, method="phase_correlation"),
        replace(PLAN, against="previous"),
    ]
    assert len({plan.plan_hash for plan in changed}) == len(changed)
    same = [replace(PLAN, name="other"), replace(PLAN, reference="/moved/golden.tif")]
    assert {plan.plan_hash for plan in same} == {PLAN.plan_hash}


def test_the_hash_of_the_default_plan_is_fixed() -> None:
    assert Plan().plan_hash == "47c196a3ccd8068b"


def test_the_default_settings_are_the_default_plan() -> None:
    assert plan_from("default", PlanSettings()) == Plan()
    assert DEFAULT_STAGES == USUAL_STAGES


def test_a_plan_compares_with_one_kind_of_reference(tmp_path: Path) -> None:
    golden = tmp_path / "golden.tif"
    golden.write_bytes(b"pixels")
    how = {"method": "phase_correlation", "against": "golden"}
    plan = plan_from("lines", PlanSettings.model_validate({"reference": golden, "registration": how}))
    assert (plan.method, plan.against, plan.reference) == ("phase_correlation", "golden", str(golden))
    with pytest.raises(ValidationError, match="leave one of them out"):
        PlanSettings.model_validate({"reference": golden, "registration": {"against": "previous"}})
