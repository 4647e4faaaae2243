"""Small data sets for the tests of training."""

from pathlib import Path

from semwatchd.offline.dataset import DatasetSpec, batches, claim_folder
from semwatchd.offline.scenes import make_batch


def make_data(
    folder: Path, count: int, *, track: str = "a", seed: int = 1, size: tuple[int, int] = (24, 20)
) -> str:
    """Make a data set as the command does, in this process."""
    spec = DatasetSpec(
        track=track,
        count=count,
        rows=size[0],
        columns=size[1],
        shots=4,
        seed=seed,
        defect_share=0.0,
        format="shards",
    )
    claim_folder(folder, spec)
    for batch in batches(spec):
        make_batch(folder, spec, batch)
    return str(folder)
