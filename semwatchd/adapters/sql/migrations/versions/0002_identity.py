"""The journal knows itself, and finds what hangs on a job without reading whole tables."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for the name, and the indexes a removal needs."""
    op.create_table(
        "identity",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "job_duplicates", "job", ["duplicate_of"], sqlite_where=sa.text("duplicate_of IS NOT NULL")
    )
    op.create_index("outbox_by_job", "outbox", ["job_id"])
    op.create_index("sighting_by_job", "sighting", ["job_id"], sqlite_where=sa.text("job_id IS NOT NULL"))
