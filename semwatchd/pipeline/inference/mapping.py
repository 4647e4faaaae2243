"""From pictures to maps of depth with all that is said of them: numbers, and what makes them doubtful."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from semwatchd.core.job import Measurements
from semwatchd.imaging.depthmap import depth_summary
from semwatchd.imaging.domain import outside, traits
from semwatchd.models.manifest import Manifest
from semwatchd.pipeline.inference.doubt import disagreements_nm
from semwatchd.pipeline.inference.loading import Loaded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semwatchd.core.image import Pixels

    Depth = NDArray[np.float32]

SIZE_TOLERANCE = 0.1  # of the pixel size: a network knows its features at one scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is shown of one picture: all of it, or parts of one width."""

    parts: Sequence[Pixels]
    pixel_size_nm: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthMap:
    """What the network says of one picture."""

    depths_nm: Sequence[Depth]  #: one for each part that was shown
    measurements: Measurements  #: over all parts
    warnings: tuple[str, ...]


def map_depths(loaded: Loaded, shown: Sequence[Shown]) -> list[DepthMap | Exception]:
    """Tell the depth of all pictures, asking for all at once; or why one has none.

    Raises
    ------
    SickDeviceError, OutOfMemoryError
        It is not the pictures' fault; they may be asked again.
    """
    answers = _answers(loaded, shown)
    mapped = [(one, found) for one, found in zip(shown, answers, strict=True) if isinstance(found, list)]
    parts = [part for one, _ in mapped for part in one.parts]
    depths = [depth for _, found in mapped for depth in found]
    apart = iter(disagreements_nm(loaded.model, parts, depths))
    maps = iter([_map(loaded.manifest, one, found, [next(apart) for _ in found]) for one, found in mapped])
    return [next(maps) if isinstance(found, list) else found for found in answers]


def _answers(loaded: Loaded, shown: Sequence[Shown]) -> list[list[Depth] | Exception]:
    """Ask for every part; a picture with one that has no answer has none."""
    told = iter(loaded.model.depths([part for one in shown for part in one.parts]))
    return [_all_or_reason([next(told) for _ in one.parts]) for one in shown]


def _all_or_reason(told: Sequence[Depth | Exception]) -> list[Depth] | Exception:
    depths: list[Depth] = []
    for answer in told:
        if isinstance(answer, Exception):
            return answer
        depths.append(answer)
    return depths


def _map(
    manifest: Manifest, one: Shown, depths: Sequence[Depth], apart_nm: Sequence[float | None]
) -> DepthMap:
    known_nm = [apart for apart in apart_nm if apart is not None]
    summary = asdict(depth_summary(np.concatenate(depths)))
    summary["disagreement_nm"] = sum(known_nm) / len(known_nm) if known_nm else None
    found = [_traits(part, apart) for part, apart in zip(one.parts, apart_nm, strict=True)]
    return DepthMap(
        depths_nm=depths,
        measurements={f"depth.{name}": value for name, value in summary.items()},
        warnings=(*_doubts(manifest.pixel_size_nm, one), *outside(found, manifest.domain)),
    )


def _traits(part: Pixels, apart_nm: float | None) -> dict[str, float]:
    return traits(part) | ({} if apart_nm is None else {"disagreement_nm": apart_nm})


def _doubts(trained_nm: float, one: Shown) -> Iterator[str]:
    """Say what makes the picture another than those of the training, whatever its content."""
    here = one.pixel_size_nm
    if here is None:
        yield f"out of domain: pixel size unknown, in training {trained_nm:g} nm"
    elif abs(here / trained_nm - 1) > SIZE_TOLERANCE:
        yield f"out of domain: pixel size {here:.3g} nm, in training {trained_nm:g} nm"
    if one.parts[0].dtype == np.float32:
        yield "a float picture: its values were taken for grey levels of 0 to 255"
