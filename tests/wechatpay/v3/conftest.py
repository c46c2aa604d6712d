"""A gateway of ours talking API v3 to WeChat's side over the loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.support.loopback import Loopback, loopback
from tests.support.v3_counterpart import NOW, V3Counterpart

from wechatpay.gateway import Gateway
from wechatpay.transport import Transport
from wechatpay.v3.gateway import V3Gateway


@pytest.fixture
def wechat() -> V3Counterpart:
    return V3Counterpart()


@pytest.fixture
async def host(wechat: V3Counterpart) -> AsyncIterator[Loopback]:
    async with loopback(wechat) as host:
        yield host


@pytest.fixture
async def transport(host: Loopback) -> AsyncIterator[Transport]:
    transport = Transport(host.url, read_timeout=1.0, deadline_s=2.0)
    yield transport
    await transport.aclose()


@pytest.fixture
def gateway(transport: Transport) -> Gateway:
    return V3Gateway(transport, now=lambda: NOW)
