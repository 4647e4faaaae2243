"""Make batches of scenes: ``python -m semwatchd.offline.scenes FOLDER``.

Reads one batch per line from standard input, as JSON, and answers each with its number once it is written.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import tifffile

from semwatchd.core.files import write_whole
from semwatchd.offline.dataset import Batch, DatasetSpec, read_spec
from semwatchd.offline.writers import tiff_bytes
from semwatchd.synth.scene import PIXEL_SIZE_NM, Scene, SceneSpec, make_scene
from semwatchd.synth.tracks import Track

GREY_PER_NM = 1.0  # a depth map's grey level is its depth in nm, up to 255


def make_batch(folder: Path, spec: DatasetSpec, batch: Batch) -> None:
    """Make the scenes of one batch and write them."""
    common = SceneSpec(
        track=Track(spec.track),
        rows=spec.rows,
        columns=spec.columns,
        shots=spec.shots,
        seed=spec.seed,
        defect_share=spec.defect_share,
    )
    scenes = [make_scene(common, index) for index in range(batch.first, batch.first + batch.count)]
    path = batch.path(folder, spec.format)
    if spec.format == "shards":
        write_whole(path, shard_bytes(scenes))
    else:
        _write_tiffs(folder, batch, scenes)
        write_whole(path, json.dumps([_facts(scene) for scene in scenes], indent=1).encode() + b"\n")


def shard_bytes(scenes: list[Scene]) -> bytes:
    """Pack ``sem`` (scenes, shots, rows, columns), ``depth`` in grey, ``mask``, all uint8; and facts."""
    buffer = BytesIO()
    depth = np.stack([scene.depth_nm for scene in scenes]) * GREY_PER_NM
    np.savez(
        buffer,
        sem=np.stack([scene.shots for scene in scenes]),
        depth=np.clip(np.rint(depth), 0, 255).astype(np.uint8),
        mask=np.stack([scene.mask for scene in scenes]),
        kind=np.array([str(scene.kind) for scene in scenes]),
        defect=np.array([str(scene.defect) for scene in scenes]),
        level_nm=np.array([scene.level_nm for scene in scenes]),
        dose=np.array([scene.dose for scene in scenes]),
    )
    return buffer.getvalue()


def _write_tiffs(folder: Path, batch: Batch, scenes: list[Scene]) -> None:
    """Write the frames as a tool would, and the truth beside them in a folder of its own."""
    truth = folder / "truth"
    truth.mkdir(exist_ok=True)
    for index, scene in enumerate(scenes, start=batch.first):
        for shot, pixels in enumerate(scene.shots):
            write_whole(folder / f"scene-{index:06}-{shot}.tif", tiff_bytes(pixels, PIXEL_SIZE_NM))
        for name, values in (("depth", scene.depth_nm), ("mask", scene.mask)):
            buffer = BytesIO()
            tifffile.imwrite(buffer, values, photometric="minisblack", metadata=None)
            write_whole(truth / f"scene-{index:06}-{name}.tif", buffer.getvalue())


def _facts(scene: Scene) -> dict[str, str | float]:
    return {
        "kind": str(scene.kind),
        "defect": str(scene.defect),
        "level_nm": scene.level_nm,
        "dose": scene.dose,
    }


def main() -> int:
    """Serve batches until standard input ends."""
    cv2.setNumThreads(1)
    folder = Path(sys.argv[1])
    spec = read_spec(folder)
    for line in sys.stdin:
        batch = Batch(**json.loads(line))
        make_batch(folder, spec, batch)
        print(json.dumps(asdict(batch)), flush=True)  # noqa: T201 — the answer
    return 0


if __name__ == "__main__":
    sys.exit(main())
