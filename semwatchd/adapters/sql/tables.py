"""The journal's tables. Times are seconds since 1970 (UTC); paths are escaped text, see core.paths."""

import re
from typing import Any

from sqlalchemy import (
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TextClause,
    TypeDecorator,
    UniqueConstraint,
    text,
)

from semwatchd.core.job import MAX_ATTEMPTS
from semwatchd.core.paths import escape, one_line, unescape


class PathText(TypeDecorator[str]):
    """A file name, whatever bytes it has, as readable text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """To the database."""
        return None if value is None else escape(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:  # noqa: ANN401, ARG002
        """From the database."""
        return None if value is None else unescape(value)


class LineText(TypeDecorator[str]):
    """Words for a person. They may quote a file name of any bytes, and SQLite takes clean Unicode only."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """To the database."""
        return None if value is None else one_line(value)


metadata = MetaData()

# SQLite uses a partial index only for a query that repeats the index's condition word for word, as literals.
SETTLING = text("sighting.state = 'settling'")
# For IN with more than two words it builds a table at every write of a job's state. Without IS TRUE it would
# take this condition for fulfilled by each of the words, and this index for the better one of two.
OPEN_JOBS = text(
    "(job.state = 'queued' OR job.state = 'cpu_running' OR job.state = 'retry_wait'"
    " OR job.state = 'gpu_queued' OR job.state = 'gpu_running' OR job.state = 'cpu_done') IS TRUE"
)
UNDER_WAY = text("job.state IN ('cpu_running', 'gpu_queued', 'gpu_running')")
RUNS_ALONE = text(
    f"job.state = 'queued' AND (job.attempt >= {MAX_ATTEMPTS - 1} OR job.error_class IS 'resource')"
)
SET_ASIDE = text("job.state = 'quarantined'")
HOLDS_IDENTITY = text("job.sha256 IS NOT NULL AND job.state NOT IN ('duplicate', 'cancelled')")
UNDELIVERED = text("outbox.state IN ('pending', 'sending', 'retry_wait')")
PARKED = text("outbox.state = 'parked'")


def _unqualified(condition: TextClause) -> TextClause:
    return text(re.sub(r"\b(?:sighting|job|outbox)\.", "", condition.text))


identity = Table(  # of one row
    "identity",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Float, nullable=False),
)

plan = Table(
    "plan",
    metadata,
    Column("plan_hash", Text, primary_key=True),
    Column("document", Text, nullable=False),  # JSON of core.plan.Plan
)

sighting = Table(
    "sighting",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("root", PathText, nullable=False),
    Column("directory", PathText, nullable=False),  # below the root, "" for the root itself
    Column("name", PathText, nullable=False),
    Column("size", Integer, nullable=False),
    Column("mtime_ns", Integer, nullable=False),
    Column("ino", Integer, nullable=False),
    Column("state", Text, nullable=False),  # core.job.SightingState
    Column("reason", LineText),
    Column("job_id", Integer, ForeignKey("job.id")),
    Column("first_seen", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    Index("sighting_by_place", "root", "directory", "name"),
    Index("sighting_in_flight", "root", sqlite_where=_unqualified(SETTLING)),
    Index("sighting_by_job", "job_id", sqlite_where=text("job_id IS NOT NULL")),
)

job = Table(
    "job",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("plan_hash", Text, ForeignKey("plan.plan_hash"), nullable=False),
    Column("path", PathText, nullable=False),
    Column("root", PathText, nullable=False),
    Column("size", Integer, nullable=False),
    Column("mtime_ns", Integer, nullable=False),
    Column("tool", Text, nullable=False),
    Column("lot", Text),
    Column("wafer", Text),
    Column("slot", Text),
    Column("step", Text),
    Column("recipe", Text),
    Column("lane", Text, nullable=False),  # core.job.Lane
    Column("state", Text, nullable=False),  # core.job.JobState
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("not_before", Float, nullable=False, server_default="0"),
    Column("sha256", Text),
    Column("duplicate_of", Integer, ForeignKey("job.id")),
    Column("error_class", Text),  # core.job.ErrorClass of the last failure
    Column("reason", LineText),
    Column("evidence", Text),  # JSON of core.job.Evidence, of a quarantined job
    Column("warnings", Text, nullable=False, server_default="[]"),  # JSON, from intake
    Column("detected_at", Float, nullable=False),
    Column("started_at", Float),
    Column("finished_at", Float),
    Column("revision", Integer, nullable=False, server_default="0"),  # of the last event that told of it
    Index("job_open", "state", "lane", "id", sqlite_where=_unqualified(OPEN_JOBS)),
    Index("job_alone", "id", sqlite_where=_unqualified(RUNS_ALONE)),
    Index("job_in_lot", "plan_hash", "tool", "lot", "id"),
    Index("job_set_aside", "id", sqlite_where=_unqualified(SET_ASIDE)),
    Index("job_duplicates", "duplicate_of", sqlite_where=text("duplicate_of IS NOT NULL")),
    # The identity of work. A duplicate or cancelled job keeps its hash without claiming the identity.
    Index(
        "job_identity",
        "sha256",
        "plan_hash",
        unique=True,
        sqlite_where=_unqualified(HOLDS_IDENTITY),
    ),
)

result = Table(
    "result",
    metadata,
    Column("job_id", Integer, ForeignKey("job.id"), primary_key=True),
    Column("facts", Text, nullable=False),  # JSON of core.image.ImageFacts
    Column("measurements", Text, nullable=False),  # JSON
    Column("registration", Text),  # JSON of core.image.Registration
    Column("warnings", Text, nullable=False),  # JSON
    Column("elapsed_ms", Text, nullable=False),  # JSON
    Column("cpu_ms", Text, nullable=False),  # JSON
    Column("code_version", Text, nullable=False),
    Column("stored_at", Float, nullable=False),
    Column("artefacts", Text, nullable=False, server_default="[]"),  # JSON, paths
    Column("weights_sha256", Text),
)

outbox = Table(
    "outbox",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("event_id", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("job_id", Integer, ForeignKey("job.id"), nullable=False),
    Column("order_key", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("payload", Text, nullable=False),  # JSON, as it is sent
    Column("state", Text, nullable=False),  # core.job.DeliveryState
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("not_before", Float, nullable=False, server_default="0"),
    Column("last_error", LineText),
    Column("created_at", Float, nullable=False),
    Column("delivered_at", Float),
    UniqueConstraint("event_id", "destination", name="outbox_once"),
    Index(
        "outbox_undelivered",
        "destination",
        "seq",
        sqlite_where=_unqualified(UNDELIVERED),
    ),
    Index("outbox_parked", "seq", sqlite_where=_unqualified(PARKED)),
    Index("outbox_by_job", "job_id"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("reason", LineText, nullable=False),
)
