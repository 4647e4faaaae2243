"""Every mistake in a configuration is named at once, with its path and what is allowed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semwatchd.adapters.mes.http import HttpSettings
from semwatchd.config import Config, check_config, default_state_dir, load_config
from semwatchd.core.errors import ConfigError

EXAMPLE = """
site = "fab3"
state_dir = "/var/lib/semwatchd"

[[watch]]
root = "/data/sem1"
tool = "SEM-1"
exclude = ["old/*"]
context = '^(?P<lot>[^/]+)/W(?P<wafer>[0-9]+)'

[[watch]]
root = "/data/sem2"
tool = "SEM-2"
plan = "quick"

[plans.default]
stages = ["intensity", "sharpness", "spectrum", "scan", "registration"]

[plans.quick]
stages = ["intensity"]

[workers]
count = 2
pin = false

[[destinations]]
kind = "http"
name = "mes"
url = "http://mes.example:8080/results"

[[destinations]]
kind = "filedrop"
name = "archive"
directory = "/data/out"
"""


def problems_of(raw: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        check_config(raw)
    return caught.value.problems


def of_file(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "semwatchd.toml"
    path.write_text(text)
    return load_config(path)


def watch(**more: object) -> dict[str, Any]:
    return {"watch": [{"root": "/data/sem1", "tool": "SEM-1"} | more]}


def depth(**settings: object) -> dict[str, Any]:
    return {"plans": {"default": {"depth": settings}}}


def test_the_defaults_are_a_configuration() -> None:
    config = check_config({})
    assert config.watch == ()
    assert config.state_dir == default_state_dir()
    assert config.plan("default").stages == ("intensity", "sharpness", "spectrum", "scan", "registration")


def test_the_example_is_read(tmp_path: Path) -> None:
    config = of_file(tmp_path, EXAMPLE)
    assert [w.tool for w in config.watch] == ["SEM-1", "SEM-2"]
    assert isinstance(config.destinations[0], HttpSettings)
    assert config.plan("quick").plan_hash != config.plan("default").plan_hash


def test_three_mistakes_are_named_with_path_and_allowed_values(tmp_path: Path) -> None:
    text = EXAMPLE.replace("count = 2", "count = -2").replace('plan = "quick"', 'plan = "quik"')
    with pytest.raises(ConfigError) as caught:
        of_file(tmp_path, text.replace("pin = false", "pni = false"))
    told = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 3
    assert "workers.count: -2 is out of range (allowed: at least 0 and at most 256)" in told
    assert "watch.1.plan: there is no plan 'quik' (allowed: default, quick)" in told
    assert "workers.pni: is not a known setting (allowed: count, deadline_s," in told


@pytest.mark.parametrize(
    ("raw", "path", "told"),
    [
        ({"wokers": {}}, "wokers", "not a known setting (allowed: audit, depth, destinations, gu"),
        ({"_env_file": "x"}, "_env_file", "not a known setting"),
        ({"site": ""}, "site", "must not be empty"),
        ({"site": "x" * 101}, "site", "too long (allowed: at most 100 characters)"),
        ({"site": 3}, "site", "must be text in quotes, not 3"),
        ({"log_level": "loud"}, "log_level", "'loud' is not allowed (allowed: 'debug', 'info', 'warning'"),
        ({"workers": []}, "workers", "must be a table, not a list"),
        ({"workers": {"count": "two"}}, "workers.count", "must be a whole number, not 'two'"),
        ({"workers": {"count": 1.5}}, "workers.count", "must be a whole number, not 1.5"),
        ({"workers": {"pin": "maybe"}}, "workers.pin", "must be true or false, not 'maybe'"),
        ({"workers": {"deadline_s": 0}}, "workers.deadline_s", "(allowed: at least 1 and at most 3600)"),
        (
            {"workers": {"stage_deadline_s": {"scan": 0}}},
            "workers.stage_deadline_s.scan",
            "0 is out of range",
        ),
        (
            {"workers": {"stage_deadline_s": {"scna": 9}}},
            "workers.stage_deadline_s.scna",
            "'scna' is not allowed (allowed: 'read', 'intensity', ",
        ),
        (
            {"workers": {"stage_deadline_s": {"scan": 31}}},
            "workers",
            "stage_deadline_s.scan is 31, more than deadline_s (30), which ends the image first",
        ),
        ({"workers": {"max_megapixels": 0}}, "workers.max_megapixels", "more than 0 and at most 4000"),
        ({"http": {"port": 70000}}, "http.port", "(allowed: at least 0 and at most 65535)"),
        ({"watch": {}}, "watch", "must be a list in [brackets], not a table"),
        ({"watch": [3]}, "watch.0", "must be a table, not 3"),
        ({"watch": [{"root": "/a"}]}, "watch.0.tool", "is missing"),
        (watch(root="data"), "watch.0.root", "'data' is relative; write the absolute path"),
        (watch(quiet_s=math.nan), "watch.0.quiet_s", "nan is out of range"),
        (watch(context="("), "watch.0.context", "not a regular expression: missing )"),
        (watch(context="(?P<lto>.)"), "watch.0.context", "unknown group lto (allowed: lot, recipe,"),
        (watch(patterns="*.tif"), "watch.0.patterns", "must be a list in [brackets], not '*.tif'"),
        (watch(patterns=[]), "watch.0.patterns", "must not be empty"),
        (watch(plan="fast"), "watch.0.plan", "there is no plan 'fast' (allowed: default)"),
        ({"plans": {"default": {"stages": ["blur"]}}}, "plans.default.stages.0", "'blur' is not allowed"),
        (
            {"plans": {"default": {"stage": []}}},
            "plans.default.stage",
            "(allowed: depth, reference, registration, stages)",
        ),
        (
            depth(where="here"),
            "plans.default.depth.where",
            "(allowed: 'centre', 'whole', 'region' or 'grid')",
        ),
        (depth(size=64), "plans.default.depth.size", "(allowed: grid, region, size_px, where)"),
        (depth(size_px=32), "plans.default.depth.size_px", "(allowed: at least 64 and at most 2048)"),
        (depth(size_px=100), "plans.default.depth.size_px", "(allowed: multiples of 16)"),
        (depth(grid=[1, 2]), "plans.default.depth", "leave it out, or write where = 'grid'"),
        (depth(where="whole", size_px=64), "plans.default.depth", "or write where = 'centre' or 'grid'"),
        (depth(where="region"), "plans.default.depth", "needs region = [left, top, width, height] in px"),
        (
            depth(where="region", region=[0, 0, 64, 8]),
            "plans.default.depth.region.3",
            "8 is out of range (allowed: at least 16)",
        ),
        (
            depth(where="region", region=[0, 0, 64, 64, 1]),
            "plans.default.depth.region",
            "has too many entries (allowed: 4)",
        ),
        (
            depth(where="grid", grid=[9, 1]),
            "plans.default.depth.grid.0",
            "9 is out of range (allowed: at most 8)",
        ),
        ({"destinations": [{"name": "a"}]}, "destinations.0", "has no kind"),
        ({"destinations": [{"kind": "ftp"}]}, "destinations.0", "unknown kind 'ftp' (allowed: 'http', 'f"),
    ],
)
def test_a_mistake_is_told_in_the_operators_words(raw: dict[str, Any], path: str, told: str) -> None:
    (problem,) = problems_of(raw)
    assert problem.startswith(f"{path}: ")
    assert told in problem


def test_destinations_are_checked_by_their_kind() -> None:
    raw = {
        "destinations": [
            {"kind": "http", "name": "mes", "url": "mes:80", "timeout_s": 0, "directory": "/x"},
            {"kind": "filedrop", "name": "mes"},
            {"kind": "http", "name": "a b", "url": "http://u:p@mes.example/"},
        ]
    }
    told = dict(problem.split(": ", 1) for problem in problems_of(raw))
    assert told["destinations.0.url"].startswith("must be an address such as http://")
    assert told["destinations.0.timeout_s"] == "0 is out of range (allowed: more than 0 and at most 60)"
    assert told["destinations.0.directory"].endswith("(allowed: kind, name, timeout_s, token_file, url)")
    assert told["destinations.1.directory"] == "is missing"
    assert told["destinations.1.name"].startswith("'mes' is given twice")
    assert told["destinations.2.name"].startswith("'a b' is not allowed (allowed: what matches ")
    assert told["destinations.2.url"].startswith("holds a user or password")


def test_one_mistake_hides_no_other_of_another_kind(tmp_path: Path) -> None:
    gone = tmp_path / "golden.tif"
    raw = {
        "wokers": {},
        "watch": [{"root": "/data"}, {"root": "/data/sem", "tool": "A", "plan": "b"}],
        "plans": {"a": {"reference": str(gone), "stages": []}},
    }
    paths = {problem.split(": ")[0] for problem in problems_of(raw)}
    expected = {"wokers", "watch.0.tool", "watch.0.plan", "watch.1.plan", "watch.1.root"}
    assert paths == expected | {"plans.a.stages", "plans.a.reference"}


def test_folders_within_each_other_are_refused_unless_excluded() -> None:
    outer = {"root": "/data", "tool": "A"}
    inner = {"root": "/data/sem", "tool": "B"}
    assert problems_of({"watch": [outer, inner]})[0].startswith("watch.1.root: /data/sem lies in /data")
    check_config({"watch": [outer | {"exclude": ["sem"]}, inner]})


@pytest.mark.parametrize("reference", ["/nowhere/golden.tif", "/", "/data/\0.tif"])
def test_a_reference_that_cannot_be_read_is_told(reference: str) -> None:
    (problem,) = problems_of({"plans": {"default": {"reference": reference}}})
    assert problem.startswith(f"plans.default.reference: {reference}: ")


def test_a_changed_reference_is_a_changed_plan(tmp_path: Path) -> None:
    golden = tmp_path / "golden.tif"
    hashes = []
    for content in (b"one", b"two", b"one"):
        golden.write_bytes(content)
        config = check_config({"plans": {"default": {"reference": str(golden)}}})
        hashes.append(config.plan("default").plan_hash)
    assert hashes[0] == hashes[2] != hashes[1]


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"[watch\n", "not TOML"), (b"a = 1\na = 2", "not TOML"), (b"\xff\xfe", "not TOML"), (None, "-c")],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None, told: str) -> None:
    path = tmp_path / "semwatchd.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=told):
        load_config(path)
    with pytest.raises(ConfigError, match="directory"):
        load_config(tmp_path)


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMWATCHD__WORKERS__COUNT", "3")
    config = check_config({"workers": {"count": 1, "pin": False}})
    assert (config.workers.count, config.workers.pin) == (3, False)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (
            "SEMWATCHD__WORKERS__COUNT",
            "many",
            "workers.count: must be a whole number, not 'many' (set by SEMW",
        ),
        ("SEMWATCHD__WORKERS__CUONT", "1", "workers.cuont: is not a known setting (allowed: count,"),
        ("SEMWATCHD__WORKER__COUNT", "1", "SEMWATCHD__WORKER__COUNT in the environment: 'worker' is not"),
        ("SEMWATCHD__WATCH", "no json", 'environment: error parsing value for field "watch"'),
    ],
)
def test_a_mistake_in_the_environment_is_told(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    (problem,) = problems_of({})
    assert problem.startswith(told)


def test_the_schema_takes_what_the_checker_takes(tmp_path: Path) -> None:
    schema = Config.model_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    effective = of_file(tmp_path, EXAMPLE).model_dump(mode="json")
    jsonschema.validate(json.loads(json.dumps(effective)), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"workers": {"cuont": 1}}, schema)


KEYS = st.sampled_from(
    [*Config.model_fields, "root", "tool", "plan", "kind", "name", "url", "count", "stages", "reference"]
) | st.text(max_size=5)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 10**20)
    | st.floats()
    | st.text(max_size=5)
    | st.dates()
    | st.sampled_from(["http", "filedrop", "default", "/data", "/data/x", "http://h/"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_whatever_the_file_holds_only_problems_come_out(raw: dict[str, Any]) -> None:
    problems = []
    try:
        check_config(raw)
    except ConfigError as error:
        problems = error.problems
    jargon = ("Input should", "Value error", "Extra inputs", "discriminator")
    assert [problem for problem in problems if any(word in problem for word in jargon)] == []
