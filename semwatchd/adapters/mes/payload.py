"""What a receiver is told: a CloudEvents 1.0 envelope around the numbers of one image.

The models are the contract. ``docs/reference/event.schema.json`` is their JSON Schema and a test holds
the two together. Adding a field keeps ``v1``; removing one, or changing what it means, is ``v2``.
"""

from __future__ import annotations

import json
import posixpath
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote
from uuid import UUID, uuid5

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from semwatchd.core.image import RegistrationStatus, Vendor
from semwatchd.core.job import Result
from semwatchd.core.paths import escape, one_line
from semwatchd.core.ports import RenderedEvent
from semwatchd.core.version import VERSION

RESULT_TYPE: Final = "io.semwatchd.image.result.v1"
RESULT_SCHEMA: Final = "urn:semwatchd:image.result:v1"  #: of ``data``
EVENT_SCHEMA = "urn:semwatchd:event:v1"  #: of the envelope with its ``data``

#: Ours for ever: another namespace would give every event a second identity.
_NAMESPACE = UUID("09454e79-0b3e-4ca0-a561-f49b0fafc6e8")


Text = Annotated[str, AfterValidator(one_line)]
Name = Annotated[str, AfterValidator(escape)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ContextData(_Model):
    """Where in the fab the image belongs. What is not known is null, never invented."""

    site: Text
    tool: Text
    lot: Text | None
    wafer: Text | None
    slot: Text | None
    step: Text | None
    recipe: Text | None


class ImageData(_Model):
    """What the file says of itself. The picture is never embedded."""

    name: Name
    """File name. Bytes that are not UTF-8 and control characters are written as \\xNN, a backslash as two."""
    path: Name
    """Path as the daemon sees it; other machines may see the folder under another name."""
    root: Name
    """The watched folder, so that path without it is the same on every machine."""
    sha256: Text
    """Of the file's bytes, hexadecimal."""
    bytes: int
    """File size."""
    width: int
    """Columns of the file's picture, info bar included."""
    height: int
    """Rows of the file's picture, info bar included."""
    dtype: Text
    """Sample type, e.g. uint16."""
    pages: int
    """Pictures in the file; only the first is measured."""
    compression: Text | None
    vendor: Vendor
    pixel_size_nm: float | None
    pixel_size_source: Text | None
    """The tag or sidecar line the pixel size was taken from."""
    info_bar_rows: int
    """Rows cut off at the bottom before measuring."""
    hv_kv: float | None
    """Landing voltage in kilovolt."""
    wd_mm: float | None
    """Working distance in millimetre."""
    acquired_at: Text | None
    """When the picture was taken: the tool's own clock, as the tool wrote it."""


class RegistrationData(_Model):
    """Shift of the picture's content from the reference to this image: +x right, +y down, in pixels."""

    reference: Name
    dx_px: float | None
    dy_px: float | None
    sigma_x_px: float | None
    """One standard deviation of dx_px."""
    sigma_y_px: float | None
    """One standard deviation of dy_px."""
    quality: float | None
    """Normalised cross-correlation of the overlap, -1 to 1."""
    status: RegistrationStatus


class PlanData(_Model):
    """Which set of measurements this is. Equal hashes mean comparable numbers."""

    name: Text
    hash: Text


class TimingData(_Model):
    """When the daemon did what, in UTC."""

    detected_at: Text | None
    """When the file was first seen."""
    finished_at: Text
    """When the numbers were complete."""
    stage_ms: dict[str, float]
    """Wall time per stage, and of reading the file."""


class ProducerData(_Model):
    """Who made the numbers."""

    name: Literal["semwatchd"] = "semwatchd"
    version: Text


class ResultData(_Model):
    """The numbers of one image."""

    revision: int = Field(ge=1)
    """1 for the first report on this image; a higher one replaces the lower."""
    context: ContextData
    image: ImageData
    measurements: dict[str, float | None]
    """Number by full name, e.g. sharpness.tenengrad_corrected; null where none could be had."""
    registration: RegistrationData | None
    plan: PlanData
    warnings: list[Text]
    artefacts: list[Name]
    """Paths of the files made beside the numbers, such as a depth map, as the daemon sees them."""
    weights_sha256: Text | None
    """Of the network that made the depth, hexadecimal; null where there is no depth."""
    timing: TimingData
    producer: ProducerData


class ResultEvent(_Model):
    """CloudEvents 1.0, structured JSON. ``id`` is the same on every try: drop what you already have."""

    specversion: Literal["1.0"] = "1.0"
    id: Text
    source: Text
    """/semwatchd/{site}/{tool}, each part percent-encoded."""
    type: Literal["io.semwatchd.image.result.v1"] = RESULT_TYPE
    subject: Text
    """{lot}/{wafer}/{image name}, each part percent-encoded; an unknown part is empty."""
    time: Text | None = None
    """When the picture was taken. Absent where the tool's time does not say its offset from UTC."""
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: Literal["urn:semwatchd:image.result:v1"] = RESULT_SCHEMA
    partitionkey: Text
    """Events with equal keys arrive in order."""
    data: ResultData


def event_id(site: str, tool: str, sha256: str, plan_hash: str, event_type: str, revision: int) -> str:
    """Name an event by what it says, so that no restart can give it another name (UUIDv5)."""
    return str(uuid5(_NAMESPACE, json.dumps([site, tool, sha256, plan_hash, event_type, revision])))


def render_result(
    result: Result, *, site: str, finished_at: float, detected_at: float | None, revision: int = 1
) -> RenderedEvent:
    """Write down a result for the receivers. Every string of it can be written as UTF-8.

    Parameters
    ----------
    finished_at, detected_at
        Epoch seconds.
    revision
        1 for the first report on this image and plan; later reports count up and get another id.
    """
    job, tool = result.job, result.job.context.tool
    event = ResultEvent(
        id=event_id(
            site, tool, result.facts.sha256, job.plan.plan_hash, event_type=RESULT_TYPE, revision=revision
        ),
        source=f"/semwatchd/{_segment(site)}/{_segment(tool)}",
        subject=_subject(result),
        time=_with_offset(result.facts.acquired_at),
        partitionkey=job.context.order_key,
        data=ResultData(
            revision=revision,
            context=ContextData(site=site, **asdict(job.context)),
            image=_image(result),
            measurements=dict(result.measurements),
            registration=asdict(result.registration) if result.registration else None,
            plan=PlanData(name=job.plan.name, hash=job.plan.plan_hash),
            warnings=list(dict.fromkeys((*job.warnings, *result.warnings))),
            artefacts=list(result.artefacts),
            weights_sha256=result.weights_sha256,
            timing=TimingData(
                detected_at=None if detected_at is None else _utc(detected_at),
                finished_at=_utc(finished_at),
                stage_ms=dict(result.elapsed_ms),
            ),
            producer=ProducerData(version=VERSION),
        ),
    )
    return RenderedEvent(
        event_id=event.id,
        event_type=event.type,
        order_key=event.partitionkey,
        subject=event.subject,
        payload=event.model_dump_json(exclude=None if event.time else {"time"}),
    )


def event_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of everything a receiver may be sent."""
    schema = ResultEvent.model_json_schema(mode="serialization")
    time = schema["properties"]["time"]
    schema["properties"]["time"] = {  # left out where unknown, never null
        "type": "string",
        "format": "date-time",
        "description": time["description"],
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": EVENT_SCHEMA} | schema


def schema_text() -> str:
    """Return the schema as it stands in ``docs/reference/event.schema.json``."""
    return json.dumps(event_schema(), indent=2) + "\n"


def _image(result: Result) -> ImageData:
    job = result.job
    place = {"name": posixpath.basename(job.path), "path": job.path, "root": job.root, "bytes": job.size}
    return ImageData.model_validate(asdict(result.facts) | place)


def _subject(result: Result) -> str:
    context = result.job.context
    parts = (context.lot, context.wafer, escape(posixpath.basename(result.job.path)))
    return "/".join(_segment(part or "") for part in parts)


def _segment(text: str) -> str:
    return quote(one_line(text), safe="")


def _utc(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _with_offset(acquired_at: str | None) -> str | None:
    """CloudEvents wants RFC 3339; a local time of unknown offset would be a wrong time."""
    try:
        moment = datetime.fromisoformat(acquired_at or "")
    except ValueError:
        return None
    return moment.isoformat() if moment.tzinfo else None
