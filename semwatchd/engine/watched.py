"""What the operator says of a watched folder, and what intake makes of it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from semwatchd.core.job import Context, Lane
from semwatchd.core.naming import NameRules
from semwatchd.core.paths import escape
from semwatchd.core.plan import Plan
from semwatchd.core.ports import JobOrder
from semwatchd.engine.settling import Patience

CONTEXT_GROUPS = frozenset({"lot", "wafer", "slot", "step", "recipe"})
LOCAL_QUIET_S = 2.0  #: a local disk shows every write at once
NETWORK_QUIET_S = 10.0  #: a share may cache size and time for several seconds
SCANNED_CANARY_S = 120.0  #: a folder without events is scanned every 30 seconds, which may take a while

Glob = Annotated[str, Field(min_length=1)]


class WatchSettings(BaseModel):
    """One folder a tool writes into."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: Path = Field(description="Absolute path of the folder the tool writes into.")
    tool: str = Field(
        min_length=1, max_length=100, description="Name of the microscope, as the MES knows it."
    )
    plan: str = Field(default="default", min_length=1, description="Name of the plan its images go through.")
    patterns: tuple[Glob, ...] = Field(
        default=("*.tif", "*.tiff"), min_length=1, description="File names to read; case does not matter."
    )
    exclude: tuple[Glob, ...] = Field(
        default=(), description="Paths below the root to leave alone, for example 'old/*' or '*/thumbs'."
    )
    quiet_s: float | None = Field(
        default=None,
        ge=0.1,
        le=600,
        description="Seconds without change before a file may be complete; default 2, on a network share 10.",
    )
    hold_s: float = Field(
        default=30.0,
        ge=1,
        le=3600,
        description="Seconds after the last change that a file which looks incomplete is waited for.",
    )
    network: bool | None = Field(
        default=None,
        description="Whether the folder is on a share: it is then only scanned, by a process of its own that "
        "may hang. Default: as the kind of file system says.",
    )
    canary_s: float | None = Field(
        default=None,
        ge=10,
        le=86400,
        description="Seconds between two tests with a small hidden file that is written into the folder and "
        "removed once it is noticed; on a share at least 120. Default: none is written.",
    )
    silence_factor: float = Field(
        default=6.0,
        ge=0,
        le=1000,
        description="The tool is called silent after so many times its usual longest pause, but not before "
        "half an hour; 0: never.",
    )
    context: str | None = Field(
        default=None,
        description="Regular expression over the path below the root; its named groups "
        "lot, wafer, slot, step and recipe become the image's context.",
    )

    @field_validator("root")
    @classmethod
    def _absolute(cls, root: Path) -> Path:
        if not root.is_absolute():
            raise ValueError(f"'{root}' is relative; write the absolute path, beginning with '/'")
        return root

    @field_validator("exclude")
    @classmethod
    def _below_the_root(cls, exclude: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [glob for glob in exclude if glob.startswith("/")]
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: must match the path below the root, so not begin with '/'")
        return tuple(glob.rstrip("/") for glob in exclude)

    @field_validator("context")
    @classmethod
    def _known_groups(cls, context: str | None) -> str | None:
        if context is None:
            return None
        try:
            groups = set(re.compile(context).groupindex)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        allowed = ", ".join(sorted(CONTEXT_GROUPS))
        if unknown := sorted(groups - CONTEXT_GROUPS):
            raise ValueError(f"unknown group {', '.join(unknown)} (allowed: {allowed})")
        if not groups:
            raise ValueError(f"names no group; write for example (?P<lot>[^/]+) (allowed: {allowed})")
        return context

    @property
    def names(self) -> NameRules:
        """Which names are read and which are left alone."""
        return NameRules(patterns=self.patterns, exclude=self.exclude)

    def on_share(self, looks_so: Callable[[str], bool]) -> bool:
        """Whether the folder is on a share: what the operator says, else what ``looks_so`` makes of it."""
        return looks_so(str(self.root)) if self.network is None else self.network


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedFolder:
    """A watched folder as intake needs it."""

    root: str
    tool: str
    plan: Plan
    names: NameRules = field(default_factory=NameRules)
    patience: Patience = field(default_factory=Patience)
    context: re.Pattern[str] | None = None
    network: bool = False  #: on a share, and so only scanned
    canary_s: float | None = None  #: between two tests of the watch
    silence_factor: float = math.inf  #: usual pauses until the tool is called silent
    lane: Lane = Lane.LIVE

    def order(self, relpath: str, warnings: tuple[str, ...] = ()) -> JobOrder:
        """Return what is to be done with a complete file."""
        return JobOrder(plan=self.plan, context=self._context(relpath), lane=self.lane, warnings=warnings)

    def _context(self, relpath: str) -> Context:
        found = self.context.search(relpath) if self.context else None
        groups = found.groupdict() if found else {}
        return Context(tool=self.tool, **{name: escape(text) for name, text in groups.items() if text})


def watched_folder(settings: WatchSettings, plan: Plan, *, network: bool) -> WatchedFolder:
    """Put settings, plan and the kind of file system together."""
    quiet_s = settings.quiet_s or (NETWORK_QUIET_S if network else LOCAL_QUIET_S)
    return WatchedFolder(
        root=str(settings.root),
        tool=settings.tool,
        plan=plan,
        names=settings.names,
        patience=Patience(quiet_s=quiet_s, hold_s=settings.hold_s),
        context=re.compile(settings.context) if settings.context else None,
        network=network,
        canary_s=_canary_s(settings.canary_s, network=network),
        silence_factor=settings.silence_factor or math.inf,
    )


def _canary_s(wished_s: float | None, *, network: bool) -> float | None:
    return max(wished_s, SCANNED_CANARY_S) if wished_s and network else wished_s


def overlapping_roots(folders: Mapping[int, WatchSettings]) -> list[str]:
    """Name every pair of folders, by number, of which one lies in the other: images would count twice."""
    return [
        f"watch.{i}.root: {inner.root} lies in {outer.root} (watch.{j}.root); "
        "exclude it there or drop one of them"
        for i, inner in folders.items()
        for j, outer in folders.items()
        if (i != j and _within(inner, outer)) and (inner.root != outer.root or i > j)
    ]


def _within(inner: WatchSettings, outer: WatchSettings) -> bool:
    if not inner.root.is_relative_to(outer.root):
        return False
    below = inner.root.relative_to(outer.root).as_posix()
    return below == "." or not outer.names.excluded(below)
