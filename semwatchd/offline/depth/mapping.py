"""Make depth maps of files: ``python -m semwatchd.offline.depth.mapping`` with the order as JSON on stdin."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import torch

from semwatchd.adapters.depth_map import DepthFacts, map_name, write_depth_map
from semwatchd.adapters.reader import decode
from semwatchd.adapters.source import read_once
from semwatchd.core.errors import SemwatchdError
from semwatchd.core.image import SemImage
from semwatchd.core.paths import escape, one_line
from semwatchd.models.manifest import Manifest
from semwatchd.models.shipped import weights_or_shipped
from semwatchd.offline.depth.device import serve
from semwatchd.offline.depth.orders import MappingOrder, tell
from semwatchd.pipeline.inference.loading import Loaded, load_depth_model
from semwatchd.pipeline.inference.mapping import DepthMap, Shown, map_depths

AT_ONCE = 16  # files read before the network is asked: full batches of crops, and a bounded memory


@dataclass(frozen=True, slots=True)
class _Read:
    path: str
    image: SemImage | Exception


def make_maps(order: MappingOrder) -> Mapping[str, Any]:
    """Write a map of every image; one that cannot be read or mapped does not stop the others."""
    torch.set_num_threads(order.threads)
    cv2.setNumThreads(1)
    out = Path(order.out)
    out.mkdir(parents=True, exist_ok=True)
    weights = weights_or_shipped(Path(order.weights) if order.weights else None)
    loaded = load_depth_model(weights, order.device)
    records: list[Mapping[str, Any]] = []
    for first in range(0, len(order.images), AT_ONCE):
        files = [_read(path) for path in order.images[first : first + AT_ONCE]]
        records += _mapped(loaded, files, out)
        tell({"steps": len(files)})
    return {"model": _about(loaded), "files": records}


def _read(path: str) -> _Read:
    try:
        return _Read(path, decode(read_once(path)))
    except SemwatchdError as error:
        return _Read(path, error)


def _mapped(loaded: Loaded, files: Sequence[_Read], out: Path) -> Iterator[Mapping[str, Any]]:
    """Map what could be read, all at once, and tell of each file in its order."""
    images = [file.image for file in files if isinstance(file.image, SemImage)]
    shown = [Shown(parts=[image.pixels], pixel_size_nm=image.facts.pixel_size_nm) for image in images]
    maps = iter(map_depths(loaded, shown))
    for file in files:
        image = file.image
        found = image if isinstance(image, Exception) else next(maps)
        if isinstance(image, SemImage) and isinstance(found, DepthMap):
            yield _record(file.path) | _finished(loaded.manifest, file.path, image, found, out)
        else:
            yield _record(file.path) | {"status": "rejected", "reason": one_line(str(found))}


def _record(path: str) -> dict[str, Any]:
    return {
        "path": escape(path),
        "status": "ok",
        "reason": None,
        "map": None,
        "preview": None,
        "measurements": {},
        "warnings": [],
    }


def _finished(manifest: Manifest, path: str, image: SemImage, found: DepthMap, out: Path) -> dict[str, Any]:
    """Write the map; its name tells which version of the image it is of."""
    target = out / map_name(path, image.facts.sha256[:12])
    facts = DepthFacts.of(
        path, image.facts, weights_sha256=manifest.weights, architecture=manifest.architecture
    )
    write_depth_map(target, found.depths_nm, facts)
    return {
        "map": escape(str(target)),
        "preview": escape(str(target.with_suffix(".png"))),
        "measurements": found.measurements,
        "warnings": [*image.warnings, *found.warnings],
    }


def _about(loaded: Loaded) -> dict[str, Any]:
    return {
        "architecture": loaded.manifest.architecture,
        "weights": loaded.manifest.weights,
        "way": asdict(loaded.timing.way),
        "ms_per_image": loaded.timing.ms_per_image,
        "deviation_nm": loaded.timing.deviation_nm,
        "halvings": loaded.model.halvings,
    }


def mapping_order(text: str) -> MappingOrder:
    """Read the order as it was written."""
    content = json.loads(text)
    return MappingOrder(**content | {"images": tuple(content["images"])})


if __name__ == "__main__":
    sys.exit(serve(lambda: make_maps(mapping_order(sys.stdin.read()))))
