"""The second wall on every database: a statement that does not name its owner is not executed.

Row-level security does the same on PostgreSQL; SQLite has none (failure catalogue T08). The guard catches
what is forgotten, not what is malicious: it asks that the owner's column is compared with the scope's own
value for every owned table of a statement, and that inserted rows belong to the scope.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, Delete, Insert, Select, Table, Update, event
from sqlalchemy.engine import Engine
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import BinaryExpression, ColumnClause
from sqlalchemy.sql.selectable import Alias, CompoundSelect

from spcore.db.base import owner_columns
from spcore.db.scope import DoorScope, PlatformScope, ProviderScope, Scope, TenantScope, WorkerScope

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
    owned = {name: table for name, table in _tables(statement) if owner_columns(table) is not None}
    target: Table | None = None
    if isinstance(statement, Insert | Update | Delete) and isinstance(statement.table, Table):
        target = statement.table
    written = target is not None and owner_columns(target) is not None and not target.info.get("shared_log")
    match scope:
        case PlatformScope() if written:
            raise ScopeViolation(f"the platform scope only reads, but {target} would be written")
        case WorkerScope() if written and target is not None and not target.info.get("queue"):
            raise ScopeViolation(f"the worker scope writes queue tables only, not {target}")
        case DoorScope():
            if written:
                raise ScopeViolation(f"the door only reads, but {target} would be written")
            if shut := [table.name for table in owned.values() if not table.info.get("door")]:
                raise ScopeViolation(f"not readable before the caller is known: {', '.join(shut)}")
        case TenantScope() | ProviderScope():
            _require_owner(scope, statement, rows, owned, target)
        case _:
            pass


def _require_owner(
    scope: TenantScope | ProviderScope,
    statement: Any,
    rows: Sequence[Mapping[str, Any]],
    owned: Mapping[str, Table],
    target: Table | None,
) -> None:
    for name, table in owned.items():
        owner = owner_columns(table) or {}
        column, value = owner["provider"], scope.provider_id
        if isinstance(scope, TenantScope) and owner["tenant"] is not None:
            column, value = owner["tenant"], scope.tenant_id
        if column is None:
            raise ScopeViolation(f"{table.name} has no owner column for {type(scope).__name__}")
        if isinstance(statement, Insert) and table is target:
            if not _inserted_values_are(statement, rows, column, value):
                raise ScopeViolation(f"a row of somebody else would be inserted into {table.name}")
        elif (name, column) not in _pinned(statement, rows, value):
            raise ScopeViolation(f"{table.name} is used without naming {column} of the scope")


def _tables(statement: Any) -> Iterable[tuple[str, Table]]:
    """Yield every table of the statement under the name by which its columns are spoken of."""
    for element in visitors.iterate(statement):
        if isinstance(element, Alias) and isinstance(element.element, Table):
            yield str(element.name), element.element
        elif isinstance(element, Table):
            yield str(element.name), element
        elif isinstance(element, ColumnClause):
            source = element.table
            if isinstance(source, Alias) and isinstance(source.element, Table):
                yield str(source.name), source.element
            elif isinstance(source, Table):
                yield str(source.name), source


def _pinned(statement: Any, rows: Sequence[Mapping[str, Any]], value: str) -> set[tuple[str, str]]:
    """Return the (table name, column) pairs that the statement pins to `value`, directly or by a join."""
    pinned: set[tuple[str, str]] = set()
    links: list[tuple[tuple[str, str], tuple[str, str]]] = []
    for element in visitors.iterate(statement):
        if not isinstance(element, BinaryExpression) or element.operator is not operators.eq:
            continue
        left, right = _column(element.left), _column(element.right)
        if left and right:
            links.append((left, right))
        elif left and _bound(element.right, rows) == value:
            pinned.add(left)
        elif right and _bound(element.left, rows) == value:
            pinned.add(right)
    grown = True
    while grown:
        grown = False
        for one, other in links:
            if (one in pinned) != (other in pinned):
                pinned |= {one, other}
                grown = True
    return pinned


def _column(element: Any) -> tuple[str, str] | None:
    if isinstance(element, ColumnClause) and element.table is not None:
        return str(getattr(element.table, "name", "")), str(element.name)
    return None


def _bound(element: Any, rows: Sequence[Mapping[str, Any]]) -> Any:
    if not isinstance(element, BindParameter):
        return None
    if rows and element.key in rows[0]:
        values = {row.get(element.key) for row in rows}
        return values.pop() if len(values) == 1 else None
    return element.effective_value


def _inserted_values_are(
    statement: Insert, rows: Sequence[Mapping[str, Any]], column: str, value: str
) -> bool:
    if rows:
        return all(row.get(column) == value for row in rows)
    compiled = statement.compile()
    given = [val for key, val in compiled.params.items() if key == column or key.startswith(f"{column}_m")]
    return bool(given) and all(val == value for val in given)
