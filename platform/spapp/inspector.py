"""The sign inspector with a provider's own keys: limited, audited, and silent about what it computes (B-1).

What may be asked and what is answered is bounded in `wechatpay.inspect.search`; who may ask is decided here
and by the routes. The keys stay in this process, and no signature that was computed leaves it (rule C6).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from typing import TypeAlias

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from sqlalchemy import or_, select

from spapp.inspector_v3 import account_of
from spcore.audit.actor import Actor
from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from spcore.errors import Fault, InvalidInput, NotFound, Text
from spcore.providers.errors import ProviderNotReady
from spcore.providers.keys import key_context
from spcore.providers.models import KeyKind, KeyState, Provider, ProviderKey
from spcore.vault import Vault, VaultError
from sptenants.registry.access import RequestFacts
from sptenants.registry.errors import RateLimited
from sptenants.registry.models import AppBinding, Tenant
from wechatpay.credentials import InvalidCredentials, SignType, V2Key
from wechatpay.inspect.recipe import Keys
from wechatpay.inspect.sample import Sample, UnreadableSample, read
from wechatpay.inspect.search import Account, Report, inspect
from wechatpay.inspect.v3 import sample as v3_sample
from wechatpay.inspect.v3 import search as v3_search
from wechatpay.inspect.v3.report import Report as V3Report
from wechatpay.inspect.v3.sample import Message

PER_MINUTE = 30
"""Texts a person may have inspected; several web processes share it out."""
_OLD_KEYS = 4
_MOST_APPS = 20

Inspected: TypeAlias = tuple[Sample, Report] | tuple[Message, V3Report]
"""What was read of a text, by whichever API, and what was found out."""


class Inspector:
    """Explains signatures to the people of a service provider and to the command line."""

    def __init__(self, database: Database, vault: Vault, clock: Clock, processes: int = 1) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._allowance = RateLimitItemPerMinute(math.ceil(PER_MINUTE / processes))
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def inspect(
        self,
        scope: ProviderScope,
        text: str | bytes,
        by: Actor,
        facts: RequestFacts | None = None,
        *,
        tenant_id: str | None = None,
    ) -> Inspected:
        """Find the mistake in a text that carries a signature. Audited before the answer leaves.

        `tenant_id` says which sub-merchant's numbers are meant, where the text does not. Raises RateLimited,
        InvalidInput for a text without a signature, NotFound for a tenant that is not the provider's, and
        ProviderNotReady without a key.
        """
        self._count(by)
        given = text if isinstance(text, str) else text.decode("utf-8", errors="replace")
        try:
            if v3_sample.is_v3(given):
                return await self._inspect_v3(scope, given, by, facts, tenant_id)
            sample = read(text)
        except UnreadableSample as unreadable:
            raise InvalidInput(Fault("#/text", unreadable.reason, _UNREADABLE[unreadable.reason])) from None
        account = await self._account(scope, sample, tenant_id)
        report = await asyncio.to_thread(inspect, sample, account)
        await self._audit(scope, sample.form, report, by, facts)
        return sample, report

    async def _inspect_v3(
        self, scope: ProviderScope, text: str, by: Actor, facts: RequestFacts | None, tenant_id: str | None
    ) -> tuple[Message, V3Report]:
        message, now = v3_sample.read(text), self._clock.now()
        account = await account_of(self._database, self._vault, scope, tenant_id, text, now)
        report = await asyncio.to_thread(v3_search.inspect, message, account)
        await self._audit(scope, f"v3_{message.kind}", report, by, facts)
        return message, report

    def _count(self, by: Actor) -> None:
        """Raise RateLimited above the allowance; the command line's user holds the keys anyway."""
        if by.kind == "cli" or self._limiter.hit(self._allowance, "inspect", by.id or by.name):
            return
        window = self._limiter.get_window_stats(self._allowance, "inspect", by.id or by.name)
        raise RateLimited(max(1, math.ceil(window.reset_time - time.time())))

    async def _account(self, scope: ProviderScope, sample: Sample, tenant_id: str | None) -> Account:
        own = scope.provider_id
        named = {sample.get(name) for name in ("sub_mch_id", "partnerid")} - {""}
        apps_named = {sample.get(name) for name in ("sub_appid", "appid", "appId")} - {""}
        tenants = select(Tenant.id, Tenant.sub_mch_id).where(Tenant.provider_id == own)
        tenants = tenants.where(or_(Tenant.id == tenant_id, Tenant.sub_mch_id.in_(named)))
        async with self._database.read(scope) as session:
            provider = await session.scalar(select(Provider).where(Provider.id == own))
            rows = (await session.execute(tenants)).all()
            if provider is None or (tenant_id is not None and tenant_id not in {row.id for row in rows}):
                raise NotFound
            bound = select(AppBinding.sub_appid).where(AppBinding.provider_id == own)
            meant = bound
            if rows:
                meant = bound.where(AppBinding.tenant_id.in_([row.id for row in rows]))
            newest = meant.order_by(AppBinding.id.desc()).limit(_MOST_APPS)
            apps = list(await session.scalars(newest))
            apps += await session.scalars(bound.where(AppBinding.sub_appid.in_(apps_named)))
            keys = await self._keys(scope)
        return Account(
            mch_id=provider.mch_id,
            appid=provider.appid,
            sign_type=SignType(provider.sign_type),
            keys=keys,
            sub_mch_ids=tuple(row.sub_mch_id for row in rows if row.sub_mch_id),
            sub_appids=tuple(dict.fromkeys(apps)),
        )

    async def _keys(self, scope: ProviderScope) -> Keys:
        query = (
            select(ProviderKey)
            .where(
                ProviderKey.provider_id == scope.provider_id,
                ProviderKey.kind.in_((KeyKind.API_V2.value, KeyKind.API_V3.value)),
            )
            .order_by(ProviderKey.version.desc())
        )
        async with self._database.read(scope) as session:
            rows = list(await session.scalars(query))
        v2 = [row for row in rows if row.kind == KeyKind.API_V2]
        active = self._open([row for row in v2 if row.state == KeyState.ACTIVE])
        if not active:
            raise ProviderNotReady.without_key()
        old = self._open([row for row in v2 if row.state != KeyState.ACTIVE][:_OLD_KEYS])
        v3 = self._open([row for row in rows if row.kind == KeyKind.API_V3][:_OLD_KEYS])
        return Keys(active[0], old, v3)

    def _open(self, rows: Sequence[ProviderKey]) -> tuple[V2Key, ...]:
        """Return the keys that open; one that does not is no candidate."""
        opened = []
        for row in rows:
            context = key_context(row.provider_id, row.kind, row.version)
            try:
                opened.append(V2Key(row.version, self._vault.open(row.sealed, context).decode("ascii")))
            except (VaultError, UnicodeDecodeError, InvalidCredentials):
                continue
        return tuple(opened)

    async def _audit(
        self,
        scope: ProviderScope,
        form: str,
        report: Report | V3Report,
        by: Actor,
        facts: RequestFacts | None,
    ) -> None:
        causes = [cause.code for cause in report.causes]
        act = Act(
            actor=by,
            action="signature.inspected",
            object_kind="provider",
            object_id=scope.provider_id,
            after={"form": form, "verdict": report.verdict, "causes": causes},
            request_id=facts.request_id if facts else None,
            peer=facts.peer if facts else None,
        )
        async with self._database.write(scope) as session:
            await record(session, scope.provider_id, act, self._clock.now())


_UNREADABLE = {
    "empty": Text("请粘贴要检查的报文。", "Paste the text to inspect."),
    "too_long": Text("内容太长：最多 16384 个字符。", "The text is too long: 16384 characters at most."),
    "too_many_fields": Text("字段太多：最多 60 个。", "There are too many fields: 60 at most."),
    "not_understood": Text(
        "无法识别：请粘贴 XML 报文、key=value& 字符串、wx.requestPayment 参数的 JSON，"
        "或 API v3 的请求头和报文主体。",
        "This is neither XML, nor a key=value& string, nor the JSON of wx.requestPayment, nor headers and"
        " body of API v3.",
    ),
    "no_signature": Text(
        "没有找到 sign 或 paySign，也可能是末尾被截断了。签名检查只解释已有的签名，不生成签名。",
        "There is no sign or paySign, or the text is cut off. The inspector explains a signature that is"
        " there and makes none.",
    ),
    "not_a_signature": Text(
        "sign 不是 API v2 的签名：应为 32 位（MD5）或 64 位（HMAC-SHA256）十六进制；"
        "API v3 的支付参数还要有 RSA 签名的 paySign。",
        "The sign is none of API v2: it has 32 (MD5) or 64 (HMAC-SHA256) hex digits; payment parameters of"
        " API v3 have a paySign by RSA.",
    ),
}
