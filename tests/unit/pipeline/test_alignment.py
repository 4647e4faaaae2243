from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from semwatchd.core.image import Registration, RegistrationStatus, SemImage
from semwatchd.pipeline.alignment import earlier_stage, registration_stage
from semwatchd.pipeline.stage import Measured, Picture
from tests.scenes import as_image, grains, lines, photographed

TEXTURE = grains(256)
REFERENCE = photographed(TEXTURE.frame(), 10, seed=1)


def registered(reference: NDArray[Any], picture: NDArray[Any]) -> tuple[Registration, Measured]:
    measured = registration_stage(as_image(reference), "ref.tif").measure(Picture(as_image(picture)))
    assert measured.registration is not None
    return measured.registration, measured


def test_content_further_right_and_down_has_a_positive_shift() -> None:
    registration, measured = registered(REFERENCE, photographed(TEXTURE.frame(8.25, 3.5), 10, seed=2))
    assert registration.status is RegistrationStatus.OK
    assert registration.reference == "ref.tif"
    assert registration.dx_px == pytest.approx(8.25, abs=0.05)
    assert registration.dy_px == pytest.approx(3.5, abs=0.05)
    assert type(registration.dx_px) is type(registration.quality) is float
    assert measured.values == {}
    assert measured.warnings == ()


def test_lines_have_a_weak_axis() -> None:
    straight = lines(256)
    registration, _ = registered(
        photographed(straight.frame(), 10, seed=1), photographed(straight.frame(5.0), 10, seed=2)
    )
    assert registration.status is RegistrationStatus.WEAK_AXIS
    assert registration.dx_px == pytest.approx(5.0, abs=0.1)


def test_another_picture_fails_without_numbers() -> None:
    registration, measured = registered(REFERENCE, photographed(grains(256, seed=9).frame(), 10, seed=2))
    assert registration.status is RegistrationStatus.FAILED
    assert (registration.dx_px, registration.sigma_y_px, registration.quality) == (None, None, None)
    assert measured.warnings == ("the reference was not found again in this picture",)


@pytest.mark.parametrize(
    "hopeless",
    [np.zeros((256, 256), np.uint8), np.zeros((1, 1), np.uint8), np.full((64, 64), np.nan, np.float32)],
    ids=["blank", "tiny", "nan"],
)
def test_hopeless_pictures_fail_and_say_why(hopeless: NDArray[Any]) -> None:
    for reference, picture in ((REFERENCE, hopeless), (hopeless, REFERENCE)):
        registration, measured = registered(reference, picture)
        assert registration.status is RegistrationStatus.FAILED
        assert measured.warnings


def test_another_size_is_compared_and_warned_of() -> None:
    picture = photographed(TEXTURE.frame(4.0, 2.0), 10, seed=2)[:200]
    registration, measured = registered(REFERENCE, picture)
    assert registration.dx_px == pytest.approx(4.0, abs=0.05)
    assert any("256 x 200" in warning for warning in measured.warnings)


def test_float_pixels_without_a_number_are_bridged() -> None:
    picture = photographed(TEXTURE.frame(4.0, 2.0), 10, seed=2).astype(np.float32)
    picture[100:104, 60:64] = np.nan
    registration, _ = registered(REFERENCE, picture)
    assert registration.dx_px == pytest.approx(4.0, abs=0.05)


@pytest.mark.parametrize(
    ("pixel_size_nm", "doubtful"), [(2.0, False), (2.005, False), (2.1, True), (None, False)]
)
def test_another_magnification_is_doubted(pixel_size_nm: float | None, *, doubtful: bool) -> None:
    reference = scaled(as_image(REFERENCE), 2.0)
    picture = scaled(as_image(REFERENCE), pixel_size_nm)
    warnings = registration_stage(reference, "ref.tif").measure(Picture(picture)).warnings
    assert any("pixel size" in warning for warning in warnings) is doubtful


def scaled(image: SemImage, pixel_size_nm: float | None) -> SemImage:
    return replace(image, facts=replace(image.facts, pixel_size_nm=pixel_size_nm))


def test_plain_phase_correlation_is_there_by_name_and_gives_no_uncertainty() -> None:
    stage = registration_stage(as_image(REFERENCE), "ref.tif", "phase_correlation")
    picture = photographed(TEXTURE.frame(8.0, 3.0), 20, seed=2)
    found = stage.measure(Picture(as_image(picture))).registration
    assert found is not None
    assert found.dx_px == pytest.approx(8, abs=1)
    assert found.dy_px == pytest.approx(3, abs=1)
    assert (found.sigma_x_px, found.sigma_y_px, found.status) == (None, None, RegistrationStatus.OK)


def test_plain_phase_correlation_is_checked_too() -> None:
    stage = registration_stage(as_image(REFERENCE), "ref.tif", "phase_correlation")
    other = photographed(grains(256, seed=9).frame(), 10, seed=2)
    found = stage.measure(Picture(as_image(other))).registration
    assert found is not None
    assert (found.status, found.dx_px) == (RegistrationStatus.FAILED, None)


def test_an_earlier_image_of_another_size_is_not_compared() -> None:
    stage = earlier_stage(as_image(REFERENCE[:200]), "earlier.tif", "weighted")
    measured = stage.measure(Picture(as_image(REFERENCE)))
    assert measured.registration is not None
    assert measured.registration.status is RegistrationStatus.FAILED
    assert "differ in size: not compared" in measured.warnings[0]
    assert stage.measure(Picture(as_image(REFERENCE[:200]))).registration is not None


def test_an_earlier_image_that_cannot_be_used_fails_with_the_reason() -> None:
    measured = earlier_stage("the reference a.tif cannot be used: it is gone", "a.tif", "weighted").measure(
        Picture(as_image(REFERENCE))
    )
    assert measured.registration is not None
    assert measured.registration.status is RegistrationStatus.FAILED
    assert measured.warnings == ("the reference a.tif cannot be used: it is gone",)
