"""The figures of ``bench depth`` as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from semwatchd.offline.bench.report import Table, digits


def tables(document: Mapping[str, Any]) -> Sequence[Table]:
    """One table for the speed, one for the ways to feed, one for handing over."""
    return (_speeds(document), _feeding(document), _handover(document["handover"]))


def _speeds(document: Mapping[str, Any]) -> Table:
    rows = [
        (
            f"{at['way']}{' (chosen)' if at['way'] == document['chosen'] else ''}",
            f"{at['rows']} x {at['columns']}",
            str(at["batch"]),
            *(digits(at[figure]) for figure in ("images_per_s", "images_per_cpu_s", "p50_ms", "p99_ms")),
        )
        for at in document["speeds"]
    ]
    title = f"{document['architecture']}, {document['threads']} thread(s)"
    header = ("way", "px", "batch", "images/s", "images per CPU s", "p50 ms", "p99 ms")
    return Table(title=title, header=header, rows=rows)


def _feeding(document: Mapping[str, Any]) -> Table:
    rows = [
        (at["way"], *(digits(at[figure]) for figure in ("utilisation", "images_per_s", "images_per_cpu_s")))
        for at in document["feeding"]
    ]
    header = ("way to feed", "cores busy", "images/s", "images per CPU s")
    return Table(title=f"Feeding 72 x 48 px, {document['chosen']}", header=header, rows=rows)


def _handover(costs: Sequence[Mapping[str, Any]]) -> Table:
    rows = [
        (at["transport"], f"{at['rows']} x {at['columns']}", digits(at["cpu_us"]), digits(at["wall_us"]))
        for at in costs
    ]
    header = ("transport", "px", "CPU us per image, both processes", "wall us per image")
    return Table(title="From one process to another, as uint8, to a batch", header=header, rows=rows)
