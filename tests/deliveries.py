"""Results and events to deliver."""

from __future__ import annotations

from semwatchd.core.image import ImageFacts, Registration, RegistrationStatus, Vendor
from semwatchd.core.job import Context, Job, Result
from semwatchd.core.plan import Plan
from semwatchd.core.ports import Event

FACTS = ImageFacts(
    width=1280,
    height=1040,
    dtype="uint16",
    pages=1,
    compression="none",
    sha256="ab" * 32,
    vendor=Vendor.ZEISS,
    pixel_size_nm=1.25,
    pixel_size_source="CZ_SEM",
    info_bar_rows=80,
    hv_kv=5.0,
)
SHIFT = Registration(
    reference="/ref/golden.tif",
    dx_px=2.4,
    dy_px=-1.1,
    sigma_x_px=0.02,
    sigma_y_px=0.03,
    quality=0.97,
    status=RegistrationStatus.OK,
)


def a_job(path: str = "/data/sem1/L1/W3/img_001.tif", context: Context | None = None) -> Job:
    return Job(
        id=7,
        attempt=1,
        path=path,
        root="/data/sem1",
        size=2_662_400,
        mtime_ns=1,
        plan=Plan(),
        context=context or Context(tool="sem1", lot="L1", wafer="W3"),
        warnings=("the tail is all zero",),
    )


def a_result(
    job: Job | None = None, facts: ImageFacts = FACTS, registration: Registration | None = SHIFT
) -> Result:
    return Result(
        job=job or a_job(),
        facts=facts,
        measurements={"sharpness.tenengrad_corrected": 12.5, "snr.db": None},
        registration=registration,
        warnings=("no finite value for snr.db",),
        elapsed_ms={"read": 3.5, "sharpness": 8.0},
    )


def an_event(seq: int, key: str = "sem1:L1", payload: str = "{}", destination: str = "mes") -> Event:
    return Event(
        seq=seq,
        event_id=f"00000000-0000-5000-8000-{seq:012d}",
        destination=destination,
        order_key=key,
        payload=payload,
        attempts=0,
        subject=f"L1/W3/img_{seq:03d}.tif",
    )
