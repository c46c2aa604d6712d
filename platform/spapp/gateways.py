"""Connections to WeChat and to the simulator: a set of its own for every provider.

One slow provider must not hold up the others, so no pool is shared between them (decision 5).
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import httpx

from spapp.secure_lines import CertificateLines, LiveLines, SimulatorAuthority, SimulatorLines
from spapp.web import metrics
from spcore.settings import Settings
from wechatpay.breaker import Breaker, GuardedLine
from wechatpay.credentials import ClientCertificate, Credentials
from wechatpay.errors import Refused, UnknownOutcome, WechatPayError
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
from wechatpay.transport import Transport
from wechatpay.v2.gateway import V2Gateway

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Held:
    """All that one provider's calls go over. A certificate that fails must not stop payments, so the
    connections that show one have a breaker of their own (failure catalogue K05)."""

    gateway: Gateway
    transport: Transport
    secure: CertificateLines
    breaker: Breaker

    @property
    def open_breakers(self) -> int:
        return self.breaker.is_open + self.secure.breaker.is_open


class Gateways:
    """Which WeChat a provider talks to: the simulator for `test`, WeChat itself for `live`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ssl = shared_tls_context(settings)
        self._authority = SimulatorAuthority(settings)
        self._held: dict[tuple[str, str, str], _Held] = {}

    def of(self, mode: str, api_version: str, provider_id: str) -> Gateway:
        """Return the gateway of one provider, the same one each time.

        Raises ValueError for an API version this release does not speak.
        """
        if api_version != "v2":
            raise ValueError(f"API {api_version} is not spoken by this release")
        key = (mode, api_version, provider_id)
        if key not in self._held:
            self._held[key] = self._made(mode)
        return self._held[key].gateway

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

    def _made(self, mode: str) -> _Held:
        settings, live = self._settings, mode == "live"
        if live:
            transport = Transport(settings.gateway_url, settings.gateway_backup_url, verify=self._ssl)
            secure = CertificateLines(LiveLines(settings, lambda: tls_context(settings)).make)
        else:
            transport = Transport(settings.simulator_url, verify=self._ssl)
            secure = CertificateLines(SimulatorLines(settings, self._authority).make)
        breaker = Breaker()
        gateway = V2Gateway(GuardedLine(transport, breaker), secure, plain_pages=not live)
        return _Held(_Measured(gateway), transport, secure, breaker)


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


class _Measured:
    """Counts and times every call, by operation and kind of outcome."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def place(self, credentials: Credentials, order: NewOrder) -> Prepay:
        return await _measure("unifiedorder", lambda: self._gateway.place(credentials, order))

    async def query(self, credentials: Credentials, out_trade_no: OutTradeNo) -> OrderState:
        return await _measure("orderquery", lambda: self._gateway.query(credentials, out_trade_no))

    async def close(self, credentials: Credentials, out_trade_no: OutTradeNo) -> Closed:
        return await _measure("closeorder", lambda: self._gateway.close(credentials, out_trade_no))

    async def charge(self, credentials: Credentials, order: NewOrder, auth_code: AuthCode) -> OrderState:
        return await _measure("micropay", lambda: self._gateway.charge(credentials, order, auth_code))

    async def reverse(
        self, credentials: Credentials, certificate: ClientCertificate, out_trade_no: OutTradeNo
    ) -> Reversed:
        return await _measure(
            "reverse", lambda: self._gateway.reverse(credentials, certificate, out_trade_no)
        )

    async def refund(
        self, credentials: Credentials, certificate: ClientCertificate, refund: NewRefund
    ) -> RefundAccepted:
        return await _measure("refund", lambda: self._gateway.refund(credentials, certificate, refund))

    async def query_refund(self, credentials: Credentials, out_refund_no: OutRefundNo) -> RefundState:
        return await _measure("refundquery", lambda: self._gateway.query_refund(credentials, out_refund_no))

    async def query_refunds(
        self, credentials: Credentials, out_trade_no: OutTradeNo, offset: int = 0
    ) -> RefundsOfOrder:
        return await _measure(
            "refundquery", lambda: self._gateway.query_refunds(credentials, out_trade_no, offset)
        )


async def _measure(api: str, call: Callable[[], Awaitable[T]]) -> T:
    started, result = time.perf_counter(), "ok"
    try:
        return await call()
    except Refused:
        result = "refused"
        raise
    except UnknownOutcome:
        result = "unknown"
        raise
    except WechatPayError:
        result = "not_sent"
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
