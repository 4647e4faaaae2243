from __future__ import annotations

import subprocess
import sys

import pytest

from semwatchd.core.errors import ConfigError
from semwatchd.core.plan import DEFAULT_STAGES, Plan
from semwatchd.pipeline.build import build_stages
from semwatchd.pipeline.settings import KNOWN_STAGES
from tests.scenes import as_image, grains, photographed


def test_stages_come_in_the_plans_order() -> None:
    reference = as_image(photographed(grains(64).frame(), 5, seed=1))
    stages = build_stages(Plan(stages=("registration", "spectrum"), reference="ref.tif"), reference)
    assert [stage.name for stage in stages] == ["registration", "spectrum"]


def test_without_a_reference_there_is_no_registration() -> None:
    built = [stage.name for stage in build_stages(Plan(), None)]
    assert built == [name for name in DEFAULT_STAGES if name != "registration"]


def test_every_unknown_stage_is_named_with_those_allowed() -> None:
    with pytest.raises(ConfigError) as raised:
        build_stages(Plan(stages=("sharpnes", "intensity", "sepctrum")), None)
    assert len(raised.value.problems) == 2
    assert "'sharpnes'" in raised.value.problems[0]
    assert all(name in raised.value.problems[0] for name in KNOWN_STAGES)


def test_a_reference_that_was_not_loaded_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match=r"ref\.tif"):
        build_stages(Plan(reference="ref.tif"), None)


def test_the_default_stages_are_known() -> None:
    assert set(DEFAULT_STAGES) <= set(KNOWN_STAGES)


def test_the_names_load_no_numpy() -> None:
    script = "import sys, semwatchd.pipeline.settings; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
