from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from semwatchd.adapters.prometheus import GaugeSnapshot, PrometheusTelemetry
from semwatchd.config import Config, check_config
from semwatchd.core.errors import ConfigError
from semwatchd.engine.health import Health, HealthBoard
from semwatchd.reload import LiveConfig, admit, changed_keys
from tests.fakes import FakeClock, ListLog

BASE: dict[str, Any] = {"state_dir": "/s", "watch": [{"root": "/d", "tool": "A"}]}


def config(**changes: object) -> Config:
    return check_config(BASE | changes)


@pytest.fixture(autouse=True)
def _level() -> Iterator[None]:
    before = logging.getLogger().level
    yield
    logging.getLogger().setLevel(before)


class Desk:
    """A daemon's configuration, and the file it was read from."""

    def __init__(self) -> None:
        self.file: Config | Exception = config()
        self.log, self.clock = ListLog(), FakeClock()
        self.health = HealthBoard(self.clock, ListLog())
        self.telemetry = PrometheusTelemetry(destinations=[], gauges=GaugeSnapshot)
        self.in_force = LiveConfig(
            config(), self.read, telemetry=self.telemetry, health=self.health, log=self.log
        )

    def read(self) -> Config:
        if isinstance(self.file, Exception):
            raise self.file
        return self.file

    def success(self) -> bool:
        return "semwatchd_config_reload_success 1.0" in self.telemetry.render().decode()


def test_what_only_brings_the_jobs_can_change_while_the_line_runs() -> None:
    plans = {"default": {"stages": ["intensity"]}}
    watch = [{"root": "/d", "tool": "B"}, {"root": "/e", "tool": "C"}]
    new = config(log_level="debug", watch=watch, plans=plans)
    assert admit(config(), new) is new
    assert list(changed_keys(config(), new)) == ["log_level", "watch", "plans"]


def test_every_other_key_that_has_changed_is_named_and_nothing_is_taken() -> None:
    new = config(
        log_level="debug", workers={"count": 3}, http={"port": 1}, site="other", queue={"drain_s": 1}
    )
    with pytest.raises(ConfigError) as refused:
        admit(config(), new)
    named = [problem.split(":")[0] for problem in refused.value.problems]
    assert named == ["site", "workers.count", "queue.drain_s", "http.port"]
    assert all("restart" in problem for problem in refused.value.problems)


def test_a_daemon_is_not_left_without_folders() -> None:
    with pytest.raises(ConfigError, match="no folder to watch"):
        admit(config(), config(watch=[]))


def test_a_good_file_is_taken() -> None:
    desk = Desk()
    desk.file = config(log_level="debug", watch=[{"root": "/e", "tool": "B"}])
    assert desk.in_force.reload()
    assert [folder.root for folder in desk.in_force.folders] == ["/e"]
    assert logging.getLogger().level == logging.DEBUG
    assert desk.health.snapshot()["configuration"].state is Health.OK
    assert desk.success()
    level, event, fields = desk.log.lines[-1]
    assert (level, event, fields["changed"]) == ("info", "config_reloaded", ["log_level", "watch"])
    assert f'semwatchd_config_info{{hash="{desk.file.digest}"}} 1.0' in desk.telemetry.render().decode()


@pytest.mark.parametrize(
    "file", [ConfigError(["site: must not be empty", "watch.0.root: bad"]), config(site="other")]
)
def test_a_file_that_cannot_be_taken_changes_nothing_but_is_told_everywhere(file: Config | Exception) -> None:
    desk = Desk()
    before, folders = desk.in_force.config, desk.in_force.folders
    desk.file = file
    assert not desk.in_force.reload()
    assert desk.in_force.config is before
    assert desk.in_force.folders is folders
    assert not desk.success()
    assert f'semwatchd_config_info{{hash="{before.digest}"}} 1.0' in desk.telemetry.render().decode()
    part = desk.health.snapshot()["configuration"]
    assert part.state is Health.DEGRADED
    assert "site" in part.reason
    assert "reload" in part.todo
    assert desk.log.events() == ["config_reload_failed"]
    assert desk.health.ready, "degraded is not unready"


def test_a_corrected_file_makes_all_well_again() -> None:
    desk = Desk()
    desk.file = ConfigError(["site: must not be empty"])
    assert not desk.in_force.reload()
    desk.file = config()
    assert desk.in_force.reload()
    assert desk.success()
    assert desk.health.snapshot()["configuration"].state is Health.OK


def test_a_reference_that_changed_is_another_plan_though_the_file_is_the_same(tmp_path: Path) -> None:
    desk, reference = Desk(), tmp_path / "golden.tif"
    reference.write_bytes(b"one")
    desk.file = config(plans={"default": {"reference": str(reference)}})
    assert desk.in_force.reload()
    first = desk.in_force.folders[0].plan.plan_hash
    reference.write_bytes(b"two")
    assert desk.in_force.reload()
    assert desk.in_force.folders[0].plan.plan_hash != first


def test_the_digest_stands_for_every_setting() -> None:
    assert config().digest == config().digest
    assert config().digest != config(workers={"count": 3}).digest
    assert len(config().digest) == 16
