"""Earlier images: the images of a lot are found in their order."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let a lot's images be found without reading the whole table."""
    op.create_index("job_in_lot", "job", ["plan_hash", "tool", "lot", "id"])
