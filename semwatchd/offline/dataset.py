"""A synthetic data set as a folder: what it holds and in which batches. Loads no numpy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from semwatchd.core.files import write_whole

MANIFEST = "dataset.json"
BATCH_BYTES = 16_000_000  # of pixels: small beside the memory of any machine, large beside a file's overhead
MOST_SCENES = 1000  # in a batch, so that progress shows and little is done twice after a kill


class ForeignDatasetError(Exception):
    """The folder holds another data set than the one asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec:
    """Everything a data set depends on."""

    track: str  #: of :class:`~semwatchd.synth.scene.Track`
    count: int  #: scenes
    rows: int
    columns: int
    shots: int  #: frames per scene
    seed: int
    defect_share: float
    format: str  #: "shards" or "tiff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Scenes that are made and written together; there or not there as a whole."""

    number: int
    first: int
    count: int

    def path(self, folder: Path, form: str) -> Path:
        """Name the file that is written last: with it the batch is there."""
        if form == "shards":
            return folder / f"shard-{self.number:05}.npz"
        return folder / "truth" / f"batch-{self.number:05}.json"


def batches(spec: DatasetSpec) -> Iterator[Batch]:
    """Divide the scenes; how depends on the data set alone, never on who makes it."""
    size = max(1, min(MOST_SCENES, BATCH_BYTES // (spec.rows * spec.columns * (spec.shots + 2))))
    for number, first in enumerate(range(0, spec.count, size)):
        yield Batch(number=number, first=first, count=min(size, spec.count - first))


def claim_folder(folder: Path, spec: DatasetSpec) -> None:
    """Make the folder this data set's.

    Raises
    ------
    ForeignDatasetError
        It holds another one, or files of which nothing is known.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / MANIFEST
    if path.exists():
        if (there := read_spec(folder)) != spec:
            raise ForeignDatasetError(f"{folder} holds another data set: {_differences(there, spec)}")
    elif any(folder.iterdir()):
        raise ForeignDatasetError(f"{folder} is not empty and holds no data set; name a new folder")
    else:
        write_whole(path, json.dumps(asdict(spec), indent=2).encode() + b"\n")


def read_spec(folder: Path) -> DatasetSpec:
    """Read what a folder holds.

    Raises
    ------
    ForeignDatasetError
        It is no data set of ours.
    """
    try:
        return DatasetSpec(**json.loads((folder / MANIFEST).read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        hint = f"make one with 'semwatchd synth --out {folder}'"
        raise ForeignDatasetError(f"{folder} holds no data set that can be read ({error}); {hint}") from error


def _differences(there: DatasetSpec, wanted: DatasetSpec) -> str:
    old, new = asdict(there), asdict(wanted)
    changed = [f"{key} {old[key]}, not {new[key]}" for key in old if old[key] != new[key]]
    return f"{'; '.join(changed)}; name another folder, or ask for the same"
