"""First light: sightings, jobs, results, outbox, audit."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the first journal."""
    for make in (_audit, _plan, _job, _outbox, _result, _sighting):
        make()


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _plan() -> None:
    op.create_table(
        "plan",
        sa.Column("plan_hash", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("plan_hash"),
    )


def _job() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("plan_hash", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("root", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("mtime_ns", sa.Integer(), nullable=False),
        sa.Column("tool", sa.Text(), nullable=False),
        sa.Column("lot", sa.Text()),
        sa.Column("wafer", sa.Text()),
        sa.Column("slot", sa.Text()),
        sa.Column("step", sa.Text()),
        sa.Column("recipe", sa.Text()),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("not_before", sa.Float(), server_default="0", nullable=False),
        sa.Column("sha256", sa.Text()),
        sa.Column("duplicate_of", sa.Integer()),
        sa.Column("error_class", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("evidence", sa.Text()),
        sa.Column("warnings", sa.Text(), server_default="[]", nullable=False),
        sa.Column("detected_at", sa.Float(), nullable=False),
        sa.Column("started_at", sa.Float()),
        sa.Column("finished_at", sa.Float()),
        sa.ForeignKeyConstraint(["duplicate_of"], ["job.id"]),
        sa.ForeignKeyConstraint(["plan_hash"], ["plan.plan_hash"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "job_identity",
        "job",
        ["sha256", "plan_hash"],
        unique=True,
        sqlite_where=sa.text("sha256 IS NOT NULL AND state NOT IN ('duplicate', 'cancelled')"),
    )
    op.create_index(
        "job_open",
        "job",
        ["state", "lane", "id"],
        sqlite_where=sa.text("state IN ('queued', 'cpu_running', 'retry_wait')"),
    )
    op.create_index(
        "job_alone",
        "job",
        ["id"],
        sqlite_where=sa.text("state = 'queued' AND (attempt >= 2 OR error_class IS 'resource')"),
    )
    op.create_index("job_set_aside", "job", ["id"], sqlite_where=sa.text("state = 'quarantined'"))


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("order_key", sa.Text(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("not_before", sa.Float(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text()),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("delivered_at", sa.Float()),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"]),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("event_id", "destination", name="outbox_once"),
    )
    op.create_index("outbox_parked", "outbox", ["seq"], sqlite_where=sa.text("state = 'parked'"))
    op.create_index(
        "outbox_undelivered",
        "outbox",
        ["destination", "seq"],
        sqlite_where=sa.text("state IN ('pending', 'sending', 'retry_wait')"),
    )


def _result() -> None:
    op.create_table(
        "result",
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("measurements", sa.Text(), nullable=False),
        sa.Column("registration", sa.Text()),
        sa.Column("warnings", sa.Text(), nullable=False),
        sa.Column("elapsed_ms", sa.Text(), nullable=False),
        sa.Column("cpu_ms", sa.Text(), nullable=False),
        sa.Column("code_version", sa.Text(), nullable=False),
        sa.Column("stored_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"]),
        sa.PrimaryKeyConstraint("job_id"),
    )


def _sighting() -> None:
    op.create_table(
        "sighting",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("root", sa.Text(), nullable=False),
        sa.Column("directory", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("mtime_ns", sa.Integer(), nullable=False),
        sa.Column("ino", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("job_id", sa.Integer()),
        sa.Column("first_seen", sa.Float(), nullable=False),
        sa.Column("changed_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sighting_by_place", "sighting", ["root", "directory", "name"])
    op.create_index("sighting_in_flight", "sighting", ["root"], sqlite_where=sa.text("state = 'settling'"))
