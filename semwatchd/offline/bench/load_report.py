"""The figures of ``bench load`` as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from semwatchd.offline.bench.report import Table, digits


def tables(document: Mapping[str, Any]) -> Sequence[Table]:
    """One line per way to use the cores."""
    rows = [
        (
            row["way"],
            f"{row['processes']}",
            f"{row['images_per_min']:.0f}",
            f"{row['images_per_min_least']:.0f} to {row['images_per_min_most']:.0f}",
            digits(row["cpu_ms_per_image"]),
        )
        for row in document["ways"]
    ]
    rows += [("four steps", "-", said, "-", "-") for said in document["missing"]]
    header = ("way", "processes", "images/min, median", "least to most", "CPU ms per image")
    return (Table(title=f"Compute only, {document['size']}", header=header, rows=rows),)
