from __future__ import annotations

import errno
import json
import os
import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from semwatchd.core.errors import EnvironmentFault
from semwatchd.core.plan import DepthPlan
from semwatchd.depth_teller import DepthTeller, Usage, build
from semwatchd.engine.messages import Mapped, Question, Refused, TellerSettings
from semwatchd.engine.ring import Slab, create_slab
from semwatchd.models import shipped
from semwatchd.pipeline.catalogue import DEPTH
from semwatchd.pipeline.crops import stacked
from semwatchd.pipeline.inference.batching import SickDeviceError
from semwatchd.pipeline.inference.loading import Loaded, load_depth_model
from semwatchd.pipeline.inference.model import DepthModel
from tests.depth_data import save_a_model
from tests.tellers import a_question, day_folder

if TYPE_CHECKING:
    from semwatchd.core.image import Pixels

GIB = 1 << 30
GRID = DepthPlan(where="grid", size_px=64, grid=(2, 2))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    folder = tmp_path_factory.mktemp("model")
    return load_depth_model(save_a_model(folder / "model.safetensors"), "cpu")


@pytest.fixture
def slab() -> Iterator[Slab]:
    made = create_slab(slots=4, picture_bytes=4 * 160 * 200)
    yield made
    made.close()  # refuses while anybody still holds a picture of it
    os.close(made.descriptor)


def a_teller(loaded: Loaded, folder: Path, free_bytes: int = 100 * GIB) -> DepthTeller:
    usage: Usage = lambda _: (free_bytes, 200 * GIB)  # noqa: E731
    return DepthTeller(loaded, folder, usage)


def picture(seed: int, rows: int = 160, columns: int = 200) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(60, 180, (rows, columns)).astype(np.uint8)


def asked(teller: DepthTeller, slab: Slab, *pairs: tuple[Question, Pixels]) -> list[Mapped | Refused]:
    """Seat each picture as a worker does, and ask."""
    for question, pixels in pairs:
        samples = np.ascontiguousarray(pixels)
        shape = (pixels.shape[0], pixels.shape[1])
        slab.put(question.seat.slot, question.seat.ticket, shape, str(pixels.dtype), samples.data)
    questions = [question for question, _ in pairs]
    return teller.answers([(q, slab.get(q.seat.slot, q.seat.ticket)) for q in questions])


def mapped(teller: DepthTeller, slab: Slab, question: Question, pixels: Pixels) -> Mapped:
    (told,) = asked(teller, slab, (question, pixels))
    assert isinstance(told, Mapped)
    return told


def test_a_grid_is_told_as_the_network_tells_its_squares(loaded: Loaded, slab: Slab, tmp_path: Path) -> None:
    whole = picture(1)
    cut = stacked(whole, GRID)
    assert not isinstance(cut, str)
    question = a_question("img", depth=GRID, shape=whole.shape)
    told = mapped(a_teller(loaded, tmp_path), slab, question, cut)

    path, shown = map(Path, told.artefacts)
    assert path == day_folder(tmp_path) / f"img-{'ab' * 6}-{question.job.plan.plan_hash[:8]}.depth.tif"
    assert shown.read_bytes().startswith(b"\x89PNG")
    with tifffile.TiffFile(path) as file:
        first = file.pages.first
        assert isinstance(first, tifffile.TiffPage)
        corners = json.loads(first.description)["left_top_px"]
        levels = [page.asarray() for page in file.pages]
    assert corners == [[18, 8], [118, 8], [18, 88], [118, 88]]
    squares = [whole[top : top + 64, left : left + 64] for left, top in corners]
    for level, depth in zip(levels, loaded.model.depths(squares), strict=True):
        assert isinstance(depth, np.ndarray)
        np.testing.assert_allclose(level * 0.01, depth, atol=0.02)
    assert told.measurements["depth.median_nm"] == pytest.approx(float(np.median(levels)) * 0.01, abs=0.02)
    assert list(told.measurements) == [measured.name for measured in DEPTH]
    assert told.elapsed_ms > 0


def test_the_supervisor_can_read_the_answers_without_numpy(
    loaded: Loaded, slab: Slab, tmp_path: Path
) -> None:
    teller = a_teller(loaded, tmp_path)
    told = mapped(teller, slab, a_question(), picture(1, 32, 48))
    content = pickle.dumps((told, dict(teller.about)))
    assert b"numpy" not in content
    assert b"torch" not in content
    assert set(teller.about) == {
        *("device", "precision", "layout", "ms_per_image", "architecture", "weights_sha256"),
    }
    assert teller.about["weights_sha256"] == loaded.manifest.weights


def test_pictures_of_many_kinds_are_answered_together(loaded: Loaded, slab: Slab, tmp_path: Path) -> None:
    pairs: list[tuple[Question, Pixels]] = [
        (a_question("a", ticket=1, slot=0), picture(1, 32, 48)),
        (a_question("b", ticket=2, slot=1), picture(2, 32, 48).astype(np.uint16) * 257),
        (a_question("c", ticket=3, slot=2), np.full((32, 48), 100, np.uint8)),
        (a_question("d", ticket=4, slot=3), picture(4, 32, 48).astype(np.float32)),
    ]
    told = asked(a_teller(loaded, tmp_path), slab, *pairs)
    assert [type(one) for one in told] == [Mapped] * 4
    assert [one.ticket for one in told] == [1, 2, 3, 4]
    assert len(list(day_folder(tmp_path).glob("*.tif"))) == 4
    assert isinstance(told[3], Mapped)
    assert any(warning.startswith("a float picture") for warning in told[3].warnings)


@pytest.mark.parametrize(
    ("question", "pixels", "reason"),
    [
        (a_question(), np.full((32, 48), np.nan, np.float32), "NaN or infinity"),
        (a_question(shape=(8, 8)), np.zeros((8, 8), np.uint8), "holds no part of at least 16 x 16 px"),
        (a_question(), np.zeros((32, 47), np.uint8), "not what its plan asks for"),
        (a_question(depth=GRID), np.zeros((32, 48), np.uint8), "holds no 2 x 2 squares of 64 px"),
        (a_question(depth=None), np.zeros((32, 48), np.uint8), "asks for no depth"),
    ],
    ids=["nan", "tiny", "narrow", "grid", "none"],
)
def test_a_hostile_picture_is_refused_and_its_neighbour_answered(
    loaded: Loaded, slab: Slab, tmp_path: Path, question: Question, pixels: Pixels, reason: str
) -> None:
    good = a_question("good", ticket=7, slot=1)
    refused, told = asked(a_teller(loaded, tmp_path), slab, (question, pixels), (good, picture(1, 32, 48)))
    assert isinstance(refused, Refused)
    assert reason in refused.reason
    assert isinstance(told, Mapped)


@pytest.mark.parametrize("value", [-3e38, -1.0, 1e15, 3e38])
def test_values_no_detector_gives_are_far_out_of_domain(
    loaded: Loaded, slab: Slab, tmp_path: Path, value: float
) -> None:
    domain = {"level": [60.0, 180.0]}
    teller = a_teller(replace(loaded, manifest=replace(loaded.manifest, domain=domain)), tmp_path)
    told = mapped(teller, slab, a_question(), np.full((32, 48), value, np.float32))
    assert any(warning.startswith("out of domain: level") for warning in told.warnings)
    assert all(found is None or np.isfinite(found) for found in told.measurements.values())


def test_no_map_takes_the_place_of_another_images_or_plans(
    loaded: Loaded, slab: Slab, tmp_path: Path
) -> None:
    teller = a_teller(loaded, tmp_path)
    square = DepthPlan(where="region", region=(0, 0, 32, 32))
    questions = [a_question("img"), a_question("img", sha256="cd" * 32), a_question("img", depth=square)]
    told = [
        mapped(teller, slab, question, picture(1, 32, 32 if question.job.plan.depth == square else 48))
        for question in questions
    ]
    assert len({one.artefacts for one in told}) == 3
    assert len(list(day_folder(tmp_path).iterdir())) == 6


def test_done_twice_it_leaves_the_same_files(loaded: Loaded, slab: Slab, tmp_path: Path) -> None:
    teller = a_teller(loaded, tmp_path)
    first = mapped(teller, slab, a_question(), picture(1, 32, 48))
    content = [Path(path).read_bytes() for path in first.artefacts]
    again = replace(a_question(ticket=9), job=replace(a_question().job, attempt=2))
    assert mapped(teller, slab, again, picture(1, 32, 48)).artefacts == first.artefacts
    assert [Path(path).read_bytes() for path in first.artefacts] == content
    assert len(list(day_folder(tmp_path).iterdir())) == 2


def test_without_the_time_of_the_first_sight_the_files_own_day_counts(
    loaded: Loaded, slab: Slab, tmp_path: Path
) -> None:
    question = a_question()
    old = replace(question, job=replace(question.job, detected_at=None, mtime_ns=86_400 * 10**9))
    told = mapped(a_teller(loaded, tmp_path), slab, old, picture(1, 32, 48))
    assert Path(told.artefacts[0]).parent == tmp_path / "1970-01-02"


def no_room(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_costs_the_map_and_not_the_numbers(
    loaded: Loaded, slab: Slab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teller = a_teller(loaded, tmp_path)
    mapped(teller, slab, a_question("first"), picture(1, 32, 48))  # the day's folder is there
    monkeypatch.setattr(os, "fsync", no_room)
    told = mapped(teller, slab, a_question("second"), picture(1, 32, 48))
    assert told.artefacts == ()
    assert told.measurements["depth.median_nm"] is not None
    assert f"no depth map was kept in {tmp_path}: No space left on device" in told.warnings
    assert {path.name[:5] for path in day_folder(tmp_path).iterdir()} == {"first"}


@pytest.mark.parametrize("spoil", [Path.touch, lambda path: path.symlink_to(path)], ids=["file", "loop"])
def test_a_folder_that_cannot_be_costs_the_map_and_not_the_numbers(
    loaded: Loaded, slab: Slab, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(tmp_path / "maps")
    told = mapped(a_teller(loaded, tmp_path / "maps"), slab, a_question(), picture(1, 32, 48))
    assert told.artefacts == ()
    assert any("no depth map was kept" in warning for warning in told.warnings)


def test_the_last_room_is_the_journals(loaded: Loaded, slab: Slab, tmp_path: Path) -> None:
    told = mapped(a_teller(loaded, tmp_path, free_bytes=4 * GIB), slab, a_question(), picture(1, 32, 48))
    assert told.artefacts == ()
    assert any("only 4295 MB of the disk are free" in warning for warning in told.warnings)


def test_a_sick_device_is_no_answer(
    loaded: Loaded, slab: Slab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise SickDeviceError("the device fails")

    monkeypatch.setattr(DepthModel, "depths", fail)
    with pytest.raises(SickDeviceError):
        asked(a_teller(loaded, tmp_path), slab, (a_question(), picture(1, 32, 48)))


def test_it_is_built_of_weights_that_are_named(slab: Slab, tmp_path: Path) -> None:
    weights = save_a_model(tmp_path / "model.safetensors")
    teller = build(TellerSettings(folder=tmp_path / "maps", weights=weights, device="cpu"))
    told = mapped(teller, slab, a_question(), picture(1, 32, 48))
    assert told.measurements["depth.median_nm"] is not None


def test_without_weights_it_is_said_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path / "none")
    with pytest.raises(EnvironmentFault, match="semwatchd train depth"):
        build(TellerSettings(folder=tmp_path))
    with pytest.raises(EnvironmentFault, match="no manifest of trained weights"):
        build(TellerSettings(folder=tmp_path, weights=tmp_path / "model.safetensors"))
