"""What every part of the daemon may use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from semwatchd.core.ports import Log, Telemetry
from semwatchd.engine.crew import Crew
from semwatchd.engine.health import HealthBoard


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every part may use: where it reports, counts and asks for the end.

    ``hurried`` says whether the end should not wait for what runs.
    """

    log: Log
    telemetry: Telemetry
    health: HealthBoard
    crew: Crew
    hurried: Callable[[], bool] = bool  #: bool() is False: nobody hurries
