"""The depth process and its desk, put together where a plan asks for depths."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from semwatchd.config import Config
from semwatchd.core.ports import JobStore
from semwatchd.engine.collector import Collector
from semwatchd.engine.depth_child import DepthKeeper, DepthProcess
from semwatchd.engine.depth_desk import DepthDesk, Partners
from semwatchd.engine.depths import Depths, NoDepths
from semwatchd.engine.health import Health
from semwatchd.engine.messages import DepthSetup, SlabShape, TellerSettings
from semwatchd.engine.ring import create_slab
from semwatchd.engine.seats import Seats
from semwatchd.engine.surroundings import Surroundings
from semwatchd.pipeline.settings import PlanDepthSettings

#: Named, not imported: torch lives in a process of its own.
TELLER = "semwatchd.depth_teller:build"
LARGEST_SAMPLE_BYTES = 4
EMPTY_TURN_S = 0.05
EVERY_ONE = 1_000_000_000


@dataclass(frozen=True, slots=True)
class DepthSlab:
    """Where the workers leave pictures, or why nobody would take them."""

    shape: SlabShape | None
    why_not: str = ""


@contextmanager
def depth_slab(config: Config) -> Iterator[DepthSlab]:
    """Make the slab, as large as the plans need it, if any plan asks for depths that can be told here."""
    asked = [plan.depth for plan in config.plans.values() if plan.depth is not None]
    why_not = _why_not(config, asked)
    if why_not:
        yield DepthSlab(None, why_not)
        return
    most_px = max(_shown_px(plan, config.depth.most_px) for plan in asked)
    slab = create_slab(config.depth.seats, most_px * LARGEST_SAMPLE_BYTES)
    try:
        shape = SlabShape(descriptor=slab.descriptor, slots=slab.slots, picture_bytes=slab.picture_bytes)
        yield DepthSlab(shape)
    finally:
        slab.close()
        os.close(slab.descriptor)


def _why_not(config: Config, asked: list[PlanDepthSettings]) -> str:
    if not asked:
        return "no plan asked for depths when the daemon started; restart it"
    if config.depth.device == "off":
        return "depth.device is off"
    if importlib.util.find_spec("torch") is None:
        return "torch is not installed; install semwatchd[models] and restart the daemon"
    return ""


def _shown_px(plan: PlanDepthSettings, most_px: int) -> int:
    match plan.where:
        case "centre":
            wanted = plan.size_px**2
        case "grid":
            wanted = plan.size_px**2 * plan.grid[0] * plan.grid[1]
        case "region" if plan.region is not None:
            wanted = plan.region[2] * plan.region[3]
        case _:
            wanted = most_px
    return min(wanted, most_px)


@contextmanager
def telling_depths(
    config: Config, slab: DepthSlab, collector: Collector, store: JobStore, around: Surroundings
) -> Iterator[Depths]:
    """Run the desk beside us; at the end it gets some time to finish what it has."""
    if slab.shape is None:
        store.reclaim_owed(EVERY_ONE)  # nobody will tell their depths: they end with what they have
        yield NoDepths(collector, around.telemetry, slab.why_not)
        return
    setup = DepthSetup(
        factory=TELLER,
        settings=_teller_settings(config),
        slots=slab.shape.slots,
        picture_bytes=slab.shape.picture_bytes,
    )
    start = partial(DepthProcess, setup, slab.shape.descriptor)
    partners = Partners(
        endings=collector,
        store=store,
        show=partial(_show, around),
        telemetry=around.telemetry,
        log=around.log,
        on_error=partial(around.crew.death, "journal change"),
    )
    keeper = DepthKeeper(start, config.depth.deadline_s, time.monotonic)
    desk = DepthDesk(config.depth, keeper, Seats(slab.shape.slots), partners, time.monotonic)
    try:
        with around.crew.beside("depth", desk.run):
            yield desk
            _finish(desk, config.queue.drain_s, around)
    finally:
        desk.close()


def _teller_settings(config: Config) -> TellerSettings:
    return TellerSettings(
        folder=config.depth.folder or config.state_dir / "depth",
        weights=config.depth.weights,
        device=config.depth.device,
        threads=config.depth.threads,
        batch=config.depth.batch,
    )


def _show(around: Surroundings, well: bool, reason: str) -> None:  # noqa: FBT001 — told by position
    if well:
        around.health.set("depth", Health.OK)
        return
    around.health.set(
        "depth",
        Health.DEGRADED,
        f"depths cannot be told: {reason}",
        "run `semwatchd doctor`; numbers go out ahead meanwhile, and depths follow once the device is well",
    )


def _finish(desk: DepthDesk, limit_s: float, around: Surroundings) -> None:
    """Wait for pictures that are with the network; what remains is measured again at the next start."""
    end = time.monotonic() + limit_s
    while not desk.empty and time.monotonic() < end and not around.hurried():
        time.sleep(EMPTY_TURN_S)
