"""The second wall on every database: a statement that does not name its owner is not executed.

Row-level security does the same on PostgreSQL; SQLite has none (failure catalogue T08). The guard catches
what is forgotten, not what is malicious: it asks that the owner's column is compared with the scope's own
value for every owned table of a statement, and that inserted rows belong to the scope.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, Delete, Insert, Select, Table, Update, event
from sqlalchemy.engine import Engine
from sqlalchemy.sql.selectable import CompoundSelect

from spcore.db.base import owner_columns
from spcore.db.pins import Column, Query, Reading, Unreadable, bound_value, read
from spcore.db.scope import (
    DoorScope,
    ImportScope,
    PlatformScope,
    ProviderScope,
    Scope,
    TenantScope,
    WorkerScope,
)

SCOPE_OPTION = "wxsp_scope"
GUARD_OPTION = "wxsp_guard_off"


class ScopeViolation(RuntimeError):
    """A statement of ours reached beyond its scope. Always a bug; nothing was executed."""


def install(engine: Engine) -> None:
    """Check every statement that `engine` executes inside a scoped transaction."""
    event.listen(engine, "before_execute", _before_execute)


def _before_execute(
    connection: Connection,
    statement: Any,
    multiparams: Sequence[Mapping[str, Any]],
    params: Mapping[str, Any],
    execution_options: Mapping[str, Any],
) -> None:
    scope: Scope | None = connection.get_execution_options().get(SCOPE_OPTION)
    if scope is None or execution_options.get(GUARD_OPTION):
        return
    if not isinstance(statement, Select | CompoundSelect | Insert | Update | Delete):
        raise ScopeViolation(f"only queries built from tables are allowed, not {type(statement).__name__}")
    rows = list(multiparams) or ([params] if params else [])
    check(scope, statement, rows)


def check(scope: Scope, statement: Any, rows: Sequence[Mapping[str, Any]] = ()) -> None:
    """Raise ScopeViolation unless `statement` keeps within `scope`."""
    try:
        reading = read(statement)
    except Unreadable as why:
        raise ScopeViolation(f"a statement may not hold {why}") from None
    tables = {table.name: table for part in reading.queries for table in part.tables.values()}
    target: Table | None = None
    if isinstance(statement, Insert | Update | Delete) and isinstance(statement.table, Table):
        target = statement.table
        tables[target.name] = target
        _refuse_new_owner(statement, rows, target)
    owned = [table for table in tables.values() if owner_columns(table) is not None]
    written = target is not None and owner_columns(target) is not None and not target.info.get("shared_log")
    match scope:
        case PlatformScope() if written:
            raise ScopeViolation(f"the platform scope only reads, but {target} would be written")
        case WorkerScope() if written and target is not None and not target.info.get("queue"):
            raise ScopeViolation(f"the worker scope writes queue tables only, not {target}")
        case DoorScope():
            if written:
                raise ScopeViolation(f"the door only reads, but {target} would be written")
            if shut := [table.name for table in owned if not table.info.get("door")]:
                raise ScopeViolation(f"not readable before the caller is known: {', '.join(shut)}")
        case ImportScope():
            if shut := [t.name for t in owned if not t.info.keys() & {"imported", "shared_log"}]:
                raise ScopeViolation(f"no part of an import file: {', '.join(shut)}")
        case TenantScope() | ProviderScope():
            if isinstance(statement, Insert):
                _require_own_rows(scope, statement, rows)
            for part in reading.queries:
                _require_owner(scope, part, reading, rows)
        case _:
            pass


def _owner(scope: TenantScope | ProviderScope, table: Table) -> tuple[str, str] | None:
    """Return the column of `table` that decides for this scope and the value it must have."""
    owner = owner_columns(table)
    if owner is None:
        return None
    if isinstance(scope, TenantScope) and owner["tenant"] is not None:
        return owner["tenant"], scope.tenant_id
    if owner["provider"] is None:
        raise ScopeViolation(f"{table.name} has no owner column for {type(scope).__name__}")
    return owner["provider"], scope.provider_id


def _require_owner(
    scope: TenantScope | ProviderScope, part: Query, reading: Reading, rows: Sequence[Mapping[str, Any]]
) -> None:
    pinned: dict[str, set[Column]] = {}
    for name, table in part.tables.items():
        if (owner := _owner(scope, table)) is None:
            continue
        column, value = owner
        if value not in pinned:
            pinned[value] = part.pinned(value, reading.bounds, rows)
        if (name, column) not in pinned[value]:
            raise ScopeViolation(f"{table.name} is used without naming {column} of the scope")


def _require_own_rows(
    scope: TenantScope | ProviderScope, statement: Insert, rows: Sequence[Mapping[str, Any]]
) -> None:
    target = statement.table
    if not isinstance(target, Table) or (owner := _owner(scope, target)) is None:
        return
    column, value = owner
    if not _inserted_values_are(statement, rows, column, value):
        raise ScopeViolation(f"a row of somebody else would be inserted into {target.name}")
    # An upsert changes the row it meets, which is surely ours only if the owner is part of what met.
    upsert = getattr(statement, "_post_values_clause", None)
    met = {str(getattr(e, "name", e)) for e in getattr(upsert, "inferred_target_elements", None) or ()}
    if hasattr(upsert, "update_values_to_set") and column not in met:
        raise ScopeViolation(f"an upsert of {target.name} may meet a row of somebody else")


def _refuse_new_owner(statement: Any, rows: Sequence[Mapping[str, Any]], target: Table) -> None:
    """Rule Y2: no UPDATE moves a row to another owner."""
    owner = owner_columns(target)
    if owner is None or not isinstance(statement, Update):
        return
    changed = {str(getattr(column, "name", column)) for column in statement._values or ()}
    changed |= set(rows[0]) if rows else set()
    if moved := changed & {column for column in owner.values() if column is not None}:
        raise ScopeViolation(f"{', '.join(sorted(moved))} of {target.name} never changes")


def _inserted_values_are(
    statement: Insert, rows: Sequence[Mapping[str, Any]], column: str, value: str
) -> bool:
    fixed = _by_name(statement._values or {})
    inserted: list[Mapping[str, Any]] = [_by_name(row) for batch in statement._multi_values for row in batch]
    inserted = [{**fixed, **row} for row in rows or inserted] or [fixed]
    return all(row.get(column) == value for row in inserted)


def _by_name(row: Any) -> dict[str, Any]:
    if not isinstance(row, Mapping):  # a bare sequence of values does not say which is the owner's
        return {}
    return {
        str(getattr(column, "name", column)): bound_value(given, ())
        if isinstance(given, BindParameter)
        else given
        for column, given in row.items()
    }
