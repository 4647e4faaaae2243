"""A plan: the stages an image goes through, what it is compared with, and where its depth is asked for."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property

#: Raised by one whenever a stage's numbers change meaning, so that older results are found outdated.
MEASUREMENT_VERSION = 2

#: What came later leaves the hash of plans that do not use it as it was.
_CAME_LATER = {"method": "weighted", "against": "golden", "depth": None}

DEFAULT_STAGES = ("intensity", "sharpness", "spectrum", "scan", "registration")


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthPlan:
    """Which part of a picture a network tells the depth of, and which network that is."""

    where: str = "centre"  #: or "whole", "region", "grid"
    size_px: int = 256  #: side of the centre's crop, or of each crop of a grid
    region: tuple[int, int, int, int] | None = None  #: left, top, width, height, px
    grid: tuple[int, int] = (2, 2)  #: rows and columns of crops
    weights_sha256: str | None = None  #: of the network, so that another one makes another plan


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Stages, reference, depth. Two plans with the same content have the same hash, whatever their name."""

    name: str = "default"
    stages: tuple[str, ...] = DEFAULT_STAGES
    reference: str | None = None  #: path of the reference image; None leaves registration out
    reference_sha256: str | None = None  #: of the reference's bytes, so a changed picture is a changed plan
    method: str = "weighted"  #: how the shift is found, or "phase_correlation"
    against: str = "golden"  #: what it is measured against: the reference, "first_of_lot" or "previous"
    depth: DepthPlan | None = None  #: None: no network is asked

    @cached_property
    def plan_hash(self) -> str:
        """SHA-256 over the canonical JSON of everything that can change a number (16 hex digits)."""
        content = asdict(self) | {"measurement_version": MEASUREMENT_VERSION}
        del content["name"], content["reference"]
        for field, default in _CAME_LATER.items():
            if content[field] == default:
                del content[field]
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]
