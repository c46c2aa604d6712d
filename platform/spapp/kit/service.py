"""Kits of tenants: their facts as they stand now, and every download written down."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from spapp.kit.builder import build
from spapp.kit.facts import API_VERSION, KIT_VERSION, KitBinding, KitFacts
from spapp.web.api_docs import ApiDocument
from spcore.audit.actor import Actor
from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope, TenantScope
from spcore.errors import Fault, InvalidInput, Text
from sptenants.prices.service import prices_of
from sptenants.registry.access import RequestFacts
from sptenants.registry.reader import ReadScope, TenantDetail, TenantReader

_NOT_A_MINI_PROGRAM = Text(
    "不是该特约商户可用的小程序 AppID，请从列出的小程序中选择。",
    "is not a usable mini-program of this sub-merchant; choose one of those listed.",
)


@dataclass(frozen=True, slots=True)
class Kit:
    """A zip to hand over, and the name to save it under."""

    facts: KitFacts
    content: bytes


class Kits:
    def __init__(self, database: Database, clock: Clock, tenants: TenantReader, *, public_url: str) -> None:
        self._database = database
        self._clock = clock
        self._tenants = tenants
        self._public_url = public_url.rstrip("/")

    async def facts(self, scope: ReadScope, tenant_id: str, sub_appid: str | None = None) -> KitFacts:
        """Return what the tenant's kit is made of, for this mini-program or else for its first one.

        Raises NotFound, also for a tenant outside of the scope; InvalidInput pointing at `#/appid`.
        """
        detail = await self._tenants.detail(scope, tenant_id)
        own = TenantScope(detail.provider.id, detail.tenant.id)
        async with self._database.read(own) as session:
            prices = await prices_of(session, own)
        facts = KitFacts(
            tenant_id=detail.tenant.id,
            tenant_name=detail.tenant.name,
            sub_mch_id=detail.tenant.sub_mch_id,
            mode=detail.provider.mode,
            api_base=self._public_url,
            bindings=_bindings(detail),
            chosen=None,
            price_codes=tuple(price.code for price in prices if price.active),
        )
        return _choose(facts, sub_appid)

    async def make(
        self,
        scope: TenantScope | ProviderScope,
        tenant_id: str,
        sub_appid: str | None,
        document: ApiDocument,
        by: Actor,
        asked: RequestFacts | None,
    ) -> Kit:
        """Return the kit and write down who took it; without that row there is no kit.

        Raises what `facts` raises.
        """
        facts = await self.facts(scope, tenant_id, sub_appid)
        content = build(facts, json.loads(document.as_json()))
        act = Act(
            actor=by,
            action="kit.downloaded",
            object_kind="kit",
            object_id=tenant_id,
            tenant_id=tenant_id,
            after={"sub_appid": facts.chosen, "kit": KIT_VERSION, "api": API_VERSION},
            request_id=asked.request_id if asked else None,
            peer=asked.peer if asked else None,
        )
        async with self._database.write(scope) as session:
            await record(session, scope.provider_id, act, self._clock.now())
        return Kit(facts, content)


def _bindings(detail: TenantDetail) -> tuple[KitBinding, ...]:
    return tuple(
        KitBinding(row.sub_appid, row.kind, row.owner, row.status, row.has_secret) for row in detail.bindings
    )


def _choose(facts: KitFacts, sub_appid: str | None) -> KitFacts:
    offered = [each.sub_appid for each in facts.mini_programs]
    if sub_appid is not None and sub_appid not in offered:
        raise InvalidInput(Fault("#/appid", "not_a_miniprogram", _NOT_A_MINI_PROGRAM))
    return replace(facts, chosen=sub_appid or next(iter(offered), None))
