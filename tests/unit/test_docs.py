"""The documentation against the code: what is there is written down, and what is written down is there."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.main import get_command

from semwatchd.adapters.mes.filedrop import FileDropSettings
from semwatchd.adapters.mes.http import HttpSettings
from semwatchd.adapters.prometheus import GaugeSnapshot, PrometheusTelemetry, WorkerGauges
from semwatchd.adapters.sql.tables import metadata
from semwatchd.cli import app
from semwatchd.config import Config, check_config
from semwatchd.core.errors import ConfigError
from semwatchd.core.image import RegistrationStatus, Vendor
from semwatchd.core.job import DeliveryState, ErrorClass, JobState, Lane, SightingState
from semwatchd.core.moves import DELIVERY_MOVES, JOB_MOVES, SIGHTING_MOVES, Moves
from semwatchd.engine.relay import RelaySettings
from semwatchd.engine.settings import AuditSettings, QueueSettings, RetentionSettings, WorkerSettings
from semwatchd.engine.watched import WatchSettings
from semwatchd.pipeline.handbook import measurements_page
from semwatchd.pipeline.settings import PlanDepthSettings, PlanSettings, RegistrationSettings

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])
EXAMPLE = ROOT / "examples" / "semwatchd.toml"

SECTIONS: Mapping[str, tuple[type[BaseModel], ...]] = {
    "Top level": (Config,),
    "`[[watch]]`": (WatchSettings,),
    "`[plans.NAME]`": (PlanSettings,),
    "`[plans.NAME.registration]`": (RegistrationSettings,),
    "`[plans.NAME.depth]`": (PlanDepthSettings,),
    "`[workers]`": (WorkerSettings,),
    "`[queue]`": (QueueSettings,),
    "`[audit]`": (AuditSettings,),
    "`[retention]`": (RetentionSettings,),
    "`[http]`": (type(Config.model_fields["http"].default),),
    "`[[destinations]]`": (HttpSettings, FileDropSettings),
    "`[relay]`": (RelaySettings,),
    "`[guard]`": (type(Config.model_fields["guard"].default),),
}


def page(name: str) -> str:
    return (DOCS / "reference" / name).read_text("utf-8")


def section(text: str, title: str) -> str:
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def first_cells(text: str) -> set[str]:
    """What stands in backquotes in the first column of the tables."""
    cells = re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


@pytest.mark.parametrize("title", SECTIONS)
def test_every_key_of_the_configuration_is_explained_and_no_other(title: str) -> None:
    keys = {key for model in SECTIONS[title] for key in model.model_fields}
    assert first_cells(section(page("configuration.md"), title)) == keys


@pytest.mark.parametrize("title", SECTIONS)
def test_the_defaults_are_the_real_ones(title: str) -> None:
    rows = section(page("configuration.md"), title).splitlines()
    for model in SECTIONS[title]:
        for key, field in model.model_fields.items():
            if (shown := default_in_toml(field)) is not None:
                assert any(row.startswith(f"| `{key}` | `{shown}` |") for row in rows), f"{key} = {shown}"


def default_in_toml(field: FieldInfo) -> str | None:
    match field.default:
        case bool() as flag:
            return str(flag).lower()
        case int() | float() as number:
            return str(number)
        case str() as text:
            return f'"{text}"'
    return None


def test_the_example_is_a_good_configuration() -> None:
    config = check_config(tomllib.loads(EXAMPLE.read_text("utf-8")))
    assert len(config.watch) == len(config.destinations) == 2


def test_every_toml_block_is_a_good_configuration() -> None:
    blocks = [
        (p, block)
        for p in PAGES
        for block in re.findall(r"```toml\n(.*?)```", p.read_text("utf-8"), re.DOTALL)
    ]
    assert blocks
    for where, block in blocks:
        try:
            check_config(tomllib.loads(block))
        except ConfigError as error:
            wrong = [problem for problem in error.problems if ".reference: " not in problem]
            assert not wrong, where


def test_every_command_and_option_is_explained_and_no_other() -> None:
    text = page("commands.md")
    commands = dict(leaf_commands(get_command(app), "semwatchd"))
    assert set(re.findall(r"^### `([^`]+)`", text, re.MULTILINE)) == set(commands)
    for name, command in commands.items():
        explained = re.split(r"\n##", text.split(f"### `{name}`\n", 1)[1], maxsplit=1)[0]
        for option in options(command):
            assert f"`{option}" in explained, f"{name} {option}"


def leaf_commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 — typer keeps its click to itself
    children = getattr(command, "commands", None)
    if not children:
        yield name, command
        return
    for word, child in children.items():
        yield from leaf_commands(child, f"{name} {word}")


def options(command: Any) -> list[str]:  # noqa: ANN401 — as above
    return [p.opts[0] for p in command.params if p.opts[0].startswith("--") and p.name != "help"]


def test_every_metric_is_explained_and_no_other() -> None:
    gauges = GaugeSnapshot(workers={"0": WorkerGauges(rss_bytes=1, cpu_s=1.0)})
    telemetry = PrometheusTelemetry(destinations=[], gauges=lambda: gauges)
    types = re.findall(r"^# TYPE (\S+)", telemetry.render().decode(), re.MULTILINE)
    names = {name for name in types if not name.endswith("_created")}
    tables = page("metrics.md").split("## Worth an alert", 1)[0]
    assert first_cells(tables) == names


def test_the_committed_page_of_the_measurements_is_the_present_one() -> None:
    assert page("measurements.md") == measurements_page(), "make docs"


@pytest.mark.parametrize(
    ("title", "states"),
    [
        ("Sightings", SightingState),
        ("Jobs", JobState),
        ("Deliveries", DeliveryState),
        ("Error classes", ErrorClass),
        ("Registration", RegistrationStatus),
    ],
)
def test_every_state_is_explained_and_no_other(title: str, states: type[JobState]) -> None:
    assert first_cells(section(page("states.md"), title)) == {state.value for state in states}


@pytest.mark.parametrize(
    ("title", "moves"),
    [("Sightings", SIGHTING_MOVES), ("Jobs", JOB_MOVES), ("Deliveries", DELIVERY_MOVES)],
)
def test_the_moves_explained_are_the_legal_ones(title: str, moves: Moves) -> None:
    cells = re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", section(page("states.md"), title), re.MULTILINE)
    explained = {state: set(re.findall(r"`(\w+)`", goes)) for state, goes in cells}
    assert explained == {state: set(goes) for state, goes in moves.goes.items()}


def test_lanes_and_vendors_are_named() -> None:
    assert all(f"`{lane}`" in page("states.md") for lane in Lane)
    assert all(f"`{vendor}`" in page("image-formats.md") for vendor in Vendor)


def test_every_column_of_the_journal_is_explained_and_no_other() -> None:
    chapters = re.findall(r"^## `(\w+)`: .*\n((?:(?!^## ).*\n)*)", page("journal.md"), re.MULTILINE)
    explained = {name: first_cells(text) for name, text in chapters}
    assert explained == {table.name: set(table.columns.keys()) for table in metadata.sorted_tables}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8")):
        if re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.is_file(), target
        assert not anchor or anchor in anchors(there), target


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_committed_schema_of_the_configuration_is_the_present_one() -> None:
    assert json.loads(page("config.schema.json")) == Config.model_json_schema()
