"""Triggers by which the journal itself refuses an illegal move, whoever writes."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from semwatchd.core.moves import DELIVERY_MOVES, JOB_MOVES, SIGHTING_MOVES, Moves

GUARDED = {"sighting": SIGHTING_MOVES, "job": JOB_MOVES, "outbox": DELIVERY_MOVES}


def unguard_moves(connection: Connection) -> None:
    """Take the triggers away, for who mends rows that are in no legal state; in the same transaction only."""
    for table, moves in GUARDED.items():
        for name in _triggers(table, moves):
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")


def guard_moves(connection: Connection) -> None:
    """Write the triggers anew, so that they are always those of the running code."""
    unguard_moves(connection)
    for table, moves in GUARDED.items():
        for ddl in _triggers(table, moves).values():
            connection.exec_driver_sql(ddl)


def _triggers(table: str, moves: Moves) -> dict[str, str]:
    legal = " OR ".join(
        f"(OLD.state = '{old}' AND ({_becomes(new)}))" for old, new in moves.goes.items() if new
    )
    return {
        f"{table}_begins": f"""
            CREATE TRIGGER {table}_begins AFTER INSERT ON {table}
            WHEN NOT ({_becomes(moves.begins)})
            BEGIN SELECT RAISE(ABORT, 'illegal move: a new row of {table} cannot be in this state'); END""",
        f"{table}_moves": f"""
            CREATE TRIGGER {table}_moves AFTER UPDATE OF state ON {table}
            WHEN NEW.state IS NOT OLD.state AND NOT ({legal})
            BEGIN SELECT RAISE(ABORT, 'illegal move: a row of {table} cannot take this state'); END""",
    }


def _becomes(states: Iterable[str]) -> str:
    """Ask for each in turn: for IN, SQLite builds a table in 2 us at every write."""
    return " OR ".join(f"NEW.state = '{state}'" for state in sorted(states))
