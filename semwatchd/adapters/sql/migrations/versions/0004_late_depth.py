"""A late depth: how often a job was told of, what was made beside its numbers, and its new open states."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, and make the index of open jobs anew with the states that came."""
    op.add_column("job", sa.Column("revision", sa.Integer(), server_default="0", nullable=False))
    op.add_column("result", sa.Column("artefacts", sa.Text(), server_default="[]", nullable=False))
    op.add_column("result", sa.Column("weights_sha256", sa.Text()))
    op.drop_index("job_open", "job")
    op.create_index(
        "job_open",
        "job",
        ["state", "lane", "id"],
        sqlite_where=sa.text(
            "(state = 'queued' OR state = 'cpu_running' OR state = 'retry_wait'"
            " OR state = 'gpu_queued' OR state = 'gpu_running' OR state = 'cpu_done') IS TRUE"
        ),
    )
