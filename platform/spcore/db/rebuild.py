"""Changing a CHECK constraint in a migration: PostgreSQL alters it, SQLite has to build the table anew.

SQLite's own documentation describes the way (new table, copy, drop, rename); foreign keys are not enforced on
the connection that migrates, so that the children keep pointing at the table of this name.
"""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import op


def change_check(table: str, name: str, condition: str) -> None:
    """Give the constraint `name` of `table` another condition, keeping rows, indexes and triggers.

    Raises LookupError when the table has no such constraint.
    """
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint(op.f(name), table, type_="check")
        op.create_check_constraint(op.f(name), table, condition)
        return
    connection = op.get_bind()
    parts = connection.execute(
        sa.text("SELECT type, sql FROM sqlite_master WHERE tbl_name = :table AND sql IS NOT NULL"),
        {"table": table},
    ).all()
    definition = next(sql for kind, sql in parts if kind == "table")
    changed = _with_condition(definition, name, condition)
    building = f"{table}_building"
    # The driver would read ":name" in a definition as a parameter; none of ours holds a colon.
    connection.exec_driver_sql(re.sub(rf'^CREATE TABLE "?{table}"?', f"CREATE TABLE {building}", changed))
    connection.exec_driver_sql(f"INSERT INTO {building} SELECT * FROM {table}")  # noqa: S608 - our own names
    connection.exec_driver_sql(f"DROP TABLE {table}")
    connection.exec_driver_sql(f"ALTER TABLE {building} RENAME TO {table}")
    for kind, sql in parts:
        if kind != "table":
            connection.exec_driver_sql(sql)


def _with_condition(definition: str, name: str, condition: str) -> str:
    """Put `condition` between the brackets that follow the constraint's name."""
    found = re.search(rf"CONSTRAINT {name} CHECK \(", definition)
    if found is None:
        raise LookupError(f"no constraint {name}")
    depth, end = 1, found.end()
    while depth:
        depth += {"(": 1, ")": -1}.get(definition[end], 0)
        end += 1
    return f"{definition[: found.end()]}{condition}{definition[end - 1 :]}"
