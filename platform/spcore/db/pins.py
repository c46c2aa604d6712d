"""Reading a statement: which tables each of its queries uses, and to which values it pins their columns.

Only what surely narrows the result counts: an equality that is a whole condition of WHERE or of a join, not
one inside OR, NOT or a column. An outer join's condition narrows the joined side and never the other.

The hot paths execute the same few statements all the time, with other values each time. What a statement
says is therefore read once per cache key: the key by which SQLAlchemy itself finds the SQL to send, so that
two statements of one key differ in nothing but the values bound in them. Those are looked at every time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BindParameter, Delete, Insert, Select, Table, TextClause, Update
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList, ColumnClause, Grouping
from sqlalchemy.sql.selectable import CTE, Alias, CompoundSelect, Join, Lateral, Subquery

Column = tuple[str, str]
"""A table by the name the statement knows it by, and a column of it."""


_MOST_SHAPES = 1000
"""How many statements are remembered; the program has some hundreds."""
_shapes: dict[Any, list[Query]] = {}


class Unreadable(ValueError):
    """The statement holds something that nobody can read for its owner; the text says what."""


@dataclass(slots=True)
class Query:
    """One SELECT, UPDATE or DELETE of a statement; a subquery in a condition knows the one around it."""

    around: Query | None
    tables: dict[str, Table] = field(default_factory=dict)
    values: list[tuple[Column, int]] = field(default_factory=list)
    """Columns that equal a bound value, with the value's position in `Reading.bounds`."""
    links: list[tuple[Column, Column]] = field(default_factory=list)
    """A pin on the first column of a link is a pin on the second one too."""

    def pinned(
        self, value: str, bounds: Sequence[BindParameter[Any]], rows: Sequence[Mapping[str, Any]]
    ) -> set[Column]:
        """Return the columns that every row of this query has `value` in."""
        pinned = self.around.pinned(value, bounds, rows) if self.around is not None else set()
        pinned |= {column for column, at in self.values if bound_value(bounds[at], rows) == value}
        grown = True
        while grown:
            grown = False
            for one, other in self.links:
                if one in pinned and other not in pinned:
                    pinned.add(other)
                    grown = True
        return pinned


@dataclass(frozen=True, slots=True)
class Reading:
    """What a statement says: its queries, the outermost first, and the values bound in it this time."""

    queries: Sequence[Query]
    bounds: Sequence[BindParameter[Any]]


def read(statement: Any) -> Reading:
    """Return what `statement` says. Raises Unreadable for text or replaced values inside it."""
    key = statement._generate_cache_key()
    if key is None or key.params:
        return _read_anew(statement, ())
    found = _shapes.get(key.key)
    if found is not None:
        return Reading(found, key.bindparams)
    reading = _read_anew(statement, key.bindparams)
    if len(reading.bounds) == len(key.bindparams):  # no value that the key does not know
        if len(_shapes) >= _MOST_SHAPES:
            _shapes.clear()
        _shapes[key.key] = list(reading.queries)
    return reading


def _read_anew(statement: Any, bounds: Sequence[BindParameter[Any]]) -> Reading:
    reader = _Reader(bounds)
    reader.read(statement, None)
    return Reading(reader.found, reader.bounds)


def bound_value(bound: BindParameter[Any], rows: Sequence[Mapping[str, Any]]) -> Any:
    """Return the one value `bound` has in all `rows` of parameters, None when they differ."""
    if rows and bound.key in rows[0]:
        values = {row.get(bound.key) for row in rows}
        return values.pop() if len(values) == 1 else None
    return bound.effective_value


class _Reader:
    def __init__(self, bounds: Sequence[BindParameter[Any]]) -> None:
        self.found: list[Query] = []
        self.bounds = list(bounds)
        self._positions = {id(bound): at for at, bound in enumerate(bounds)}
        self._read: set[int] = set()

    def read(self, statement: Any, around: Query | None) -> None:
        if getattr(statement, "_params", None):
            # `statement.params(…)` replaces values while the statement is executed, behind `bounds`.
            raise Unreadable("values given by params()")
        if isinstance(statement, CompoundSelect):
            for part in statement.selects:
                self.read(part, around)
            return
        query = Query(around)
        self.found.append(query)
        if isinstance(statement, Update | Delete):
            self._table(query, statement.table)
        if isinstance(statement, Select | Update | Delete):
            self._take_conditions(query, statement.whereclause)
        if isinstance(statement, Select):
            for target, on, _left, flags in statement._setup_joins:
                self._take_join(query, target, on, outer=flags["isouter"], full=flags["full"])
        written = statement.table if isinstance(statement, Insert) else None
        for child in statement.get_children():
            self._visit(query, child, written)

    def _visit(self, query: Query, element: Any, written: Any) -> None:
        match element:
            case TextClause():
                raise Unreadable("SQL text")
            case Select() | CompoundSelect():
                self.read(element, query)
            case Alias() | Table() | Subquery() | CTE() | Lateral():
                self._source(query, element, written)
            case ColumnClause():
                self._source(query, element.table, written)
            case _:
                if isinstance(element, Join):
                    self._take_join(
                        query, element.right, element.onclause, outer=element.isouter, full=element.full
                    )
                for child in element.get_children():
                    self._visit(query, child, written)

    def _source(self, query: Query, source: Any, written: Any) -> None:
        """Note a table of FROM; a query in FROM stands by itself and does not see its neighbours."""
        if isinstance(source, Subquery | CTE | Lateral):
            if id(source.element) not in self._read:
                self._read.add(id(source.element))
                self.read(source.element, None)
        elif written is None or _name(source) not in {written.name, "excluded"}:
            self._table(query, source)

    def _table(self, query: Query, source: Any) -> None:
        table = source.element if isinstance(source, Alias) else source
        if isinstance(table, Table):
            query.tables[_name(source)] = table

    def _take_join(self, query: Query, target: Any, on: Any, *, outer: bool, full: bool) -> None:
        if full or on is None:
            return
        self._take_conditions(query, on, only=set(_names(target)) if outer else None)

    def _take_conditions(self, query: Query, clause: Any, only: set[str] | None = None) -> None:
        for condition in _conjuncts(clause):
            if not isinstance(condition, BinaryExpression) or condition.operator is not operators.eq:
                continue
            left, right = _column(condition.left), _column(condition.right)
            for one, other, far in ((left, right, condition.right), (right, left, condition.left)):
                if one is None or (only is not None and one[0] not in only):
                    continue
                if other is not None:
                    query.links.append((other, one))
                elif isinstance(far, BindParameter):
                    query.values.append((one, self._position(far)))

    def _position(self, bound: BindParameter[Any]) -> int:
        if id(bound) not in self._positions:
            self._positions[id(bound)] = len(self.bounds)
            self.bounds.append(bound)
        return self._positions[id(bound)]


def _conjuncts(clause: Any) -> Iterator[Any]:
    if isinstance(clause, BooleanClauseList) and clause.operator is operators.and_:
        for part in clause.clauses:
            yield from _conjuncts(part)
    elif isinstance(clause, Grouping):
        yield from _conjuncts(clause.element)
    elif clause is not None:
        yield clause


def _column(element: Any) -> Column | None:
    if isinstance(element, ColumnClause) and element.table is not None:
        return _name(element.table), str(element.name)
    return None


def _names(source: Any) -> Iterator[str]:
    if isinstance(source, Join):
        yield from _names(source.left)
        yield from _names(source.right)
    else:
        yield _name(source)


def _name(source: Any) -> str:
    return str(getattr(source, "name", ""))
