"""The commands as people and programs call them: what they print, where, and how they end."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from semwatchd.adapters.sql.schema import journal_path
from tests.images import write_image, write_truncated

pytestmark = pytest.mark.integration


def semwatchd(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("SEMWATCHD")}
    return subprocess.run(
        [sys.executable, "-m", "semwatchd", *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        env=own | {"COLUMNS": "200"} | environment,
        timeout=90,
        check=False,
    )


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration whose journal knows one good and two bad images, and an event that was refused."""
    folder = tmp_path_factory.mktemp("cli")
    path = folder / "semwatchd.toml"
    path.write_text(
        f"""
state_dir = "{folder}/state"
[[watch]]
root = "{folder}/tool"
tool = "SEM-1"
quiet_s = 0.1
hold_s = 1.0
[workers]
count = 1
[[destinations]]
kind = "filedrop"
name = "archive"
directory = "{folder}/out"
"""
    )
    (folder / "out").mkdir()
    write_image(folder / "tool" / "good.tif", 1)
    write_truncated(folder / "tool" / "bad[red].tif", 2)
    write_truncated(folder / "tool" / "worse\n\udcff.tif", 3)
    done = semwatchd("backfill", folder / "tool", "-c", path, "--json")
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["jobs"] == {"stored": 1, "quarantined": 2}
    with closing(sqlite3.connect(journal_path(folder / "state"))) as connection, connection:
        connection.execute("DROP TRIGGER outbox_moves")
        connection.execute("UPDATE outbox SET state = 'parked', last_error = 'refused [/b]'")
    return path


# Configuration


def test_a_configuration_with_three_mistakes_ends_with_78_and_names_all_three(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('[workers]\ncount = -1\npni = true\n[[watch]]\nroot = "/d"\ntool = "A"\nplan = "x"\n')
    done = semwatchd("config", "check", path)
    assert (done.returncode, done.stdout) == (78, "")
    first, *problems = done.stderr.splitlines()
    assert first == "configuration: 3 problem(s)"
    assert problems[0] == "workers.count: -1 is out of range (allowed: at least 0 and at most 256)"
    assert problems[1].startswith("workers.pni: is not a known setting (allowed: count, ")
    assert problems[2] == "watch.0.plan: there is no plan 'x' (allowed: default)"


def test_a_good_configuration_is_said_to_be_good(config: Path) -> None:
    done = semwatchd("config", "check", "-c", config)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{config}: good; 1 folder(s), 1 destination(s)\n"


def test_the_configuration_in_effect_is_shown_with_the_environment(config: Path) -> None:
    done = semwatchd("config", "show", SEMWATCHD_CONFIG=str(config), SEMWATCHD__WORKERS__COUNT="3")
    shown = json.loads(done.stdout)
    assert (shown["workers"]["count"], shown["watch"][0]["tool"]) == (3, "SEM-1")


def test_a_configuration_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = semwatchd("run", "-c", tmp_path / "\udcff.toml")
    assert done.returncode == 78
    assert "No such file or directory; name the file with -c" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_daemon_needs_a_folder_to_watch(tmp_path: Path) -> None:
    path = tmp_path / "empty.toml"
    path.write_text("")
    done = semwatchd("run", "-c", path)
    assert done.returncode == 78
    assert "add [[watch]] with root and tool" in done.stderr


@pytest.mark.parametrize("arguments", [["nonsense"], ["status", "--nonsense"], ["quarantine", "requeue"], []])
def test_wrong_usage_ends_with_64(arguments: list[str]) -> None:
    done = semwatchd(*arguments)
    assert done.returncode == 64
    assert "Usage: " in done.stderr + done.stdout


# Measuring files


def test_analyze_answers_every_path_on_a_line_of_its_own_in_order(tmp_path: Path) -> None:
    text = tmp_path / "text.tif"
    text.write_text("no image")
    folder = tmp_path / "folder"
    write_image(folder / "b.tif", 2)
    write_image(folder / "a.tif", 1)
    (folder / "a.txt").write_text("$CM_MAG 1000\n")
    odd = write_image(tmp_path / "odd [red]\udcff.tif", 3)
    done = semwatchd("analyze", tmp_path / "missing.tif", folder, text, odd, "--json")
    assert done.returncode == 0, done.stderr
    records = lines(done.stdout)
    names = ["missing.tif", "folder/a.tif", "folder/b.tif", "text.tif", "odd [red]\\xff.tif"]
    assert [record["path"] for record in records] == [f"{tmp_path}/{name}" for name in names]
    assert [record["status"] for record in records] == ["rejected", "ok", "ok", "rejected", "ok"]
    assert [record["error_class"] for record in records[::3]] == ["environment", "data"]
    assert set(records[0]) == set(records[1])
    assert records[1]["image"]["width"] == 128
    assert records[1]["measurements"]["noise.sigma"] > 0
    assert "features.pattern_0" not in records[1]["measurements"]


def test_analyze_adds_the_vector_to_learn_from_where_it_is_asked_for(tmp_path: Path) -> None:
    done = semwatchd("analyze", write_image(tmp_path / "a.tif", 1), "--features", "--json")
    assert done.returncode == 0, done.stderr
    measured = lines(done.stdout)[0]["measurements"]
    assert 0 <= measured["features.pattern_0"] <= 1
    assert measured["noise.sigma"] > 0


def test_analyze_for_people_takes_any_name(tmp_path: Path) -> None:
    odd = write_image(tmp_path / "[red].tif", 3)
    done = semwatchd("analyze", odd, "--reference", odd)
    assert done.returncode == 0, done.stderr
    assert "[red].tif" in done.stdout
    assert " ok " in done.stdout


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [("--plan", "fast", "no plan 'fast' (allowed: default)"), ("--reference", "/no", "No such file")],
)
def test_analyze_refuses_a_plan_that_cannot_be_had(option: str, value: str, told: str) -> None:
    done = semwatchd("analyze", "a.tif", option, value)
    assert done.returncode == 78
    assert told in done.stderr


# The journal


def test_without_a_journal_the_commands_say_so(tmp_path: Path) -> None:
    path = tmp_path / "new.toml"
    path.write_text(f'state_dir = "{tmp_path}/state"')
    done = semwatchd("status", "-c", path)
    assert done.returncode == 75
    assert done.stderr == f"there is no journal in {tmp_path}/state yet; start the daemon once\n"
    assert not (tmp_path / "state").exists()


def test_a_foreign_file_in_the_journals_place_is_told(tmp_path: Path) -> None:
    path = tmp_path / "new.toml"
    path.write_text(f'state_dir = "{tmp_path}"')
    journal_path(tmp_path).write_text("not a database" * 100)
    done = semwatchd("audit", "-c", path)
    assert done.returncode == 75
    assert "not a sound journal" in done.stderr
    assert "Traceback" not in done.stderr


def test_status_and_audit_count_for_programs(config: Path) -> None:
    counted = json.loads(semwatchd("status", "-c", config, "--json").stdout)
    assert counted["sightings"] == {"ready": 3}
    assert sum(counted["jobs"].values()) == 3
    done = semwatchd("audit", "-c", config, "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["balanced"], report["gap"]) == (0, True, 0)


def test_results_of_a_plan_no_longer_configured_are_named(config: Path, tmp_path: Path) -> None:
    assert json.loads(semwatchd("status", "--outdated", "-c", config, "--json").stdout)["outdated"] == {}
    changed = tmp_path / "changed.toml"
    changed.write_text(config.read_text() + '[plans.default]\nstages = ["intensity"]\n')
    told = json.loads(semwatchd("status", "--outdated", "-c", changed, "--json").stdout)
    (found,) = told["results"]
    assert found["path"].endswith("/good.tif")
    assert told["outdated"] == {found["plan_hash"]: 1}
    assert found["plan_hash"] not in told["current_plans"]
    assert found["code_version"]
    table = semwatchd("status", "--outdated", "-c", changed)
    assert table.stdout.startswith("1 result(s) of 1 plan(s) that are no longer configured\n")


def test_an_audit_with_findings_ends_with_1(config: Path) -> None:
    stranger = config.parent / "tool" / "new\n.tif"
    write_image(stranger, 9)
    try:
        done = semwatchd("audit", "-c", config)
    finally:
        stranger.unlink()
    assert done.returncode == 1
    assert "not in the journal: new\\x0a.tif" in done.stdout
    assert done.stdout.endswith("NOT balanced: gap 1\n")


def test_a_person_decides_on_the_quarantine(config: Path) -> None:
    listed = json.loads(semwatchd("quarantine", "list", "-c", config, "--json").stdout)
    assert len(listed) == 2
    paths = {row["path"].rpartition("/tool/")[2]: row["id"] for row in listed}
    bad, worse = paths["bad[red].tif"], paths["worse\\x0a\\xff.tif"]
    table = semwatchd("quarantine", "list", "-c", config)
    assert (table.returncode, "bad[red].tif" in table.stdout) == (0, True)

    first = semwatchd("quarantine", "requeue", str(bad), "--reason", "copied anew \udcff", "-c", config)
    assert (first.returncode, first.stdout) == (0, f"job {bad}: done\n")
    second = semwatchd("quarantine", "reject", str(worse), str(bad), "--reason", "no image", "-c", config)
    assert second.returncode == 1
    assert second.stdout.splitlines() == [
        f"job {worse}: done",
        f"job {bad}: nothing changed, it is not in quarantine",
    ]
    shown = json.loads(semwatchd("quarantine", "show", str(bad), "-c", config).stdout)
    assert (shown["state"], shown["lane"], shown["attempt"]) == ("queued", "manual", 0)
    assert [(entry["action"], entry["reason"]) for entry in shown["audit"]] == [
        ("requeue", "copied anew \\xff")
    ]
    missing = semwatchd("quarantine", "show", "999", "-c", config)
    assert missing.returncode == 64
    assert "there is no job 999" in missing.stderr


def test_a_person_sends_an_event_again(config: Path) -> None:
    (event,) = json.loads(semwatchd("outbox", "list", "-c", config, "--json").stdout)
    assert (event["state"], event["last_error"]) == ("parked", "refused [/b]")
    assert "refused [/b]" in semwatchd("outbox", "list", "-c", config, "--state", "parked").stdout
    done = semwatchd("outbox", "retry", str(event["seq"]), "--reason", "the MES is back", "-c", config)
    assert (done.returncode, done.stdout) == (0, f"event {event['seq']}: done\n")
    again = json.loads(semwatchd("outbox", "list", "-c", config, "--json").stdout)
    assert (again[0]["state"], again[0]["attempts"]) == ("pending", 0)
    wrong = semwatchd("outbox", "list", "--state", "prked", "-c", config)
    assert wrong.returncode == 64


def test_a_health_check_without_a_daemon_fails_in_words(config: Path) -> None:
    port_file = config.parent / "state" / "http.port"
    for port, told in ((None, "no daemon has run on"), ("1", "no daemon answers on"), ("x", "no daemon")):
        if port is not None:
            port_file.write_text(port)
        done = semwatchd("healthcheck", "-c", config)
        assert (done.returncode, done.stderr) == (1, "")
        assert done.stdout.startswith(f"failed\n  daemon: failed {told}")
