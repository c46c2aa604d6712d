"""The console in front of a till: real pages over real services, and a WeChat that keeps a ledger."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from litestar.testing import AsyncTestClient
from sqlalchemy import select, update
from tests.conftest import HeldClock
from tests.support.one_site import served
from tests.support.phone import Phone
from tests.support.refund_desk import RefundDesk, build_desk
from tests.support.shop import hire
from tests.support.till import PUBLIC_URL as TILL_URL
from tests.support.till import Till
from tests.support.visitor import PUBLIC_URL, Visitor, site_environment

from spapp.accounts.models import Role
from spapp.wiring import Services, build
from spcore.audit.models import AuditRow
from spcore.db.base import table_of
from spcore.db.scope import ProviderScope
from spcore.providers.models import Provider
from spcore.settings import Settings
from sptenants.orders.records import OrderRecord
from sptenants.orders.service import OrderService
from sptenants.refunds.service import RefundService

NAMES = {
    Role.PROVIDER_OWNER: "王敏",
    Role.PROVIDER_FINANCE: "钱财",
    Role.PROVIDER_OPERATOR: "赵运",
    Role.PROVIDER_VIEWER: "李看",
    Role.MERCHANT_USER: "陈店长",
}
_KEY = re.compile(r'name="key" value="([0-9A-Za-z_-]+)"')


@dataclass(slots=True)
class MoneyDesk:
    """`desk` is the same money without pages."""

    desk: RefundDesk
    visitor: Visitor
    clock: HeldClock
    people: dict[Role, str]

    @property
    def till(self) -> Till:
        return self.desk.till

    async def sign_in(self, role: Role = Role.PROVIDER_OWNER) -> None:
        await self.visitor.sign_in(self.people[role])

    async def sign_in_with(self, phone: Phone, role: Role = Role.PROVIDER_OWNER) -> None:
        """Sign in with password and code; the code's half minute passes."""
        await self.sign_in(role)
        step = await self.visitor.get("/login/totp")
        assert (await phone.give(phone.code(), step.text)).status_code == 303
        self.clock.advance(seconds=60)

    async def dialog(self, order: OrderRecord, base: str = "/console", **fields: str) -> tuple[str, Any]:
        """Open the refund dialog; return its address and the fields it is sent with."""
        path = f"{base}/orders/{order.id}/refund"
        opened = await self.visitor.get(path)
        assert opened.status_code == 200, opened.status_code
        key = _KEY.search(opened.text)
        assert key is not None
        return path, {"page": opened.text, "key": key[1], "reason": "少发一杯"} | fields

    async def set_limit(self, fen: int) -> None:
        provider_id = self.desk.scope.provider_id
        async with self.till.database.write(ProviderScope(provider_id)) as session:
            await session.execute(
                update(table_of(Provider)).where(Provider.id == provider_id).values(refund_approval_above=fen)
            )

    async def audited(self, *actions: str) -> list[tuple[str, str, str | None]]:
        """Return (action, who, reason) of the provider's chain, in order."""
        provider_id = self.desk.scope.provider_id
        query = (
            select(AuditRow)
            .where(AuditRow.chain == provider_id, AuditRow.action.in_(actions))
            .order_by(AuditRow.seq)
        )
        async with self.till.database.read(ProviderScope(provider_id)) as session:
            return [(row.action, row.actor_name, row.reason) for row in await session.scalars(query)]


def key_of(page: str) -> str:
    """Return the idempotency key of the dialog on a page."""
    found = _KEY.search(page)
    assert found is not None
    return found[1]


def _at_the_tills_wechat(services: Services, till: Till) -> Services:
    """Let the application's own services talk to the till's WeChat; connections are never shared."""
    common = (services.database, services.clock, services.keyring, till.wechat)
    quick: dict[str, Any] = {"public_url": TILL_URL, "jitter": lambda: 0.5, "sleep": till.pauses}
    return replace(
        services,
        orders=OrderService(*common, services.prices, **quick),
        refunds=RefundService(*common, **quick),
    )


@asynccontextmanager
async def open_money_desk(till: Till, database_url: str, clock: HeldClock) -> AsyncIterator[MoneyDesk]:
    """Serve the pages of the till's provider, with one person of each role of its area and its merchant's."""
    desk, people = build_desk(till), {}
    for role, name in NAMES.items():
        tenant_id = till.scope.tenant_id if role is Role.MERCHANT_USER else None
        people[role] = await hire(till.database, clock.now(), role, name, till.scope.provider_id, tenant_id)
    settings = Settings.from_env(site_environment(database_url))
    services = _at_the_tills_wechat(build(settings, clock), till)
    async with AsyncTestClient(served(services), base_url=PUBLIC_URL) as client:
        yield MoneyDesk(desk, Visitor(client), clock, people)
