"""Asking WeChat for a bill, by the API that its provider uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from spcore.clock import Clock
from spcore.providers.errors import ProviderNotReady
from spcore.providers.keyring import Keyring
from sptenants.bills.records import BillRecord
from sptenants.bills.states import OwnProblem, Problem
from sptenants.orders.versions import API_V2, API_V3, signing_key
from wechatpay.bills import BillAsker, BillGateway, BillKind, BillUnavailable, Fetched, Sink
from wechatpay.call import CallRecord, safe_message
from wechatpay.credentials import SigningKey, SignType
from wechatpay.identifiers import AppId, MchId


class BillGateways(Protocol):
    """The way to WeChat's bills for each provider."""

    def bills(self, mode: str, api_version: str, provider_id: str) -> BillGateway: ...


@dataclass(frozen=True, slots=True)
class NoBill:
    """Why there is no bill, with what WeChat said; `api_version` is None when nothing could be asked."""

    problem: Problem
    facts: dict[str, Any] | None
    api_version: str | None


@dataclass(frozen=True, slots=True)
class GotBill:
    fetched: Fetched
    api_version: str


class Fetching:
    """Asks for bills. Every ending is a value; no transaction may be open meanwhile (rule T3)."""

    def __init__(self, keyring: Keyring, gateways: BillGateways, clock: Clock) -> None:
        self._keyring = keyring
        self._gateways = gateways
        self._clock = clock

    async def fetch(self, bill: BillRecord, sink: Sink) -> GotBill | NoBill:
        """Download `bill` into `sink`; what the sink got is void unless a bill is returned."""
        api_version: str | None = None
        try:
            api_version, key = await self._key(bill)
            asker = await self._asker(bill, api_version, key)
            gateway = self._gateways.bills(bill.provider.mode, api_version, bill.provider.id)
            return GotBill(await gateway.fetch(asker, bill.wanted, sink), api_version)
        except ProviderNotReady as why:
            return NoBill(OwnProblem.PROVIDER_NOT_READY, {"message": why.text.zh, "en": why.text.en}, None)
        except BillUnavailable as why:
            return NoBill(why.problem, _facts(why.call), api_version)

    async def _key(self, bill: BillRecord) -> tuple[str, SigningKey]:
        """Return the API to ask by. Both serve the same files, so where API v3 is not ready v2 may stand in;
        of a sub-merchant's funds v2 knows nothing."""
        now, provider = self._clock.now(), bill.provider
        if provider.api_version != API_V3:
            return API_V2, await signing_key(self._keyring, provider, API_V2, now)
        try:
            return API_V3, await signing_key(self._keyring, provider, API_V3, now)
        except ProviderNotReady as why:
            if bill.kind is BillKind.FUND and bill.sub_mch_id is not None:
                raise
            try:
                return API_V2, await signing_key(self._keyring, provider, API_V2, now)
            except ProviderNotReady:
                raise why from None

    async def _asker(self, bill: BillRecord, api_version: str, key: SigningKey) -> BillAsker:
        provider = bill.provider
        # By v2 a fund bill is the one that shows the API certificate (wechatpay-v2 4.9).
        shows = api_version == API_V2 and bill.kind is BillKind.FUND and bill.sub_mch_id is None
        certificate = await self._keyring.certificate(provider.id, provider.key_epoch) if shows else None
        sign_type = SignType(provider.sign_type)
        return BillAsker(MchId(provider.mch_id), AppId(provider.appid), key, sign_type, certificate)


def _facts(call: CallRecord | None) -> dict[str, Any] | None:
    if call is None:
        return None
    told = {
        "code": call.err_code or call.return_code,
        "message": safe_message(call.err_message) if call.err_message else None,
        "http_status": call.http_status,
        "request_id": call.request_id,
    }
    return {name: value for name, value in told.items() if value is not None}
