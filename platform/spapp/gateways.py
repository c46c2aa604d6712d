"""Connections to WeChat and to the simulator: a set of its own for every provider.

One slow provider must not hold up the others, so no pool is shared between them (decision 5).
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx

from spapp.web import metrics
from spcore.settings import Settings
from wechatpay.credentials import Credentials
from wechatpay.errors import Refused, UnknownOutcome, WechatPayError
from wechatpay.gateway import Closed, Gateway, NewOrder, OrderState, Prepay
from wechatpay.identifiers import OutTradeNo
from wechatpay.miniprogram import MiniProgramLogin
from wechatpay.transport import Transport
from wechatpay.v2.orders import V2Gateway

T = TypeVar("T")


class Gateways:
    """Which WeChat a provider talks to: the simulator for `test`, WeChat itself for `live`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ssl = _context(settings)
        self._held: dict[tuple[str, str, str], tuple[Gateway, Transport]] = {}

    def of(self, mode: str, api_version: str, provider_id: str) -> Gateway:
        """Return the gateway of one provider, the same one each time.

        Raises ValueError for an API version this release does not speak.
        """
        if api_version != "v2":
            raise ValueError(f"API {api_version} is not spoken by this release")
        key = (mode, api_version, provider_id)
        if key not in self._held:
            transport = self._transport(mode)
            self._held[key] = (_Measured(V2Gateway(transport)), transport)
        return self._held[key][0]

    @property
    def connections_opened(self) -> int:
        """TCP connections made since start, over all providers."""
        return sum(transport.connections_opened for _, transport in self._held.values())

    async def close(self) -> None:
        for _, transport in self._held.values():
            await transport.aclose()
        self._held.clear()

    def _transport(self, mode: str) -> Transport:
        if mode == "live":
            settings = self._settings
            return Transport(settings.gateway_url, settings.gateway_backup_url, verify=self._ssl)
        return Transport(self._settings.simulator_url, verify=self._ssl)


class Logins:
    """Mini-program login at WeChat or at the simulator."""

    def __init__(self, settings: Settings) -> None:
        context = _context(settings)
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


def _context(settings: Settings) -> ssl.SSLContext:
    context = httpx.create_ssl_context(trust_env=False)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.ca_bundle is not None:
        context.load_verify_locations(settings.ca_bundle)
    return context
