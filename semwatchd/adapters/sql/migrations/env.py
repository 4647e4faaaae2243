"""Alembic runs this with the connection that schema.upgrade() gives it."""

from alembic import context

from semwatchd.adapters.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite can change a column only by rebuilding its table
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
