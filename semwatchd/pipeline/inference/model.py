"""A trained network that is ready for work: grey pictures of any size in, depth in nm out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from semwatchd.imaging.checks import require_frame
from semwatchd.pipeline.inference.batching import Batcher
from semwatchd.pipeline.inference.probe import Probe
from semwatchd.pipeline.inference.tiles import Tile, joined, padded, tiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semwatchd.core.image import Pixels
    from semwatchd.pipeline.inference.ways import Run

    Depth = NDArray[np.float32]

MOST_IMAGES = 32  # in a batch: more is no faster on a CPU
ROOM_PX = 1 << 20  # in a batch, and in a picture that is shown whole: some hundred MiB of memory
LEAST_PX = 16


class DepthModel:
    """Answers any number of pictures at once; a bad one costs only itself.

    Parameters
    ----------
    run
        The network, in the way that was chosen.
    probe
        Asked when something fails.
    step
        The network's grid.
    most
        Pictures or tiles in a batch.
    room_px
        Pixels in a batch; a picture of more is cut into tiles.
    """

    def __init__(
        self, run: Run, probe: Probe, step: int, most: int = MOST_IMAGES, room_px: int = ROOM_PX
    ) -> None:
        self._step = step
        self._whole_px = room_px
        self._batcher: Batcher[Pixels, Depth] = Batcher(
            lambda grey: _finite(run(np.stack(grey))), lambda: probe.passed_by(run), most, room_px
        )

    @property
    def halvings(self) -> int:
        """How often memory was short."""
        return self._batcher.halvings

    def depths(self, pictures: Sequence[Pixels]) -> list[Depth | Exception]:
        """Tell the depth of each picture, in nm below the pattern's top; or why there is none.

        Parameters
        ----------
        pictures
            (rows, columns) of at least 16 px, uint8, uint16 over its full range, or float32 in grey levels of
            0 to 255.

        Raises
        ------
        SickDeviceError, OutOfMemoryError
            It is not the pictures' fault; they may be asked again.
        """
        objections = [_objection(pixels) for pixels in pictures]
        accepted = [pixels for pixels, why in zip(pictures, objections, strict=True) if why is None]
        found = iter(self._accepted(accepted))
        return [next(found) if why is None else why for why in objections]

    def _accepted(self, pictures: Sequence[Pixels]) -> Iterator[Depth | Exception]:
        places = [self._places(pixels) for pixels in pictures]
        shown = [
            whole[tile.shown]
            for pixels, cover in zip(pictures, places, strict=True)
            for whole in [padded(pixels, self._step)]
            for tile in cover
        ]
        answers = iter(self._by_shape(shown))
        for pixels, cover in zip(pictures, places, strict=True):
            yield _together([next(answers) for _ in cover], cover, pixels.shape)

    def _places(self, pixels: Pixels) -> list[Tile]:
        """Take a picture whole if it is small enough."""
        rows, columns = pixels.shape
        if pixels.size <= self._whole_px:
            return list(tiles(rows, columns, self._step, max(rows, columns)))
        return list(tiles(rows, columns, self._step))

    def _by_shape(self, shown: Sequence[Pixels]) -> list[Depth | Exception]:
        """Ask in batches of equal size and type; answer in the order of the questions."""
        groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for number, grey in enumerate(shown):
            groups[grey.shape, grey.dtype].append(number)
        answers: dict[int, Depth | Exception] = {}
        for numbers in groups.values():
            alike = [shown[number] for number in numbers]
            answers |= zip(numbers, self._batcher.answers(alike, alike[0].size), strict=True)
        return [answers[number] for number in range(len(shown))]


def _objection(pixels: Pixels) -> Exception | None:
    """Refuse what no network can be shown, before it is in a batch with others."""
    try:
        require_frame(pixels, LEAST_PX)
    except (TypeError, ValueError) as error:
        return error.with_traceback(None)  # which would hold on to the picture
    return None


def _finite(depths: Depth) -> list[Depth]:
    if not np.isfinite(depths).all():
        raise ValueError("the network's answer is not finite")
    return list(depths)


def _together(
    answers: Sequence[Depth | Exception], cover: Sequence[Tile], shape: tuple[int, ...]
) -> Depth | Exception:
    parts: list[Depth] = []
    for answer in answers:
        if isinstance(answer, Exception):
            return answer
        parts.append(answer)
    return joined(parts, cover, (shape[0], shape[1]))
