"""A gateway of ours talking to WeChat's side over the loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.support.loopback import Loopback, loopback
from tests.support.v2_counterpart import Counterpart

from wechatpay.gateway import Gateway
from wechatpay.transport import Transport
from wechatpay.v2.orders import V2Gateway


@pytest.fixture
def wechat() -> Counterpart:
    return Counterpart()


@pytest.fixture
async def host(wechat: Counterpart) -> AsyncIterator[Loopback]:
    async with loopback(wechat) as host:
        yield host


@pytest.fixture
async def gateway(host: Loopback) -> AsyncIterator[Gateway]:
    transport = Transport(host.url, read_timeout=1.0, deadline_s=2.0)
    yield V2Gateway(transport)
    await transport.aclose()
