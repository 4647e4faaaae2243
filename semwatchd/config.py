"""The configuration: one TOML file, checked as a whole before anything starts.

Each section's settings live with the part they set; this file only gathers them. Values come from the file
and may be overridden by ``SEMWATCHD__SECTION__KEY`` in the environment.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from semwatchd.adapters.mes.filedrop import FileDropSettings
from semwatchd.adapters.mes.guard import GuardSettings
from semwatchd.adapters.mes.http import HttpSettings
from semwatchd.core.errors import ConfigError
from semwatchd.core.plan import Plan
from semwatchd.engine.relay import RelaySettings
from semwatchd.engine.settings import QueueSettings, WorkerSettings
from semwatchd.engine.watched import WatchSettings, overlapping_roots
from semwatchd.pipeline.settings import PlanSettings, plan_from

DEFAULT_PATH = Path("/etc/semwatchd/semwatchd.toml")

Destination = Annotated[HttpSettings | FileDropSettings, Field(discriminator="kind")]


def default_state_dir() -> Path:
    """Where the journal lies unless the file says otherwise: systemd's folder for us, or the user's."""
    if systemd := os.environ.get("STATE_DIRECTORY"):
        return Path(systemd)
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "semwatchd"


class HttpServerSettings(BaseModel):
    """Where health and telemetry are served."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Annotated[str, Field(description="Address to listen on; loopback unless you say otherwise.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Field(ge=0, le=65535, description="0: any free port, written to http.port.")] = 9464


class Config(BaseSettings):
    """Everything the daemon is told."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="SEMWATCHD__", env_nested_delimiter="__"
    )

    site: Annotated[str, Field(min_length=1, max_length=100, description="Name of the fab.")] = "site"
    state_dir: Annotated[Path, Field(description="Local folder for the journal.")] = Field(
        default_factory=default_state_dir
    )
    log_level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"
    watch: tuple[WatchSettings, ...] = ()
    plans: dict[str, PlanSettings] = Field(default_factory=lambda: {"default": PlanSettings()})
    workers: WorkerSettings = WorkerSettings()
    queue: QueueSettings = QueueSettings()
    http: HttpServerSettings = HttpServerSettings()
    relay: RelaySettings = RelaySettings()
    guard: GuardSettings = GuardSettings()
    destinations: tuple[Destination, ...] = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 — the signature is the library's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file."""
        del settings_cls
        return env_settings, init_settings

    def plan(self, name: str) -> Plan:
        """Make one of the plans; reads its reference's bytes for the hash."""
        return plan_from(name, self.plans[name])


def load_config(path: Path) -> Config:
    """Read and check the file.

    Raises
    ------
    ConfigError
        With every problem found, one line each: where, what, and what is allowed.
    """
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}; name the file with -c"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: not TOML: {error}"]) from error
    return check_config(raw)


def check_config(raw: Mapping[str, Any]) -> Config:
    """Turn the file's content into a configuration, or raise ConfigError with all that is wrong with it."""
    problems = cross_problems(raw)
    try:
        config = Config(**raw)
    except ValidationError as error:
        raise ConfigError([_in_words(detail) for detail in error.errors()] + problems) from error
    problems += overlapping_roots(config.watch) + _reference_problems(config)
    if problems:
        raise ConfigError(problems)
    return config


def cross_problems(raw: Mapping[str, Any]) -> list[str]:
    """Find names that point nowhere or are given twice. Looks at unchecked input, so that one wrong value
    elsewhere does not hide them.
    """
    plans = raw.get("plans")
    known = sorted(plans) if isinstance(plans, dict) else ["default"]
    unknown_plans = [
        f"watch.{index}.plan: there is no plan {watch.get('plan', 'default')!r} (allowed: {', '.join(known)})"
        for index, watch in enumerate(_tables(raw, "watch"))
        if watch.get("plan", "default") not in known
    ]
    names = [destination.get("name") for destination in _tables(raw, "destinations")]
    twice = [
        f"destinations.{index}.name: {name!r} is given twice; each destination needs a name of its own"
        for index, name in enumerate(names)
        if name is not None and name in names[:index]
    ]
    return unknown_plans + twice


def _tables(raw: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    value = raw.get(key)
    return [table for table in value if isinstance(table, dict)] if isinstance(value, list) else []


def _reference_problems(config: Config) -> list[str]:
    problems = []
    for name in config.plans:
        try:
            config.plan(name)
        except OSError as error:
            reference = config.plans[name].reference
            problems.append(f"plans.{name}.reference: {reference}: {error.strerror}")
    return problems


def _in_words(detail: Any) -> str:  # noqa: ANN401 — pydantic's ErrorDetails
    where = ".".join(str(part) for part in _written_path(detail["loc"]))
    given = detail.get("input")
    shown = f" (given: {given!r})" if isinstance(given, str | int | float) else ""
    return f"{where}: {detail['msg']}{shown}{_allowed_values(detail)}"


def _written_path(loc: Sequence[int | str]) -> Sequence[int | str]:
    """Leave out the destination's kind, which pydantic puts into the path but the operator does not."""
    return [*loc[:2], *loc[3:]] if loc and loc[0] == "destinations" else loc


def _allowed_values(detail: Any) -> str:  # noqa: ANN401
    if detail["type"] == "extra_forbidden":
        return f" (allowed: {', '.join(sorted(_section(detail['loc']).model_fields))})"
    limits = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    context = detail.get("ctx") or {}
    bounds = [f"{sign} {context[name]}" for name, sign in limits.items() if name in context]
    return f" (allowed: {' and '.join(bounds)})" if bounds else ""


def _section(loc: Sequence[int | str]) -> type[BaseModel]:
    """Find the settings an unknown key was written into."""
    match list(loc):
        case ["destinations", _, "http", *_]:
            return HttpSettings
        case ["destinations", _, "filedrop", *_]:
            return FileDropSettings
        case [section, _, *_] if section in SECTIONS:
            return SECTIONS[str(section)]
        case _:
            return Config


SECTIONS: dict[str, type[BaseModel]] = {
    "watch": WatchSettings,
    "plans": PlanSettings,
    "workers": WorkerSettings,
    "queue": QueueSettings,
    "http": HttpServerSettings,
    "relay": RelaySettings,
    "guard": GuardSettings,
}
