import json
import threading
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from semwatchd.offline.bench.depth import Options, main, measure
from semwatchd.offline.bench.depth_report import tables
from semwatchd.offline.bench.feeding import FEEDS, feed_all
from semwatchd.offline.bench.handover import Load, by_slab

Grey = NDArray[np.uint8]


def pictures(count: int) -> list[Grey]:
    return [np.full((16, 16), number % 256, np.uint8) for number in range(count)]


@pytest.mark.parametrize("way", FEEDS)
@pytest.mark.parametrize("count", [1, 8, 70])
def test_however_it_is_fed_every_picture_is_run_once(way: str, count: int) -> None:
    seen: list[int] = []

    def run(grey: NDArray[Any]) -> NDArray[np.float32]:
        seen.extend(int(picture[0, 0]) for picture in grey)
        return grey.astype(np.float32)

    assert FEEDS[way](run, pictures(count)) == count
    assert sorted(seen) == list(range(count))
    assert threading.active_count() < 20


def test_a_way_that_loses_pictures_is_found_out() -> None:
    with pytest.raises(RuntimeError, match="0 answers to 40 pictures"):
        feed_all(lambda grey: np.empty((0, *grey.shape[1:]), np.float32), pictures(40))


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"architecture": "resnet"}, 64, "no architecture"),
        pytest.param(
            {"device": "cuda"},
            *(75, "no CUDA device"),
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA"),
        ),
    ],
)
def test_what_cannot_be_measured_is_said(
    options: dict[str, str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([json.dumps(options)]) == code
    assert words in capsys.readouterr().err


@pytest.mark.integration
def test_pictures_come_through_the_slab_from_another_process() -> None:
    cpu_s, wall_s = by_slab(Load(rows=16, columns=16, images=64, group=8))
    assert cpu_s > 0
    assert wall_s > 0


@pytest.mark.integration
@pytest.mark.timeout(300)  # two processes load torch
def test_a_quick_run_has_all_figures_and_they_fit_into_tables() -> None:
    document = measure(Options(architecture="unet-2-8", quick=True))
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert {cost["transport"] for cost in document["handover"]} == {
        "slab",
        "multiprocessing.Queue",
        "torch.multiprocessing.Queue",
    }
    speeds, feeding, handover = tables(document)
    assert len(speeds.rows) == len(document["speeds"])
    assert any("(chosen)" in row[0] for row in speeds.rows)
    assert all(len(row) == len(table.header) for table in (speeds, feeding, handover) for row in table.rows)
