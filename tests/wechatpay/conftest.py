"""A gateway of ours talking to WeChat's side over the loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.support.certificates import client_certificate
from tests.support.loopback import Loopback, loopback
from tests.support.v2_counterpart import Counterpart, OneLine

from wechatpay.credentials import ClientCertificate
from wechatpay.gateway import Gateway
from wechatpay.transport import Transport
from wechatpay.v2.gateway import V2Gateway


@pytest.fixture
def wechat() -> Counterpart:
    return Counterpart()


@pytest.fixture
async def host(wechat: Counterpart) -> AsyncIterator[Loopback]:
    async with loopback(wechat) as host:
        yield host


@pytest.fixture
async def transport(host: Loopback) -> AsyncIterator[Transport]:
    transport = Transport(host.url, read_timeout=1.0, deadline_s=2.0)
    yield transport
    await transport.aclose()


@pytest.fixture
def secure(transport: Transport) -> OneLine:
    return OneLine(transport)


@pytest.fixture
def gateway(transport: Transport, secure: OneLine) -> Gateway:
    return V2Gateway(transport, secure)


@pytest.fixture(scope="session")
def certificate() -> ClientCertificate:
    """The provider's that `partner()` and `merchant()` sign for."""
    return client_certificate("1900000109")


@pytest.fixture(scope="session")
def foreign_certificate() -> ClientCertificate:
    """Another provider's."""
    return client_certificate("1900000110")
