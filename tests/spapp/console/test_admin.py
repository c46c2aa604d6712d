"""The platform's own list: everything is seen, and every look is written down (rule Y4)."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from tests.support.shop import Shop
from tests.support.visitor import Visitor

from spapp.console.frame import looking
from spcore.audit.models import PLATFORM_CHAIN, AuditRow
from spcore.audit.verifier import verify
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope

LOOKS = ("orders.listed", "order.viewed")


async def looks(database: Database) -> list[AuditRow]:
    """Return what pages wrote down; the shop comes with a look that no request made."""
    async with database.read(PlatformScope("test")) as session:
        rows = await session.scalars(
            select(AuditRow)
            .where(AuditRow.chain == PLATFORM_CHAIN, AuditRow.action.in_(LOOKS))
            .where(AuditRow.request_id.is_not(None))
            .order_by(AuditRow.seq)
        )
        return list(rows)


@pytest.mark.parametrize("role", ["platform_admin", "platform_auditor"])
async def test_every_look_at_tenants_data_is_an_audit_row(
    visitor: Visitor, shop: Shop, database: Database, role: str
) -> None:
    await visitor.sign_in(shop.people[role])
    provider_id = shop.providers[0].provider_id

    await visitor.get(f"/admin/transactions?status=attention&provider={provider_id}")
    shown = await visitor.get(f"/admin/transactions/{shop.orders['other tenant']}", htmx=True)

    listed, viewed = await looks(database)
    assert listed.after == {"filter": {"status": "attention", "provider": provider_id}, "rows": 2}
    assert viewed.object_id == shop.orders["other tenant"]
    assert viewed.tenant_id == shop.tenants["仁康门诊部"].tenant_id
    assert viewed.request_id == shown.headers["request-id"]
    assert {listed.actor_name, viewed.actor_name} == {"周平" if role == "platform_admin" else "吴审"}
    assert (await verify(database)).ok


async def test_what_cannot_be_written_down_is_not_shown(
    visitor: Visitor, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await visitor.sign_in(shop.people["platform_admin"])

    async def broken(*_given: object) -> None:
        raise DBAPIError("INSERT", {}, Exception("disk full"))

    monkeypatch.setattr(looking, "record", broken)
    listed = await visitor.get("/admin/transactions")
    viewed = await visitor.get(f"/admin/transactions/{shop.orders['latest']}")

    for answer in (listed, viewed):
        assert answer.status_code == 500
        assert "T2026112" not in answer.text


async def test_both_providers_are_seen_and_can_be_told_apart(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["platform_admin"])

    everything = await visitor.get("/admin/transactions?q=H0000000000001")
    of_one = await visitor.get(f"/admin/transactions?provider={shop.providers[1].provider_id}")

    assert "汇通科技" in everything.text
    assert "仁康门诊部" in everything.text
    assert shop.orders["other tenant"] in of_one.text
    assert shop.orders["latest"] not in of_one.text


async def test_an_order_that_does_not_exist_leaves_no_row(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people["platform_admin"])

    answer = await visitor.get("/admin/transactions/ord_01JD3K8W7Q4M6X0B2T9V5H1CZN")

    assert answer.status_code == 404
    assert await looks(database) == []
