"""Somebody who calls a simulator by API v3: an own small signer and verifier, not the simulator's.

Every answer of 2xx is verified, every other one must be unsigned.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID
from tests.support.simulated import (
    APPID,
    COFFEE,
    COFFEE_APP,
    MCH_ID,
    MERCHANT,
    MERCHANT_APP,
    PAYER,
    PROVIDERS,
    Desk,
    blind,
)

from spsim.serve import Running

V3_KEY = "TestOnlyApiV3Key0123456789abcdef"
OTHER_V3_KEY = "AnotherTestOnlyApiV3Key012345678"
PARTNER = "/v3/pay/partner/transactions"
DIRECT = "/v3/pay/transactions"
OAEP = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
SIGNED = ("timestamp", "nonce", "signature", "serial", "signature-type")


@dataclass(frozen=True)
class Identity:
    """A merchant's API certificate with its key."""

    mch_id: str
    serial: str
    pem: str
    key: rsa.RSAPrivateKey = field(repr=False)

    def sign(self, message: bytes) -> str:
        """Sign as a merchant's server does."""
        return base64.b64encode(self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode()

    def unseal(self, sealed: str) -> str:
        """Decrypt what WeChat sealed for this certificate."""
        return self.key.decrypt(base64.b64decode(sealed), OAEP).decode()


def identity(mch_id: str, serial: int | None = None) -> Identity:
    """Make an API certificate."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, mch_id)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return Identity(mch_id, f"{certificate.serial_number:040X}", pem, key)


def document(own: dict[str, Identity], **changes: Any) -> dict[str, Any]:
    """The two providers as WeChat would know them with v3; `changes` are made to the service provider."""
    known = [
        provider | {"api_v3_key": V3_KEY, "client_cert_pem": own[provider["mch_id"]].pem}
        for provider in PROVIDERS["providers"]
    ]
    return {"providers": [known[0] | changes, *known[1:]]}


def key_of(pem: str) -> rsa.RSAPublicKey:
    """Read a public key or the key of a certificate."""
    if "CERTIFICATE" in pem:
        return cast(rsa.RSAPublicKey, x509.load_pem_x509_certificate(pem.encode()).public_key())
    return cast(rsa.RSAPublicKey, serialization.load_pem_public_key(pem.encode()))


def opened(resource: dict[str, str], key: str = V3_KEY) -> str:
    """Decrypt what WeChat sealed with the APIv3 key; raises InvalidTag for another one."""
    sealed = base64.b64decode(resource["ciphertext"])
    aad = resource["associated_data"].encode()
    return AESGCM(key.encode()).decrypt(resource["nonce"].encode(), sealed, aad).decode()


def prepay(number: str = "T0007-20261121_000001", **changes: Any) -> dict[str, Any]:
    """A right JSAPI order of the coffee shop, with changes; None leaves a field out."""
    body = {
        "sp_appid": APPID,
        "sp_mchid": MCH_ID,
        "sub_appid": COFFEE_APP,
        "sub_mchid": COFFEE,
        "description": "晨曦咖啡-拿铁",
        "attach": "t=7&p=01",
        "out_trade_no": number,
        "notify_url": "http://127.0.0.1:9/notify",
        "amount": {"total": 1280, "currency": "CNY"},
        "payer": {"sub_openid": PAYER},
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


def native(number: str = "N0000001", **changes: Any) -> dict[str, Any]:
    """A right order by QR code."""
    return prepay(number, **({"payer": None} | changes))


def h5(number: str = "H0000001", **changes: Any) -> dict[str, Any]:
    """A right order of a browser."""
    scene = {"payer_client_ip": "203.0.113.9", "h5_info": {"type": "Wap"}}
    return prepay(number, **({"payer": None, "scene_info": scene} | changes))


def direct(number: str = "D0000001", **changes: Any) -> dict[str, Any]:
    """A right JSAPI order of the plain merchant."""
    own = {"appid": MERCHANT_APP, "mchid": MERCHANT, "payer": {"openid": "oMerchantUser_1"}}
    foreign = dict.fromkeys(("sp_appid", "sp_mchid", "sub_appid", "sub_mchid"))
    return prepay(number, **(foreign | own | changes))


class V3Desk(Desk):
    """Calls a running simulator by API v3 as one merchant, and by its controls as a tester."""

    def __init__(self, where: Running, http: httpx.AsyncClient, own: Identity) -> None:
        super().__init__(where, http)
        self.own = own
        self.wechat: dict[str, rsa.RSAPublicKey] = {}

    async def learn(self) -> None:
        """Learn WeChat's keys from the controls."""
        told = (await self.http.get("/_sim/v3/keys", params={"mch_id": self.own.mch_id})).json()
        for entry in (*told["public_keys"], *told["certificates"]):
            self.wechat[entry.get("id") or entry["serial"]] = key_of(entry["pem"])

    def authorization(
        self, method: str, target: str, body: bytes = b"", signed: bytes | None = None, **changes: str
    ) -> str:
        """Return the Authorization header; `signed` is another body than the one sent."""
        values = {
            "mchid": self.own.mch_id,
            "nonce_str": secrets.token_hex(16),
            "timestamp": str(int(time.time())),
            "serial_no": self.own.serial,
        } | changes
        lines = f"{method}\n{target}\n{values['timestamp']}\n{values['nonce_str']}\n".encode()
        values.setdefault("signature", self.own.sign(lines + (body if signed is None else signed) + b"\n"))
        return "WECHATPAY2-SHA256-RSA2048 " + ",".join(f'{name}="{value}"' for name, value in values.items())

    async def send(
        self, method: str, target: str, content: Any = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Send a signed request; `content` is JSON or bytes. Headers may replace the signed ones."""
        body = content if isinstance(content, bytes) else b""
        if content is not None and not isinstance(content, bytes):
            body = json.dumps(content, ensure_ascii=False).encode()
        sent = {"Accept": "application/json", "User-Agent": "test", "Content-Type": "application/json"}
        sent |= {"Authorization": self.authorization(method, target, body)} | (headers or {})
        return await self.http.request(method, target, content=body, headers=sent)

    async def ask(
        self, method: str, target: str, content: Any = None, headers: dict[str, str] | None = None
    ) -> Any:
        """Send what must be done, verify the answer's signature, and return its document (None for 204)."""
        answer = await self.send(method, target, content, headers)
        assert answer.status_code in {200, 204}, answer.text
        assert self.verifies(answer)
        assert answer.headers["request-id"]
        return answer.json() if answer.status_code == 200 else None

    async def fails(
        self, method: str, target: str, content: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, str, str]:
        """Send what must fail, unsigned; return status, code and the field it is about."""
        answer = await self.send(method, target, content, headers)
        assert answer.status_code >= 400, answer.text
        assert not [name for name in answer.headers if name.startswith("wechatpay-")]
        error = answer.json()
        return answer.status_code, error["code"], error.get("detail", {}).get("field", "")

    def verifies(self, answer: httpx.Response) -> bool:
        """Verify a signed answer over its raw bytes, strictly."""
        if [name for name in SIGNED if f"wechatpay-{name}" not in answer.headers]:
            return False
        timestamp, once, signature, serial, scheme = (answer.headers[f"wechatpay-{name}"] for name in SIGNED)
        key = self.wechat.get(serial)
        if key is None or scheme != "WECHATPAY2-SHA256-RSA2048":
            return False
        message = f"{timestamp}\n{once}\n".encode() + answer.content + b"\n"
        try:
            given = base64.b64decode(signature, validate=True)
            key.verify(given, message, padding.PKCS1v15(), hashes.SHA256())
        except (ValueError, InvalidSignature):
            return False
        return abs(time.time() - int(timestamp)) < 300

    async def place(self, kind: str = "jsapi", body: dict[str, Any] | None = None, **headers: str) -> Any:
        """Make an order of the service provider."""
        return await self.ask("POST", f"{PARTNER}/{kind}", body or prepay(), headers)

    async def declined(self, kind: str = "jsapi", body: Any = None) -> tuple[int, str, str]:
        """Make an order that must be refused."""
        return await self.fails("POST", f"{PARTNER}/{kind}", prepay() if body is None else body)

    async def query(self, number: str = "T0007-20261121_000001", sub_mchid: str = COFFEE) -> Any:
        """Ask about an order by its number."""
        return await self.ask("GET", asking(number, sub_mchid))

    async def close(self, number: str = "T0007-20261121_000001") -> Any:
        """Close an order."""
        body = {"sp_mchid": MCH_ID, "sub_mchid": COFFEE}
        return await self.ask("POST", f"{PARTNER}/out-trade-no/{number}/close", body)

    async def keys(self, action: str, mch_id: str = MCH_ID, **more: Any) -> Any:
        """Change WeChat's keys, and learn the new ones."""
        told = await self.control("v3/keys", mch_id=mch_id, action=action, **more)
        await self.learn()
        return told


def asking(number: str, sub_mchid: str = COFFEE, path: str = f"{PARTNER}/out-trade-no") -> str:
    """The target of a query by number or id."""
    return f"{path}/{number}?sp_mchid={MCH_ID}&sub_mchid={sub_mchid}"


def cashier(own: Identity, prepay_id: str, appid: str = COFFEE_APP, **wrong: str) -> dict[str, str]:
    """Right pay parameters of a mini-program, with mistakes made before signing."""
    params = {
        "timeStamp": "1795265400",
        "nonceStr": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS",
        "package": f"prepay_id={prepay_id}",
        "signType": "RSA",
    } | wrong
    lines = f"{appid}\n{params['timeStamp']}\n{params['nonceStr']}\n{params['package']}\n"
    return params | {"paySign": own.sign(lines.encode())}


@asynccontextmanager
async def v3_desk_at(where: Running, own: Identity) -> AsyncIterator[V3Desk]:
    """Open a desk of this merchant at a running simulator."""
    async with httpx.AsyncClient(base_url=where.url, trust_env=False, verify=blind(), timeout=10) as http:
        desk = V3Desk(where, http, own)
        await desk.learn()
        yield desk
