"""Train every row with every seed, and put the results into one table. Loads no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from semwatchd.core.files import write_whole
from semwatchd.offline.dataset import DatasetSpec
from semwatchd.offline.depth.orders import Advance, BaselineOrder, TrainingOrder, carry_out
from semwatchd.offline.depth.rows import CLAIMS, ROWS, Preset, Row
from semwatchd.offline.depth.verdicts import Verdict, judge
from semwatchd.offline.generate import generate

TRACKS = (("train", "a", 101), ("test", "a", 102), ("shift", "a-shift", 103))  # folder, track, seed
SIZE = (66, 45)
SHOTS = 4
COLUMNS = (
    ("RMSE", "test", "rmse"),
    ("4 shots", "test_all_shots", "rmse"),
    ("structure", "test", "structure_rmse"),
    ("level", "test", "level_error"),
    ("shift", "shift", "rmse"),
    ("shift, AdaBN", "shift_adabn", "rmse"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOrder:
    """What table to make, where, and by what."""

    out: Path
    preset: Preset
    workers: int
    device: str


def make_table(order: TableOrder, advance: Advance, rows: Sequence[Row] = ROWS) -> Path:
    """Make the data and train what is missing; write ``table.json`` and ``table.md``.

    ``advance`` hears of training steps. What an interrupted call has reached is used by the next.
    """
    _make_data(order)
    tasks = [(row, seed) for seed in order.preset.seeds for row in rows]
    with ThreadPoolExecutor(order.workers) as threads:
        try:
            results = list(threads.map(lambda task: carry_out(_training(order, *task), advance), tasks))
        finally:
            threads.shutdown(cancel_futures=True)
    runs: dict[str, list[Mapping[str, Any]]] = {row.name: [] for row in rows}
    for (row, _), result in zip(tasks, results, strict=True):
        runs[row.name].append(result)
    baseline = carry_out(_baseline(order), lambda _: None)
    verdicts = [judge(claim, runs) for claim in CLAIMS if {claim.this, claim.that} <= runs.keys()]
    facts = {
        "preset": asdict(order.preset),
        "runs": runs,
        "baseline": baseline,
        "verdicts": [asdict(verdict) for verdict in verdicts],
    }
    write_whole(order.out / "table.json", json.dumps(facts, indent=1).encode() + b"\n")
    text = "\n".join([_heading(order.preset), "", *_lines(rows, runs, baseline, verdicts)]) + "\n"
    write_whole(order.out / "table.md", text.encode())
    return order.out / "table.md"


def total_steps(preset: Preset, rows: Sequence[Row] = ROWS) -> int:
    """Count the steps of all trainings."""
    return preset.steps * len(preset.seeds) * len(rows)


def _make_data(order: TableOrder) -> None:
    for name, track, seed in TRACKS:
        spec = DatasetSpec(
            track=track,
            count=order.preset.train if name == "train" else order.preset.test,
            rows=SIZE[0],
            columns=SIZE[1],
            shots=SHOTS,
            seed=seed,
            defect_share=0.0,
            format="shards",
        )
        generate(order.out / "data" / name, spec, order.workers, lambda _: None)


def _training(order: TableOrder, row: Row, seed: int) -> TrainingOrder:
    data = order.out / "data"
    changes = dict(row.changes)
    transfer_steps = order.preset.steps if changes.pop("transfer", False) else 0
    return TrainingOrder(
        data=(str(data / "train"),),
        test=str(data / "test"),
        shift=str(data / "shift"),
        out=str(order.out / "runs" / f"{row.name}-{seed}"),
        steps=order.preset.steps,
        batch=order.preset.batch,
        seed=seed,
        device=order.device,
        transfer_steps=transfer_steps,
        **changes,
    )


def _baseline(order: TableOrder) -> BaselineOrder:
    train, test, shift = (str(order.out / "data" / name) for name, _, _ in TRACKS)
    return BaselineOrder(data=train, test=test, shift=shift)


def _heading(preset: Preset) -> str:
    return (
        f"Track A, {SIZE[0]} x {SIZE[1]} pixels; {preset.train} scenes to train on, {preset.test} to test, "
        f"as many of another microscope; {preset.steps} steps of {preset.batch} scenes; mean and standard "
        f"deviation over {len(preset.seeds)} seeds. Errors in nm; images/s of one thread, or of the GPU."
    )


def _lines(
    rows: Sequence[Row],
    runs: Mapping[str, Sequence[Mapping[str, Any]]],
    baseline: Mapping[str, Any],
    verdicts: Sequence[Verdict],
) -> Iterator[str]:
    yield f"| row | {' | '.join(title for title, _, _ in COLUMNS)} | images/s | parameters |"
    yield "|---" * (len(COLUMNS) + 3) + "|"
    for row in rows:
        results = runs[row.name]
        cells = [_spread([r["scores"][part][figure] for r in results]) for _, part, figure in COLUMNS]
        speed = mean(r["images_per_s"] for r in results)
        yield f"| {row.title} | {' | '.join(cells)} | {speed:.0f} | {results[0]['parameters']:,} |"
    for title, key in (
        ("retrieval: the most similar training scene", "retrieval"),
        ("mean depth", "mean_depth"),
    ):
        cells = [_known(baseline[key], part, figure) for _, part, figure in COLUMNS]
        yield f"| {title} | {' | '.join(cells)} | | |"
    yield ""
    yield "| question | answer | difference in RMSE |"
    yield "|---|---|---|"
    for verdict in verdicts:
        difference = f"{verdict.difference:+.3f} ± {verdict.half_width:.3f}"
        yield f"| {verdict.question} | {verdict.answer} | {difference} |"


def _spread(figures: Sequence[float]) -> str:
    return f"{mean(figures):.2f} ± {stdev(figures):.2f}"


def _known(scores: Mapping[str, Mapping[str, float]], part: str, figure: str) -> str:
    return f"{scores[part][figure]:.2f}" if part in scores else ""
