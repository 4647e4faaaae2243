"""What the simulator makes, as pictures: ``python -m semwatchd.offline.gallery FOLDER``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from semwatchd.core.files import write_whole
from semwatchd.synth.defects import Defect
from semwatchd.synth.scene import DEFECTS, Kind, Scene, SceneSpec, make_scene
from semwatchd.synth.tracks import Track

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Grey = NDArray[np.uint8]

SEED = 5
SIDE_PX = 128
DEEPEST_NM = 170.0  # white in the picture of a depth
GAP_PX = 4
LABEL_PX = 18
FONT_SCALE = 0.4
WHITE = 255


def write_gallery(folder: Path) -> None:
    """Write one PNG of the kinds, one of the defects and one of the tracks."""
    kinds = [
        (f"{kind}, {scene.level_nm:.0f} nm deep", scene)
        for kind in Kind
        for scene in [_found(Track.B, 0.0, _shows(Defect.NONE, kind))]
    ]
    defects = [
        (f"{defect} in {scene.kind}", scene)
        for defect in DEFECTS
        for scene in [_found(Track.B, 1.0, _shows(defect, list(Kind)[DEFECTS.index(defect) % len(Kind)]))]
    ]
    tracks = [(f"track {track}", _found(track, 0.0, lambda _: True)) for track in Track]
    for name, shown in (("kinds", kinds), ("defects", defects), ("tracks", tracks)):
        write_whole(folder / f"synth-{name}.png", _png(_sheet(shown)))


def _shows(defect: Defect, kind: Kind) -> Callable[[Scene], bool]:
    return lambda scene: scene.defect is defect and scene.kind is kind


def _found(track: Track, defect_share: float, wanted: Callable[[Scene], bool]) -> Scene:
    spec = SceneSpec(
        track=track, rows=SIDE_PX, columns=SIDE_PX, shots=1, seed=SEED, defect_share=defect_share
    )
    return next(scene for scene in _scenes(spec) if wanted(scene))


def _scenes(spec: SceneSpec) -> Iterator[Scene]:
    return (make_scene(spec, index) for index in count())


def _sheet(shown: Sequence[tuple[str, Scene]]) -> Grey:
    """Lay the scenes out two in a line: frame, depth, mask each."""
    tiles = [_tile(label, scene) for label, scene in shown]
    lines = [np.hstack(tiles[first : first + 2]) for first in range(0, len(tiles), 2)]
    return cast("Grey", np.vstack(lines))


def _tile(label: str, scene: Scene) -> Grey:
    depth = np.clip(scene.depth_nm / DEEPEST_NM * WHITE, 0, WHITE).astype(np.uint8)
    parts = (scene.shots[0], depth, scene.mask * WHITE)
    framed = np.hstack([np.pad(part, GAP_PX // 2, constant_values=WHITE) for part in parts])
    strip = np.full((LABEL_PX, framed.shape[1]), WHITE, np.uint8)
    cv2.putText(strip, label, (GAP_PX, LABEL_PX - 5), cv2.FONT_HERSHEY_SIMPLEX, FONT_SCALE, 0, 1, cv2.LINE_AA)
    return cast("Grey", np.pad(np.vstack([strip, framed]), GAP_PX, constant_values=WHITE))


def _png(picture: Grey) -> bytes:
    _, png = cv2.imencode(".png", picture)
    return png.tobytes()


if __name__ == "__main__":
    write_gallery(Path(sys.argv[1]))
