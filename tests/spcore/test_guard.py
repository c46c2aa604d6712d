"""The guard on statements: whatever does not surely stay with its owner is not executed (T08, Y2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import (
    Insert,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    text,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import aliased

from spcore.audit.models import AuditHead, AuditRow
from spcore.db import pins
from spcore.db.base import table_of
from spcore.db.guard import ScopeViolation, check
from spcore.db.scope import (
    DoorScope,
    ImportScope,
    PlatformScope,
    ProviderScope,
    Scope,
    TenantScope,
    WorkerScope,
)
from spcore.outbox.models import OutboxMessage
from spcore.providers.models import Provider, ProviderKey
from sptenants.prices.models import Price
from sptenants.registry.models import Tenant

MINE = TenantScope("prv_1", "ten_a")
OURS = ProviderScope("prv_1")
OTHER = aliased(Price)
MESSAGES = table_of(OutboxMessage)
PRICES = table_of(Price)


def mine() -> Any:
    return Price.tenant_id == "ten_a"


def _subquery(*conditions: Any) -> Any:
    return select(Price.code).where(*conditions).subquery()


WITHIN_TENANT: dict[str, Callable[[], Any]] = {
    "named owner": lambda: select(Price).where(mine()),
    "owner beside other conditions": lambda: select(Price.code).where(mine(), Price.amount > 5),
    "owner inside and": lambda: select(Price).where(and_(mine(), or_(Price.amount > 5, true()))),
    "value on the left": lambda: select(PRICES.c.code).where(literal("ten_a") == PRICES.c.tenant_id),
    "inner join carries the owner over": lambda: (
        select(Price, OutboxMessage)
        .join(OutboxMessage, OutboxMessage.tenant_id == Price.tenant_id)
        .where(mine())
    ),
    "outer join carries the owner to the joined side": lambda: (
        select(Price, OutboxMessage)
        .outerjoin(OutboxMessage, OutboxMessage.tenant_id == Price.tenant_id)
        .where(mine())
    ),
    "outer join pinned by itself": lambda: (
        select(Price, Tenant).outerjoin(Tenant, Tenant.id == "ten_a").where(mine())
    ),
    "correlated exists": lambda: select(Price).where(
        mine(), exists().where(OTHER.tenant_id == Price.tenant_id, OTHER.code > Price.code)
    ),
    "subquery in a condition with its own owner": lambda: select(Price).where(
        mine(), Price.code.in_(select(OTHER.code).where(OTHER.tenant_id == "ten_a"))
    ),
    "subquery in from with its own owner": lambda: select(_subquery(mine()).c.code),
    "union of pinned halves": lambda: union_all(
        select(Price.code).where(mine()), select(Price.name).where(mine())
    ),
    "update": lambda: update(Price).where(mine()).values(amount=1),
    "delete": lambda: delete(Price).where(mine()),
    "insert of an own row": lambda: insert(Price).values(tenant_id="ten_a", code="x"),
    "insert of own rows": lambda: insert(Price).values(
        [{"tenant_id": "ten_a", "code": "x"}, {"tenant_id": "ten_a", "code": "y"}]
    ),
    "upsert that meets own rows": lambda: (
        sqlite.insert(Price)
        .values(tenant_id="ten_a", code="x")
        .on_conflict_do_update(index_elements=["tenant_id", "code"], set_={"amount": 1})
    ),
    "own provider": lambda: select(Provider).where(Provider.id == "prv_1"),
    "table that nobody owns": lambda: select(func.count()).select_from(select(literal(1)).subquery()),
}

BEYOND_TENANT: dict[str, Callable[[], Any]] = {
    "no condition": lambda: select(Price),
    "counting everybody": lambda: select(func.count()).select_from(Price),
    "neighbour": lambda: select(Price).where(Price.tenant_id == "ten_b"),
    "provider instead of tenant": lambda: select(Price).where(Price.provider_id == "prv_1"),
    "owner under or": lambda: select(Price).where(or_(mine(), Price.amount > 5)),
    "owner under not": lambda: select(Price).where(not_(and_(mine(), Price.amount > 5))),
    "owner not equal": lambda: select(Price).where(Price.tenant_id != "ten_a"),
    "owner compared in a column only": lambda: select(Price, mine()),
    "owner inside case": lambda: select(Price).where(case((mine(), 1), else_=1) == 1),
    "owner in the on of an outer join": lambda: select(Price).outerjoin(
        Tenant, and_(Tenant.id == "ten_a", mine())
    ),
    "joined side does not pin the kept side": lambda: select(Price).outerjoin(
        Tenant, and_(Tenant.id == "ten_a", Tenant.id == Price.tenant_id)
    ),
    "full join": lambda: select(Price).join(Tenant, and_(Tenant.id == Price.tenant_id, mine()), full=True),
    "joined table without owner": lambda: select(Price, Tenant).join(Tenant, true()).where(mine()),
    "alias without owner": lambda: select(Price, OTHER).where(mine(), OTHER.code == Price.code),
    "subquery in from": lambda: select(_subquery().c.code),
    "subquery in from beside a pinned table": lambda: select(Price.code, _subquery().c.code).where(mine()),
    "cte": lambda: select(select(Price.code).cte("everybody").c.code),
    "subquery in a condition": lambda: select(Price).where(mine(), Price.code.in_(select(OTHER.code))),
    "exists over a neighbour": lambda: select(Price).where(
        mine(), exists().where(OTHER.tenant_id == "ten_b")
    ),
    "scalar subquery in a column": lambda: select(
        Price.code, select(func.count(OTHER.code)).scalar_subquery()
    ).where(mine()),
    "half of a union": lambda: union_all(select(Price.code).where(mine()), select(Price.name)),
    "update of everybody": lambda: update(Price).values(amount=1),
    "update that moves a row": lambda: update(Price).where(mine()).values(tenant_id="ten_b"),
    "update to another provider": lambda: update(Price).where(mine()).values(provider_id="prv_2"),
    "delete of everybody": lambda: delete(Price),
    "insert without owner": lambda: insert(Price).values(code="x"),
    "insert for a neighbour": lambda: insert(Price).values(tenant_id="ten_b", code="x"),
    "one of many rows for a neighbour": lambda: insert(Price).values(
        [{"tenant_id": "ten_a", "code": "x"}, {"tenant_id": "ten_b", "code": "y"}]
    ),
    "insert from somebody's rows": lambda: insert(Price).from_select(
        ["tenant_id", "code"], select(OTHER.tenant_id, OTHER.code)
    ),
    "upsert that may meet a neighbour's row": lambda: (
        sqlite.insert(Price)
        .values(tenant_id="ten_a", code="x")
        .on_conflict_do_update(index_elements=["code"], set_={"amount": 1})
    ),
    "sql text in a condition": lambda: select(Price).where(mine(), text("1 = 1 OR true")),
    "another provider": lambda: select(Provider).where(Provider.id == "prv_2"),
    "keys of every provider": lambda: select(ProviderKey),
    "audit rows of the whole provider": lambda: select(AuditRow).where(AuditRow.chain == "prv_1"),
}


@pytest.mark.parametrize("statement", WITHIN_TENANT.values(), ids=WITHIN_TENANT.keys())
def test_T08_a_statement_that_names_its_tenant_passes(statement: Callable[[], Any]) -> None:
    check(MINE, statement())


@pytest.mark.parametrize("statement", BEYOND_TENANT.values(), ids=BEYOND_TENANT.keys())
def test_T08_a_statement_that_might_reach_a_neighbour_is_refused(statement: Callable[[], Any]) -> None:
    with pytest.raises(ScopeViolation):
        check(MINE, statement())


def test_T08_the_owner_may_come_as_a_parameter_of_every_row() -> None:
    statement = insert(MESSAGES)
    check(MINE, statement, [{"tenant_id": "ten_a"}, {"tenant_id": "ten_a"}])
    with pytest.raises(ScopeViolation):
        check(MINE, statement, [{"tenant_id": "ten_a"}, {"tenant_id": "ten_b"}])


def test_T08_a_provider_scope_names_the_provider_and_not_one_tenant() -> None:
    check(OURS, select(Price).where(Price.provider_id == "prv_1"))
    with pytest.raises(ScopeViolation):
        check(OURS, select(Price).where(Price.tenant_id == "ten_a"))
    with pytest.raises(ScopeViolation):
        check(OURS, select(Price).where(Price.provider_id == "prv_2"))


ALLOWED: list[tuple[Scope, Any]] = [
    (PlatformScope("test"), select(Price)),
    (PlatformScope("test"), insert(AuditRow).values(chain="platform")),
    (WorkerScope(), select(Price)),
    (WorkerScope(), update(OutboxMessage).values(attempts=1)),
    (DoorScope(), select(Tenant)),
    (DoorScope(), update(AuditHead).values(seq=1)),
    (ImportScope(), insert(Price).values(tenant_id="ten_a")),
]
REFUSED: list[tuple[Scope, Any]] = [
    (PlatformScope("test"), update(Price).values(amount=1)),
    (PlatformScope("test"), delete(Tenant)),
    (WorkerScope(), update(Price).values(amount=1)),
    (DoorScope(), select(Price)),
    (DoorScope(), select(Tenant).where(Tenant.id.in_(select(Price.tenant_id)))),
    (DoorScope(), update(Tenant).values(status="live")),
    (ImportScope(), select(OutboxMessage)),
    (ImportScope(), update(Price).values(tenant_id="ten_b")),
]


@pytest.mark.parametrize(("scope", "statement"), ALLOWED)
def test_a_wide_scope_may_do_what_it_is_for(scope: Scope, statement: Any) -> None:
    check(scope, statement)


@pytest.mark.parametrize(("scope", "statement"), REFUSED)
def test_a_wide_scope_may_do_nothing_else(scope: Scope, statement: Any) -> None:
    with pytest.raises(ScopeViolation):
        check(scope, statement)


def _filtered(tenant: str) -> Any:
    """One shape, whatever the value: what the guard remembers of it must not include the value."""
    return select(Price).where(Price.tenant_id == tenant, Price.amount > 5)


@pytest.fixture
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> dict[Any, Any]:
    shapes: dict[Any, Any] = {}
    monkeypatch.setattr(pins, "_shapes", shapes)
    return shapes


@pytest.mark.parametrize("first", ["ten_a", "ten_b"])
def test_T08_a_known_statement_is_still_refused_with_a_neighbours_value(
    first: str, nothing_remembered: dict[Any, Any]
) -> None:
    pins.read(_filtered(first))
    for _ in range(2):
        check(MINE, _filtered("ten_a"))
        check(TenantScope("prv_1", "ten_b"), _filtered("ten_b"))
        with pytest.raises(ScopeViolation):
            check(MINE, _filtered("ten_b"))
        with pytest.raises(ScopeViolation):
            check(TenantScope("prv_1", "ten_b"), _filtered("ten_a"))
    assert len(nothing_remembered) == 1


def test_T08_a_known_statement_takes_each_value_from_its_own_place() -> None:
    def statement(one: str, other: str) -> Any:
        return select(Price, OTHER).where(Price.tenant_id == one, OTHER.tenant_id == other)

    for _ in range(2):
        check(MINE, statement("ten_a", "ten_a"))
        for pair in (("ten_a", "ten_b"), ("ten_b", "ten_a")):
            with pytest.raises(ScopeViolation):
                check(MINE, statement(*pair))


def test_T08_a_statement_made_once_is_checked_with_the_values_of_each_execution() -> None:
    statement = select(PRICES).where(PRICES.c.tenant_id == bindparam("tenant"))
    for _ in range(2):
        check(MINE, statement, [{"tenant": "ten_a"}])
        for rows in ([{"tenant": "ten_b"}], [{"tenant": "ten_a"}, {"tenant": "ten_b"}], []):
            with pytest.raises(ScopeViolation):
                check(MINE, statement, rows)


@pytest.mark.parametrize("statement", BEYOND_TENANT.values(), ids=BEYOND_TENANT.keys())
def test_T08_what_was_refused_is_refused_again(statement: Callable[[], Any]) -> None:
    for _ in range(3):
        with pytest.raises(ScopeViolation):
            check(MINE, statement())


@pytest.mark.parametrize("statement", WITHIN_TENANT.values(), ids=WITHIN_TENANT.keys())
def test_T08_what_passes_for_its_owner_is_refused_to_a_neighbour(statement: Callable[[], Any]) -> None:
    check(MINE, statement())
    if pins.read(statement()).queries[0].tables or isinstance(statement(), Insert):
        with pytest.raises(ScopeViolation):
            check(TenantScope("prv_2", "ten_b"), statement())


def test_T08_values_replaced_by_params_are_refused() -> None:
    """They take effect when the statement is executed, whatever values it shows."""

    def shown(**replaced: str) -> Any:
        return select(PRICES.c.code).where(PRICES.c.tenant_id == bindparam("t", "ten_a")).params(**replaced)

    inner = PRICES.alias()

    def nested(**replaced: str) -> Any:
        part = select(inner.c.code).where(inner.c.tenant_id == bindparam("t", "ten_a")).params(**replaced)
        return select(PRICES.c.code).where(PRICES.c.tenant_id == "ten_a", PRICES.c.code.in_(part))

    for statement in (shown, nested):
        check(MINE, statement())
        for _ in range(2):
            with pytest.raises(ScopeViolation):
                check(MINE, statement(t="ten_b"))


def test_a_statement_without_a_cache_key_is_read_every_time(nothing_remembered: dict[Any, Any]) -> None:
    rows = [{"tenant_id": "ten_a", "code": "x"}, {"tenant_id": "ten_a", "code": "y"}]
    assert insert(Price).values(rows)._generate_cache_key() is None
    check(MINE, insert(Price).values(rows))
    with pytest.raises(ScopeViolation):
        check(MINE, insert(Price).values([rows[0], rows[1] | {"tenant_id": "ten_b"}]))
    assert nothing_remembered == {}


def test_no_more_than_so_many_statements_are_remembered(
    monkeypatch: pytest.MonkeyPatch, nothing_remembered: dict[Any, Any]
) -> None:
    monkeypatch.setattr(pins, "_MOST_SHAPES", 3)
    for columns in range(1, 10):
        check(MINE, select(*list(PRICES.c)[:1] * columns).where(PRICES.c.tenant_id == "ten_a"))
        assert 1 <= len(nothing_remembered) <= 3


def test_nothing_of_the_values_is_remembered(nothing_remembered: dict[Any, Any]) -> None:
    check(MINE, select(PRICES).where(PRICES.c.tenant_id == "ten_a", PRICES.c.code == "private"))
    assert len(nothing_remembered) == 1
    assert "private" not in repr(nothing_remembered)
