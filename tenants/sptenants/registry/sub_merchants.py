"""A sub-merchant's number and address to ask WeChat with, where a question is about the provider alone."""

from __future__ import annotations

from sqlalchemy import select

from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from sptenants.registry.models import Tenant
from sptenants.registry.notify_paths import notify_path
from wechatpay.identifiers import SubMchId


class SubMerchantNumbers:
    """Picks the tenant that most surely works: a live one, else any that is not closed."""

    def __init__(self, database: Database, *, public_url: str) -> None:
        self._database = database
        self._public_url = public_url

    async def any_of(self, scope: ProviderScope) -> SubMchId | None:
        found = await self._tenant(scope)
        return None if found is None else SubMchId(found[0])

    async def echo_url(self, scope: ProviderScope) -> str | None:
        """Return where WeChat's test messages for that tenant come in and are journalled."""
        found = await self._tenant(scope)
        return None if found is None else self._public_url + notify_path(found[1], "v3", "security")

    async def _tenant(self, scope: ProviderScope) -> tuple[str, str] | None:
        query = (
            select(Tenant.sub_mch_id, Tenant.route_key)
            .where(
                Tenant.provider_id == scope.provider_id,
                Tenant.sub_mch_id.is_not(None),
                Tenant.status.in_(("live", "ready", "onboarding")),
            )
            .order_by((Tenant.status == "live").desc(), Tenant.id)
            .limit(1)
        )
        async with self._database.read(scope) as session:
            found = (await session.execute(query)).one_or_none()
        return None if found is None or found.sub_mch_id is None else (found.sub_mch_id, found.route_key)
