"""Make depth maps of files: ``python -m semwatchd.offline.depth.mapping`` with the order as JSON on stdin."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch

from semwatchd.adapters.depth_map import DepthFacts, write_depth_map
from semwatchd.adapters.reader import decode
from semwatchd.adapters.source import read_once
from semwatchd.core.errors import EnvironmentFault, SemwatchdError
from semwatchd.core.image import SemImage
from semwatchd.core.paths import escape, one_line
from semwatchd.imaging.depthmap import depth_summary
from semwatchd.imaging.domain import outside, traits
from semwatchd.models.checkpoint import SHIPPED, Manifest
from semwatchd.offline.depth.device import serve
from semwatchd.offline.depth.orders import MappingOrder, tell
from semwatchd.pipeline.inference.doubt import disagreements_nm
from semwatchd.pipeline.inference.loading import Loaded, load_depth_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

AT_ONCE = 16  # files read before the network is asked: full batches of crops, and a bounded memory
MOST_STEM_BYTES = 200  # a file system takes 255 for the whole name
SIZE_TOLERANCE = 0.1  # of the pixel size: a network knows its features at one scale


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
    loaded = load_depth_model(_weights(order), order.device)
    records: list[Mapping[str, Any]] = []
    for first in range(0, len(order.images), AT_ONCE):
        files = [_read(path) for path in order.images[first : first + AT_ONCE]]
        records += _mapped(loaded, files, out)
        tell({"steps": len(files)})
    return {"model": _about(loaded), "files": records}


def _weights(order: MappingOrder) -> Path:
    if order.weights is None and not SHIPPED.exists():
        raise EnvironmentFault(
            "no weights come with this version; train some: 'semwatchd synth --out data', then "
            "'semwatchd train depth --data data --out model', then --weights model/model.safetensors"
        )
    return Path(order.weights) if order.weights else SHIPPED


def _read(path: str) -> _Read:
    try:
        return _Read(path, decode(read_once(path)))
    except SemwatchdError as error:
        return _Read(path, error)


def _mapped(loaded: Loaded, files: Sequence[_Read], out: Path) -> Iterator[Mapping[str, Any]]:
    """Map what could be read, all at once, and tell of each file in its order."""
    images = [file.image for file in files if isinstance(file.image, SemImage)]
    pictures = [image.pixels for image in images]
    depths = iter(loaded.model.depths(pictures))
    for file in files:
        image = file.image
        depth = image if isinstance(image, Exception) else next(depths)
        if isinstance(image, SemImage) and isinstance(depth, np.ndarray):
            yield _record(file.path) | _finished(loaded, file.path, image, depth, out)
        else:
            yield _record(file.path) | {"status": "rejected", "reason": one_line(str(depth))}


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


def _finished(
    loaded: Loaded, path: str, image: SemImage, depth_nm: NDArray[np.float32], out: Path
) -> dict[str, Any]:
    """Judge the map and write it; its name tells which version of the image it is of."""
    target = out / _name(path, image.facts.sha256)
    write_depth_map(target, depth_nm, _facts(loaded.manifest, path, image))
    (apart_nm,) = disagreements_nm(loaded.model, [image.pixels], [depth_nm])
    found = traits(image.pixels) | ({} if apart_nm is None else {"disagreement_nm": apart_nm})
    values = asdict(depth_summary(depth_nm)) | {"disagreement_nm": apart_nm}
    return {
        "map": escape(str(target)),
        "preview": escape(str(target.with_suffix(".png"))),
        "measurements": {f"depth.{name}": value for name, value in values.items()},
        "warnings": [
            *image.warnings,
            *_doubts(loaded.manifest.pixel_size_nm, image),
            *outside(found, loaded.manifest.domain),
        ],
    }


def _name(path: str, sha256: str) -> str:
    stem = os.fsdecode(os.fsencode(Path(path).stem)[:MOST_STEM_BYTES])
    return f"{stem}-{sha256[:12]}.depth.tif"


def _facts(manifest: Manifest, path: str, image: SemImage) -> DepthFacts:
    return DepthFacts(
        source=escape(Path(path).name),
        source_sha256=image.facts.sha256,
        weights_sha256=manifest.weights,
        architecture=manifest.architecture,
        pixel_size_nm=image.facts.pixel_size_nm,
        info_bar_rows=image.facts.info_bar_rows,
    )


def _doubts(trained_nm: float, image: SemImage) -> Iterator[str]:
    """Say what makes the picture another than those of the training, whatever its content."""
    here = image.facts.pixel_size_nm
    if here is None:
        yield f"out of domain: pixel size unknown, in training {trained_nm:g} nm"
    elif abs(here / trained_nm - 1) > SIZE_TOLERANCE:
        yield f"out of domain: pixel size {here:.3g} nm, in training {trained_nm:g} nm"
    if image.pixels.dtype == np.float32:
        yield "a float picture: its values were taken for grey levels of 0 to 255"


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
