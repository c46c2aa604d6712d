"""Connections to WeChat and to the simulator: a set of its own for every provider.

One slow provider must not hold up the others, so no pool is shared between them (decision 5).
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import httpx

from spapp.clock_watch import ClockWatch, WatchedLine
from spapp.secure_lines import CertificateLines, LiveLines, SimulatorAuthority, SimulatorLines
from spapp.web import metrics
from spcore.clock import Clock
from spcore.providers.models import KeyKind
from spcore.settings import Settings
from wechatpay.bills import (
    BillAsker,
    BillGateway,
    BillKind,
    BillProblem,
    BillUnavailable,
    BillWanted,
    Fetched,
    Sink,
)
from wechatpay.breaker import Breaker, GuardedJsonLine, GuardedLine, GuardedStreamLine
from wechatpay.credentials import ClientCertificate, Credentials, V3Key
from wechatpay.errors import BadAnswerSignature, Refused, UnknownOutcome, WechatPayError
from wechatpay.gateway import (
    Closed,
    Gateway,
    NewOrder,
    NewRefund,
    OrderState,
    Prepay,
    RefundAccepted,
    RefundsOfOrder,
    RefundState,
    Reversed,
)
from wechatpay.identifiers import AuthCode, OutRefundNo, OutTradeNo
from wechatpay.miniprogram import MiniProgramLogin
from wechatpay.transport import JsonLine, Transport
from wechatpay.v2.bills import V2Bills
from wechatpay.v2.gateway import V2Gateway
from wechatpay.v3.bills import V3Bills
from wechatpay.v3.gateway import V3Gateway
from wechatpay.v3.platform_keys import PUBLIC_KEY_PREFIX, PlatformKey

T = TypeVar("T")


class Noting(Protocol):
    """Who counts which key was met."""

    def note(self, provider_id: str, channel: Literal["answer", "request"], kind: KeyKind, name: str) -> None:
        """Count one use of a key that was found right. Waits for nothing."""
        ...


@dataclass(frozen=True, slots=True)
class _Held:
    """All that one provider's calls go over. A certificate that fails must not stop payments, so the
    connections that show one have a breaker of their own (failure catalogue K05)."""

    gateways: Mapping[str, Gateway]
    """By API version; they share host, connections and breaker."""
    bills: Mapping[str, BillGateway]
    """The same for bills."""
    line: JsonLine
    transport: Transport
    secure: CertificateLines
    breaker: Breaker

    @property
    def open_breakers(self) -> int:
        return self.breaker.is_open + self.secure.breaker.is_open


class Gateways:
    """Which WeChat a provider talks to: the simulator for `test`, WeChat itself for `live`.

    `uses` hears of every key of API v3 that an answer proved right, ours and WeChat's.
    """

    def __init__(self, settings: Settings, clock: Clock, uses: Noting) -> None:
        self._settings = settings
        self._clock = clock
        self._uses = uses
        self._clock_watch = ClockWatch(clock)
        self.on_unknown_certificate: Callable[[str], None] = _nobody
        """Is told the provider an answer for which was signed with a certificate that is not known."""
        self._ssl = shared_tls_context(settings)
        self._authority = SimulatorAuthority(settings)
        self._held: dict[tuple[str, str], _Held] = {}

    def of(self, mode: str, api_version: str, provider_id: str) -> Gateway:
        """Return the gateway of one provider, the same one each time.

        Raises ValueError for an API version this release does not speak.
        """
        gateway = self._of(mode, provider_id).gateways.get(api_version)
        if gateway is None:
            raise ValueError(f"API {api_version} is not spoken by this release")
        return gateway

    def bills(self, mode: str, api_version: str, provider_id: str) -> BillGateway:
        """Return what fetches one provider's bills. Raises ValueError as `of`."""
        gateway = self._of(mode, provider_id).bills.get(api_version)
        if gateway is None:
            raise ValueError(f"API {api_version} is not spoken by this release")
        return gateway

    def line(self, mode: str, provider_id: str) -> JsonLine:
        """Return what carries a provider's calls of API v3 that are about no order: certificates, echo."""
        return self._of(mode, provider_id).line

    @property
    def connections_opened(self) -> int:
        """TCP connections made since start, over all providers."""
        return sum(
            held.transport.connections_opened + held.secure.connections_opened for held in self._held.values()
        )

    @property
    def open_breakers(self) -> int:
        """Lines to a gateway that is left alone at the moment, over all providers (G07)."""
        return sum(held.open_breakers for held in self._held.values())

    async def close(self) -> None:
        for held in self._held.values():
            await held.transport.aclose()
            await held.secure.close()
        self._held.clear()
        await self._authority.close()

    def _of(self, mode: str, provider_id: str) -> _Held:
        key = (mode, provider_id)
        if key not in self._held:
            self._held[key] = self._made(mode, provider_id)
        return self._held[key]

    def _made(self, mode: str, provider_id: str) -> _Held:
        settings, live = self._settings, mode == "live"
        if live:
            transport = Transport(settings.gateway_url, settings.gateway_backup_url, verify=self._ssl)
            secure = CertificateLines(LiveLines(settings, lambda: tls_context(settings)).make)
        else:
            transport = Transport(settings.simulator_url, verify=self._ssl)
            secure = CertificateLines(SimulatorLines(settings, self._authority).make)
        breaker = Breaker()
        line = WatchedLine(GuardedJsonLine(transport, breaker), self._clock_watch)
        v2 = V2Gateway(GuardedLine(transport, breaker), secure, plain_pages=not live)
        noted = partial(self._noted, provider_id)
        v3 = V3Gateway(line, now=self._clock.now, noted=noted, plain_pages=not live)
        failed = partial(self._failed, provider_id)
        gateways = {"v2": _Measured(v2, _V2_NAMES), "v3": _Measured(v3, _V3_NAMES, failed)}
        files = GuardedStreamLine(transport, breaker)
        v3_bills = V3Bills(line, files, transport.hosts, now=self._clock.now, noted=noted)
        bills = {
            "v2": _MeasuredBills(V2Bills(files, secure), _V2_BILLS),
            "v3": _MeasuredBills(v3_bills, _V3_BILLS, failed),
        }
        return _Held(gateways, bills, line, transport, secure, breaker)

    def _failed(self, provider_id: str, outcome: UnknownOutcome) -> None:
        if not isinstance(outcome, BadAnswerSignature) or outcome.fault != "unknown_serial":
            return
        if outcome.serial is not None and not outcome.serial.startswith(PUBLIC_KEY_PREFIX):
            self.on_unknown_certificate(provider_id)

    def _noted(self, provider_id: str, own: V3Key, theirs: PlatformKey) -> None:
        kind = KeyKind.WECHATPAY_PUBLIC_KEY if theirs.is_public_key else KeyKind.PLATFORM_CERTIFICATE
        self._uses.note(provider_id, "answer", kind, theirs.serial)
        self._uses.note(provider_id, "request", KeyKind.CLIENT_CERTIFICATE, own.serial)


class Logins:
    """Mini-program login at WeChat or at the simulator."""

    def __init__(self, settings: Settings) -> None:
        context = shared_tls_context(settings)
        self._transports = {
            "live": Transport(settings.weixin_api_url, verify=context),
            "test": Transport(settings.simulator_url, verify=context),
        }
        self._logins = {mode: MiniProgramLogin(transport) for mode, transport in self._transports.items()}

    def of(self, mode: str) -> MiniProgramLogin:
        return self._logins[mode]

    async def close(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()


@dataclass(frozen=True, slots=True)
class _Names:
    """What the calls of one API version are called in metrics: as in their records."""

    place: str
    query: str
    close: str
    refund: str
    query_refund: str


_V2_NAMES = _Names("unifiedorder", "orderquery", "closeorder", "refund", "refundquery")
_V3_NAMES = _Names("v3.prepay", "v3.query", "v3.close", "v3.refund", "v3.refund_query")


def _nobody(_told: object) -> None: ...


class _Measured:
    """Counts and times every call, by operation and kind of outcome."""

    def __init__(
        self, gateway: Gateway, names: _Names, failed: Callable[[UnknownOutcome], None] = _nobody
    ) -> None:
        self._gateway = gateway
        self._names = names
        self._failed = failed

    async def place(self, credentials: Credentials, order: NewOrder) -> Prepay:
        return await self._measure(self._names.place, lambda: self._gateway.place(credentials, order))

    async def query(self, credentials: Credentials, out_trade_no: OutTradeNo) -> OrderState:
        return await self._measure(self._names.query, lambda: self._gateway.query(credentials, out_trade_no))

    async def close(self, credentials: Credentials, out_trade_no: OutTradeNo) -> Closed:
        return await self._measure(self._names.close, lambda: self._gateway.close(credentials, out_trade_no))

    async def charge(self, credentials: Credentials, order: NewOrder, auth_code: AuthCode) -> OrderState:
        return await self._measure("micropay", lambda: self._gateway.charge(credentials, order, auth_code))

    async def reverse(
        self, credentials: Credentials, certificate: ClientCertificate, out_trade_no: OutTradeNo
    ) -> Reversed:
        return await self._measure(
            "reverse", lambda: self._gateway.reverse(credentials, certificate, out_trade_no)
        )

    async def refund(
        self, credentials: Credentials, certificate: ClientCertificate, refund: NewRefund
    ) -> RefundAccepted:
        return await self._measure(
            self._names.refund, lambda: self._gateway.refund(credentials, certificate, refund)
        )

    async def query_refund(self, credentials: Credentials, out_refund_no: OutRefundNo) -> RefundState:
        return await self._measure(
            self._names.query_refund, lambda: self._gateway.query_refund(credentials, out_refund_no)
        )

    async def query_refunds(
        self, credentials: Credentials, out_trade_no: OutTradeNo, offset: int = 0
    ) -> RefundsOfOrder:
        return await self._measure(
            self._names.query_refund, lambda: self._gateway.query_refunds(credentials, out_trade_no, offset)
        )

    async def _measure(self, api: str, call: Callable[[], Awaitable[T]]) -> T:
        started, result = time.perf_counter(), "ok"
        try:
            return await call()
        except Refused:
            result = "refused"
            raise
        except UnknownOutcome as outcome:
            result = "unknown"
            self._failed(outcome)
            raise
        except WechatPayError:
            result = "not_sent"
            raise
        finally:
            metrics.WECHAT_CALLS.labels(api, result).inc()
            metrics.WECHAT_DURATION.labels(api).observe(time.perf_counter() - started)


_V2_BILLS = {BillKind.TRADE: "downloadbill", BillKind.FUND: "downloadfundflow"}
_V3_BILLS = {BillKind.TRADE: "v3.tradebill", BillKind.FUND: "v3.fundflowbill"}
_UNSETTLED = frozenset(
    {BillProblem.UNREACHABLE, BillProblem.INCOMPLETE, BillProblem.HASH_MISMATCH, BillProblem.TOO_LARGE}
)
"""Problems with which WeChat said neither yes nor no."""


class _MeasuredBills:
    """Counts and times every bill, by operation and kind of outcome; the time is that of the whole file."""

    def __init__(
        self,
        gateway: BillGateway,
        names: Mapping[BillKind, str],
        failed: Callable[[UnknownOutcome], None] = _nobody,
    ) -> None:
        self._gateway = gateway
        self._names = names
        self._failed = failed

    async def fetch(self, asker: BillAsker, wanted: BillWanted, sink: Sink) -> Fetched:
        started, result, api = time.perf_counter(), "ok", self._names[wanted.kind]
        try:
            return await self._gateway.fetch(asker, wanted, sink)
        except BillUnavailable as unavailable:
            result = "unknown" if unavailable.problem in _UNSETTLED else "refused"
            if isinstance(unavailable.__cause__, UnknownOutcome):
                self._failed(unavailable.__cause__)
            raise
        finally:
            metrics.WECHAT_CALLS.labels(api, result).inc()
            metrics.WECHAT_DURATION.labels(api).observe(time.perf_counter() - started)


def shared_tls_context(settings: Settings) -> ssl.SSLContext:
    """Return what checks the certificates of hosts outside, for all that show no certificate themselves.

    Loading the anchors holds everything else up for tens of milliseconds, so it happens once.
    """
    return _shared(settings.ca_bundle)


def tls_context(settings: Settings) -> ssl.SSLContext:
    """Return the same anew: the system's anchors and WXSP_CA_BUNDLE's, for who adds a certificate of ours."""
    return _anchored(settings.ca_bundle)


def _anchored(ca_bundle: Path | None) -> ssl.SSLContext:
    context = httpx.create_ssl_context(trust_env=False)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_bundle is not None:
        context.load_verify_locations(ca_bundle)
    return context


_shared = cache(_anchored)
