"""Closing the orders that were only made to see whether they can be made, once WeChat allows it."""

from __future__ import annotations

from datetime import timedelta

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope, TenantScope, WorkerScope
from spcore.errors import NotFound
from spcore.providers.errors import ProviderNotReady
from spcore.providers.keyring import Keyring
from sptenants.doctor import repository
from sptenants.doctor.examination import credentials_of, signing_key
from sptenants.doctor.models import ProbeOrder
from sptenants.doctor.subject import read_subject
from sptenants.orders.line import GatewayPicker
from wechatpay.errors import Refused, WechatPayError
from wechatpay.identifiers import OutTradeNo

AGAIN_AFTER = timedelta(minutes=5)
GIVEN_UP_AFTER = timedelta(hours=2)
"""By then the order has expired by itself long ago, unpaid: nobody was ever shown its code."""
KEPT = timedelta(days=7)
_BATCH = 50


class ProbeClosing:
    def __init__(self, database: Database, clock: Clock, keyring: Keyring, gateways: GatewayPicker) -> None:
        self._database = database
        self._clock = clock
        self._keyring = keyring
        self._gateways = gateways

    async def run_due(self) -> int:
        """Close what is due; return how many orders were looked at."""
        async with self._database.read(WorkerScope()) as session:
            due = await repository.due_probes(session, self._clock.now(), _BATCH)
        for probe in due:
            over = await self._close(probe)
            now, scope = self._clock.now(), TenantScope(probe.provider_id, probe.tenant_id)
            over = over or now > probe.created_at + GIVEN_UP_AFTER
            async with self._database.write(scope) as session:
                await repository.settle_probe(
                    session, scope, probe.out_trade_no, None if over else now + AGAIN_AFTER
                )
                await repository.forget_probes(session, scope, now - KEPT)
        return len(due)

    async def _close(self, probe: ProbeOrder) -> bool:
        """Say whether nothing is left to do: closed, or WeChat knows no such order."""
        scope = ProviderScope(probe.provider_id)
        try:
            async with self._database.read(scope) as session:
                subject = await read_subject(session, scope, probe.tenant_id)
            key = await signing_key(self._keyring, subject, self._clock.now())
        except (NotFound, ProviderNotReady):
            return False
        sub_mch_id = subject.tenant.profile.sub_mch_id if subject.tenant else None
        credentials = credentials_of(subject, key, sub_mch_id, probe.sub_appid)
        gateway = self._gateways.of(subject.provider.mode, subject.provider.api_version, probe.provider_id)
        try:
            await gateway.close(credentials, OutTradeNo(probe.out_trade_no))
        except Refused as refused:
            return refused.level == "result"
        except WechatPayError:
            return False
        return True
