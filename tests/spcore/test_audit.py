"""The audit log: no act without its record, and no record changed unseen (A01, A06, A07)."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import select, update
from tests.support.house import MOMENT, House, build_house
from tests.support.tampering import execute_unguarded

from spcore.audit.actor import SYSTEM, Actor
from spcore.audit.models import PLATFORM_CHAIN, AuditHead, AuditRow
from spcore.audit.verifier import BadRow, Verdict, verify
from spcore.audit.writer import Act, record
from spcore.db.engine import Database
from spcore.db.guard import ScopeViolation
from spcore.db.scope import DoorScope, PlatformScope, Scope
from spcore.ids import is_id
from sptenants.registry.models import Tenant

OWNER = Actor("person", "usr_1", "王芳")
ACT = Act(
    OWNER,
    "tenant.status_changed",
    "tenant",
    "ten_1",
    before={"status": "ready"},
    after={"status": "live", "limits": [200, 20], "note": "云启 & Söhne ☕"},
    reason="合同已签",
    request_id="req_1",
    peer="203.0.113.9",
)


async def write(database: Database, scope: Scope, chain: str, *acts: Act) -> None:
    async with database.write(scope) as session:
        for act in acts:
            await record(session, chain, act, MOMENT)


async def audited(database: Database, chain: str) -> Sequence[AuditRow]:
    async with database.read(PlatformScope("test")) as session:
        query = select(AuditRow).where(AuditRow.chain == chain).order_by(AuditRow.seq)
        return (await session.scalars(query)).all()


@pytest.fixture
async def chain(database: Database, house: House) -> str:
    """The chain of one provider with five rows, beside another provider's and the platform's own."""
    other = await build_house(database, number=2)
    await write(database, other.provider, other.provider.provider_id, ACT, ACT)
    await write(database, DoorScope(), PLATFORM_CHAIN, ACT)
    name = house.provider.provider_id
    await write(database, house.provider, name, *(replace(ACT, object_id=f"ten_{n}") for n in range(1, 6)))
    return name


async def test_A06_a_row_says_who_did_what_to_which_object_and_why(database: Database, house: House) -> None:
    await write(database, house.provider, house.provider.provider_id, ACT)
    (row,) = await audited(database, house.provider.provider_id)
    assert is_id(row.id, "aud")
    assert (row.at, row.actor_kind, row.actor_id, row.actor_name) == (MOMENT, "person", "usr_1", "王芳")
    assert (row.action, row.object_kind, row.object_id) == ("tenant.status_changed", "tenant", "ten_1")
    assert (row.before, row.after) == (ACT.before, ACT.after)
    assert (row.reason, row.request_id, row.peer) == ("合同已签", "req_1", "203.0.113.9")


async def test_A06_secrets_are_hidden_and_openids_masked(database: Database, house: House) -> None:
    act = replace(
        ACT,
        after={
            "app_secret": "canary",
            "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
            "keys": [{"password": "canary"}],
        },
        reason="key wsk_live_canarycanarycanary",
    )
    await write(database, house.provider, house.provider.provider_id, act)
    (row,) = await audited(database, house.provider.provider_id)
    assert "canary" not in str(vars(row))
    assert row.after is not None
    assert row.after["openid"] == "oUpF8****eS6o"
    assert (await verify(database)).ok


async def test_A06_an_act_in_a_tenants_scope_belongs_to_that_tenant(database: Database, house: House) -> None:
    mine, neighbour = house.tenants
    await write(database, mine, mine.provider_id, Act(SYSTEM, "price.put", "price"))
    assert [row.tenant_id for row in await audited(database, mine.provider_id)] == [mine.tenant_id]
    async with database.write(mine) as session:
        with pytest.raises(ScopeViolation):
            await record(session, mine.provider_id, replace(ACT, tenant_id=neighbour.tenant_id), MOMENT)


async def test_T09_a_tenant_reads_its_own_audit_rows_only(database: Database, house: House) -> None:
    mine, neighbour = house.tenants
    for scope in (mine, neighbour):
        await write(database, scope, scope.provider_id, Act(SYSTEM, "price.put", "price", scope.tenant_id))
    async with database.read(mine) as session:
        query = select(AuditRow.object_id).where(AuditRow.tenant_id == mine.tenant_id)
        assert (await session.scalars(query)).all() == [mine.tenant_id]
        with pytest.raises(ScopeViolation):
            await session.scalars(select(AuditRow.object_id).where(AuditRow.chain == mine.provider_id))


async def test_another_providers_chain_cannot_be_written(database: Database, house: House) -> None:
    async with database.write(house.provider) as session:
        with pytest.raises(ScopeViolation):
            await record(session, "prv_else", ACT, MOMENT)


async def test_A07_when_the_record_fails_the_act_fails_too(database: Database, house: House) -> None:
    scope = house.tenants[0]
    with pytest.raises(TypeError, match="floats"):
        await _close_with_a_bad_record(database, house)
    async with database.read(scope) as session:
        status = await session.scalar(select(Tenant.status).where(Tenant.id == scope.tenant_id))
    assert status == "live"
    assert await audited(database, house.provider.provider_id) == []
    assert (await verify(database)).ok


async def _close_with_a_bad_record(database: Database, house: House) -> None:
    async with database.write(house.provider) as session:
        await session.execute(
            update(Tenant).where(Tenant.provider_id == house.provider.provider_id).values(status="closed")
        )
        await record(session, house.provider.provider_id, replace(ACT, after={"amount": [1.5]}), MOMENT)


async def test_A01_a_row_can_be_checked_with_nothing_but_sha256_and_sorted_json(
    database: Database, house: House
) -> None:
    name = house.provider.provider_id
    await write(database, house.provider, name, ACT, ACT)
    first, second = await audited(database, name)
    content = {
        **{column.name: getattr(second, column.name) for column in AuditRow.__table__.columns},
        "at": "2026-11-21T12:50:00.000000+00:00",
    }
    del content["hash"], content["prev_hash"]
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    assert first.prev_hash == "0" * 64
    assert second.hash == hashlib.sha256(bytes.fromhex(first.hash) + canonical).hexdigest()


async def test_A01_an_untouched_log_verifies(database: Database, chain: str) -> None:
    assert await verify(database) == Verdict(ok=True, rows=8, first_bad=None)


async def test_A01_an_empty_log_verifies(database: Database) -> None:
    assert await verify(database) == Verdict(ok=True, rows=0, first_bad=None)


EDITS = [
    "at = '2026-11-21 12:50:01+00:00'",
    "actor_name = 'somebody'",
    "actor_id = NULL",
    "tenant_id = 'ten_9'",
    "action = 'tenant.created'",
    "object_id = 'ten_9'",
    "before = NULL",
    'after = \'{"status": "closed"}\'',
    "after = '{\"amount\": 1e999}'",
    "reason = ''",
    "peer = '203.0.113.10'",
    "id = 'aud_else'",
    "hash = repeat_hash",
]


@pytest.mark.parametrize("edit", EDITS)
async def test_A01_an_edited_row_is_named(
    database: Database, database_url: str, chain: str, edit: str
) -> None:
    if "1e999" in edit and database.dialect == "sqlite":
        edit = "after = '{\"amount\": Infinity}'"  # what SQLite lets anybody write
    edit = edit.replace("repeat_hash", "'" + "0" * 64 + "'")
    await execute_unguarded(
        database_url, f"UPDATE audit_log SET {edit} WHERE chain = '{chain}' AND seq = 3", triggers=False
    )
    (_first, _second, third, *_rest) = await _ids(database, chain)
    verdict = await verify(database)
    assert not verdict.ok
    assert verdict.first_bad == BadRow(chain, 3, third, "edited")


async def _ids(database: Database, chain: str) -> list[str]:
    async with database.read(PlatformScope("test")) as session:
        query = select(AuditRow.id).where(AuditRow.chain == chain).order_by(AuditRow.seq)
        return list((await session.scalars(query)).all())


MOVES = [
    pytest.param(["DELETE FROM audit_log WHERE {c} AND seq = 1"], 1, "missing", id="first row deleted"),
    pytest.param(["DELETE FROM audit_log WHERE {c} AND seq = 3"], 3, "missing", id="row deleted"),
    pytest.param(["DELETE FROM audit_log WHERE {c} AND seq = 5"], 5, "tail_cut", id="last row deleted"),
    pytest.param(["DELETE FROM audit_log WHERE {c} AND seq > 2"], 3, "tail_cut", id="tail deleted"),
    pytest.param(["DELETE FROM audit_log WHERE {c}"], 1, "tail_cut", id="all rows deleted"),
    pytest.param(
        [
            "UPDATE audit_log SET seq = 99 WHERE {c} AND seq = 2",
            "UPDATE audit_log SET seq = 2 WHERE {c} AND seq = 4",
            "UPDATE audit_log SET seq = 4 WHERE {c} AND seq = 99",
        ],
        2,
        "unchained",
        id="rows swapped",
    ),
    pytest.param(
        ["UPDATE audit_log SET seq = 6 WHERE {c} AND seq = 3"], 3, "missing", id="row moved to the end"
    ),
    pytest.param(
        ["UPDATE audit_log SET prev_hash = hash WHERE {c} AND seq = 4"], 4, "unchained", id="link edited"
    ),
    pytest.param(
        [
            "DELETE FROM audit_log WHERE {c} AND seq = 5",
            "UPDATE audit_heads SET seq = 4 WHERE {c}",
        ],
        4,
        "head_changed",
        id="tail cut and head put back without its hash",
    ),
    pytest.param(["UPDATE audit_heads SET seq = 3 WHERE {c}"], 3, "head_changed", id="head put back"),
    pytest.param(["UPDATE audit_heads SET hash = '00' WHERE {c}"], 5, "head_changed", id="head edited"),
    pytest.param(["DELETE FROM audit_heads WHERE {c}"], 5, "head_missing", id="head deleted"),
]


@pytest.mark.parametrize(("statements", "seq", "reason"), MOVES)
async def test_A01_rows_deleted_moved_or_cut_off_are_noticed(
    database: Database, database_url: str, chain: str, statements: list[str], seq: int, reason: str
) -> None:
    done = [statement.format(c=f"chain = '{chain}'") for statement in statements]
    await execute_unguarded(database_url, *done, triggers=False)
    verdict = await verify(database)
    assert verdict.first_bad is not None
    assert (verdict.ok, verdict.first_bad.chain) == (False, chain)
    assert (verdict.first_bad.seq, verdict.first_bad.reason) == (seq, reason)


async def test_A01_acts_at_the_same_instant_form_one_unbroken_chain(
    database_url: str, database: Database, house: House
) -> None:
    second = Database(database_url)
    name = house.provider.provider_id
    await asyncio.gather(
        *(write(each, house.provider, name, ACT) for _ in range(10) for each in (database, second))
    )
    await second.close()
    assert [row.seq for row in await audited(database, name)] == list(range(1, 21))
    assert await verify(database) == Verdict(ok=True, rows=20, first_bad=None)


async def test_A01_verifying_while_acts_are_recorded_finds_no_fault(
    database_url: str, database: Database, house: House
) -> None:
    name = house.provider.provider_id
    second = Database(database_url)

    async def act_on() -> None:
        for _ in range(30):
            await write(second, house.provider, name, ACT)

    async def look() -> list[Verdict]:
        return [await verify(database) for _ in range(15)]

    _none, verdicts = await asyncio.gather(act_on(), look())
    assert [verdict.first_bad for verdict in verdicts] == [None] * 15
    await second.close()


async def test_the_head_is_where_the_last_row_is(database: Database, chain: str) -> None:
    async with database.read(PlatformScope("test")) as session:
        head = await session.scalar(select(AuditHead).where(AuditHead.chain == chain))
    last = (await audited(database, chain))[-1]
    assert head is not None
    assert (head.seq, head.hash) == (last.seq, last.hash)
