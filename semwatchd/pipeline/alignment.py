"""The stage that compares a picture with the plan's reference: how far has the content moved?"""

from __future__ import annotations

import math
from dataclasses import replace

from semwatchd.core.image import Registration, RegistrationStatus, SemImage
from semwatchd.imaging.finite import finite_frame
from semwatchd.imaging.levels import MIN_SIZE_PX
from semwatchd.imaging.registration import (
    PlainShift,
    Reference,
    Shift,
    prepare_reference,
    register,
    register_by_phase,
)
from semwatchd.pipeline.stage import Measured, Picture, Stage

SAME_SCALE = 0.005  # relative; at a shift of 100 px that is half a pixel

REPEATS = "the pattern repeats: a shift by whole periods fits nearly as well as the one given"


def registration_stage(reference: SemImage, reference_path: str, method: str = "weighted") -> Stage:
    """Make the stage that finds the shift from ``reference`` to each picture.

    What depends on the reference alone is computed here, once.

    Parameters
    ----------
    reference_path
        Path of the reference picture, repeated in each result.
    method
        "weighted", or "phase_correlation": without an uncertainty, and for comparison only.
    """
    prepared, notice = _prepared(reference)

    def measure(picture: Picture) -> Measured:
        if prepared is None:
            return _failed(reference_path, notice)
        found, warnings = _found(prepared, picture, method)
        warnings += _scale_warning(reference, picture.image)
        if found is None:
            return _failed(reference_path, *warnings)
        return Measured(registration=_registration(found, reference_path), warnings=warnings)

    return Stage(name="registration", measure=measure)


def earlier_stage(reference: SemImage | str, reference_path: str, method: str) -> Stage:
    """Make the stage that compares with an earlier image of the lot.

    Unlike a golden picture nobody has looked at it, so the least doubt is a failure.

    Parameters
    ----------
    reference
        The earlier image, or why it cannot be used.
    """
    if isinstance(reference, str):
        return Stage(name="registration", measure=lambda _: _failed(reference_path, reference))
    compare = registration_stage(reference, reference_path, method).measure

    def measure(picture: Picture) -> Measured:
        shapes = picture.image.pixels.shape, reference.pixels.shape
        if shapes[0] != shapes[1]:
            return _failed(reference_path, f"{_sizes(*shapes)}: not compared")
        return compare(picture)

    return Stage(name="registration", measure=measure)


def _prepared(reference: SemImage) -> tuple[Reference | None, str]:
    if min(reference.pixels.shape) < MIN_SIZE_PX:
        return None, f"the reference picture is smaller than {MIN_SIZE_PX} px"
    frame = finite_frame(reference.pixels)
    if frame is None:
        return None, "the reference picture holds no finite number"
    prepared = prepare_reference(frame.pixels)
    return (prepared, "") if prepared.levels else (None, "the reference picture has no contrast")


def _found(
    reference: Reference, picture: Picture, method: str
) -> tuple[Shift | PlainShift | None, tuple[str, ...]]:
    image, frame = picture.image, picture.of(finite_frame)
    if min(image.pixels.shape) < MIN_SIZE_PX:
        return None, (f"the picture is smaller than {MIN_SIZE_PX} px and was not registered",)
    if frame is None:
        return None, ("no pixel holds a finite number; the picture was not registered",)
    found: Shift | PlainShift | None
    if method == "phase_correlation":
        found = register_by_phase(reference.pixels, frame.pixels)
    else:
        found = register(reference, frame.pixels)
    warnings = []
    if image.pixels.shape != reference.pixels.shape:
        warnings.append(f"{_sizes(image.pixels.shape, reference.pixels.shape)}: top left parts compared")
    if found is None:
        warnings.append("the reference was not found again in this picture")
    elif isinstance(found, Shift) and found.ambiguous:
        warnings.append(REPEATS)
    return found, tuple(warnings)


def _sizes(picture: tuple[int, ...], reference: tuple[int, ...]) -> str:
    ours, theirs = (f"{columns} x {rows}" for rows, columns in (picture, reference))
    return f"picture ({ours}) and reference ({theirs}) differ in size"


def _scale_warning(reference: SemImage, image: SemImage) -> tuple[str, ...]:
    """Say when the two pictures were taken at different magnifications: no shift is right for all of them."""
    theirs, ours = reference.facts.pixel_size_nm, image.facts.pixel_size_nm
    if theirs is None or ours is None or math.isclose(theirs, ours, rel_tol=SAME_SCALE):
        return ()
    return (f"pixel size {ours:.5g} nm differs from the reference's {theirs:.5g} nm: the shift is doubtful",)


def _registration(found: Shift | PlainShift, reference_path: str) -> Registration:
    plain = Registration(
        reference=reference_path,
        dx_px=found.dx_px,
        dy_px=found.dy_px,
        sigma_x_px=None,
        sigma_y_px=None,
        quality=found.quality,
        status=RegistrationStatus.OK,
    )
    if isinstance(found, PlainShift):
        return plain
    located = not (found.weak_axis or found.ambiguous)
    status = RegistrationStatus.OK if located else RegistrationStatus.WEAK_AXIS
    return replace(plain, sigma_x_px=found.sigma_x_px, sigma_y_px=found.sigma_y_px, status=status)


def _failed(reference_path: str, *warnings: str) -> Measured:
    registration = Registration(
        reference=reference_path,
        dx_px=None,
        dy_px=None,
        sigma_x_px=None,
        sigma_y_px=None,
        quality=None,
        status=RegistrationStatus.FAILED,
    )
    return Measured(registration=registration, warnings=warnings)
