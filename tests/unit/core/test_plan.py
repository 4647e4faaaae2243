from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from semwatchd.core.plan import DEFAULT_STAGES, DepthPlan, Plan
from semwatchd.pipeline.settings import USUAL_STAGES, PlanSettings, plan_from

PLAN = Plan(reference="/ref/golden.tif", reference_sha256="aa")

DEPTHS = (
    DepthPlan(),
    DepthPlan(size_px=64),
    DepthPlan(where="whole"),
    DepthPlan(where="region", region=(1, 2, 30, 40)),
    DepthPlan(where="grid"),
    DepthPlan(where="grid", grid=(1, 2)),
    DepthPlan(weights_sha256="cc"),
)


def test_the_hash_covers_what_can_change_a_number() -> None:
    changed = [
        PLAN,
        replace(PLAN, stages=("intensity",)),
        replace(PLAN, stages=tuple(reversed(DEFAULT_STAGES))),
        replace(PLAN, reference_sha256="bb"),
        replace(PLAN, method="phase_correlation"),
        replace(PLAN, against="previous"),
        *(replace(PLAN, depth=depth) for depth in DEPTHS),
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


def test_where_the_depth_is_asked_for_comes_from_the_settings() -> None:
    settings = PlanSettings.model_validate({"depth": {"where": "grid", "size_px": 128, "grid": [3, 1]}})
    plan = plan_from("holes", settings, weights_sha256="cc")
    assert plan.depth == DepthPlan(where="grid", size_px=128, grid=(3, 1), weights_sha256="cc")
    assert plan_from("holes", PlanSettings(), weights_sha256="cc") == Plan(name="holes")
    assert plan_from("default", PlanSettings.model_validate({"depth": {}})) == Plan(depth=DepthPlan())
