"""A simulator with two providers, somebody to call it, and somebody to be notified.

Requests are signed and answers verified with wechatpy: the simulator is never judged by its own signature.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from xml.etree import ElementTree as ET

import httpx
from litestar.types import Receive, Scope, Send
from wechatpy.pay.utils import calculate_signature, calculate_signature_hmac, dict_to_xml

from spsim.serve import Running
from spsim.server import Listener
from spsim.transport import read_body, send_body

KEY = "0123456789abcdefghijABCDEFGHIJ45"
OTHER_KEY = "ZYXWVUTSRQPONMLKJIHGFEDCBA987654"
APPID = "wx8888888888888888"
MCH_ID = "1900000109"
COFFEE = "1600000021"
BAKERY = "1600000022"
COFFEE_APP = "wx3f8c21d0b7e6a91c"
BAKERY_APP = "wx4a4a4a4a4a4a4a4a"
PHONE_APP = "wx5555eeee6666ffff"
MERCHANT = "1900000333"
MERCHANT_APP = "wx7777777777777777"
SECRET = "b7c1d2e3f4a5968778695a4b3c2d1e0f"
PAYER = "oSubUser_0000000000000000001"

PROVIDERS: dict[str, Any] = {
    "providers": [
        {
            "name": "云启支付服务",
            "mode": "test",
            "kind": "ordinary",
            "mch_id": MCH_ID,
            "appid": APPID,
            "api_version": "v2",
            "sign_type": "HMAC-SHA256",
            "api_v2_key": KEY,
            "members": [{"email": "op@example.com", "role": "provider_owner", "password": "unused"}],
            "tenants": [
                {
                    "name": "晨曦咖啡",
                    "sub_mch_id": COFFEE,
                    "status": "live",
                    "bindings": [
                        {
                            "sub_appid": COFFEE_APP,
                            "kind": "miniprogram",
                            "owner": "merchant",
                            "app_secret": SECRET,
                        },
                        {"sub_appid": PHONE_APP, "kind": "app", "owner": "merchant"},
                    ],
                    "prices": [{"code": "latte", "name": "拿铁", "amount": 1280}],
                },
                {
                    "name": "麦香面包",
                    "sub_mch_id": BAKERY,
                    "bindings": [
                        {"sub_appid": BAKERY_APP, "kind": "miniprogram", "app_secret": SECRET[::-1]}
                    ],
                },
            ],
        },
        {
            "name": "独立商户",
            "kind": "merchant",
            "mch_id": MERCHANT,
            "appid": MERCHANT_APP,
            "api_v2_key": OTHER_KEY,
            "app_secret": SECRET,
            "tenants": [{"name": "独立商户"}],
        },
    ],
    "admins": [],
}


def signature(params: dict[str, str], key: str = KEY, sign_type: str = "MD5") -> str:
    """Sign with wechatpy."""
    signer = calculate_signature_hmac if sign_type == "HMAC-SHA256" else calculate_signature
    return str(signer({name: value for name, value in params.items() if name != "sign"}, key))


def xml(params: dict[str, str]) -> bytes:
    """Write a v2 body with wechatpy."""
    return str(dict_to_xml(params)).encode()


def read(body: bytes) -> dict[str, str]:
    """Read an answer with the standard library."""
    return {child.tag: child.text or "" for child in ET.fromstring(body)}


def order(number: str = "T0007-20261121_000001", **changes: str) -> dict[str, str]:
    """A right JSAPI order of the coffee shop, with changes; "" leaves a field out."""
    params = {
        "appid": APPID,
        "mch_id": MCH_ID,
        "sub_mch_id": COFFEE,
        "sub_appid": COFFEE_APP,
        "sub_openid": PAYER,
        "nonce_str": "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6",
        "body": "晨曦咖啡-拿铁",
        "attach": "t=7&p=01",
        "out_trade_no": number,
        "total_fee": "1280",
        "spbill_create_ip": "203.0.113.9",
        "notify_url": "http://127.0.0.1:9/notify",
        "trade_type": "JSAPI",
    }
    return {name: value for name, value in (params | changes).items() if value != ""}


def merchant_order(number: str = "M0000001", **changes: str) -> dict[str, str]:
    """A right order of the plain merchant."""
    own = {"appid": MERCHANT_APP, "mch_id": MERCHANT, "openid": "oMerchantUser_1"}
    return order(number, **({"sub_mch_id": "", "sub_appid": "", "sub_openid": ""} | own | changes))


def asking(number: str = "T0007-20261121_000001", **changes: str) -> dict[str, str]:
    """The parameters of a query or close of the coffee shop."""
    params = {
        "appid": APPID,
        "mch_id": MCH_ID,
        "sub_mch_id": COFFEE,
        "nonce_str": "n1",
        "out_trade_no": number,
    }
    return {name: value for name, value in (params | changes).items() if value != ""}


class Desk:
    """Calls a running simulator as a merchant's server and as a tester."""

    def __init__(self, where: Running, http: httpx.AsyncClient) -> None:
        self.where = where
        self.http = http

    async def call(self, path: str, params: dict[str, str], key: str = KEY) -> dict[str, str]:
        """Sign with the type that `sign_type` names, send, and return the answer, its signature checked."""
        sign_type = params.get("sign_type", "MD5")
        body = xml(params | {"sign": signature(params, key, sign_type)})
        answer = await self.raw(path, body)
        if answer["return_code"] == "SUCCESS":
            assert answer["sign"] == signature(answer, key, sign_type)
        return answer

    async def raw(self, path: str, body: bytes) -> dict[str, str]:
        """Post a body as it is."""
        response = await self.http.post(path, content=body)
        assert response.status_code == 200
        return read(response.content)

    async def create(self, params: dict[str, str] | None = None, key: str = KEY) -> dict[str, str]:
        """Make an order that must succeed."""
        answer = await self.call("/pay/unifiedorder", params or order(), key)
        assert (answer["return_code"], answer.get("result_code")) == ("SUCCESS", "SUCCESS"), answer
        return answer

    async def control(self, path: str, /, **document: Any) -> Any:
        """Post to a control that must accept."""
        response = await self.http.post(f"/_sim/{path}", json=document)
        assert response.status_code == 200, response.text
        return response.json()

    async def refused(self, path: str, /, **document: Any) -> tuple[int, str]:
        """Post to a control that must refuse; return its status and error code."""
        response = await self.http.post(f"/_sim/{path}", json=document)
        assert response.status_code >= 400, response.text
        return response.status_code, response.json()["error"]

    async def fault(self, path: str, kind: str, **params: Any) -> None:
        """Order a fault."""
        await self.control("faults", path=path, kind=kind, **params)

    async def faults_used(self) -> None:
        """Wait until every fault has been met by a call."""
        async with asyncio.timeout(30):
            while True:
                if not (await self.http.get("/_sim/faults")).json()["faults"]:
                    return
                await asyncio.sleep(0.01)

    async def ledger(self, **filters: str) -> Any:
        """Return the simulator's books."""
        return (await self.http.get("/_sim/ledger", params=filters)).json()

    async def attempts(self, count: int, number: str | None = None) -> list[Any]:
        """Wait until that many notification attempts are in the books, and return them."""
        async with asyncio.timeout(30):
            while True:
                books = await self.ledger(**({} if number is None else {"out_trade_no": number}))
                found = [attempt for entry in books["notifications"] for attempt in entry["attempts"]]
                if len(found) >= count:
                    return found
                await asyncio.sleep(0.01)


def blind() -> ssl.SSLContext:
    """TLS that trusts nobody, for clients of the plain port: loading a trust store each time is slow."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@asynccontextmanager
async def desk_at(where: Running) -> AsyncIterator[Desk]:
    """Open a desk at a running simulator."""
    async with httpx.AsyncClient(base_url=where.url, trust_env=False, verify=blind(), timeout=10) as http:
        yield Desk(where, http)


SUCCESS = "<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg>OK</return_msg></xml>"
FAIL = "<xml><return_code><![CDATA[FAIL]]></return_code><return_msg><![CDATA[no]]></return_msg></xml>"


class Receiver:
    """A merchant's notify URL: keeps what it gets, answers as told (status, body, seconds it takes)."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.answers: Callable[[int], tuple[int, str, float]] = lambda _number: (200, SUCCESS, 0)
        self.url = ""
        self.together = 0
        self._inside = 0

    @property
    def messages(self) -> list[dict[str, str]]:
        """The notifications, parsed."""
        return [read(body) for body in self.bodies]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive, 1 << 20)
        self.bodies.append(body)
        self.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
        status, answer, seconds = self.answers(len(self.bodies))
        self._inside += 1
        self.together = max(self.together, self._inside)
        await asyncio.sleep(seconds)
        self._inside -= 1
        location = f"{self.url}/elsewhere" if status == 302 else ""
        await send_body(send, answer.encode(), status=status, location=location)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Receiver]:
        """Listen on a free port."""
        listener = Listener(self, "127.0.0.1", 0)
        await listener.start()
        self.url = f"http://127.0.0.1:{listener.port}/notify"
        try:
            yield self
        finally:
            await listener.stop()
