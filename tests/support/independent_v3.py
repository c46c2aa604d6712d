"""The independent package wechatpayv3 at a running simulator.

Requests are signed, answers and notifications verified by the package alone: the simulator is never judged by
its own cryptography.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpx
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from tests.support.simulated import COFFEE, COFFEE_APP, MCH_ID, MERCHANT
from tests.support.simulated_v3 import V3_KEY, Identity, document, identity
from wechatpayv3 import WeChatPay, WeChatPayType

from spsim.serve import Running

REAL_GATEWAY = "https://api.mch.weixin.qq.com"
NOWHERE = "http://127.0.0.1:9/notify"


@cache
def own() -> dict[str, Identity]:
    """The API certificates of the two providers, made once: keys take time."""
    return {mch_id: identity(mch_id) for mch_id in (MCH_ID, MERCHANT)}


def register(where: Running, verification: str) -> dict[str, dict[str, Any]]:
    """Register the providers, or change by what they verify; return what WeChat hands out by number."""
    issued = control(where, "providers", **document(own(), verification=verification))["providers"]
    return {provider["mch_id"]: provider for provider in issued}


def control(where: Running, path: str, /, **document: Any) -> Any:
    """Post to a control that must accept."""
    response = httpx.post(f"{where.url}/_sim/{path}", json=document, trust_env=False, timeout=30)
    assert response.status_code == 200, response.text
    return response.json()


def books(where: Running, number: str | None = None) -> Any:
    """Return the simulator's books."""
    params = {} if number is None else {"out_trade_no": number}
    return httpx.get(f"{where.url}/_sim/ledger", params=params, trust_env=False).json()


def last_notification(where: Running, number: str, kind: str = "payment") -> dict[str, Any]:
    """Return the latest attempt to notify about an order or its refund: its headers and its body."""
    entries = [entry for entry in books(where, number)["notifications"] if entry["kind"] == kind]
    attempt: dict[str, Any] = entries[-1]["attempts"][-1]
    return attempt


class _Detour(requests.Session):
    """Goes to the simulator wherever the package wants to reach WeChat, and by no proxy."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.trust_env = False
        self.url = url

    def request(self, method: str, url: str, *args: Any, **more: Any) -> requests.Response:  # type: ignore[override]
        return super().request(method, url.replace(REAL_GATEWAY, self.url), *args, **more)


@contextmanager
def detour(url: str) -> Iterator[None]:
    """Lead the package to `url` while inside."""
    with _Detour(url) as session, pytest.MonkeyPatch.context() as patch:
        patch.setattr("wechatpayv3.core.requests", session)
        yield


def private_pem(who: Identity) -> str:
    """Return a merchant's key as its own software holds it."""
    return who.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def client_of(
    mch_id: str, appid: str, *, partner: bool, public_key: dict[str, str] | None = None
) -> WeChatPay:
    """Return the package's client; with WeChat's `public_key`, or with the certificates it fetches itself."""
    who = own()[mch_id]
    return WeChatPay(
        wechatpay_type=WeChatPayType.JSAPI,
        mchid=mch_id,
        private_key=private_pem(who),
        cert_serial_no=who.serial,
        appid=appid,
        apiv3_key=V3_KEY,
        notify_url=NOWHERE,
        partner_mode=partner,
        public_key=None if public_key is None else public_key["pem"],
        public_key_id=None if public_key is None else public_key["id"],
        timeout=(5, 10),
    )


def answered(reply: tuple[int, Any], status: int = 200) -> Any:
    """Return the document of an answer of the package, whose status must be this one."""
    code, content = reply
    assert code == status, content
    return json.loads(content) if content else None


def prepay(client: WeChatPay, number: str, **changes: Any) -> tuple[int, Any]:
    """Make a right order of the coffee shop with the package."""
    right = {
        "description": "晨曦咖啡-拿铁",
        "out_trade_no": number,
        "amount": {"total": 1280, "currency": "CNY"},
        "payer": {"sub_openid": "oSubUser_0000000000000000001"},
        "attach": "t=7&p=01",
        "sub_appid": COFFEE_APP,
        "sub_mchid": COFFEE,
    }
    reply: tuple[int, Any] = client.pay(**(right | changes))
    return reply
