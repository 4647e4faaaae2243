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
    states = "'queued', 'cpu_running', 'retry_wait', 'gpu_queued', 'gpu_running', 'cpu_done'"
    op.create_index("job_open", "job", ["state", "lane", "id"], sqlite_where=sa.text(f"state IN ({states})"))
