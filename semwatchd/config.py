"""The configuration: one TOML file, checked as a whole before anything starts.

Each section's settings live with the part they set; this file only gathers them. Values come from the file
and may be overridden by ``SEMWATCHD__SECTION__KEY`` in the environment.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from semwatchd.adapters.mes.filedrop import FileDropSettings
from semwatchd.adapters.mes.guard import GuardSettings
from semwatchd.adapters.mes.http import HttpSettings
from semwatchd.complaints import complaint
from semwatchd.core.errors import ConfigError, EnvironmentFault
from semwatchd.core.plan import Plan
from semwatchd.engine.relay import RelaySettings
from semwatchd.engine.settings import (
    AuditSettings,
    DepthSettings,
    QueueSettings,
    RetentionSettings,
    WorkerSettings,
)
from semwatchd.engine.watched import WatchSettings, overlapping_roots
from semwatchd.models.manifest import read_manifest
from semwatchd.models.shipped import weights_or_shipped
from semwatchd.pipeline.settings import PlanDepthSettings, PlanSettings, RegistrationSettings, plan_from

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

DEFAULT_PATH = Path("/etc/semwatchd/semwatchd.toml")
ENV_PREFIX = "SEMWATCHD__"

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
        frozen=True, extra="forbid", env_prefix=ENV_PREFIX, env_nested_delimiter="__"
    )

    site: Annotated[str, Field(min_length=1, max_length=100, description="Name of the fab.")] = "site"
    state_dir: Annotated[Path, Field(description="Local folder for the journal.")] = Field(
        default_factory=default_state_dir
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    watch: tuple[WatchSettings, ...] = ()
    plans: dict[str, PlanSettings] = Field(default_factory=lambda: {"default": PlanSettings()})
    workers: WorkerSettings = WorkerSettings()
    queue: QueueSettings = QueueSettings()
    depth: DepthSettings = DepthSettings()
    audit: AuditSettings = AuditSettings()
    retention: RetentionSettings = RetentionSettings()
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

    @property
    def digest(self) -> str:
        """SHA-256 over all settings as they take effect (16 hex digits)."""
        settings = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(settings.encode()).hexdigest()[:16]

    def plan(self, name: str) -> Plan:
        """Make one of the plans; its hash takes in the reference's bytes and the depth's weights."""
        settings = self.plans[name]
        return plan_from(name, settings, self.weights_sha256() if settings.depth else None)

    def weights_sha256(self) -> str | None:
        """Tell the weights by which depths are told; None where they are not."""
        if self.depth.device == "off":
            return None
        return read_manifest(weights_or_shipped(self.depth.weights)).weights


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
    problems = _unknown_names(raw) + cross_problems(raw)
    try:
        # A key beginning with "_" would be taken for an instruction to the library that reads the settings.
        config = Config(**{key: value for key, value in raw.items() if not key.startswith("_")})
    except SettingsError as error:
        raise ConfigError(
            [f"environment: {error}; lists and tables are written as JSON", *problems]
        ) from error
    except ValidationError as error:
        problems = [_in_words(detail) for detail in _own_mistakes(error.errors())] + problems
        raise ConfigError(problems + _problems_outside(*_sound_parts(raw))) from error
    problems += _problems_outside(dict(enumerate(config.watch)), config.plans) + _weights_problems(config)
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
        for index, watch in _tables(raw, "watch")
        if watch.get("plan", "default") not in known
    ]
    names: list[Any] = []
    twice = []
    for index, destination in _tables(raw, "destinations"):
        name = destination.get("name")
        if name is not None and name in names:
            twice.append(f"destinations.{index}.name: {name!r} is given twice; each needs a name of its own")
        names.append(name)
    return unknown_plans + twice


def _unknown_names(raw: Mapping[str, Any]) -> list[str]:
    """Find what the library would overlook: private-looking keys, and variables that set nothing."""
    allowed = f"(allowed: {', '.join(sorted(Config.model_fields))})"
    keys = [f"{key}: is not a known setting {allowed}" for key in raw if key.startswith("_")]
    variables = [
        f"{name} in the environment: {section.lower()!r} is not a known setting {allowed}"
        for name in sorted(os.environ)
        if name.upper().startswith(ENV_PREFIX)
        and (section := name[len(ENV_PREFIX) :].split("__")[0]).lower() not in Config.model_fields
    ]
    return keys + variables


def _tables(raw: Mapping[str, Any], key: str) -> Sequence[tuple[int, Mapping[str, Any]]]:
    value = raw.get(key)
    numbered = enumerate(value) if isinstance(value, list) else ()
    return [(index, table) for index, table in numbered if isinstance(table, dict)]


def _sound_parts(raw: Mapping[str, Any]) -> tuple[dict[int, WatchSettings], dict[str, PlanSettings]]:
    """Take each watched folder's place and each plan's reference by itself; leave out what is wrong."""
    folders, plans = {}, {}
    for index, table in _tables(raw, "watch"):
        with suppress(ValidationError):
            place = {name: table[name] for name in ("root", "exclude") if name in table}
            folders[index] = WatchSettings.model_validate(place | {"tool": "any"})
    named = raw.get("plans")
    for name, table in named.items() if isinstance(named, dict) else ():
        if isinstance(table, dict):
            with suppress(ValidationError):
                plans[name] = PlanSettings.model_validate({"reference": table.get("reference")})
    return folders, plans


def _problems_outside(folders: Mapping[int, WatchSettings], plans: Mapping[str, PlanSettings]) -> list[str]:
    return overlapping_roots(folders) + _reference_problems(plans)


def _reference_problems(plans: Mapping[str, PlanSettings]) -> list[str]:
    problems = []
    for name, settings in plans.items():
        try:
            plan_from(name, settings)
        except (OSError, ValueError) as error:  # a name no file can have is a ValueError
            reason = getattr(error, "strerror", None) or error
            problems.append(f"plans.{name}.reference: {settings.reference}: {reason}")
    return problems


def _weights_problems(config: Config) -> list[str]:
    if not any(settings.depth for settings in config.plans.values()):
        return []
    try:
        config.weights_sha256()
    except EnvironmentFault as error:
        return [f"depth.weights: {error}; or do without depths by depth.device = 'off'"]
    return []


def _own_mistakes(details: Sequence[ErrorDetails]) -> Iterator[ErrorDetails]:
    """Leave out lists called too short only because what stands in them is wrong."""
    places = [detail["loc"] for detail in details]
    for detail in details:
        depth = len(detail["loc"])
        inside = any(len(place) > depth and place[:depth] == detail["loc"] for place in places)
        if not (inside and detail["type"] == "too_short"):
            yield detail


def _in_words(detail: ErrorDetails) -> str:
    loc = detail["loc"]
    fields = _section(loc).model_fields
    field = next((fields[part] for part in reversed(loc) if isinstance(part, str) and part in fields), None)
    said = f"{'.'.join(str(part) for part in _written_path(loc))}: {complaint(detail, field)}"
    if detail["type"] == "extra_forbidden":
        said += f" (allowed: {', '.join(sorted(fields))})"
    return said + _from_environment(loc)


def _from_environment(loc: Sequence[int | str]) -> str:
    name = ENV_PREFIX + "__".join(map(str, loc)).upper()
    return f" (set by {name})" if name in map(str.upper, os.environ) else ""


def _written_path(loc: Sequence[int | str]) -> Sequence[int | str]:
    """Leave out what pydantic puts into the path but the operator does not: the destination's kind, and the
    word that a key itself is wrong.
    """
    written = [*loc[:2], *loc[3:]] if loc and loc[0] == "destinations" else loc
    return [part for part in written if part != "[key]"]


def _section(loc: Sequence[int | str]) -> type[BaseModel]:
    """Find the settings an unknown key was written into."""
    match list(loc):
        case ["destinations", _, "http", *_]:
            return HttpSettings
        case ["destinations", _, "filedrop", *_]:
            return FileDropSettings
        case ["plans", _, "registration", _, *_]:
            return RegistrationSettings
        case ["plans", _, "depth", _, *_]:
            return PlanDepthSettings
        case [section, _, *_] if section in SECTIONS:
            return SECTIONS[str(section)]
        case _:
            return Config


SECTIONS: dict[str, type[BaseModel]] = {
    "watch": WatchSettings,
    "plans": PlanSettings,
    "workers": WorkerSettings,
    "queue": QueueSettings,
    "depth": DepthSettings,
    "audit": AuditSettings,
    "retention": RetentionSettings,
    "http": HttpServerSettings,
    "relay": RelaySettings,
    "guard": GuardSettings,
}
