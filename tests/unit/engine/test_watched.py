from __future__ import annotations

import math
from pathlib import Path

import pytest
from pydantic import ValidationError

from semwatchd.core.plan import Plan
from semwatchd.engine.watched import WatchSettings, overlapping_roots, watched_folder


def test_the_defaults_fit_a_tool_pc() -> None:
    settings = WatchSettings(root=Path("/data/sem"), tool="SEM-1")
    folder = watched_folder(settings, Plan(), network=False)
    assert folder.names.reads("A.TIF")
    assert (folder.patience.quiet_s, folder.patience.hold_s) == (2.0, 30.0)
    assert watched_folder(settings, Plan(), network=True).patience.quiet_s == 10.0


def test_a_quiet_time_of_the_users_own_is_kept_on_the_network() -> None:
    settings = WatchSettings(root=Path("/data/sem"), tool="SEM-1", quiet_s=4)
    assert watched_folder(settings, Plan(), network=True).patience.quiet_s == 4


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"root": "data"}, "is relative"),
        ({"tool": ""}, "at least 1 character"),
        ({"patterns": []}, "at least 1 item"),
        ({"quiet_s": 0}, "greater than or equal to 0.1"),
        ({"hold_s": 4000}, "less than or equal to 3600"),
        ({"exclude": ["/data/sem/old"]}, "below the root"),
        ({"context": "(?P<lot>"}, "not a regular expression"),
        ({"context": "(?P<batch>.*)"}, "unknown group batch .allowed: lot, recipe, slot, step, wafer"),
        ({"context": "L.*"}, "names no group"),
        ({"quite_s": 1}, "Extra inputs"),
    ],
)
def test_a_wrong_setting_says_what_is_allowed(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        WatchSettings.model_validate({"root": "/data/sem", "tool": "SEM-1"} | wrong)


def test_folders_within_each_other_are_named_unless_excluded() -> None:
    outer = WatchSettings(root=Path("/data"), tool="A")
    inner = WatchSettings(root=Path("/data/sem"), tool="B")
    assert overlapping_roots(dict(enumerate([outer, inner])))[0].startswith(
        "watch.1.root: /data/sem lies in /data"
    )
    assert len(overlapping_roots(dict(enumerate([inner, inner])))) == 1
    apart = WatchSettings(root=Path("/data"), tool="A", exclude=("sem",))
    assert overlapping_roots(dict(enumerate([apart, inner]))) == []
    assert overlapping_roots(dict(enumerate([inner, WatchSettings(root=Path("/data/sem2"), tool="C")]))) == []


def test_on_a_share_a_canary_is_given_time_for_a_scan() -> None:
    settings = WatchSettings(root=Path("/data"), tool="SEM-1", canary_s=10.0)
    assert watched_folder(settings, Plan(), network=False).canary_s == 10.0
    assert watched_folder(settings, Plan(), network=True).canary_s == 120.0
    without = WatchSettings(root=Path("/data"), tool="SEM-1")
    assert watched_folder(without, Plan(), network=True).canary_s is None


def test_the_operator_knows_better_than_the_file_system_what_is_a_share() -> None:
    for said, found in ((None, True), (None, False), (True, False), (False, True)):
        settings = WatchSettings(root=Path("/data"), tool="SEM-1", network=said)
        assert settings.on_share(lambda root, found=found: found and root == "/data") is (  # type: ignore[misc]
            found if said is None else said
        )


def test_no_factor_is_endless_patience_with_a_silent_tool() -> None:
    settings = WatchSettings(root=Path("/data"), tool="SEM-1", silence_factor=0.0)
    assert watched_folder(settings, Plan(), network=False).silence_factor == math.inf
