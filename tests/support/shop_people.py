"""People beside those who sign in: colleagues, an invitation, a notice, acts and a check of their chains."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from spapp.accounts.models import AuditCheck, Invitation, Membership, OwnerNotice, Person, Role, SignInAttempt
from spapp.accounts.throttle import Subjects
from spcore.audit.actor import Actor
from spcore.audit.models import PLATFORM_CHAIN, AuditRow
from spcore.audit.writer import Act, record
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import DoorScope, PlatformScope, ProviderScope, TenantScope
from spcore.ids import new_id

LONG_ADDRESS = "a.very.long.address.of.a.colleague@finance.example.com"
LONG_PERSON = "欧阳·阿卜杜拉·克里斯托弗·冯·德·海登赖希-施瓦岑贝格"


async def add_people(
    database: Database, now: datetime, providers: list[ProviderScope], merchant: TenantScope
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Return ids of memberships, of people and of acts, by what stands out about them."""
    first, second = providers
    members: dict[str, str] = {}
    people: dict[str, str] = {}
    for key, role, name, email, provider_id, tenant_id in (
        (
            "colleague",
            Role.PROVIDER_FINANCE,
            LONG_PERSON,
            LONG_ADDRESS,
            first.provider_id,
            None,
        ),
        (
            "clerk",
            Role.MERCHANT_USER,
            "林收银",
            "clerk@coffee.example.com",
            merchant.provider_id,
            merchant.tenant_id,
        ),
        (
            "other provider",
            Role.PROVIDER_OWNER,
            "何总",
            "owner@huitong.example.com",
            second.provider_id,
            None,
        ),
    ):
        members[key], people[key] = await _hire(database, now, role, name, email, provider_id, tenant_id)
    async with database.write(DoorScope()) as session:
        await session.execute(insert(table_of(SignInAttempt)), [_locked("clerk@coffee.example.com", now)])
        inviter = await session.scalar(
            select(Person.id).join(Membership).where(Membership.role == Role.PROVIDER_OWNER).limit(1)
        )
        rows = [
            _invitation(now, str(inviter), Role.PROVIDER_OPERATOR, "new@example.com", first.provider_id, "1"),
            _invitation(
                now, str(inviter), Role.PROVIDER_VIEWER, "x@huitong.example.com", second.provider_id, "2"
            ),
        ]
        await session.execute(insert(table_of(Invitation)), rows)
        await session.execute(insert(table_of(OwnerNotice)), [_notice(now, first.provider_id)])
        await session.execute(insert(table_of(AuditCheck)), [_check(now)])
    return members, people, await _acts(database, now, first, second, merchant)


async def _hire(
    database: Database,
    now: datetime,
    role: Role,
    name: str,
    email: str,
    provider_id: str | None,
    tenant_id: str | None,
) -> tuple[str, str]:
    person_id, member_id = new_id("per", now), new_id("mbr", now)
    person = {
        "id": person_id,
        "email": email,
        "name": name,
        "password_hash": None,
        "status": "active",
        "created_at": now - timedelta(days=12),
    }
    member = {
        "id": member_id,
        "person_id": person_id,
        "role": role.value,
        "provider_id": provider_id,
        "tenant_id": tenant_id,
        "created_at": now - timedelta(days=12),
    }
    async with database.write(DoorScope()) as session:
        await session.execute(insert(table_of(Person)), [person])
        await session.execute(insert(table_of(Membership)), [member])
    return member_id, person_id


def _locked(email: str, now: datetime) -> dict[str, Any]:
    return {
        "subject": Subjects.of(email, "").account,
        "failures": 11,
        "at": now,
        "locked_until": now + timedelta(minutes=14),
    }


def _invitation(
    now: datetime, inviter: str, role: Role, email: str, provider_id: str, token_hash: str
) -> dict[str, Any]:
    return {
        "id": new_id("inv", now),
        "token_hash": token_hash,
        "email": email,
        "role": role.value,
        "provider_id": provider_id,
        "tenant_id": None,
        "invited_by": inviter,
        "invited_by_name": "王敏",
        "created_at": now - timedelta(minutes=20),
        "expires_at": now + timedelta(minutes=40),
    }


def _notice(now: datetime, provider_id: str) -> dict[str, Any]:
    return {
        "id": new_id("ntc", now),
        "provider_id": provider_id,
        "zh": "更换了 API v2 密钥",
        "en": "replaced the API v2 key",
        "by_id": None,
        "by_name": "Sun",
        "at": now,
    }


def _check(now: datetime) -> dict[str, Any]:
    return {
        "id": new_id("chk", now - timedelta(hours=5)),
        "began_at": now - timedelta(hours=5),
        "finished_at": now - timedelta(hours=5),
        "by_name": "system",
        "ok": True,
        "rows_read": 18_204,
        "bad_chain": None,
        "bad_seq": None,
        "bad_id": None,
        "bad_reason": None,
    }


async def _acts(
    database: Database, now: datetime, first: ProviderScope, second: ProviderScope, merchant: TenantScope
) -> dict[str, str]:
    owner = Actor("person", None, "王敏")
    own = Act(
        owner,
        "provider.key_set",
        "provider",
        first.provider_id,
        before={"api_v2_key": "x"},
        after={"api_v2_key": "y", "version": 2},
        reason="密钥疑似外泄，按流程更换",
        peer="203.0.113.7",
    )
    neighbour = Act(
        owner,
        "tenant.changed",
        "tenant",
        merchant.tenant_id,
        merchant.tenant_id,
        before={"name": "晨曦"},
        after={"name": "晨曦咖啡"},
        peer="203.0.113.7",
    )
    other = Act(Actor("person", None, "何总"), "provider.changed", "provider", second.provider_id)
    acts = (("own", first, own), ("neighbour", first, neighbour), ("other provider", second, other))
    ids: dict[str, str] = {}
    for key, scope, act in acts:
        async with database.write(scope) as session:
            await record(session, scope.provider_id, act, now - timedelta(minutes=1))
        async with database.read(PlatformScope("test")) as session:
            newest = select(AuditRow.id).where(AuditRow.chain == scope.provider_id)
            ids[key] = str(await session.scalar(newest.order_by(AuditRow.seq.desc()).limit(1)))
    look = Act(
        Actor("person", None, "周平"),
        "orders.listed",
        "order",
        after={"rows": 20},
        reason="工单 4711：核对退款",
    )
    async with database.write(DoorScope()) as session:
        await record(session, PLATFORM_CHAIN, look, now)
    return ids
