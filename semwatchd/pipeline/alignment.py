"""The stage that compares a picture with the plan's reference: how far has the content moved?"""

from __future__ import annotations

import math

from semwatchd.core.image import Registration, RegistrationStatus, SemImage
from semwatchd.imaging.finite import finite_frame
from semwatchd.imaging.registration import MIN_SIZE_PX, Reference, Shift, prepare_reference, register
from semwatchd.pipeline.stage import Measured, Picture, Stage

SAME_SCALE = 0.005  # relative; at a shift of 100 px that is half a pixel

REPEATS = "the pattern repeats: a shift by whole periods fits nearly as well as the one given"


def registration_stage(reference: SemImage, reference_path: str) -> Stage:
    """Make the stage that finds the shift from ``reference`` to each picture.

    What depends on the reference alone is computed here, once.

    Parameters
    ----------
    reference_path
        Path of the reference picture, repeated in each result.
    """
    prepared, notice = _prepared(reference)

    def measure(picture: Picture) -> Measured:
        if prepared is None:
            return _failed(reference_path, notice)
        shift, warnings = _shift(prepared, picture)
        warnings += _scale_warning(reference, picture.image)
        if shift is None:
            return _failed(reference_path, *warnings)
        return Measured(registration=_registration(shift, reference_path), warnings=warnings)

    return Stage(name="registration", measure=measure)


def _prepared(reference: SemImage) -> tuple[Reference | None, str]:
    if min(reference.pixels.shape) < MIN_SIZE_PX:
        return None, f"the reference picture is smaller than {MIN_SIZE_PX} px"
    frame = finite_frame(reference.pixels)
    if frame is None:
        return None, "the reference picture holds no finite number"
    prepared = prepare_reference(frame.pixels)
    return (prepared, "") if prepared.levels else (None, "the reference picture has no contrast")


def _shift(reference: Reference, picture: Picture) -> tuple[Shift | None, tuple[str, ...]]:
    image, frame = picture.image, picture.of(finite_frame)
    if min(image.pixels.shape) < MIN_SIZE_PX:
        return None, (f"the picture is smaller than {MIN_SIZE_PX} px and was not registered",)
    if frame is None:
        return None, ("no pixel holds a finite number; the picture was not registered",)
    shift = register(reference, frame.pixels)
    warnings = []
    if image.pixels.shape != reference.pixels.shape:
        sizes = [f"{columns} x {rows}" for rows, columns in (image.pixels.shape, reference.pixels.shape)]
        warnings.append(
            f"picture ({sizes[0]}) and reference ({sizes[1]}) differ in size: top left parts compared"
        )
    if shift is None:
        warnings.append("the reference was not found again in this picture")
    elif shift.ambiguous:
        warnings.append(REPEATS)
    return shift, tuple(warnings)


def _scale_warning(reference: SemImage, image: SemImage) -> tuple[str, ...]:
    """Say when the two pictures were taken at different magnifications: no shift is right for all of them."""
    theirs, ours = reference.facts.pixel_size_nm, image.facts.pixel_size_nm
    if theirs is None or ours is None or math.isclose(theirs, ours, rel_tol=SAME_SCALE):
        return ()
    return (f"pixel size {ours:.5g} nm differs from the reference's {theirs:.5g} nm: the shift is doubtful",)


def _registration(shift: Shift, reference_path: str) -> Registration:
    located = not (shift.weak_axis or shift.ambiguous)
    status = RegistrationStatus.OK if located else RegistrationStatus.WEAK_AXIS
    return Registration(
        reference=reference_path,
        dx_px=shift.dx_px,
        dy_px=shift.dy_px,
        sigma_x_px=shift.sigma_x_px,
        sigma_y_px=shift.sigma_y_px,
        quality=shift.quality,
        status=status,
    )


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
